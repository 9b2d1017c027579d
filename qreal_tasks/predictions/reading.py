"""Files of predictions as they come: each row to the sample that it is about and what the model said."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qreal_tasks.benchmark import IMAGEQA_SETS, LEAVES, QUESTION_NAMES, Style, task_of
from qreal_tasks.boxes import Space, parse_space
from qreal_tasks.files.regular import open_file
from qreal_tasks.models.requests import REQUEST_FAILED
from qreal_tasks.predictions.cells import CellError, is_empty, read_id, read_probability, read_size, read_text
from qreal_tasks.predictions.chat_lines import ChatLines
from qreal_tasks.predictions.columns import PredictionColumns, find_columns, fits
from qreal_tasks.predictions.names import find_name
from qreal_tasks.predictions.rows import PredictionRows
from qreal_tasks.prompt_files.prompt_id import PromptId, parse_prompt_id
from qreal_tasks.samples import ModelAnswer
from qreal_tasks.tables.decoding import TableError
from qreal_tasks.tables.opening import open_table
from qreal_tasks.tables.text_tables import PlacedRow
from qreal_tasks.text.one_line import one_line

_SHOWN = 3
"""Rows with an error that are named."""
_FAILED = ("Failed to obtain answer",)
"""What VLMEvalKit writes in the place of an answer that never came."""
_OF_PANDAS = ("", "Unnamed: 0", "level_0")
"""Headings of the numbers of rows, which hold nothing."""


class PredictionsError(ValueError):
    """Predictions that cannot be scored; the message says which, what was found and what to do."""


@dataclass(frozen=True)
class Prediction:
    """What one row of a file says."""

    where: str
    """File and line."""
    task: str
    """A leaf task."""
    sample_id: str
    """As the file has it."""
    answer: ModelAnswer
    space: Space | None = None
    """In which boxes are written; None where the file does not say."""


@dataclass(frozen=True)
class PredictionFile:
    """What one file held."""

    name: str
    sha256: str
    kind: str
    predictions: tuple[Prediction, ...]
    unused: tuple[str, ...]
    """Headings of columns that are not read."""
    note: str


def read_predictions(source: Path | PredictionRows, style: Style, chat_lines: ChatLines) -> PredictionFile:
    """Read one file, or rows that are in memory.

    Args:
        style: of prompts whose id does not say it.
        chat_lines: knows samples by prompt and picture, where there is no id.

    Raises:
        PredictionsError: the file, or a row of it, cannot be read; the message counts the rows and shows the first.
        OSError: the file cannot be opened.
    """
    try:
        table = open_table(source, fits, _rows_of_inspect) if isinstance(source, Path) else source.table
        columns = find_columns(table.headings, str(source))
    except TableError as error:
        raise PredictionsError(str(error)) from None
    name = source.name
    found: list[Prediction] = []
    wrong: list[str] = []
    for row in table.rows:
        try:
            found.append(_read_row(row, columns, style, chat_lines, f"{name}, {row.place}"))
        except CellError as error:
            wrong.append(f"{row.place}: {error}")
    if wrong:
        more = f"\n  … and {len(wrong) - _SHOWN:,} more" if len(wrong) > _SHOWN else ""
        shown = "".join(f"\n  {line}" for line in wrong[:_SHOWN])
        raise PredictionsError(f"{source}: {len(wrong):,} of {len(table.rows):,} rows cannot be read:{shown}{more}")
    unused = tuple(one for one in table.headings if one not in columns.used and one.strip() not in _OF_PANDAS)
    return PredictionFile(name, _digest(source), table.kind, tuple(found), unused, table.note)


def _digest(source: Path | PredictionRows) -> str:
    """SHA-256 of a file's bytes, or of rows as JSON."""
    if isinstance(source, Path):
        with open_file(source) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    rows = [dict(row.cells) for row in source.table.rows]
    return hashlib.sha256(json.dumps(rows, sort_keys=True, default=str).encode()).hexdigest()


def _rows_of_inspect(content: Any) -> list[Any] | None:
    """The samples of a log of inspect_ai in JSON that ended well: the id, and what the model wrote."""
    samples = content.get("samples") if isinstance(content, dict) else None
    if not (isinstance(samples, list) and all(isinstance(one, dict) and "output" in one for one in samples)):
        return None
    return [{"id": one.get("id"), "prediction": one["output"]} for one in samples if not one.get("error")]


def _read_row(
    row: PlacedRow, columns: PredictionColumns, style: Style, chat_lines: ChatLines, where: str
) -> Prediction:
    cells = row.cells
    asked = _find_prompt(cells, columns, style, chat_lines)
    is_judgment = LEAVES[asked.task][1] in QUESTION_NAMES
    text = read_text(_first(cells, columns.text))
    failed = f"{REQUEST_FAILED}: {one_line(text, 100)}" if text.startswith(_FAILED) else None
    answer = ModelAnswer(
        text=text,
        p_yes=read_probability(_first(cells, columns.p_yes), "P(Yes)") if is_judgment else None,
        mass=read_probability(_first(cells, columns.mass), "mass") if is_judgment else None,
        input_size=None if is_judgment else asked.input_size or _read_input_size(cells, columns),
        unanswered=failed,
    )
    if answer.p_yes is None and answer.mass is not None:
        raise CellError(f"mass is {answer.mass:g}, and P(Yes) is empty; expected both, P(Yes) alone, or neither")
    space = None if is_judgment else _find_space(cells, columns, asked)
    return Prediction(where, asked.task, asked.sample_id, answer, space)


def _first(cells: Mapping[str, Any], headings: Sequence[str]) -> Any:
    return next((cells.get(heading) for heading in headings), None)


def _find_prompt(cells: Mapping[str, Any], columns: PredictionColumns, style: Style, chat_lines: ChatLines) -> PromptId:
    for heading in columns.id:
        if isinstance(cell := cells.get(heading), str) and (found := parse_prompt_id(cell)):
            return found
    ids = {role: _first(cells, getattr(columns, role)) for role in ("entity_id", "image_id")}
    if all(is_empty(one) for one in ids.values()):
        if columns.messages and not is_empty(messages := _first(cells, columns.messages)):
            return chat_lines.find(messages, _first(cells, columns.images))
        raise CellError(_no_id(cells, columns))
    stated, name = _find_name(cells, columns)
    role = "image_id" if name in IMAGEQA_SETS else "entity_id"
    if is_empty(ids[role]):
        raise CellError(f"{name} is asked about {role.replace('_id', '')} ids, and {role} is empty or not there")
    return PromptId(task_of(stated or style, name), read_id(ids[role]))


def _find_space(cells: Mapping[str, Any], columns: PredictionColumns, asked: PromptId) -> Space | None:
    declared = _first(cells, columns.space)
    try:
        space = None if is_empty(declared) else parse_space(str(declared))
    except ValueError as error:
        raise CellError(str(error)) from None
    if space and asked.space and space is not asked.space:
        raise CellError(f"box space {space} in its column, and the prompt asked for {asked.space}")
    return space or asked.space


def _no_id(cells: Mapping[str, Any], columns: PredictionColumns) -> str:
    expected = "entity_id and question, image_id and set, or the id that `qreal data prompts` writes"
    for heading in columns.id:
        if not is_empty(cell := cells.get(heading)):
            return f"{heading} is {one_line(str(cell), 60)!r}, which is no id of a prompt; expected {expected}"
    return f"no id; expected {expected}"


def _find_name(cells: Mapping[str, Any], columns: PredictionColumns) -> tuple[Style | None, str]:
    given = [cell for heading in columns.name if not is_empty(cell := cells.get(heading))]
    expected = f"expected one of {', '.join((*QUESTION_NAMES, *IMAGEQA_SETS))}"
    if not given:
        raise CellError(f"no question or set; {expected}, in a column called question or set")
    found = dict.fromkeys(one for cell in given if (one := find_name(str(cell))))
    if not found:
        raise CellError(f"{one_line(str(given[0]), 60)!r} is no question and no set; {expected}")
    if len({name for _, name in found}) > 1:
        raise CellError(f"the row names {' and '.join(name for _, name in found)}; {expected}")
    return next((one for one in found if one[0] is not None), next(iter(found)))


def _read_input_size(cells: Mapping[str, Any], columns: PredictionColumns) -> tuple[int, int] | None:
    if columns.input_size:
        return read_size(_first(cells, columns.input_size))
    sides = [_first(cells, columns.width), _first(cells, columns.height)]
    if all(is_empty(side) for side in sides):
        return None
    return read_size("x".join("" if is_empty(side) else read_id(side) for side in sides))


def count_empty(predictions: Sequence[Prediction]) -> Mapping[str, int]:
    """How many answers of each task hold nothing."""
    return Counter(one.task for one in predictions if not one.answer.text.strip())
