"""Tables for the terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from qreal_tasks.benchmark import QUESTION_NAMES, Dimension, question
from qreal_tasks.console.tables import new_console, new_table, table_width
from qreal_tasks.metrics.catalogue import IMAGEQA, OBJECTQA, PAPER_IMAGEQA, Metric
from qreal_tasks.mini import MINI_NOTICE
from qreal_tasks.pages.numbers import decimals, with_interval
from qreal_tasks.results.asked import STYLE_LABELS, describe_prompts
from qreal_tasks.results.lints import Level, find_lints
from qreal_tasks.results.model_names import name_model
from qreal_tasks.results.score import GroupScores, RunScores

if TYPE_CHECKING:  # a table of scores needs no dataset library
    from qreal_tasks.dataset.check import SplitCounts
    from qreal_tasks.dataset.source import Source

_OBJECTQA_SHOWN = ("acc", "precision", "recall", "f1", "auc")
_OBJECTQA_PLAIN = ("mass", "balanced", "mcc", "unparsed")
_IMAGEQA_SHOWN = (*PAPER_IMAGEQA, "f1_at_50", "penalized_overlap", "joint_score")
_IMAGEQA_PLAIN = ("recall_at_50", "false_alarm", "unparsed")
"""Metrics with their intervals, and those without; `qreal score --json` has the intervals of all."""

_OBJECTQA_GOING = ("mass", "mcc", "balanced", "precision", "recall")
_IMAGEQA_GOING = ("joint_score", "penalized_overlap", "llm_score", "auc", "recall_at_50")
"""Metrics without which a table fits a narrow terminal, the first to go first."""

_LEVELS = {Level.ERROR: "Error: ", Level.WARNING: "Warning: ", Level.INFO: ""}


def print_scores(scores: RunScores) -> None:
    """Both tables, with 95 % intervals under the values, and what must be known to read them."""
    console = new_console()
    run = scores.run
    console.print(f"{name_model(run)}\nbackend: {run.model} {run.model_args}".rstrip())
    console.print(f"data: {run.data}\nprompts: {describe_prompts(run)}")
    if run.judges:
        console.print(f"judge: {', '.join(run.judges)}")
    style = STYLE_LABELS[run.style]
    if scores.objectqa:
        _print_fitting(console, OBJECTQA, _OBJECTQA_GOING, lambda gone: _objectqa_table(scores.objectqa, style, gone))
    if scores.imageqa:
        _print_fitting(console, IMAGEQA, _IMAGEQA_GOING, lambda gone: _imageqa_table(scores.imageqa, style, gone))
    for lint in find_lints(scores):
        console.print(f"{_LEVELS[lint.level]}{lint.title} {lint.text}", style="yellow")


def _print_fitting(
    console: Console, catalogue: Mapping[str, Metric], going: Sequence[str], make: Callable[[Sequence[str]], Table]
) -> None:
    """The table with as many of its metrics as the terminal is wide enough for, and the names of the others."""
    gone: Sequence[str] = ()
    for count in range(len(going) + 1):
        gone = going[:count]
        if table_width(console, make(gone)) <= console.width:
            break
    console.print(make(gone))
    if gone:
        names = ", ".join(catalogue[name].label for name in gone)
        console.print(f"Left out to fit this terminal: {names}. --html and --json have them.\n", style="dim")


def _headings(catalogue: Mapping[str, Metric], names: Sequence[str]) -> list[str]:
    """Labels, folded so that a table of all of them fits a terminal."""
    return [textwrap.fill(catalogue[name].label, 8, break_long_words=False) for name in names]


def _without(gone: Sequence[str], names: Sequence[str]) -> list[str]:
    return [name for name in names if name not in gone]


def _cells(group: GroupScores, shown: Sequence[str], plain: Sequence[str]) -> list[str]:
    metrics, ends = group.metrics, group.intervals
    with_ends = [with_interval(metrics.get(name), ends.get(name), "{}\n{}") for name in shown]
    return [*with_ends, *(decimals(metrics.get(name)) for name in plain)]


def _objectqa_table(groups: Mapping[str, GroupScores], prompts: str, gone: Sequence[str]) -> Table:
    shown, plain = _without(gone, _OBJECTQA_SHOWN), _without(gone, _OBJECTQA_PLAIN)
    table = new_table(
        f"ObjectQA with {prompts}: one question about one entity (95 % interval: bootstrap over images)",
        ["Question"],
        ["n", *_headings(OBJECTQA, (*shown, *plain)), "Trivial\nacc, F1"],
    )
    for dimension in Dimension:
        for name in groups:
            if name in QUESTION_NAMES and question(name).dimension is dimension:
                table.add_row(*_objectqa_row(f"{question(name).about}\n  {name}", groups[name], shown, plain))
        if dimension in groups:
            table.add_row(*_objectqa_row(f"{dimension}\n  mean", groups[dimension], shown, plain), style="bold")
        table.add_section()
    return table


def _objectqa_row(name: str, group: GroupScores, shown: Sequence[str], plain: Sequence[str]) -> list[str]:
    count, best = group.metrics.get("n"), [group.best_baseline(metric) for metric in ("acc", "f1")]
    trivial = ", ".join(decimals(found and found[0]) for found in best) if group.baselines else ""
    return [
        name,
        "" if count is None else f"{count:.0f}",
        *_cells(group, shown, plain),
        trivial,
    ]


def _imageqa_table(groups: Mapping[str, GroupScores], prompts: str, gone: Sequence[str]) -> Table:
    shown, plain = _without(gone, _IMAGEQA_SHOWN), _without(gone, _IMAGEQA_PLAIN)
    table = new_table(
        f"ImageQA with {prompts}: where the flawed entities are (95 % interval: bootstrap over images)",
        ["Set"],
        ["Flawed,\nclean", *_headings(IMAGEQA, (*shown, *plain))],
    )
    for name, group in groups.items():
        images = f"{group.metrics['n_flawed']:.0f}, {group.metrics['n_clean']:.0f}"
        table.add_row(name.replace("_", "\n"), images, *_cells(group, shown, plain))
        for baseline, metrics in group.baselines.items():
            table.add_row(f"({baseline})", "", *(decimals(metrics[metric]) for metric in (*shown, *plain)), style="dim")
        table.add_section()
    return table


def print_info(source: Source, splits: Sequence[SplitCounts]) -> None:
    """What a dataset holds, a column a split."""
    console = new_console()
    table = new_table(f"{source.name} ({source.kind})", [""], [*(info.split for info in splits), "total"])

    def add(label: str, counts: Sequence[int]) -> None:
        table.add_row(label, *map(str, counts), str(sum(counts)))

    add("images", [i.images for i in splits])
    add("prompts", [i.prompts for i in splits])
    add("portraits", [i.portraits for i in splits])
    add("  with body-part descriptions", [i.with_parts for i in splits])
    add("entities", [i.entities for i in splits])
    answers, descriptions = len(QUESTION_NAMES), len(Dimension)
    label = f"annotations (× {answers} answers + {descriptions} descriptions, × 3 people)"
    add(label, [i.entities * (answers + descriptions) * 3 for i in splits])
    table.add_section()
    for dimension in Dimension:
        add(f"images with an entity flawed in {dimension}", [i.flawed_images[dimension] for i in splits])
    table.add_section()
    for name in QUESTION_NAMES:
        shares = [i.yes_share[name] for i in splits]
        whole = sum(i.yes_share[name] * i.entities for i in splits) / sum(i.entities for i in splits)
        table.add_row(f"share of Yes, {question(name).about} ({name})", *map(decimals, shares), decimals(whole))
    table.add_section()
    for generator in sorted({g for i in splits for g in i.generators}):
        add(f"images of {generator}", [i.generators.get(generator, 0) for i in splits])
    console.print(table)
    if source.is_drawn:
        console.print(MINI_NOTICE, style="yellow")
