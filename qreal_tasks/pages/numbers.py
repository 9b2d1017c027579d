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
    """Three decimals without the leading zero, and no minus sign before what rounds to zero.

    >>> decimals(0.5124), decimals(1.0), decimals(-0.031), decimals(-0.0002), decimals(None)
    ('.512', '1.000', '-.031', '.000', 'N/A')
    """
    if value is None:
        return UNDEFINED
    text = f"{value:z.3f}"
    return text.replace("0.", ".", 1) if abs(value) < 1 else text


def interval(ends: Interval | None) -> str:
    """Both ends, or nothing when there are none; a minus sign is kept apart from the dash.

    >>> from qreal_tasks.metrics.bootstrap import Estimate
    >>> interval(Estimate(0.5, 0.4, 0.6, 9, 0)), interval(Estimate(0, -0.1, 0.1, 9, 0)), interval(None)
    ('.400–.600', '-.100 to .100', '')
    """
    if ends is None or ends.low is None or ends.high is None:
        return ""
    between = " to " if ends.low < 0 else "–"
    return f"{decimals(ends.low)}{between}{decimals(ends.high)}"


def with_interval(value: float | None, ends: Interval | None, form: str = "{} ({})") -> str:
    """A value and behind it its interval, where there is one.

    >>> from qreal_tasks.metrics.bootstrap import Estimate
    >>> with_interval(0.5, Estimate(0.5, 0.4, 0.6, 9, 0)), with_interval(0.5, None)
    ('.500 (.400–.600)', '.500')
    """
    text = interval(ends)
    return form.format(decimals(value), text) if text else decimals(value)


def p_value(value: float | None) -> str:
    """Three decimals, and what is smaller as just that.

    >>> p_value(0.0304), p_value(0.0001)
    ('.030', '<.001')
    """
    return "<.001" if value is not None and value < 0.0005 else decimals(value)


def whole(value: float | None) -> str:
    """A count with thousands set apart.

    >>> whole(2316.0)
    '2,316'
    """
    return UNDEFINED if value is None else f"{value:,.0f}"


def count(number: float | None, noun: str, plural: str | None = None) -> str:
    """A count before its noun.

    >>> count(1, "submission"), count(2316, "submission"), count(0, "entity", "entities")
    ('1 submission', '2,316 submissions', '0 entities')
    """
    return f"{whole(number)} {noun if number == 1 else plural or f'{noun}s'}"


def percent(value: float | None) -> str:
    """A share with one decimal.

    >>> percent(0.0312)
    '3.1 %'
    """
    return UNDEFINED if value is None else f"{100 * value:.1f} %"
