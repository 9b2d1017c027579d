"""Which files belong to a dataset: its cards and data files, and pictures named by path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import datasets
import pyarrow.compute as pc
from datasets import Dataset
from datasets.data_files import resolve_pattern, sanitize_patterns
from huggingface_hub.repocard import REGEX_YAML_BLOCK

from qreal_tasks.files.regular import read_bytes, require_file
from qreal_tasks.files.system_errors import describe_error
from qreal_tasks.files.yaml_files import parse_yaml, read_yaml
from qreal_tasks.text.json_text import load_json

CARDS = (datasets.config.REPOCARD_FILENAME, datasets.config.REPOYAML_FILENAME)
"""README.md, and the file beside it whose keys go before the card's; ``datasets`` reads both."""

_MOST_CARD_BYTES = 2**22
"""Size of README.md, text and keys."""
_SUFFIX = ".parquet"
_SHARD = re.compile(r"(?P<whole>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})")


def data_files(folder: Path) -> list[Path]:
    """The files that the ``configs:`` of a folder's cards name, found as ``datasets`` finds them; sorted.

    Links are followed, to folders as well as to files.

    Raises:
        ValueError: a card cannot be read, names files by an address or outside of the folder, or files of another kind
            than parquet; or one of several files of a split is missing.
    """
    found: set[Path] = set()
    for inside, pattern in named_data(folder):
        try:
            found.update(Path(path) for path in resolve_pattern(pattern, str(folder / inside)))
        except FileNotFoundError:
            continue  # loading says so, if it is a config that is asked for
    found -= {folder / name for name in CARDS}
    if others := sorted(str(path.relative_to(folder)) for path in found if path.suffix != _SUFFIX):
        raise ValueError(f"{folder}: its README.md names {others[0]} as data, expected {_SUFFIX} files only")
    if missing := _missing(found):
        raise ValueError(
            f"{folder}: {missing.relative_to(folder)} is missing, but the other files of its split are there"
        )
    return sorted(found)


def _missing(paths: Iterable[Path]) -> Path | None:
    """A file that the names of others count, as ``test-00000-of-00002.parquet`` does."""
    numbers: dict[tuple[Path, str, str], set[int]] = {}
    for path in paths:
        if shard := _SHARD.fullmatch(path.stem):
            numbers.setdefault((path.parent, shard["whole"], shard["count"]), set()).add(int(shard["number"]))
    for (parent, whole, count), found in numbers.items():
        if lacking := set(range(int(count))) - found:
            return parent / f"{whole}-{min(lacking):05d}-of-{count}{_SUFFIX}"
    return None


def saved_files(folder: Path) -> list[Path]:
    """The data files of a folder written by ``save_to_disk`` for one config, in the order of splits and rows.

    Raises:
        ValueError: a file that lists them cannot be read, or names files outside of the folder.
        NotAFileError: one is a pipe, a device or a folder.
    """
    splits = _listing(folder / "dataset_dict.json").get("splits")
    found = []
    for split in splits if isinstance(splits, list) else ():
        _check_name(folder, split)
        for listed in _listing(folder / split / "state.json").get("_data_files") or ():
            name = listed.get("filename") if isinstance(listed, dict) else None
            _check_name(folder, name)
            path = folder / split / str(name)
            found.append(require_file(path) if path.exists() else path)
    return found


def _listing(path: Path) -> dict[str, Any]:
    try:
        found = load_json(read_bytes(path, _MOST_CARD_BYTES))
        if not isinstance(found, dict):
            raise ValueError(f"it holds {type(found).__name__}, expected an object")
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read: {describe_error(error)}; save the set anew") from None
    return found


def _check_name(folder: Path, name: object) -> None:
    if not isinstance(name, str) or name in ("", ".", "..") or "/" in name or "\\" in name:
        raise ValueError(f"{folder}: names its data as {name!r:.80}, expected the name of a file in its own folder")


def state_of(folder: Path) -> str:
    """A text that changes with the cards and data files of a folder in hub layout, and with what they are links to.

    Raises:
        ValueError: as ``data_files``.
    """
    lines = []
    for path in [*(folder / name for name in CARDS if (folder / name).is_file()), *data_files(folder)]:
        status = path.stat()  # of the file that a link leads to
        times = f"{status.st_mtime_ns} {status.st_ctime_ns}"  # a copy may keep the first, nothing keeps the second
        lines.append(f"{path} {path.resolve()} {status.st_size} {times}\n")
    return "".join(lines)


def card_keys(folder: Path) -> dict[str, Any]:
    """What the cards of a folder say; those that are not there say nothing.

    Raises:
        ValueError: one cannot be read, or is over a limit.
    """
    readme, beside = (folder / name for name in CARDS)
    keys: dict[str, Any] = {}
    try:
        if readme.exists():
            block = REGEX_YAML_BLOCK.search(read_bytes(readme, _MOST_CARD_BYTES).decode("utf-8"))
            keys |= (parse_yaml(block[2]).content if block else None) or {}
        if beside.exists():
            keys |= read_yaml(beside).content or {}
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"{folder}: the keys of its {readme.name} cannot be read ({error})") from None
    return keys


def named_data(folder: Path) -> list[tuple[str, str]]:
    """The folders that the cards name, each with a pattern of files to be looked for in it.

    Raises:
        ValueError: as ``data_files``.
    """
    found = []
    keys = card_keys(folder)
    try:
        for config in keys.get("configs") or []:
            inside = str(config.get("data_dir") or ".")
            for patterns in sanitize_patterns(config.get("data_files") or "**").values():
                found += [(inside, str(pattern)) for pattern in patterns]
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"{folder}: the `configs:` of its README.md cannot be read ({type(error).__name__}: {error!s:.200})"
        ) from None
    for named in {part for pair in found for part in pair}:
        _check_inside(folder, named)
    return found


def _check_inside(folder: Path, named: str) -> None:
    """A set is what lies in its folder: no address is asked, and no file of anybody else's is read."""
    if "://" in named or "::" in named or Path(named).is_absolute() or ".." in Path(named).parts:
        raise ValueError(
            f"{folder}: its README.md names its data as {named!r}, expected a path inside the folder: bring the files "
            "there and name them so"
        )


def unusable_picture(stored: Mapping[str, Any] | None, own_folder: Path | None) -> str | None:
    """Why a picture is no part of its set, or None: it is embedded, or a file of the set's own folder.

    Args:
        stored: ``bytes`` and ``path`` as ``datasets`` holds them undecoded.
        own_folder: of the set, if it has one.
    """
    if stored and stored["bytes"]:
        return None
    if not stored or stored["bytes"] is not None or not stored["path"]:
        return "image is null or empty, expected the encoded picture"
    path = Path(stored["path"])
    if not (own_folder and path.is_absolute() and path.resolve().is_relative_to(own_folder.resolve())):
        return (
            f"image is no picture but the name of a file outside of the set, {stored['path']}; expected the encoded "
            "picture itself in `bytes`: whatever lies there on this machine would be shown to models"
        )
    return None if path.is_file() else f"image is the file {path} of the set, which is not there"


def first_unusable_picture(rows: Dataset, own_folder: Path | None) -> str | None:
    """The first row whose picture is no part of the set, and why; only rows without embedded bytes are looked at."""
    before = 0
    for chunk in rows.data.column("image").chunks:
        lengths = pc.fill_null(pc.binary_length(pc.struct_field(chunk, "bytes")), 0)
        for at in pc.indices_nonzero(pc.equal(lengths, 0)).to_pylist():
            if reason := unusable_picture(chunk[at].as_py(), own_folder):
                return f"row {before + at}: {reason}"
        before += len(chunk)
    return None
