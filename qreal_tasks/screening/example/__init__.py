"""A generator that the reward makes better, with its true flaws known: ``python -m qreal_tasks.screening.example``."""
