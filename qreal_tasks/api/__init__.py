"""What people call from Python: runs and their numbers, comparisons, and questions about pictures of their own.

The names are in ``qreal_tasks`` itself; ``docs/python.md`` shows them at work.
"""
