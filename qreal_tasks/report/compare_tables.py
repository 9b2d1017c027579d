"""Two runs side by side, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.table import Table

from qreal_tasks.benchmark import QUESTION_NAMES, Dimension
from qreal_tasks.metrics.bootstrap import Difference
from qreal_tasks.pages.numbers import decimals
from qreal_tasks.report.compare import Comparison
from qreal_tasks.report.score import GroupScores
from qreal_tasks.report.tables import new_console, new_table

_OBJECTQA = {"Accuracy": "acc", "F1": "f1", "AUC": "auc", "Balanced accuracy": "balanced"}
_IMAGEQA = {
    "IoU": "iou",
    "Detection rate": "detection_rate",
    "AUC": "auc",
    "LLM-Score": "llm_score",
    "F1 at .5": "f1_at_50",
    "Overlap": "penalized_overlap",
    "Joint": "joint_score",
}


def print_comparison(comparison: Comparison) -> None:
    """Value of the first run, value of the second, and their difference with its interval, a row a metric."""
    out, first, second = new_console(), comparison.first, comparison.second
    out.print(f"A: {first.run.model} {first.run.model_args}", highlight=False, markup=False)
    out.print(f"B: {second.run.model} {second.run.model_args}", highlight=False, markup=False)
    out.print(f"data: {first.run.data}", highlight=False, markup=False)
    rows = [name for name in first.rows if name in comparison.differences]
    objectqa = [name for name in rows if name in first.objectqa]
    for title, names, metrics in (
        ("ObjectQA", objectqa, _OBJECTQA),
        ("ImageQA", [name for name in rows if name in first.imageqa], _IMAGEQA),
    ):
        if names:
            out.print(_table(title, names, metrics, first.rows, second.rows, comparison.differences))
    if any(d.undefined for name in rows for d in comparison.differences[name].values()):
        out.print("Intervals leave out resamples in which a metric is undefined.", style="yellow", highlight=False)


def _table(
    title: str,
    names: Sequence[str],
    metrics: Mapping[str, str],
    first: Mapping[str, GroupScores],
    second: Mapping[str, GroupScores],
    differences: Mapping[str, Mapping[str, Difference]],
) -> Table:
    found = new_table(
        f"{title}: A minus B (95 % interval: paired bootstrap over images)",
        ["Row", "Metric"],
        ["A", "B", "A - B", "95 %", "p"],
    )
    for name in names:
        for label, metric in metrics.items():
            a, b = (rows[name].metrics.get(metric) for rows in (first, second))
            if a is None and b is None:
                continue
            shown = _difference(differences[name].get(metric))
            bold = "bold" if name in tuple(Dimension) and name not in QUESTION_NAMES else None
            found.add_row(name, label, decimals(a), decimals(b), *shown, style=bold)
        found.add_section()
    return found


def _difference(difference: Difference | None) -> tuple[str, str, str]:
    if difference is None or difference.value is None:
        return "", "", ""
    interval = "" if difference.low is None else f"{decimals(difference.low)} to {decimals(difference.high)}"
    return decimals(difference.value), interval, decimals(difference.p_value)
