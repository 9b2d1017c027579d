"""Reads ``metadata.csv``, ``.jsonl`` and ``.parquet`` beside pictures, as image folders of Hugging Face have them.

Each row names a picture, relative to the file that it stands in, and holds its prompt and perhaps more.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qreal_tasks.intake.files import decode_path, find_name_problem, list_spellings, say_missing
from qreal_tasks.intake.inputs import (
    FoundColumns,
    ListedInput,
    add_notes,
    find_columns,
    fold_name,
    list_row,
    make_note,
    say_no_image_column,
    shorten_name,
)
from qreal_tasks.intake.parquet_rows import embeds_pictures, read_parquet_table
from qreal_tasks.intake.settings import ColumnNames
from qreal_tasks.intake.table_rows import TableRow, TableRows, read_text_table
from qreal_tasks.text.one_line import one_line

_NAMES = (b"metadata.jsonl", b"metadata.csv", b"metadata.parquet")
"""Names of metadata files, in the order that counts where a folder has several."""

_NAME_COLUMN = "file_name"


def is_metadata(name: bytes) -> bool:
    """Whether a file of this name holds rows about pictures."""
    return name.lower() in _NAMES


@dataclass(frozen=True)
class _Named:
    """The row that names a picture."""

    row: TableRow
    columns: FoundColumns
    note: str
    file: str


class Metadata:
    """The rows of the metadata files of a folder and the folders below it.

    Args:
        root: the folder.
        columns: how the config calls the columns.
        pictures: the other files, as seen from the root.
    """

    def __init__(self, root: Path, columns: ColumnNames, pictures: Sequence[bytes]) -> None:
        self._root, self._columns = root, columns
        self._pictures = {decode_path(path): path for path in pictures}
        self._alike = {fold_name(decode_path(path)): path for path in reversed(pictures)}
        self._named: dict[bytes, _Named] = {}
        self._files: dict[bytes, str] = {}
        """Folders with a file that is read, and its name."""
        self._problems: dict[bytes, str] = {}
        self._left_over: list[ListedInput] = []

    def read(self, folder: bytes, files: Sequence[bytes]) -> None:
        """Read the metadata file of a folder, if it has one.

        Raises:
            IntakeError: it cannot be read, or a line of it is no row.
        """
        found = sorted(filter(is_metadata, files), key=lambda name: _NAMES.index(name.lower()))
        for name in found[1:]:
            problem = f"metadata that is passed over: {decode_path(found[0])} beside it counts"
            self._problems[os.path.join(folder, name)] = problem
        if not found:
            return
        place = os.path.join(folder, found[0])
        path = self._root / os.fsdecode(place)
        is_parquet = path.suffix.lower() == ".parquet"
        table = read_parquet_table(path, self._columns) if is_parquet else read_text_table(path, self._columns)
        columns = find_columns(table.headings, self._columns)
        if columns.image is None:
            reason = say_no_image_column(table.headings, _NAME_COLUMN)
            self._problems[place] = f"metadata that names no pictures: {reason}"
        elif is_parquet and embeds_pictures(path, columns.image):
            self._problems[place] = "metadata that holds pictures: give this file in place of the folder"
        else:
            self._files[folder] = decode_path(place)
            self._enter(folder, decode_path(place), table, columns)

    def problem_of(self, path: bytes) -> str | None:
        """Why a metadata file is not read, if it is not."""
        return self._problems.get(path)

    def add_row(self, listed: ListedInput) -> ListedInput:
        """Add what the picture's row holds; a prompt file beside it counts where the row has no prompt."""
        named = self._named.get(listed.locator)
        if named is None:
            files = [self._files[above] for above in _above(listed.locator) if above in self._files]
            return add_notes(listed, make_note("no row of metadata names the picture", files[0])) if files else listed
        found = list_row(named.row, named.columns, listed, named.note)
        if listed.prompt and found.prompt != listed.prompt:
            return add_notes(found, make_note("another prompt passed over", f"of its prompt file: {named.file} counts"))
        return found

    def left_over(self) -> list[ListedInput]:
        """The rows that name no picture of the folder."""
        return self._left_over

    def _enter(self, folder: bytes, file: str, table: TableRows, columns: FoundColumns) -> None:
        assert columns.image is not None
        for number, row in enumerate(table.rows):
            held = row.get(columns.image)
            problem = find_name_problem(held)
            name = f"{file} row {number}"
            if problem is None:
                name = f"{name}, {shorten_name(str(held))}"
                picture, problem = self._picture(folder, str(held))
                if picture is not None and picture in self._named:
                    problem = f"named twice: {self._named[picture].file} has a row before this one, which counts"
                elif picture is not None:
                    self._named[picture] = _Named(row, columns, table.note, file)
            if problem:
                self._left_over.append(list_row(row, columns, ListedInput(name, problem=problem)))

    def _picture(self, folder: bytes, held: str) -> tuple[bytes | None, str]:
        """The listed file that a cell names, or why there is none."""
        above = os.path.join(str(self._root), decode_path(folder))
        paths = [os.path.normpath(os.path.join(above, spelt)) for spelt in list_spellings(held)]
        names = [os.path.relpath(path, self._root) for path in paths]
        for name in names:
            found = self._pictures.get(name) or self._alike.get(fold_name(name))
            if found is not None:
                return found, ""
        if any(os.path.exists(path.encode(errors="replace")) for path in paths):
            return None, f"no picture of this folder: {one_line(held, 100)} is hidden or lies outside of it"
        return None, say_missing(" and ".join(one_line(path, 300) for path in dict.fromkeys(paths)))


def _above(path: bytes) -> Iterator[bytes]:
    """The folders that a path lies in, the nearest first."""
    while path:
        path = os.path.dirname(path)
        yield path
