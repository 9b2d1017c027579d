"""The prompts as TSV files of VLMEvalKit, which it runs under their names without knowing the benchmark.

The rules of the kit that the files follow are in ``docs/other-harnesses.md``, and a test holds the files against them.
"""

from __future__ import annotations

import base64
import csv
import hashlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES
from qreal_tasks.dataset.source import Source
from qreal_tasks.files.atomic import new_folder
from qreal_tasks.leaf_tasks import Half
from qreal_tasks.prompt_files.prompts import PromptedPicture, PromptOptions, list_prompts

COLUMNS = ("index", "id", "question", "image", "image_path")
"""``question`` is the whole prompt; ``id`` is this project's own (``prompt_id``), which the kit's results keep."""
MOST_BYTES = 2**30 - 2**24
"""Of one file. The kit writes the pictures of a larger one out as JPEG, and then asks about other pixels."""
_LABELS = {Half.OBJECTQA: "ObjectQA", Half.IMAGEQA: "ImageQA"}
_NAMES = {Half.OBJECTQA: QUESTION_NAMES, Half.IMAGEQA: IMAGEQA_SETS}


def write_kit_files(source: Source, folder: Path, options: PromptOptions) -> list[Path]:
    """Write a file for ObjectQA and one for ImageQA, more where one would be too large; the names are those of the kit.

    Args:
        folder: empty or not there yet; appears whole, or not at all.

    Raises:
        DatasetError: the dataset cannot be loaded, or a picture cannot be decoded.
        OSError: the folder cannot be written.
    """
    with new_folder(folder) as filled:
        names: list[str] = []
        for half, of_half in _NAMES.items():
            asked = replace(options, names=tuple(name for name in of_half if name in options.names))
            if asked.names:
                names += _write_half(half, list_prompts(source, asked), filled, options)
    return [folder / name for name in names]


@dataclass
class _Part:
    """One file while it is written."""

    out: TextIO
    rows: Any
    seen: Any = field(default_factory=hashlib.sha256)
    bytes: int = 0
    count: int = 0


def _write_half(half: Half, asked: Iterable[PromptedPicture], folder: Path, options: PromptOptions) -> Iterator[str]:
    """The names of the files: each has a digest of what it asks, so that the kit, which keeps pictures by that name,
    never shows those of another set."""
    parts: list[tuple[Path, str]] = []
    with ExitStack() as stack:
        part: _Part | None = None
        for one in asked:
            picture = one.encode(options.sizes)
            encoded = base64.b64encode(picture).decode()
            size = len(encoded) + sum(len(text.encode()) for text in one.prompts.values()) + 400 * len(one.prompts)
            if part is None or part.bytes + size > MOST_BYTES:
                part = _open_part(stack, folder / f".part-{half}-{len(parts)}")
                parts.append((Path(part.out.name), ""))
            _write_rows(part, one, encoded)
            part.bytes += size
            part.seen.update(hashlib.sha256(picture).digest() + repr(list(one.prompts.items())).encode())
            parts[-1] = (parts[-1][0], part.seen.hexdigest()[:8])
    for number, (path, digest) in enumerate(parts, start=1):
        which = f"_{number}of{len(parts)}" if len(parts) > 1 else ""
        name = f"QReal_{_LABELS[half]}{which}_openended_{digest}.tsv"
        path.rename(folder / name)
        yield name


def _open_part(stack: ExitStack, path: Path) -> _Part:
    out = stack.enter_context(path.open("w", encoding="utf-8", newline=""))
    rows = csv.writer(out, delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n")
    rows.writerow(COLUMNS)
    return _Part(out, rows)


def _write_rows(part: _Part, asked: PromptedPicture, encoded: str) -> None:
    """The picture in the first row about it; in the others the index of that row, which the kit takes for it."""
    first = part.count
    for prompt_id, text in asked.prompts.items():
        image = encoded if part.count == first else str(first)
        part.rows.writerow((part.count, str(prompt_id), text, image, asked.name.replace("/", "-")))
        part.count += 1
