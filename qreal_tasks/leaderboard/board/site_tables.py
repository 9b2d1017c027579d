"""The board's tables: which columns they have, and what they are ranked by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qreal_tasks.benchmark import QUESTIONS, Style
from qreal_tasks.leaderboard.board.board import Board, Entry
from qreal_tasks.leaderboard.board.site_rows import (
    BoardColumn,
    BoardRow,
    BoardTable,
    build_table,
    describe_model,
    format_cell,
    page_path,
)
from qreal_tasks.leaderboard.result import IMAGEQA_F1, IMAGEQA_JOINT, OBJECTQA_AUC
from qreal_tasks.leaf_tasks import MEAN
from qreal_tasks.metrics.catalogue import CATALOGUE, PAPER_IMAGEQA
from qreal_tasks.metrics.objectqa import OVERALL
from qreal_tasks.pages.prose import begin_sentence

_MEANS = (
    ("Macro AUC", OVERALL, "auc"),
    ("Realism AUC", "realism", "auc"),
    ("Plausibility AUC", "plausibility", "auc"),
    ("", OVERALL, "acc"),
    ("", OVERALL, "balanced"),
    ("", OVERALL, "mcc"),
    ("Realism F1", "realism", "f1"),
    ("Plausibility F1", "plausibility", "f1"),
)
"""Columns of the first page: heading where it is not the metric's label, group of questions, metric."""
_OBJECTQA = ("auc", "acc", "precision", "recall", "f1", "balanced", "mcc")
_IMAGEQA_MEANS = ("f1_at_50", "joint_score", "penalized_overlap", *PAPER_IMAGEQA, "false_alarm")
_IMAGEQA = (*_IMAGEQA_MEANS[:-1], "recall_at_50", "false_alarm")


def _columns(half: str, group: str, metrics: Iterable[str]) -> tuple[BoardColumn, ...]:
    return tuple(_column(half, group, metric) for metric in metrics)


def _column(half: str, group: str, name: str, label: str = "", prefix: str = "") -> BoardColumn:
    metric = CATALOGUE[half][name]
    better = "" if metric.higher_is_better else "; lower is better"
    about = f"{prefix}{metric.meaning}{better}"
    about = about[0].upper() + about[1:]
    return BoardColumn(
        label or metric.label, about, f"{half}.{group}", name, lower_is_better=not metric.higher_is_better
    )


def build_index_tables(board: Board, style: Style) -> list[BoardTable]:
    """The two tables of the first page."""
    objectqa = tuple(_column("objectqa", group, name, label, "Mean: ") for label, group, name in _MEANS)
    return [
        build_table(
            board,
            style,
            "objectqa",
            "ObjectQA: one question about one entity",
            "Ranked by macro AUC, the mean over the six questions.",
            objectqa,
            {"Rank": OBJECTQA_AUC},
        ),
        build_table(
            board,
            style,
            "imageqa",
            "ImageQA: where the flawed entities are, and why",
            "Ranked by F1 at .5 and, beside it, by joint score; means over realism and plausibility. "
            "LLM-Score and joint score rest on the judge's scores as submitted"
            f"{f'; joint ranks are among those that {board.judge} judged' if board.judge else ''}.",
            _columns("imageqa", MEAN, _IMAGEQA_MEANS),
            {"Rank F1": IMAGEQA_F1, "Rank joint": IMAGEQA_JOINT},
        ),
    ]


def build_question_tables(board: Board, style: Style) -> list[BoardTable]:
    """One table a question, always-Yes and always-No beside the models."""
    return [
        build_table(
            board,
            style,
            question.name,
            begin_sentence(question.about),
            f"{question.text} “{question.defect}” reports a defect. In tasks and files: `{question.name}`.",
            _columns("objectqa", question.name, _OBJECTQA),
        )
        for question in QUESTIONS
    ]


def build_set_tables(board: Board, style: Style) -> list[BoardTable]:
    """One table a set of ImageQA, the box around the whole image beside the models."""
    words = {
        "realism": "Realism: entities that do not look real",
        "plausibility": "Plausibility: entities that are not plausible",
        "human_plausibility": "Portraits: what is wrong with people, by body part",
    }
    return [
        build_table(
            board,
            style,
            name,
            title,
            "The judge's scores are as submitted.",
            _columns("imageqa", name, _IMAGEQA),
        )
        for name, title in words.items()
    ]


def build_generator_tables(board: Board, style: Style) -> list[BoardTable]:
    """Two tables with a column a generator."""
    entries = board.asked_with(style)
    names = sorted({name for entry in entries for name in entry.result.generators})
    shown = (
        ("generator-auc", "ObjectQA: macro AUC by generator", "objectqa", "auc"),
        ("generator-f1", "ImageQA: F1 at .5 by generator", "imageqa", "f1_at_50"),
    )
    about = (
        "How well a model judges the images of each generator; not how good the generator is. Each has few images, so "
        "small differences are noise."
    )
    tables = []
    for table_id, title, half, metric in shown:
        columns = tuple(BoardColumn(name, f"On the images of {name}", name, metric) for name in names)
        rows = tuple(_generator_row(entry, columns) for entry in entries if half in entry.manifest.halves)
        tables.append(BoardTable(table_id, title, about, columns, (), rows))
    return tables


def _generator_row(entry: Entry, columns: Sequence[BoardColumn]) -> BoardRow:
    found = entry.result.generators
    cells = tuple(format_cell({"value": found.get(column.group, {}).get(column.metric)}) for column in columns)
    return BoardRow("entry", entry.manifest.name, page_path(entry), describe_model(entry), cells)
