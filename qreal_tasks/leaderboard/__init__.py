"""Submissions that anyone can recompute, the board made of them, and exports to other boards.

=================  ========================================================================================
``manifest``       what a submission says about itself
``reading``        safe reading of a folder that a stranger wrote
``samples_file``   records of one task as gzipped JSON lines
``references``     what the dataset says, to hold submitted records against
``pack``           a run of the harness to a submission
``check``          a submission to its numbers, or to the reasons why it is refused
``claims``         which submitted numbers are not the recomputed ones
``ranks``          who can be told apart from whom
``board``          checked submissions, ranks, the paper's rows
``site``           the board as pages
``exports``        the hub's evaluation files, a section for model cards
=================  ========================================================================================
"""
