"""Where images come from: a folder, a table, or a dataset of the hub. Listing is quick and reads no picture."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from annotation.config import Columns, Intake
from annotation.errors import AnnotationError

UNKNOWN_GENERATOR = "unknown"
_TABLES = (".csv", ".jsonl", ".parquet")


@dataclass(frozen=True)
class Listed:
    """One input, before anything is known of its picture."""

    name: str
    """As a person reads it."""
    locator: bytes
    """How the source finds it again: a path as the file system spells it, or a row number."""
    prompt: str = ""
    generator: str = UNKNOWN_GENERATOR
    prompt_id: str = ""
    """Empty when the source gives none."""


class Source(Protocol):
    """Lists its inputs, always in the same order, and reads some of them."""

    def listing(self) -> Iterator[Listed]: ...

    def read(self, locators: Sequence[bytes]) -> Iterator[bytes | AnnotationError]:
        """The bytes of each, or why they cannot be had."""


def open_source(images: str, settings: Intake) -> Source:
    """The folder, table (.csv, .jsonl, .parquet) or hub set (``org/name``, ``org/name@revision``) of that name.

    Raises:
        AnnotationError: there is none.
    """
    path = Path(images).expanduser()
    if path.is_dir():
        return Folder(path)
    if path.is_file() and path.suffix.lower() in _TABLES:
        return Table(path, settings.columns)
    if path.exists():
        raise AnnotationError(f"{path} is neither a folder nor a table ({', '.join(_TABLES)})")
    if images.count("/") == 1 and not images.startswith((".", "/", "~")) and path.suffix.lower() not in _TABLES:
        return Hub(images, settings)
    raise AnnotationError(
        f"{images}: no such folder or file (looked for {path.absolute()}), and it is no hub id such as org/name"
    )


class Folder:
    """Every file below a folder but hidden ones. ``a/b.png`` is of generator ``a``; ``b.txt`` beside it holds its
    prompt."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def listing(self) -> Iterator[Listed]:
        for folder, folders, files in os.walk(os.fsencode(self._root)):
            folders[:] = sorted(name for name in folders if not name.startswith(b"."))
            stems = {os.path.splitext(name)[0] for name in files if not name.endswith(b".txt")}
            for name in sorted(files):
                stem, suffix = os.path.splitext(name)
                if name.startswith(b".") or (suffix == b".txt" and stem in stems):
                    continue
                relative = os.path.relpath(os.path.join(folder, name), os.fsencode(self._root))
                first, slash, _ = _readable(relative).partition("/")
                prompt = _prompt_of(os.path.join(folder, stem + b".txt"))
                yield Listed(_readable(relative), relative, prompt, first if slash else UNKNOWN_GENERATOR)

    def read(self, locators: Sequence[bytes]) -> Iterator[bytes | AnnotationError]:
        return (_file(os.path.join(os.fsencode(self._root), locator)) for locator in locators)


class Table:
    """Rows with a path (relative to the table) or, in parquet, the encoded picture; prompt, generator, prompt_id."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self._path, self._columns = path.resolve(), columns

    def listing(self) -> Iterator[Listed]:
        for number, row in enumerate(self._rows()):
            if self._columns.image not in row:
                raise AnnotationError(
                    f"{self._path}: no column {self._columns.image!r}, found {', '.join(map(str, row))}; name it in "
                    "intake.columns.image"
                )
            held = row[self._columns.image]
            name = str(held.get("path") or f"row {number}" if isinstance(held, Mapping) else held or f"row {number}")
            locator = str(number).encode() if isinstance(held, Mapping) or not held else _file_name(str(held))
            yield _listed(row, self._columns, name, locator)

    def read(self, locators: Sequence[bytes]) -> Iterator[bytes | AnnotationError]:
        if self._path.suffix.lower() == ".parquet" and self._embeds():
            from datasets import Dataset, Image

            rows = Dataset.from_parquet(str(self._path)).cast_column(self._columns.image, Image(decode=False))
            yield from _embedded(rows, self._columns.image, locators)
            return
        for locator in locators:
            yield _file(os.path.join(os.fsencode(self._path.parent), locator))

    def _embeds(self) -> bool:
        import pyarrow as pa
        import pyarrow.parquet as pq

        return bool(pa.types.is_struct(pq.read_schema(self._path).field(self._columns.image).type))

    def _rows(self) -> Iterable[Mapping[str, Any]]:
        suffix = self._path.suffix.lower()
        try:
            if suffix == ".csv":
                with self._path.open(encoding="utf-8-sig", newline="") as file:
                    yield from csv.DictReader(file)
            elif suffix == ".jsonl":
                yield from _json_lines(self._path)
            else:
                yield from _parquet_rows(self._path, self._columns.image)
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise AnnotationError(f"{self._path} cannot be read: {error}") from error


class Hub:
    """A split of a dataset on the hub, or in its cache."""

    def __init__(self, name: str, settings: Intake) -> None:
        from datasets import Image, load_dataset

        path, _, revision = name.partition("@")
        self._columns = settings.columns
        try:
            found = load_dataset(path, split=settings.split, revision=revision or None)
            self._rows = found.cast_column(self._columns.image, Image(decode=False))
        # The library raises some twenty types; all mean that the set cannot be had as it was asked for.
        except Exception as error:
            said = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
            raise AnnotationError(f"{name}, split {settings.split}, cannot be loaded ({said})") from error

    def listing(self) -> Iterator[Listed]:
        for number, row in enumerate(self._rows.remove_columns(self._columns.image)):
            yield _listed(row, self._columns, f"row {number}", str(number).encode())

    def read(self, locators: Sequence[bytes]) -> Iterator[bytes | AnnotationError]:
        return _embedded(self._rows, self._columns.image, locators)


def _listed(row: Mapping[str, Any], columns: Columns, name: str, locator: bytes) -> Listed:
    def text(column: str) -> str:
        return _writable(str(row.get(column) or "").strip())

    generator = text(columns.generator) or UNKNOWN_GENERATOR
    return Listed(_writable(name), locator, text(columns.prompt), generator, text(columns.prompt_id))


def _writable(text: str) -> str:
    """JSON may hold half a surrogate pair, which no file can."""
    return text.encode(errors="replace").decode()


def _file_name(path: str) -> bytes:
    """As the file system spells it; a path that it cannot spell is the name of no file."""
    try:
        return os.fsencode(path)
    except UnicodeEncodeError:
        return path.encode(errors="surrogatepass")


def _readable(path: bytes) -> str:
    """A name that is no UTF-8 is shown with escapes and still found by its bytes."""
    return path.decode("utf-8", "backslashreplace")


def _prompt_of(path: bytes) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def _file(path: bytes) -> bytes | AnnotationError:
    try:
        with open(path, "rb") as file:
            return file.read()
    except (OSError, ValueError) as error:
        return AnnotationError(f"the file cannot be read: {getattr(error, 'strerror', None) or error}")


def _json_lines(path: Path) -> Iterator[Mapping[str, Any]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise AnnotationError(f"{path}, line {number}: {error}") from error
            if not isinstance(row, dict):
                raise AnnotationError(f"{path}, line {number}: {type(row).__name__}, expected an object")
            yield row


def _parquet_rows(path: Path, image: str) -> Iterator[Mapping[str, Any]]:
    """Without embedded pictures; of those only their paths."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        schema = file.schema_arrow
    except (OSError, pa.ArrowException) as error:
        raise AnnotationError(f"{path} cannot be read: {error}") from error
    embeds = image in schema.names and pa.types.is_struct(schema.field(image).type)
    wanted = [f"{name}.path" if embeds and name == image else name for name in schema.names]
    for batch in file.iter_batches(columns=wanted):
        yield from batch.to_pylist()


def _embedded(rows: Any, column: str, locators: Sequence[bytes]) -> Iterator[bytes | AnnotationError]:
    numbers = [int(locator) for locator in locators]
    for held in rows.select(numbers)[column]:
        content = held and held["bytes"]
        if content is None and held and held["path"]:
            yield _file(os.fsencode(held["path"]))
        else:
            yield content if content is not None else AnnotationError("the row holds no picture")
