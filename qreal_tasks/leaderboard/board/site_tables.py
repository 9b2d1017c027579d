"""The board's tables: which columns they have, and what they are ranked by."""

from __future__ import annotations

from collections.abc import Sequence

from qreal_tasks.benchmark import QUESTIONS, Style
from qreal_tasks.leaderboard.board.board import Board, Entry
from qreal_tasks.leaderboard.board.site_rows import Column, Row, Table, board_table, cell, page_of, what_ran
from qreal_tasks.leaderboard.result import IMAGEQA_F1, IMAGEQA_JOINT, OBJECTQA_AUC
from qreal_tasks.leaf_tasks import MEAN

_MEANS = (
    ("Macro AUC", "Mean AUC of P(Yes) over the six questions: the headline", "overall", "auc"),
    ("Realism AUC", "Mean AUC of the two realism questions", "realism", "auc"),
    ("Plausib. AUC", "Mean AUC of the four plausibility questions", "plausibility", "auc"),
    ("Acc", "Mean accuracy over the six questions", "overall", "acc"),
    ("Balanced", "Mean balanced accuracy over the six questions", "overall", "balanced"),
    ("MCC", "Mean Matthews correlation coefficient", "overall", "mcc"),
    ("Realism F1", "Mean F1 of Yes over the realism questions, where Yes is good", "realism", "f1"),
    ("Plausib. F1", "Mean F1 of Yes over the plausibility questions, where Yes is a defect", "plausibility", "f1"),
)
"""Of the first page: heading, meaning, group and metric."""
_OBJECTQA = (
    ("AUC", "Area under the ROC curve of P(Yes)", "auc"),
    ("Acc", "Accuracy: share of right answers; one that cannot be read is wrong", "acc"),
    ("Precision", "Precision of Yes", "precision"),
    ("Recall", "Recall of Yes", "recall"),
    ("F1", "F1 of Yes, the positive class of all six questions", "f1"),
    ("Balanced", "Balanced accuracy: mean of recall and specificity", "balanced"),
    ("MCC", "Matthews correlation coefficient", "mcc"),
)
_IMAGEQA = (
    ("F1 at .5", "F1 of boxes with IoU above .5: 2 hits / (predicted + reference)", "f1_at_50"),
    ("Joint", "Sum of judge's scores of boxes with IoU above .5 / sum of max(predicted, reference)", "joint_score"),
    ("Overlap", "Sum of IoU / sum of max(predicted, reference)", "penalized_overlap"),
    ("IoU", "The paper's: mean IoU of matched pairs", "iou"),
    ("Detection", "The paper's detection rate: predicted boxes with IoU above .5", "detection_rate"),
    ("AUC", "The paper's: area under the detection rate over thresholds from 0 to 1", "auc"),
    ("LLM-Score", "The paper's: the judge's mean score of matched descriptions, as submitted", "llm_score"),
    ("Recall", "Reference boxes found with IoU above .5", "recall_at_50"),
)
_FALSE_ALARM = ("False alarm", "Share of clean images with a predicted box; lower is better", "false_alarm")


def index_tables(board: Board, style: Style) -> list[Table]:
    """The two tables of the first page."""
    objectqa = tuple(Column(label, about, f"objectqa.{group}", metric) for label, about, group, metric in _MEANS)
    imageqa = tuple(Column(*one[:2], f"imageqa.{MEAN}", one[2]) for one in _IMAGEQA[:7])
    return [
        board_table(
            board,
            style,
            "objectqa",
            "ObjectQA: one question about one entity",
            "Ranked by macro AUC, the mean over the six questions.",
            objectqa,
            {"Rank": OBJECTQA_AUC},
        ),
        board_table(
            board,
            style,
            "imageqa",
            "ImageQA: where the flawed entities are, and why",
            "Ranked by F1 at .5 and, beside it, by joint score; means over realism and plausibility. "
            "LLM-Score and joint score rest on the judge's scores as submitted"
            f"{f'; joint ranks are among those that {board.judge} judged' if board.judge else ''}.",
            (*imageqa, Column(*_FALSE_ALARM[:2], f"imageqa.{MEAN}", "false_alarm", lower_is_better=True)),
            {"Rank F1": IMAGEQA_F1, "Rank joint": IMAGEQA_JOINT},
        ),
    ]


def question_tables(board: Board, style: Style) -> list[Table]:
    """One table a question, always-Yes and always-No beside the models."""
    return [
        board_table(
            board,
            style,
            question.name,
            f"{question.name}: {question.about}",
            f"{question.text} “{question.defect}” reports a defect.",
            tuple(Column(label, about, f"objectqa.{question.name}", metric) for label, about, metric in _OBJECTQA),
        )
        for question in QUESTIONS
    ]


def set_tables(board: Board, style: Style) -> list[Table]:
    """One table a set of ImageQA, the box around the whole image beside the models."""
    words = {
        "realism": "Realism: entities that do not look real",
        "plausibility": "Plausibility: entities that are not plausible",
        "human_plausibility": "Portraits: what is wrong with people, by body part",
    }
    return [
        board_table(
            board,
            style,
            name,
            title,
            "The judge's scores are as submitted.",
            (
                *(Column(label, about, f"imageqa.{name}", metric) for label, about, metric in _IMAGEQA),
                Column(*_FALSE_ALARM[:2], f"imageqa.{name}", "false_alarm", lower_is_better=True),
            ),
        )
        for name, title in words.items()
    ]


def generator_tables(board: Board, style: Style) -> list[Table]:
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
        columns = tuple(Column(name, f"On the images of {name}", name, metric) for name in names)
        rows = tuple(_generator_row(entry, columns) for entry in entries if half in entry.manifest.halves)
        tables.append(Table(table_id, title, about, columns, (), rows))
    return tables


def _generator_row(entry: Entry, columns: Sequence[Column]) -> Row:
    found = entry.result.generators
    cells = tuple(cell({"value": found.get(column.group, {}).get(column.metric)}) for column in columns)
    return Row("entry", entry.manifest.name, page_of(entry), what_ran(entry), cells)
