"""A folder of pictures: what is below it, with the prompts that stand beside the pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from annotation.config import ColumnNames
from annotation.errors import AnnotationError
from annotation.intake.captions import Captions, is_caption
from annotation.intake.files import decode_path, read_file
from annotation.intake.listed import UNKNOWN_GENERATOR, ListedInput, shorten_name
from annotation.intake.metadata import Metadata, is_metadata

_TABLES = (b".csv", b".tsv", b".jsonl", b".parquet")
"""Not .json: many programs save one beside every picture."""


class FolderSource:
    """Every file below a folder but hidden ones; folders behind links are read once each.

    ``a/b.png`` is of generator ``a``. Its prompt is that of its row in a ``metadata.csv``, ``.jsonl`` or ``.parquet``
    of its folder or one above, else of ``b.txt``, ``b.caption``, ``b.png.txt`` or ``b.png.caption`` beside it.
    """

    def __init__(self, root: Path, columns: ColumnNames) -> None:
        self._root, self._columns = root.resolve(), columns

    def listing(self) -> Iterator[ListedInput]:
        walked = _walked(os.fsencode(self._root))
        places = sorted(walked.places, key=lambda place: place.folder.split(b"/"))
        pictures = [
            os.path.join(place.folder, name)
            for place in places
            for name in place.files
            if not is_caption(name) and not is_metadata(name)
        ]
        metadata = Metadata(self._root, self._columns, pictures)
        for place in places:
            metadata.read(place.folder, place.files)
        for place in places:
            captions = Captions(os.path.join(os.fsencode(self._root), place.folder), place.files)
            for name in place.files:
                yield from self._listed(os.path.join(place.folder, name), captions, metadata)
        yield from metadata.left_over()
        for folder, problem in walked.unread:
            yield ListedInput(shorten_name(decode_path(folder)), problem=problem)

    def read(self, locators: Sequence[bytes]) -> Iterator[bytes | AnnotationError]:
        return (read_file(os.path.join(os.fsencode(self._root), locator)) for locator in locators)

    def _listed(self, path: bytes, captions: Captions, metadata: Metadata) -> Iterator[ListedInput]:
        name = os.path.basename(path)
        first, slash, _ = decode_path(path).partition("/")
        listed = ListedInput(shorten_name(decode_path(path)), path, generator=first if slash else UNKNOWN_GENERATOR)
        if is_metadata(name):
            if problem := metadata.problem_of(path):
                yield replace(listed, problem=problem)
        elif is_caption(name):
            if name in captions.unclaimed:
                yield replace(listed, problem="a prompt file: no picture beside it has its name")
        elif os.path.splitext(name)[1].lower() in _TABLES:
            yield replace(listed, problem="a table, no picture: give this file to init in place of the folder")
        else:
            yield metadata.told(captions.told(listed))


@dataclass(frozen=True)
class _Place:
    """A folder that was read, as seen from the root, and its files."""

    folder: bytes
    files: Sequence[bytes]


@dataclass
class _Walked:
    places: list[_Place] = field(default_factory=list)
    unread: list[tuple[bytes, str]] = field(default_factory=list)
    """Folders that were not read, and why."""


def _walked(root: bytes) -> _Walked:
    """Every folder below the root once, by device and inode: real ones first, then those behind links."""
    walked = _Walked()
    seen: dict[tuple[int, int], bytes] = {}
    pending = [b""]

    def failed(error: OSError) -> None:
        folder = os.path.relpath(os.fsencode(error.filename), root)
        walked.unread.append((folder, f"the folder cannot be read: {error.strerror}"))

    while pending:
        links: list[bytes] = []
        for start in pending:
            for path, folders, files in os.walk(os.path.join(root, start), onerror=failed):
                folder = start if path == os.path.join(root, start) else os.path.relpath(path, root)
                stat = os.stat(path)
                before = seen.setdefault((stat.st_dev, stat.st_ino), folder)
                if before != folder:
                    shown = decode_path(before) or "the folder itself"
                    walked.unread.append((folder, f"a folder that is read already: it is {shown}"))
                    folders.clear()
                    continue
                visible = sorted(name for name in folders if not name.startswith(b"."))
                links += [os.path.join(folder, name) for name in visible if os.path.islink(os.path.join(path, name))]
                folders[:] = visible
                walked.places.append(_Place(folder, sorted(name for name in files if not name.startswith(b"."))))
        pending = sorted(links)
    return walked
