"""Every number of Q-Real Bench, computed from records alone: NumPy, and SciPy for the assignment.

=================  ========================================================================================
``catalogue``      label, meaning, direction and range of every metric
``objectqa``       all six questions, macro means, intervals, comparison of two runs (Table 1)
``judgment``       one question: accuracy, precision, recall, F1, AUC and what stands beside them
``ranking``        AUC and average precision of weighted items
``grounding``      one ImageQA set: IoU, detection rate, AUC and what stands beside them (Tables 2-4)
``matching``       which predicted region belongs to which reference region
``description``    LLM-Score of the matched pairs
``bootstrap``      intervals and paired differences from resampled images
``significance``   p-values corrected for many tests, exact test of flipped answers, images that a test needs
``baselines``      what needs no model: always Yes, majority, whole-image box
``feasibility``    whether a reported AUC can belong to a reported decision
``printed_rows``   the same of a row that a paper prints: accuracy, precision, F1 and AUC
``sums``           the sums per image that all of them divide once
=================  ========================================================================================

An undefined value is ``None`` (``nan`` inside arrays), never 0, and counts say how much was left out.
"""
