"""The shapes that pages draw: charts over the unit square, and intervals as strips.

A page computes them here and prints them with the macros of ``shapes.html.j2``, which also draws boxes on pictures;
what they look like is in ``shapes.css``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from qreal_tasks.pages.numbers import Interval

Points = tuple[tuple[float, float], ...]

LEFT, TOP, SIDE_X, SIDE_Y = 34, 8, 218, 190
"""Place and size of the unit square in a chart of 260 by 236 units, as ``shapes.html.j2`` draws its grid."""


@dataclass(frozen=True)
class ChartLine:
    """A path with a style class."""

    path: str
    style: str


@dataclass(frozen=True)
class ChartDot:
    """A point with a style class and what it says."""

    x: float
    y: float
    radius: float
    style: str
    text: str


@dataclass(frozen=True)
class ChartBar:
    """A column that stands on the lower edge."""

    x: float
    y: float
    width: float
    height: float
    text: str


@dataclass(frozen=True)
class Chart:
    """One drawing over the unit square."""

    title: str
    about: str
    note: str
    """The number that belongs to it, with its interval where there is one."""
    x_axis: str
    y_axis: str
    lines: tuple[ChartLine, ...] = ()
    dots: tuple[ChartDot, ...] = ()
    bars: tuple[ChartBar, ...] = ()
    missing: str | None = None
    """Why there is nothing to draw."""


def draw_line(points: Iterable[tuple[float, float]], style: str) -> ChartLine:
    """A line through points of the unit square; those on the straight line between their neighbours are left out.

    >>> draw_line(((0.0, 0.0), (0.5, 0.5), (1.0, 1.0)), "curve").path
    'M34.0 198.0L252.0 8.0'
    """
    kept: list[tuple[float, float]] = []
    for point in points:
        while len(kept) > 1 and _is_straight(kept[-2], kept[-1], point):
            kept.pop()
        kept.append(point)
    return ChartLine("M" + "L".join(f"{_x(x):.1f} {_y(y):.1f}" for x, y in kept), style)


def draw_dot(x: float, y: float, radius: float, style: str, text: str) -> ChartDot:
    """A point of the unit square."""
    return ChartDot(_x(x), _y(y), radius, style, text)


def draw_bar(start: float, end: float, height: float, text: str) -> ChartBar:
    """A column from ``start`` to ``end`` of the unit square's lower edge."""
    gap, tall = 2.0, SIDE_Y * height
    return ChartBar(_x(start) + gap / 2, TOP + SIDE_Y - tall, SIDE_X * (end - start) - gap, tall, text)


@dataclass(frozen=True)
class IntervalStrip:
    """A value and its interval on a scale, all in per cent of the scale's length."""

    value: float
    low: float | None
    high: float | None
    zero: float | None
    """Where 0 lies, when it is within the scale and not its end."""
    style: str
    """``up`` or ``down`` where the interval leaves out a 0 within the scale, else empty."""


def place_interval(value: float | None, ends: Interval | None, start: float, end: float) -> IntervalStrip | None:
    """Where a value and its interval lie on a scale; what reaches beyond the scale ends with it. None without a value.

    >>> from qreal_tasks.metrics.bootstrap import Estimate
    >>> place_interval(0.5, Estimate(0.5, 0.25, 1.0, 9, 0), -1.0, 1.0)
    IntervalStrip(value=75.0, low=62.5, high=100.0, zero=50.0, style='up')
    """
    if value is None or end <= start:
        return None

    def place(one: float) -> float:
        return round(100 * (min(max(one, start), end) - start) / (end - start), 2)

    zero = place(0.0) if start < 0 < end else None
    if ends is None or ends.low is None or ends.high is None:
        return IntervalStrip(place(value), None, None, zero, "")
    style = "" if zero is None else "up" if ends.low > 0 else "down" if ends.high < 0 else ""
    return IntervalStrip(place(value), place(ends.low), place(ends.high), zero, style)


def farthest_end(intervals: Iterable[Interval]) -> float:
    """The end that lies farthest from 0, without its sign: a scale from minus to plus it holds all of the intervals.

    >>> from qreal_tasks.metrics.bootstrap import Estimate
    >>> farthest_end([Estimate(0.1, -0.3, 0.2, 9, 0), Estimate(None, None, None, 0, 0)])
    0.3
    """
    return max((abs(end) for one in intervals for end in (one.low, one.high) if end is not None), default=0.0)


def _x(value: float) -> float:
    return LEFT + value * SIDE_X


def _y(value: float) -> float:
    return TOP + (1 - value) * SIDE_Y


def _is_straight(a: Sequence[float], b: Sequence[float], c: Sequence[float]) -> bool:
    return abs((b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0])) < 1e-12
