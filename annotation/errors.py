"""What the commands show as a message and not as a traceback."""

from __future__ import annotations


class AnnotationError(ValueError):
    """The run cannot go on as it is; the message says which item, what was found, what was expected, what to do."""
