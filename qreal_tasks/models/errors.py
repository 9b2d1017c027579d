"""What is wrong with a model on this machine, as a message and not as a traceback."""

from __future__ import annotations


class LocalModelError(ValueError):
    """A model cannot be had, is damaged or of another kind; the message says which, and how to have one."""
