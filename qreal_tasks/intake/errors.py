"""What is wrong with inputs, as a message and not as a traceback."""

from __future__ import annotations


class IntakeError(ValueError):
    """Inputs cannot be listed, or one cannot be used; the message says which, what was found and what to do."""
