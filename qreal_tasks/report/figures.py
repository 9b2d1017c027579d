"""The figures of a report: ROC curves, calibration and detection rates, over the unit square."""

from __future__ import annotations

from collections.abc import Mapping

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES, question
from qreal_tasks.pages.numbers import count, decimals, interval, with_interval
from qreal_tasks.pages.shapes import Chart, draw_bar, draw_dot, draw_line
from qreal_tasks.report.curves import CalibrationBin, calibration_curve, decision_point, detection_points, roc_curve
from qreal_tasks.results.score import GroupScores, RunScores

_DIAGONAL = draw_line(((0, 0), (1, 1)), "guide")
_TALLEST_BAR = 0.25
"""Height of the fullest bin."""


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
    dots = () if decided is None else (draw_dot(*decided, 4.5, "decision", "the decoded answers"),)
    lines = (_DIAGONAL, draw_line(points, "curve series-1"))
    return Chart(name, question(name).about, note, *axes, lines=lines, dots=dots)


def draw_calibration(scores: RunScores) -> list[Chart]:
    """A reliability diagram a question: share of Yes over mean P(Yes) with its interval, and the items of each bin."""
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
    dots = tuple(draw_dot(found.p_yes, found.yes_share, 3.2, "bin", _describe(found)) for _, found in held)
    bars = tuple(
        draw_bar(place / len(bins), (place + 1) / len(bins), _TALLEST_BAR * found.n / most, count(found.n, "item"))
        for place, found in held
    )
    spans = (draw_line(((found.p_yes, found.low), (found.p_yes, found.high)), "span") for _, found in held)
    return Chart(name, question(name).about, note, *axes, lines=(_DIAGONAL, *spans), dots=dots, bars=bars)


def draw_detection(scores: RunScores) -> tuple[Chart, Mapping[str, str]] | None:
    """Detection rate over the IoU threshold, a line a set, and the style class of each set; None without ImageQA."""
    lines = [draw_line(((0.5, 0), (0.5, 1)), "guide")]
    legend: dict[str, str] = {}
    for number, name in enumerate(IMAGEQA_SETS, start=1):
        points = detection_points(scores.run.groundings(name)) if name in scores.imageqa else None
        if points:
            lines.append(draw_line(points, f"curve series-{number}"))
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


def _describe(found: CalibrationBin) -> str:
    shares = f"mean P(Yes) {decimals(found.p_yes)}, share of Yes {decimals(found.yes_share)}"
    return f"{count(found.n, 'item')}: {shares} ({interval(found)})"
