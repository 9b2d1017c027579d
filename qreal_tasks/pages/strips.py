"""Strips: an interval around a difference, drawn on a line with 0 in its middle (``strips.html.j2``)."""

from __future__ import annotations

STRIP_WIDTH, STRIP_MIDDLE = 150, 75
"""Width of a strip, and where 0 lies in it."""


def place_in_strip(value: float, scale: float) -> float:
    """Where a difference lies in a strip that reaches from ``-scale`` to ``scale``.

    >>> place_in_strip(0.05, 0.1)
    109.5
    """
    return round(STRIP_MIDDLE + (STRIP_MIDDLE - 6) * value / scale, 1) if scale else float(STRIP_MIDDLE)
