"""One input of a run, and how the rows of tables become inputs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from qreal_tasks.intake.errors import IntakeError
from qreal_tasks.intake.settings import ColumnNames
from qreal_tasks.intake.text_files import tidy_prompt
from qreal_tasks.text.one_line import one_line
from qreal_tasks.text.unicode_forms import normalize_unicode

UNKNOWN_GENERATOR = "unknown"
_ALSO = {"image": ("file_name", "image_file_name"), "prompt": ("text", "caption")}
"""Names that image folders of Hugging Face give these columns; looked for where the config names no other."""
_MOST_NAME = 500
"""Characters of an input's name; what stands in a cell may be anything."""


@dataclass(frozen=True)
class ListedInput:
    """One input of a run, before anything is known of its picture."""

    name: str
    """The input's name, as a person reads it."""
    locator: bytes = b""
    """How the source finds it again: a path as the file system spells it, or a row number."""
    prompt: str = ""
    generator: str = UNKNOWN_GENERATOR
    prompt_id: str = ""
    """Empty when the source gives none."""
    note: str = ""
    """What is to be known of the prompt; empty for most. ``add_notes`` adds to it."""
    problem: str = ""
    """Why there is no picture, where that is known without reading one."""


class ImageSource(Protocol):
    """A source of pictures: lists its inputs, always in the same order, and reads some of them."""

    def listing(self) -> Iterator[ListedInput]: ...

    def read(self, locators: Sequence[bytes]) -> Iterator[bytes | IntakeError]:
        """The bytes of each, or why they cannot be had."""

    def stamp(self, locator: bytes) -> str:
        """What is another one when the picture that the locator leads to may be."""


@dataclass(frozen=True)
class FoundColumns:
    """The headings of a table by what they hold; None where there is no such column."""

    image: str | None
    prompt: str | None
    generator: str | None
    prompt_id: str | None


def find_columns(headings: Sequence[str], columns: ColumnNames) -> FoundColumns:
    """Find the columns that the config names, also in other case and with blanks around them.

    A table that lacks ``image`` or ``prompt`` may have the names that image folders give them.
    """
    by_fold = {fold_name(heading): heading for heading in reversed(headings)}

    def found(role: str) -> str | None:
        wanted = getattr(columns, role)
        if wanted in headings:
            return str(wanted)
        names = (wanted, *(_ALSO.get(role, ()) if wanted == role else ()))
        return next((by_fold[fold_name(name)] for name in names if fold_name(name) in by_fold), None)

    return FoundColumns(found("image"), found("prompt"), found("generator"), found("prompt_id"))


def say_no_image_column(headings: Sequence[str], wanted: str) -> str:
    """The message for a table without a column of pictures."""
    shown = one_line(", ".join(headings), 200) or "no heading"
    return f"no column {wanted!r}, found {shown}; name it in intake.columns.image"


def list_row(row: Mapping[str, Any], columns: FoundColumns, listed: ListedInput, note: str = "") -> ListedInput:
    """Make an input of a row: with the row's prompt, generator and prompt_id.

    Args:
        listed: name, locator, and what the row may lack.
        note: how the table was read, for prompts that this could have changed.
    """
    prompt, *notes = _text(row, columns.prompt, "prompt")
    if note and not prompt.isascii():
        notes.append(f"prompt {note}")
    return ListedInput(
        shorten_name(listed.name),
        listed.locator,
        prompt or listed.prompt,
        _text(row, columns.generator, "generator")[0] or listed.generator,
        _text(row, columns.prompt_id, "prompt_id")[0],
        "; ".join(filter(None, (*notes, "" if prompt else listed.note))),
        listed.problem,
    )


def make_note(kind: str, details: str = "") -> str:
    """Make one note. Its kind is the same for all images; details hold what belongs to this one."""
    return f"{kind} ({details.replace('; ', ', ')})" if details else kind


def add_notes(listed: ListedInput, *notes: str) -> ListedInput:
    """Add notes to an input."""
    return replace(listed, note="; ".join(filter(None, (listed.note, *notes))))


def fold_name(name: str) -> str:
    """A name without what file systems and spreadsheets change: case, blanks around it, how accents are encoded."""
    return normalize_unicode("NFC", name.strip(" \t\r\n\ufeff\u00a0")).casefold()


def shorten_name(name: str) -> str:
    """The name of an input: cut where it is too long to be one, and with ? for what no file can hold."""
    whole = name.encode(errors="replace").decode()
    return whole if len(whole) <= _MOST_NAME else f"{whole[: _MOST_NAME - 1]}…"


def _text(row: Mapping[str, Any], column: str | None, what: str) -> list[str]:
    """The text of a cell, then notes on it."""
    held = None if column is None else row.get(column)
    if held is None or held != held:  # NaN, as pandas writes an empty cell
        return [""]
    if isinstance(held, bool) or not isinstance(held, (str, int, float)) or held in (math.inf, -math.inf):
        return ["", make_note(f"{what} is no text", f"a {type(held).__name__}")]
    try:
        tidied = tidy_prompt(str(held))
    except IntakeError as error:
        return ["", make_note(f"{what} is too long", str(error))]
    return [tidied.text, tidied.note] if tidied.note else [tidied.text]
