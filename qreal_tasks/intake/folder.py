"""A folder of pictures as a source: what is below it, with the prompts that stand beside the pictures."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from qreal_tasks.intake.errors import IntakeError
from qreal_tasks.intake.files import decode_path, read_file, require_content, stamp_file
from qreal_tasks.intake.inputs import UNKNOWN_GENERATOR, ListedInput, add_notes, fold_name, make_note, shorten_name
from qreal_tasks.intake.metadata import Metadata, is_metadata
from qreal_tasks.intake.settings import ColumnNames
from qreal_tasks.intake.text_files import MOST_PROMPT_BYTES, decode_text, tidy_prompt

_TABLES = (b".csv", b".tsv", b".jsonl", b".parquet")
"""Not .json: many programs save one beside every picture."""


class FolderSource:
    """Source of pictures: every file below a folder but hidden ones; folders behind links are read once each.

    ``a/b.png`` is of generator ``a``. Its prompt is that of its row in a ``metadata.csv``, ``.jsonl`` or ``.parquet``
    of its folder or one above, else of ``b.txt``, ``b.caption``, ``b.png.txt`` or ``b.png.caption`` beside it.
    """

    def __init__(self, root: Path, columns: ColumnNames) -> None:
        self._root, self._columns = root.resolve(), columns

    def listing(self) -> Iterator[ListedInput]:
        walked = _walk(os.fsencode(self._root))
        places = sorted(walked.places, key=lambda place: place.folder.split(b"/"))
        files = [os.path.join(place.folder, name) for place in places for name in place.files]
        pictures = [path for path in files if not is_caption(path) and not is_metadata(os.path.basename(path))]
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

    def read(self, locators: Sequence[bytes]) -> Iterator[bytes | IntakeError]:
        return (read_file(os.path.join(os.fsencode(self._root), locator)) for locator in locators)

    def stamp(self, locator: bytes) -> str:
        return stamp_file(os.path.join(os.fsencode(self._root), locator))

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
            yield replace(listed, problem="a table, no picture: give this file in place of the folder")
        else:
            yield metadata.add_row(captions.add_prompt(listed))


@dataclass(frozen=True)
class _ReadFolder:
    """A folder that was read, as seen from the root, and its files."""

    folder: bytes
    files: Sequence[bytes]


@dataclass
class _Walked:
    places: list[_ReadFolder] = field(default_factory=list)
    unread: list[tuple[bytes, str]] = field(default_factory=list)
    """Folders that were not read, and why."""


def _walk(root: bytes) -> _Walked:
    """Walk through every folder below the root once, by device and inode: real ones first, then those behind links."""
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
                walked.places.append(_ReadFolder(folder, sorted(name for name in files if not name.startswith(b"."))))
        pending = sorted(links)
    return walked


_SUFFIXES = (b".txt", b".caption")


def is_caption(name: bytes) -> bool:
    """Whether a file of this name is one of prompts."""
    return os.path.splitext(name)[1].lower() in _SUFFIXES


class Captions:
    """The prompt files of one folder.

    Args:
        names: all files in the folder.
    """

    def __init__(self, folder: bytes, names: Sequence[bytes]) -> None:
        self._folder = folder
        pictures = [name for name in names if not is_caption(name)]
        self._of: dict[bytes, list[bytes]] = {name: [] for name in pictures}
        exact: dict[bytes, list[bytes]] = {}
        alike: dict[str, list[bytes]] = {}
        for name in pictures:
            for key in (os.path.splitext(name)[0], name):
                exact.setdefault(key, []).append(name)
                alike.setdefault(fold_name(decode_path(key)), []).append(name)
        self.unclaimed: set[bytes] = set()
        """Prompt files that no picture has the name of."""
        for text in sorted(filter(is_caption, names), key=_rank):
            base = os.path.splitext(text)[0]
            # A file system that heeds neither case nor how accents are encoded has told them apart no better.
            owners = exact.get(base) or alike.get(fold_name(decode_path(base)), [])
            for owner in owners:
                self._of[owner].append(text)
            if not owners:
                self.unclaimed.add(text)

    def add_prompt(self, listed: ListedInput) -> ListedInput:
        """Add the prompt of the first of the picture's prompt files that holds one."""
        found = listed
        for name in self._of[os.path.basename(listed.locator)]:
            file = decode_path(name)
            try:
                decoded = decode_text(require_content(os.path.join(self._folder, name), MOST_PROMPT_BYTES))
                prompt = tidy_prompt(decoded.text)
            except IntakeError as error:
                found = add_notes(found, make_note("prompt file cannot be read", f"{file}: {error}"))
                continue
            if prompt.text and not found.prompt:
                guessed = decoded.note and make_note(f"prompt {decoded.note}", f"{file} is no UTF-8")
                found = add_notes(replace(found, prompt=prompt.text), guessed, prompt.note)
            elif prompt.text not in ("", found.prompt):
                found = add_notes(found, make_note("another prompt passed over", f"of {file}"))
        return found


def _rank(name: bytes) -> tuple[int, int, bytes]:
    """The order of prompt files: ``x.txt`` before ``x.caption`` before ``x.png.txt``."""
    base, suffix = os.path.splitext(name)
    return len(os.path.splitext(base)[1]) > 0, _SUFFIXES.index(suffix.lower()), name
