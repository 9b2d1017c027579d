"""Line figures over the unit square, as coordinates that ``figures.html.j2`` draws as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES, question
from qreal_tasks.pages.numbers import decimals, whole, with_interval
from qreal_tasks.report.curves import (
    CalibrationBin,
    Points,
    calibration_curve,
    decision_point,
    detection_points,
    roc_curve,
)
from qreal_tasks.results.score import GroupScores, RunScores

WIDTH, HEIGHT = 260, 236
"""Size of a drawing, in its own units."""
LEFT, TOP, SIDE_X, SIDE_Y = 34, 8, 218, 190
"""Place and size of the unit square in a drawing."""


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
    """One drawing."""

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


def draw_path(points: Points) -> str:
    """An SVG path; points that lie on the straight line between their neighbours are left out.

    >>> draw_path(((0.0, 0.0), (0.5, 0.5), (1.0, 1.0)))
    'M34.0 198.0L252.0 8.0'
    """
    kept: list[tuple[float, float]] = []
    for point in points:
        while len(kept) > 1 and _straight(kept[-2], kept[-1], point):
            kept.pop()
        kept.append(point)
    return "M" + "L".join(f"{_x(x):.1f} {_y(y):.1f}" for x, y in kept)


def draw_roc(scores: RunScores) -> list[Chart]:
    """A ROC curve a question, with the point at which the decoded answers lie."""
    return [_roc_figure(name, scores.objectqa[name], scores) for name in QUESTION_NAMES if name in scores.objectqa]


def _roc_figure(name: str, group: GroupScores, scores: RunScores) -> Chart:
    points = roc_curve(scores.run.judgments(name))
    axes = ("false positive rate", "true positive rate")
    note = f"AUC {with_interval(group.metrics.get('auc'), group.intervals.get('auc'))}"
    if points is None:
        return Chart(name, question(name).about, note, *axes, missing=_why_no_curve(group))
    decided = decision_point(group.metrics.get("recall"), group.metrics.get("specificity"))
    dots = () if decided is None else (_dot(*decided, 4.5, "decision", "the decoded answers"),)
    lines = (ChartLine(draw_path(((0, 0), (1, 1))), "guide"), ChartLine(draw_path(points), "curve series-1"))
    return Chart(name, question(name).about, note, *axes, lines=lines, dots=dots)


def draw_calibration(scores: RunScores) -> list[Chart]:
    """A reliability diagram a question: share of Yes over mean P(Yes), and how many items each bin holds."""
    names = [name for name in QUESTION_NAMES if name in scores.objectqa]
    return [_calibration_figure(name, scores.objectqa[name], scores) for name in names]


def _calibration_figure(name: str, group: GroupScores, scores: RunScores) -> Chart:
    bins = calibration_curve(scores.run.judgments(name))
    held = [(place, found) for place, found in enumerate(bins) if found is not None]
    axes = ("mean P(Yes)", "share of Yes")
    note = f"ECE {with_interval(group.metrics.get('calibration_error'), group.intervals.get('calibration_error'))}"
    if not held:
        return Chart(name, question(name).about, note, *axes, missing=_why_no_curve(group))
    most = max(found.n for _, found in held)
    dots = tuple(_dot(found.p_yes, found.yes_share, 3.5, "bin", _said(found)) for _, found in held)
    bars = tuple(_bar(place, found, most, len(bins)) for place, found in held)
    curve = draw_path(tuple((found.p_yes, found.yes_share) for _, found in held))
    lines = (ChartLine(draw_path(((0, 0), (1, 1))), "guide"), ChartLine(curve, "curve series-1"))
    return Chart(name, question(name).about, note, *axes, lines=lines, dots=dots, bars=bars)


def draw_detection(scores: RunScores) -> tuple[Chart, Mapping[str, str]] | None:
    """Detection rate over the IoU threshold, a line a set, and the style class of each set; None without ImageQA."""
    lines = [ChartLine(draw_path(((0.5, 0), (0.5, 1))), "guide")]
    legend: dict[str, str] = {}
    for number, name in enumerate(IMAGEQA_SETS, start=1):
        points = detection_points(scores.run.groundings(name)) if name in scores.imageqa else None
        if points:
            lines.append(ChartLine(draw_path(points), f"curve series-{number}"))
            legend[name] = f"series-{number}"
    if not scores.imageqa:
        return None
    missing = None if legend else "No box was predicted."
    axes = ("IoU threshold", "share of predicted boxes")
    return Chart("Detection rate", "", "", *axes, lines=tuple(lines), missing=missing), legend


def _why_no_curve(group: GroupScores) -> str:
    if group.metrics.get("without_p") == 1:
        return "The backend gave no P(Yes)."
    return "All references are of one class."


def _said(found: CalibrationBin) -> str:
    return f"{whole(found.n)} items: mean P(Yes) {decimals(found.p_yes)}, share of Yes {decimals(found.yes_share)}"


def _bar(place: int, found: CalibrationBin, most: int, bins: int) -> ChartBar:
    """A quarter of the square's height for the fullest bin."""
    height = SIDE_Y / 4 * found.n / most
    gap = 2.0
    return ChartBar(
        _x(place / bins) + gap / 2, TOP + SIDE_Y - height, SIDE_X / bins - gap, height, f"{whole(found.n)} items"
    )


def _dot(x: float, y: float, radius: float, style: str, text: str) -> ChartDot:
    return ChartDot(_x(x), _y(y), radius, style, text)


def _x(value: float) -> float:
    return LEFT + value * SIDE_X


def _y(value: float) -> float:
    return TOP + (1 - value) * SIDE_Y


def _straight(a: Sequence[float], b: Sequence[float], c: Sequence[float]) -> bool:
    return abs((b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0])) < 1e-12
