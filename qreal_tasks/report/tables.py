"""Tables for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table

from qreal_tasks.benchmark import QUESTION_NAMES, Dimension, question
from qreal_tasks.console import terminal
from qreal_tasks.metrics.feasibility import Verdict
from qreal_tasks.mini import MINI_NOTICE
from qreal_tasks.pages.numbers import decimals, interval, percent
from qreal_tasks.results import reasons
from qreal_tasks.results.asked import WORDS, asked_with, other_words
from qreal_tasks.results.box_lints import box_lints
from qreal_tasks.results.lints import THIN_LIMIT
from qreal_tasks.results.score import GroupScores, RunScores
from qreal_tasks.results.unanswered import incomplete

if TYPE_CHECKING:  # a table of scores needs no dataset library
    from qreal_tasks.dataset.check import SplitCounts
    from qreal_tasks.dataset.source import Source

_PIPE_WIDTH = 130
"""Columns when the output is no terminal, so that a log is not folded at 80."""

_OBJECTQA_COLUMNS = {"Acc": "acc", "Precision": "precision", "Recall": "recall", "F1": "f1", "AUC": "auc"}
_OBJECTQA_PLAIN = {"Mass": "mass", "Bal.\nacc": "balanced", "MCC": "mcc", "Un-\nparsed": "unparsed"}
_IMAGEQA_COLUMNS = {
    "IoU": "iou",
    "Detection\nrate": "detection_rate",
    "AUC": "auc",
    "LLM-\nScore": "llm_score",
    "F1 at .5": "f1_at_50",
    "Overlap": "penalized_overlap",
    "Joint": "joint_score",
}
_IMAGEQA_PLAIN = {"Recall\nat .5": "recall_at_50", "False\nalarm": "false_alarm", "Un-\nparsed": "unparsed"}
"""The first of each pair are shown with intervals; `qreal score --json` has the intervals of all."""


def new_console() -> Console:
    """The terminal; where there is none, as wide as the tables need."""
    return terminal.console(width=_PIPE_WIDTH)


def new_table(title: str, first: Sequence[str], numbers: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in first:
        table.add_column(name, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", overflow="fold")
    return table


def print_scores(scores: RunScores) -> None:
    """Both tables, with 95 % intervals under the values, and what must be known to read them."""
    console = new_console()
    run = scores.run
    head = f"{run.model} {run.model_args}\ndata: {run.data}\nprompts: {asked_with(run)}"
    console.print(head)
    if scores.objectqa:
        console.print(_objectqa_table(scores.objectqa, WORDS[run.style]))
    if scores.imageqa:
        console.print(_imageqa_table(scores.imageqa, WORDS[run.style]))
    for note in _notes(scores):
        console.print(note, style="yellow")


def _objectqa_table(groups: Mapping[str, GroupScores], prompts: str) -> Table:
    table = new_table(
        f"ObjectQA with {prompts}: one question about one entity (95 % interval: bootstrap over images)",
        ["Question"],
        ["n", *_OBJECTQA_COLUMNS, *_OBJECTQA_PLAIN, "Trivial\nacc, F1"],
    )
    for dimension in Dimension:
        for name in groups:
            if name in QUESTION_NAMES and question(name).dimension is dimension:
                table.add_row(*_objectqa_row(f"{name}\n  {question(name).about}", groups[name]))
        if dimension in groups:
            table.add_row(*_objectqa_row(f"{dimension}\n  mean", groups[dimension]), style="bold")
        table.add_section()
    return table


def _objectqa_row(name: str, group: GroupScores) -> list[str]:
    trivial = [
        max((value for b in group.baselines.values() if (value := b[metric]) is not None), default=None)
        for metric in ("acc", "f1")
    ]
    return [
        name,
        _whole(group.metrics.get("n")),
        *(_cell(group, metric) for metric in _OBJECTQA_COLUMNS.values()),
        *(decimals(group.metrics.get(metric)) for metric in _OBJECTQA_PLAIN.values()),
        ", ".join(map(decimals, trivial)) if group.baselines else "",
    ]


def _imageqa_table(groups: Mapping[str, GroupScores], prompts: str) -> Table:
    table = new_table(
        f"ImageQA with {prompts}: where the flawed entities are (95 % interval: bootstrap over images)",
        ["Set"],
        ["Flawed,\nclean", *_IMAGEQA_COLUMNS, *_IMAGEQA_PLAIN],
    )
    for name, group in groups.items():
        images = f"{_whole(group.metrics['n_flawed'])}, {_whole(group.metrics['n_clean'])}"
        cells = [_cell(group, metric) for metric in _IMAGEQA_COLUMNS.values()]
        plain = [decimals(group.metrics[metric]) for metric in _IMAGEQA_PLAIN.values()]
        table.add_row(name.replace("_", "\n"), images, *cells, *plain)
        for baseline, metrics in group.baselines.items():
            shown = (*_IMAGEQA_COLUMNS.values(), *_IMAGEQA_PLAIN.values())
            table.add_row(f"({baseline})", "", *(decimals(metrics[metric]) for metric in shown), style="dim")
        table.add_section()
    return table


def _notes(scores: RunScores) -> list[str]:
    notes = []
    if scores.run.is_drawn:
        notes.append(MINI_NOTICE)
    if scores.run.limit is not None:
        notes.append(f"Partial: started with --limit {scores.run.limit:g}. No benchmark result.")
    notes += [f"Asked with other words: {one}; {one.verdict}." for one in other_words(scores.run.tasks)]
    if scores.objectqa and all(g.metrics.get("auc") is None for g in scores.objectqa.values()):
        notes.append("ObjectQA AUC is N/A: the backend gave no P(Yes), or the references are of one class.")
    missing = incomplete(scores.run)
    if missing is not None:
        notes.append(f"Incomplete: {missing}")
    for name, group in scores.objectqa.items():
        share = group.metrics.get("off_choice")
        if name in QUESTION_NAMES and share is not None and share > THIN_LIMIT:
            notes.append(f"Warning: {name}: AUC rests on little mass in {percent(share)} of the answers.")
        if group.verdict is Verdict.INFEASIBLE:
            notes.append(f"Error: {name}: this AUC cannot come from the scores that the answers follow; check P(Yes).")
        elif group.verdict is Verdict.BELOW_HARD_LABEL:
            notes.append(f"Warning: {name}: P(Yes) ranks worse than the bare answers; check P(Yes).")
    for name, group in scores.rows.items():
        if group.unread:
            notes.append(f"{name}: {reasons.unread(scores, name)}")
    for name, group in scores.imageqa.items():
        if group.metrics["n_dropped"] or group.metrics["n_clipped"]:
            dropped, clipped = (_whole(group.metrics[count]) for count in ("n_dropped", "n_clipped"))
            notes.append(f"{name}: boxes left out as invalid: {dropped}, clipped to the image: {clipped}")
    notes += [f"Warning: {title} {text}" for title, text in box_lints(scores.run.groundings)]
    silent, why = reasons.without_llm_score(scores)
    if silent:
        notes.append(f"LLM-Score and Joint are N/A for {', '.join(silent)}: {why}.")
    notes += [f"Descriptions were judged by {judge}." for judge in scores.run.judges]
    for name, group in scores.imageqa.items():
        if group.unjudged:
            notes.append(f"{name}: {reasons.unjudged(scores, name)}. Such pairs are in no LLM-Score.")
    return notes


def _cell(group: GroupScores, metric: str) -> str:
    value, ends = decimals(group.metrics.get(metric)), interval(group.intervals.get(metric))
    return f"{value}\n{ends}" if ends else value


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


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
    add("annotations (× 6 answers + 2 descriptions, × 3 people)", [i.entities * 8 * 3 for i in splits])
    table.add_section()
    for dimension in Dimension:
        add(f"images with an entity flawed in {dimension}", [i.flawed_images[dimension] for i in splits])
    table.add_section()
    for name in QUESTION_NAMES:
        shares = [i.yes_share[name] for i in splits]
        whole = sum(i.yes_share[name] * i.entities for i in splits) / sum(i.entities for i in splits)
        table.add_row(f"share of Yes, {name} ({question(name).about})", *map(decimals, shares), decimals(whole))
    table.add_section()
    for generator in sorted({g for i in splits for g in i.generators}):
        add(f"images of {generator}", [i.generators.get(generator, 0) for i in splits])
    console.print(table)
    if source.is_drawn:
        console.print(MINI_NOTICE, style="yellow")
