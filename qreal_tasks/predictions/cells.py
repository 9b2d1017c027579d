"""Reads the cells of a prediction: the text of an answer, a probability, a size."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from qreal_tasks.answers import MOST_MASS
from qreal_tasks.images import Size
from qreal_tasks.tables.spreadsheets import UnusableCell
from qreal_tasks.text.one_line import one_line

_SIZE = re.compile(r"[\[(]?\s*(\d{1,6})\s*[,x×]\s*(\d{1,6})\s*[\])]?")


class CellError(ValueError):
    """A cell that is not what its column holds; the message says what was found and what was expected."""


def is_empty(cell: object) -> bool:
    """Whether a cell holds nothing: null, NaN as pandas writes it, or blanks."""
    return cell is None or cell != cell or (isinstance(cell, str) and not cell.strip())


def read_text(cell: object) -> str:
    """The text of an answer, untouched; of a chat completion, that of its message; nothing for an empty cell.

    Raises:
        CellError: it is no text, or a list of several.
    """
    if isinstance(cell, str):
        return cell
    if cell is None or cell != cell:
        return ""
    if isinstance(cell, list | tuple) and len(cell) == 1:
        return read_text(cell[0])
    if isinstance(cell, list | tuple):
        raise CellError(f"the answer is a list of {len(cell)}, expected one text; keep one answer for each sample")
    if isinstance(cell, Mapping):
        return _text_of_completion(cell)
    if isinstance(cell, UnusableCell):
        raise CellError(f"the answer is {cell.reason}")
    if isinstance(cell, bool) or not isinstance(cell, int | float):
        raise CellError(f"the answer is {one_line(repr(cell), 60)}, expected the model's own text")
    return str(cell)


def _text_of_completion(cell: Mapping[str, Any]) -> str:
    """What a chat completion says: alone, as the body of a batch's response, or as inspect_ai stores it."""
    body = cell.get("body", cell)
    choices = body.get("choices") if isinstance(body, Mapping) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, Mapping) else None
    content = message.get("content") if isinstance(message, Mapping) else None
    if isinstance(cell.get("completion"), str):
        return str(cell["completion"])
    if not isinstance(content, str):
        keys = one_line(", ".join(map(str, cell)), 60)
        raise CellError(f"the answer is an object of {keys}, expected the model's own text")
    return content


def read_probability(cell: object, name: str) -> float | None:
    """A probability from 0 to 1; None for an empty cell.

    Raises:
        CellError: it is none.
    """
    if is_empty(cell):
        return None
    expected = f"expected a number from 0 to 1, or nothing where there is no {name}"
    if isinstance(cell, str) and cell.strip().endswith("%"):
        raise CellError(f"{name} is {one_line(cell, 40)!r}, {expected}; write per cent as a fraction")
    if isinstance(cell, bool) or not isinstance(cell, int | float | str):
        raise CellError(f"{name} is {one_line(repr(cell), 40)}, {expected}")
    try:
        found = float(cell)
    except ValueError:
        raise CellError(f"{name} is {one_line(str(cell), 40)!r}, {expected}") from None
    most = MOST_MASS if name == "mass" else 1.0
    if not (math.isfinite(found) and 0 <= found <= most):
        per_cent = "; if it is per cent, divide it by 100" if 1 < found <= 100 else ""
        logarithm = "; if it is a logarithm, take its exponential" if found < 0 else ""
        raise CellError(f"{name} is {found:g}, {expected}{per_cent}{logarithm}")
    return found


def read_size(cell: object) -> Size | None:
    """Width and height that the model was fed, as ``[1036, 784]`` or ``1036x784``; None for an empty cell.

    Raises:
        CellError: it is no size.
    """
    if is_empty(cell):
        return None
    text = json.dumps(cell) if isinstance(cell, list | tuple) else str(cell).strip()
    found = _SIZE.fullmatch(text)
    if found is None or "0" in (found[1], found[2]):
        raise CellError(f"the size is {one_line(text, 40)!r}, expected two sides in pixels such as [1036, 784]")
    return int(found[1]), int(found[2])


def read_id(cell: object) -> str:
    """An id as text; whole numbers as a spreadsheet or pandas makes them of ids without their fraction.

    Raises:
        CellError: it is no id.
    """
    if isinstance(cell, UnusableCell):
        raise CellError(f"the id is {cell.reason}")
    if isinstance(cell, bool) or not isinstance(cell, str | int | float):
        raise CellError(f"the id is {one_line(repr(cell), 60)}, expected text")
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell)
