"""A table with a row a picture, or a dataset of the hub, as a source of pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from qreal_tasks.dataset.hub_errors import explain_hub_error
from qreal_tasks.intake.errors import IntakeError
from qreal_tasks.intake.files import (
    NO_NAME,
    find_name_problem,
    hide_secrets,
    locate_file,
    read_file,
    stamp_file,
)
from qreal_tasks.intake.inputs import ListedInput, find_columns, list_row, say_no_image_column
from qreal_tasks.intake.parquet_rows import (
    embeds_pictures,
    name_classes,
    read_class_names,
    read_parquet_schema,
    read_parquet_table,
)
from qreal_tasks.intake.settings import ColumnNames, IntakeSettings
from qreal_tasks.intake.table_rows import TEXT_TABLES, read_text_table
from qreal_tasks.text.one_line import one_line

TABLES = (*TEXT_TABLES, ".parquet")


class TableSource:
    """Source of pictures: rows with a path (relative to the table) or, in parquet, the picture; and prompt, generator
    …"""

    def __init__(self, path: Path, columns: ColumnNames) -> None:
        self._path, self._columns = path.resolve(), columns
        self._is_parquet = self._path.suffix.lower() == ".parquet"

    def listing(self) -> Iterator[ListedInput]:
        read = read_parquet_table if self._is_parquet else read_text_table
        table = read(self._path, self._columns)
        found = find_columns(table.headings, self._columns)
        embedded = self._is_parquet and found.image is not None and embeds_pictures(self._path, found.image)
        if found.image is None and table.headings:
            raise IntakeError(f"{self._path}: {say_no_image_column(table.headings, self._columns.image)}")
        for number, row in enumerate(table.rows):
            held = row.get(found.image or "")
            path = held.get("path") if isinstance(held, Mapping) else held
            if embedded:
                listed = ListedInput(str(path or f"row {number}"), str(number).encode())
            else:
                listed = self._of_path(number, held, path)
            yield list_row(row, found, listed, table.note)

    def _of_path(self, number: int, held: object, path: object) -> ListedInput:
        if isinstance(held, Mapping) and held.get("bytes"):
            return ListedInput(f"row {number}", problem="a picture inside JSON: save it as a file and name that")
        if isinstance(held, Mapping) and held and not held.keys() & {"path", "bytes"}:
            keys = one_line(", ".join(map(str, held)), 60)
            return ListedInput(
                f"row {number}", problem=f"no path: the cell is an object of {keys}; write an object a row"
            )
        problem = find_name_problem(path)
        if problem:
            return ListedInput(
                f"row {number}" if problem == NO_NAME else one_line(hide_secrets(str(path)), 200), problem=problem
            )
        locator, problem = locate_file(str(path), self._path.parent)
        return ListedInput(str(path), locator, problem=problem)

    def read(self, locators: Sequence[bytes]) -> Iterator[bytes | IntakeError]:
        found = find_columns(read_parquet_schema(self._path).names, self._columns).image if self._is_parquet else None
        if found is not None and embeds_pictures(self._path, found):
            from datasets import Dataset, Image

            rows = Dataset.from_parquet(str(self._path), columns=[found]).cast_column(found, Image(decode=False))
            return read_row_pictures(rows, found, locators, self._path.parent)
        return (read_file(os.path.join(os.fsencode(self._path.parent), locator)) for locator in locators)

    def stamp(self, locator: bytes) -> str:
        return self._own_stamp or stamp_file(os.path.join(os.fsencode(self._path.parent), locator))

    @cached_property
    def _own_stamp(self) -> str:
        """That of the table, where it holds the pictures."""
        found = find_columns(read_parquet_schema(self._path).names, self._columns).image if self._is_parquet else None
        embedded = found is not None and embeds_pictures(self._path, found)
        return stamp_file(os.fsencode(self._path)) if embedded else ""


class HubSource:
    """Source of pictures: a split of a dataset on the hub, or in its cache, several of them, or all."""

    def __init__(self, name: str, settings: IntakeSettings) -> None:
        from datasets import Image, load_dataset

        from qreal_tasks.dataset.library_output import hub_words_once

        path, _, revision = name.partition("@")
        try:
            with hub_words_once():
                loaded = load_dataset(path, split=settings.split, revision=revision or None)
            self._found = find_columns(loaded.column_names, settings.columns)
            if self._found.image is not None:
                self._rows = loaded.cast_column(self._found.image, Image(decode=False))
        # The library raises some twenty types; all mean that the set cannot be had as it was asked for.
        except Exception as error:
            trouble = explain_hub_error(error, path, revision or None)
            problem = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            reason = f"{trouble.refusal}; {trouble.advice}" if trouble else problem
            raise IntakeError(f"{name}, split {settings.split}, cannot be loaded ({reason})") from error
        if self._found.image is None:
            raise IntakeError(f"{name}: {say_no_image_column(loaded.column_names, settings.columns.image)}")

    def listing(self) -> Iterator[ListedInput]:
        classes = read_class_names(self._rows.features.arrow_schema)
        for number, row in enumerate(self._rows.remove_columns(self._found.image)):
            yield list_row(name_classes(row, classes), self._found, ListedInput(f"row {number}", str(number).encode()))

    def read(self, locators: Sequence[bytes]) -> Iterator[bytes | IntakeError]:
        return read_row_pictures(self._rows, str(self._found.image), locators, Path.cwd())

    def stamp(self, locator: bytes) -> str:
        return str(self._rows._fingerprint)  # of all rows: the library knows none of a single one


def read_row_pictures(rows: Any, column: str, locators: Sequence[bytes], folder: Path) -> Iterator[bytes | IntakeError]:
    """Read the pictures of some rows of a dataset; a path without a picture is looked for in the folder.

    Args:
        column: of pictures, not decoded.
        locators: numbers of rows.
    """
    for held in rows.select([int(locator) for locator in locators])[column]:
        content, path = (held["bytes"], held["path"]) if held else (None, None)
        if content is not None:
            yield content
        elif problem := find_name_problem(path):
            yield IntakeError("the row holds no picture" if problem == NO_NAME else problem)
        else:
            locator, problem = locate_file(str(path), folder)
            yield IntakeError(problem) if problem else read_file(os.path.join(os.fsencode(folder), locator))
