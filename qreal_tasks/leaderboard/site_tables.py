"""The board's tables, as rows and cells that a template only has to print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from qreal_tasks.benchmark import QUESTIONS
from qreal_tasks.leaderboard.board import Board, Entry
from qreal_tasks.leaderboard.paper import PaperModel
from qreal_tasks.leaderboard.result import IMAGEQA_F1, IMAGEQA_JOINT, MEAN, OBJECTQA_AUC, Number
from qreal_tasks.pages.numbers import decimals, interval, whole


@dataclass(frozen=True)
class Column:
    """One column of numbers."""

    label: str
    about: str
    """For the heading's tooltip, and for those who cannot see it."""
    group: str
    metric: str
    lower_is_better: bool = False


@dataclass(frozen=True)
class Cell:
    """What is shown, what it sorts by, and the interval under it."""

    text: str
    sort: float | None
    interval: str = ""
    missing: bool = False


@dataclass(frozen=True)
class Row:
    """One line: a submission, a row of the paper, or an answer that needs no model."""

    kind: str
    """``entry``, ``paper`` or ``baseline``."""
    name: str
    href: str | None
    about: str
    """Small print under the name."""
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """One table with its heading."""

    id: str
    title: str
    about: str
    columns: tuple[Column, ...]
    ranked_by: tuple[str, ...] = ()
    """Labels of rank columns, before the others."""
    rows: tuple[Row, ...] = field(default=(), repr=False)


@dataclass(frozen=True)
class _Ends:
    low: float | None
    high: float | None


_ACC = ("Acc", "Accuracy: share of right answers; one that cannot be read is wrong", "acc")
_OBJECTQA = (
    _ACC,
    ("Precision", "Precision of Yes", "precision"),
    ("Recall", "Recall of Yes", "recall"),
    ("F1", "F1 of Yes, the positive class of all six questions", "f1"),
    ("AUC", "Area under the ROC curve of P(Yes)", "auc"),
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


def index_tables(board: Board) -> list[Table]:
    """The two tables of the first page."""
    objectqa = tuple(
        Column(label, about, f"objectqa.{group}", metric)
        for label, about, group, metric in (
            ("Macro AUC", "Mean AUC of P(Yes) over the six questions: the headline", "overall", "auc"),
            ("Realism AUC", "Mean AUC of the two realism questions", "realism", "auc"),
            ("Plausib. AUC", "Mean AUC of the four plausibility questions", "plausibility", "auc"),
            ("Acc", "Mean accuracy over the six questions", "overall", "acc"),
            ("Balanced", "Mean balanced accuracy over the six questions", "overall", "balanced"),
            ("MCC", "Mean Matthews correlation coefficient", "overall", "mcc"),
            ("Realism F1", "Mean F1 of Yes over the realism questions, where Yes is good", "realism", "f1"),
            (
                "Plausib. F1",
                "Mean F1 of Yes over the plausibility questions, where Yes is a defect",
                "plausibility",
                "f1",
            ),
        )
    )
    imageqa = tuple(Column(*one[:2], f"imageqa.{MEAN}", one[2]) for one in _IMAGEQA[:7])
    return [
        _table(
            board,
            "objectqa",
            "ObjectQA: one question about one entity",
            "Ranked by macro AUC, the mean over the six questions.",
            objectqa,
            {"Rank": OBJECTQA_AUC},
        ),
        _table(
            board,
            "imageqa",
            "ImageQA: where the flawed entities are, and why",
            "Ranked by F1 at .5 and, beside it, by joint score; means over realism and plausibility. "
            "LLM-Score and joint score rest on the judge's scores as submitted.",
            (*imageqa, Column(*_FALSE_ALARM[:2], f"imageqa.{MEAN}", "false_alarm", lower_is_better=True)),
            {"Rank F1": IMAGEQA_F1, "Rank joint": IMAGEQA_JOINT},
        ),
    ]


def question_tables(board: Board) -> list[Table]:
    """One table a question, always-Yes and always-No beside the models."""
    return [
        _table(
            board,
            question.name,
            f"{question.name}: {question.about}",
            f"{question.text} “{question.defect}” reports a defect.",
            tuple(Column(label, about, f"objectqa.{question.name}", metric) for label, about, metric in _OBJECTQA),
        )
        for question in QUESTIONS
    ]


def set_tables(board: Board) -> list[Table]:
    """One table a set of ImageQA, the box around the whole image beside the models."""
    words = {
        "realism": "Realism: entities that do not look real",
        "plausibility": "Plausibility: entities that are not plausible",
        "human_plausibility": "Portraits: what is wrong with people, by body part",
    }
    return [
        _table(
            board,
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


def generator_tables(board: Board) -> list[Table]:
    """Two tables with a column a generator."""
    names = sorted({name for entry in board.entries for name in entry.result.generators})
    shown = (
        ("generator-auc", "ObjectQA: macro AUC by generator", "objectqa", "auc"),
        ("generator-f1", "ImageQA: F1 at .5 by generator", "imageqa", "f1_at_50"),
    )
    about = "How well a model judges the images of each generator; not how good the generator is. Few images each."
    tables = []
    for table_id, title, half, metric in shown:
        columns = tuple(Column(name, f"On the images of {name}", name, metric) for name in names)
        rows = tuple(
            Row("entry", entry.manifest.name, _href(entry), entry.manifest.model.name, _generator_cells(entry, columns))
            for entry in board.entries
            if half in entry.manifest.halves
        )
        tables.append(Table(table_id, title, about, columns, (), rows))
    return tables


def _generator_cells(entry: Entry, columns: Sequence[Column]) -> tuple[Cell, ...]:
    return tuple(_cell({"value": entry.result.generators.get(c.group, {}).get(c.metric)}) for c in columns)


def _table(
    board: Board,
    table_id: str,
    title: str,
    about: str,
    columns: tuple[Column, ...],
    ranks: Mapping[str, str] | None = None,
) -> Table:
    ranks = ranks or {}
    order = sorted(board.entries, key=lambda entry: _place(entry, columns[0], ranks))
    rows = [_entry_row(entry, columns, ranks.values()) for entry in order if _has_any(entry, columns)]
    rows += [_paper_row(model, columns, len(ranks)) for model in board.paper if _in_paper(model, columns)]
    if not ranks and rows:
        rows += _baseline_rows(board, columns)
    return Table(table_id, title, about, columns, tuple(ranks), tuple(rows))


def _place(entry: Entry, column: Column, ranks: Mapping[str, str]) -> tuple[float, float, str]:
    first = next(iter(ranks.values()), None)
    rank = entry.ranks.get(first) if first else None
    value = entry.result.groups.get(column.group, {}).get(column.metric, {}).get("value")
    unranked = 1.0 if first and rank is None else 0.0
    return unranked, -value if value is not None else 2.0, entry.manifest.name


def _has_any(entry: Entry, columns: Sequence[Column]) -> bool:
    return any(column.group in entry.result.groups for column in columns)


def _entry_row(entry: Entry, columns: Sequence[Column], headlines: object) -> Row:
    cells = []
    for name in tuple(headlines):  # type: ignore[var-annotated,arg-type]
        rank = entry.ranks.get(name)
        cells.append(Cell(str(rank), rank.best + rank.worst / 1e4) if rank else Cell("–", None, missing=True))
    cells += [_cell(entry.result.groups.get(c.group, {}).get(c.metric, {})) for c in columns]
    return Row("entry", entry.manifest.name, _href(entry), entry.manifest.model.name, tuple(cells))


def _href(entry: Entry) -> str:
    return f"s/{entry.manifest.id}.html"


def _cell(number: Number) -> Cell:
    value = number.get("value")
    ends = interval(_Ends(number.get("low"), number.get("high")))
    return Cell(decimals(value), value, ends, missing=value is None)


def _in_paper(model: PaperModel, columns: Sequence[Column]) -> bool:
    return any(_paper_value(model, column) is not None for column in columns)


def _paper_row(model: PaperModel, columns: Sequence[Column], ranks: int) -> Row:
    unranked = [Cell("–", None, missing=True)] * ranks
    cells = [_cell({"value": _paper_value(model, column)}) for column in columns]
    return Row("paper", model.name, None, model.kind, (*unranked, *cells))


def _paper_value(model: PaperModel, column: Column) -> float | None:
    half, _, group = column.group.partition(".")
    table = model.objectqa if half == "objectqa" else model.imageqa
    if half == "imageqa" and group == MEAN:
        values = [table.get(name, {}).get(column.metric) for name in ("realism", "plausibility")]
        known = [value for value in values if value is not None]
        return sum(known) / 2 if len(known) == 2 else None
    return table.get(group, {}).get(column.metric)


def _baseline_rows(board: Board, columns: Sequence[Column]) -> Iterator[Row]:
    """What needs no model is the same for every submission: the references decide it."""
    group = columns[0].group
    found = next((e.result.baselines[group] for e in board.entries if group in e.result.baselines), {})
    for name, metrics in found.items():
        cells = tuple(_cell({"value": metrics.get(column.metric)}) for column in columns)
        yield Row("baseline", name, None, "needs no model", cells)


def group_rows(groups: Mapping[str, Mapping[str, Number]], half: str) -> tuple[list[str], list[tuple[str, list[Cell]]]]:
    """All numbers of one half on a submission's page: names of the groups, then each metric over them."""
    names = [name for name in groups if name.startswith(f"{half}.")]
    metrics = list(dict.fromkeys(metric for name in names for metric in groups[name]))
    rows = []
    for metric in metrics:
        is_count = metric == "n" or metric.startswith("n_")
        cells = []
        for name in names:
            number = groups[name].get(metric)
            if number is None:
                cells.append(Cell("", None))
            elif is_count:
                cells.append(Cell(whole(number["value"]), number["value"]))
            else:
                cells.append(_cell(number))
        rows.append((metric, cells))
    return [name.partition(".")[2] for name in names], rows
