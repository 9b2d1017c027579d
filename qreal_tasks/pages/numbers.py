"""How numbers are written, in the terminal and in pages."""

from __future__ import annotations

from typing import Protocol

UNDEFINED = "N/A"


class Interval(Protocol):
    """Anything with two ends, such as an ``Estimate`` or a ``Difference``."""

    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...


def decimals(value: float | None) -> str:
    """Three decimals without the leading zero.

    >>> decimals(0.5124), decimals(1.0), decimals(-0.031), decimals(None)
    ('.512', '1.000', '-.031', 'N/A')
    """
    if value is None:
        return UNDEFINED
    return f"{value:.3f}".replace("0.", ".", 1) if abs(value) < 1 else f"{value:.3f}"


def interval(ends: Interval | None) -> str:
    """Both ends, or nothing when there are none; a minus sign is kept apart from the dash."""
    if ends is None or ends.low is None or ends.high is None:
        return ""
    between = " to " if ends.low < 0 else "–"
    return f"{decimals(ends.low)}{between}{decimals(ends.high)}"


def whole(value: float | None) -> str:
    """A count with thousands set apart.

    >>> whole(2316.0)
    '2,316'
    """
    return UNDEFINED if value is None else f"{value:,.0f}"


def percent(value: float | None) -> str:
    """A share with one decimal.

    >>> percent(0.0312)
    '3.1 %'
    """
    return UNDEFINED if value is None else f"{100 * value:.1f} %"
