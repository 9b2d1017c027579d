"""What stops a screening run, as a message and not as a traceback."""

from __future__ import annotations


class ScreeningError(ValueError):
    """The run cannot begin or go on as it is; the message says what was found and what to do."""
