"""The scores of a run as a section of a model card, in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES, Dimension
from qreal_tasks.leaderboard.result import Ends, MetricValue
from qreal_tasks.leaf_tasks import MEAN
from qreal_tasks.metrics.catalogue import CATALOGUE, HALVES
from qreal_tasks.metrics.objectqa import OVERALL
from qreal_tasks.pages.numbers import with_interval
from qreal_tasks.results.asked import describe_prompts, find_other_prompts
from qreal_tasks.results.run_folder import Run, describe_limit
from qreal_tasks.text.addresses import shown

_SHOWN: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "objectqa": ((*QUESTION_NAMES, *Dimension, OVERALL), ("auc", "acc", "precision", "recall", "f1", "balanced")),
    "imageqa": (
        (*IMAGEQA_SETS, MEAN),
        ("f1_at_50", "joint_score", "iou", "detection_rate", "auc", "llm_score"),
    ),
}
"""Half of the benchmark to the rows and the columns of its table."""


def render_model_card_section(
    run: Run, groups: Mapping[str, Mapping[str, MetricValue]], title: str = "Q-Real Bench"
) -> str:
    """Both tables with 95 % intervals, and what they rest on; ends with a line break.

    A partial run, one on drawn pictures, or one that was asked with other words around the questions, is called that.

    Args:
        groups: the run's numbers (``export_source.score_groups``).
        title: the heading of the section.
    """
    lines = [
        f"## {title}",
        "",
        f"Recomputed from the samples of a run on `{_code(shown(run.data))}` with `{_code(run.model)}`, asked "
        f"with {_code(describe_prompts(run))}; 95 % intervals from a bootstrap over images. Only numbers of runs that "
        "were asked alike can be compared.",
    ]
    if run.is_drawn:
        lines += ["", "**On pictures that `qreal mini` drew, for trying the software: no benchmark result.**"]
    if run.origin is not None:
        lines += ["", "**The answers were read from a file: how the model was asked is its submitter's word.**"]
    if run.limit is not None:
        cut = f"Cut to {run.limit:g} samples a task" if run.origin is None else f"It was {describe_limit(run)}"
        lines += ["", f"**{cut}: no benchmark result.**"]
    for one in find_other_prompts(run.tasks):
        lines += ["", f"**Asked with other words:** `{_code(str(one))}`"]
    for half in HALVES:
        lines += _table(half, groups)
    if run.judges:
        lines += ["", f"Descriptions were judged by {', '.join(f'`{_code(name)}`' for name in run.judges)}."]
    return "\n".join([*lines, ""])


def _table(half: str, groups: Mapping[str, Mapping[str, MetricValue]]) -> list[str]:
    rows, metrics = _SHOWN[half]
    present = [name for name in rows if f"{half}.{name}" in groups]
    if not present:
        return []
    labels = (CATALOGUE[half][metric].label for metric in metrics)
    lines = ["", f"| {HALVES[half]} | {' | '.join(labels)} |", "|---|" + "---:|" * len(metrics)]
    for name in present:
        cells = [_cell(groups[f"{half}.{name}"].get(metric)) for metric in metrics]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _cell(number: MetricValue | None) -> str:
    return "" if number is None else with_interval(number["value"], Ends.of(number))


def _code(text: str) -> str:
    """Inside backticks, nothing but a backtick ends them."""
    return text.replace("`", "'").replace("\n", " ")
