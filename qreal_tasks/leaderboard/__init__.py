"""Submissions that anyone can recompute, the board made of them, and exports to other boards.

=======================  ==================================================================================
``tasks``                leaf tasks by halves of the benchmark, and their versions
``manifest``             what a submission says about itself
``model_info``           what a results folder says about model, backend and cost, without paths and keys
``samples_file``         records of one task as gzipped JSON lines
``reading``              safe reading of a folder that a stranger wrote
``references``           what the dataset says, to hold submitted records against
``pack``                 a run of the harness to a submission
``check``                a submission to its numbers, or to the reasons why it is refused
``record_checks``        one record against the dataset, its own text, and what values may be
``claims``               which submitted numbers are not the recomputed ones
``problems``, ``lints``  why a submission is refused; what to know about one that is not
``result``, ``cache``    what the board keeps of a check, and where
``ranks``                who can be told apart from whom
``board``                accepted and refused submissions, ranks, the paper's rows (``paper``)
``site``, ``site_*``     the board as pages; ``board_files`` as JSON, CSV and the card of a Space
``export_source``        a run or a submission, rescored, for the exports
``exports``              the hub's ``.eval_results``, a section for model cards; ``eval_yaml`` for the dataset
``every_eval_ever``      the same in the form of Every Eval Ever; ``every_eval_ever_samples`` line by line
=======================  ==================================================================================
"""
