"""A generator that is made better by the reward, with its true flaws known: ``python -m qreal_tasks.screening.example``."""
