"""The dataset: its schema, and where it is.

``QREAL_DATA`` names a hub set (``org/name`` or ``org/name@revision``), a folder in hub layout, or a folder written by
``save_to_disk`` (one sub-folder a config). Unset, the embedded ``mini`` set is meant.
"""

from __future__ import annotations

import functools
import glob
import hashlib
import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import datasets
import pyarrow
from datasets import (
    ClassLabel,
    Dataset,
    Features,
    Image,
    List,
    Value,
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
    load_dataset,
    load_from_disk,
)
from datasets.table import CastError
from pyarrow import ArrowException, parquet

from qreal_tasks.benchmark import ANSWERS, BODY_PARTS, QUESTION_NAMES
from qreal_tasks.dataset.columns import cast_script, cast_trouble, wrong_columns
from qreal_tasks.dataset.files import card_keys, data_files, first_unusable_picture, saved_files, state_of
from qreal_tasks.dataset.hub import bring_data, cards_of
from qreal_tasks.files.parquet_limits import check_parquet
from qreal_tasks.files.system_errors import told
from qreal_tasks.files.user_cache import require_hub_cache
from qreal_tasks.mini import MINI_FOLDER
from qreal_tasks.mini.origin import card_says_drawn, is_drawn_id

CONFIGS = ("objectqa", "imageqa")
SPLITS = ("train", "test")

_BBOX = List(Value("float32"), length=4)
_ANSWERS = {name: ClassLabel(names=list(ANSWERS)) for name in QUESTION_NAMES}

OBJECTQA_FEATURES = Features(
    {
        "entity_id": Value("string"),
        "image_id": Value("string"),
        "image": Image(),
        "width": Value("int32"),
        "height": Value("int32"),
        "label": Value("string"),
        "bbox": _BBOX,
        "generator": Value("string"),
        "prompt_id": Value("string"),
        "is_portrait": Value("bool"),
        "quality_score": Value("float32"),
        **_ANSWERS,
        "realism_description": Value("string"),
        "plausibility_description": Value("string"),
    }
)
"""A row an entity. ``image`` is its crop, ``width`` and ``height`` the crop's; ``bbox`` is x1, y1, x2, y2 in pixels
of the source image; ``quality_score`` is 0 to 1 or null."""

IMAGEQA_FEATURES = Features(
    {
        "image_id": Value("string"),
        "image": Image(),
        "width": Value("int32"),
        "height": Value("int32"),
        "generator": Value("string"),
        "prompt_id": Value("string"),
        "prompt": Value("string"),
        "is_portrait": Value("bool"),
        "entities": List(
            {
                "entity_id": Value("string"),
                "label": Value("string"),
                "bbox": _BBOX,
                "quality_score": Value("float32"),
                **_ANSWERS,
                "realism_flawed": Value("bool"),
                "plausibility_flawed": Value("bool"),
                "realism_description": Value("string"),
                "plausibility_description": Value("string"),
                "parts": {part: Value("string") for part in BODY_PARTS},
            }
        ),
    }
)
"""A row an image. An entity's ``parts`` holds the portrait protocol's seven descriptions, or is null."""

FEATURES = {"objectqa": OBJECTQA_FEATURES, "imageqa": IMAGEQA_FEATURES}

ENVIRONMENT = "QREAL_DATA"
_HUB_ID = re.compile(r"(?P<id>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")


class DatasetError(Exception):
    """The dataset is missing, or is not what the schema says; the message says what to do."""


class Kind(StrEnum):
    """How a source is stored."""

    MINI = "mini"
    HUB = "hub"
    FOLDER = "folder in hub layout"
    SAVED = "folder written by save_to_disk"


@dataclass(frozen=True)
class Source:
    """Where a dataset is.

    ``name`` is what records and reports show: "mini", "org/name@revision" or the folder as the user wrote it.
    ``path`` is what ``datasets`` is given.
    """

    name: str
    kind: Kind
    path: str
    revision: str | None = None

    @functools.cached_property
    def is_drawn(self) -> bool:
        """Whether ``qreal mini`` drew it, all or a part: it is the embedded set, its card says so, or its ids do.

        Of a hub set only the cards are asked for here, since the ids would cost a download; the records of a run on it
        tell by their ids.
        """
        return self.kind is Kind.MINI or _says_drawn(self) or _holds_drawn(self)

    @functools.cached_property
    def _cards(self) -> Path:
        """The folder with the cards; of a hub set that of one commit, which stays that of this source."""
        return cards_of(self.path, self.revision) if self.kind is Kind.HUB else Path(self.path)

    @functools.cached_property
    def folder(self) -> Path:
        """The folder with the whole set; of a hub set it is downloaded first.

        Raises:
            OSError, ValueError, huggingface_hub.errors.HfHubHTTPError: it cannot be had.
        """
        if self.kind is Kind.HUB:
            bring_data(self.path, self._cards)
        return self._cards

    @property
    def commit(self) -> str | None:
        """The hub's commit that the rows are read from; None for folders."""
        return self.folder.name if self.kind is Kind.HUB else None

    def files(self) -> list[Path]:
        """The files that the rows are read from.

        Raises:
            ValueError, OSError: as ``dataset_files.data_files`` and ``folder``.
        """
        if self.kind is Kind.SAVED:
            return sorted(path for config in CONFIGS for path in saved_files(self.folder / config))
        return data_files(self.folder)

    def load_arguments(self, config: str) -> dict[str, Any]:
        """The ``path``, ``name`` and further keywords with which the harness loads ``config``.

        Raises:
            DatasetError: the set is over a limit of ``parquet_limits``.
            OSError, ValueError, huggingface_hub.errors.HfHubHTTPError: a hub set cannot be had.
        """
        if self.kind is Kind.SAVED:
            return {"path": str(Path(self.path) / config), "name": None, "kwargs": {"load_from_disk": True}}
        return {"path": str(self.folder), "name": config, "kwargs": {"cache_dir": str(_cache_of(self))}}

    @property
    def own_folder(self) -> Path | None:
        """The folder that is the set; of a hub set, none."""
        return None if self.kind is Kind.HUB else Path(self.path)

    def reading(self) -> tuple[str, str]:
        """Python that loads every split of ``config`` with ``features``, and a folder for a changed copy of the set."""
        if self.kind is Kind.SAVED:
            return f"load_from_disk({self.path + '/'!r} + config)", f"{self.path}-cast"
        options = "features=features, columns=list(features)"
        if self.kind is Kind.HUB:
            options += f", revision={self.revision!r}" if self.revision else ""
            return f"load_dataset({self.path!r}, config, {options})", f"{Path(self.path).name}-cast"
        # Unless told, the library may answer with the rows of an earlier state of the folder.
        options += ', download_mode="force_redownload"'
        return f"load_dataset({self.path!r}, config, {options})", f"{self.path}-cast"


def locate(value: str | None = None) -> Source:
    """Find the dataset that ``value`` (by default the variable ``QREAL_DATA``) names.

    Nothing is loaded, and the hub is not asked.

    Raises:
        DatasetError: a folder that does not exist or holds no dataset, or a text that is neither a folder nor a
            hub id.
    """
    given_by = f"{ENVIRONMENT}=" if value is None else "dataset "
    value = (os.environ.get(ENVIRONMENT, "") if value is None else value).strip()
    folder = Path(value).expanduser()
    if value == "mini" and folder.is_dir():
        raise DatasetError("mini names both the embedded set and a folder here. Write ./mini for the folder.")
    if not value or value == "mini":
        return Source("mini", Kind.MINI, str(MINI_FOLDER))
    hub = _HUB_ID.fullmatch(value)
    if folder.is_dir():
        if hub and not value.startswith("."):
            raise DatasetError(
                f"{given_by}{value} names both a folder here and a hub set, and the folder would hide the set. "
                f"Write ./{value} for the folder, or run from another folder for the hub set."
            )
        if glob.has_magic(str(folder.resolve())):
            raise DatasetError(f"{folder.resolve()}: `datasets` takes [, ] , * and ? in a path as a pattern; rename it")
        return Source(value, _kind_of_folder(folder), str(folder.resolve()))
    if not hub or value.startswith(("/", ".", "~")):
        raise DatasetError(
            f"{given_by}{value}: there is no such folder (looked for {folder.absolute()}). Expected a folder in "
            "hub layout, a folder written by save_to_disk, or a hub id such as org/name or org/name@revision."
        )
    return Source(value, Kind.HUB, hub["id"], hub["revision"])


def _says_drawn(source: Source) -> bool:
    """Whether the cards say so; those that are not there, or cannot be read or reached, say nothing."""
    try:
        return card_says_drawn(card_keys(source._cards))
    except Exception:  # of files, of the network, of YAML: the same one ends the loading with a message of its own
        return False


def _holds_drawn(source: Source) -> bool:
    """Whether a folder has a row with the id of a drawn image; what is wrong with its files is said by ``load``."""
    try:
        if source.kind is Kind.FOLDER:
            files = (parquet.ParquetFile(path) for path in source.files())
            columns = (file.read(["image_id"])["image_id"] for file in files if "image_id" in file.schema_arrow.names)
            return any(is_drawn_id(str(item)) for column in columns for item in column.unique().to_pylist())
        if source.kind is Kind.SAVED:
            splits = (split for config in CONFIGS for split in load_from_disk(str(Path(source.path) / config)).values())
            return any(is_drawn_id(str(item)) for split in splits for item in split.unique("image_id"))
    except Exception:  # as many types as in ``load``
        return False
    return False


def _cache_of(source: Source) -> Path:
    """A cache of its own for each state of a folder in hub layout; what is not in it yet is looked at for its size.

    ``datasets`` caches such a folder under its last name alone: another folder of that name, or the same one after a
    change, would silently be answered from the first one's rows.
    """
    state = hashlib.sha256(state_of(source.folder).encode())
    cache = Path(datasets.config.HF_DATASETS_CACHE) / "qreal" / state.hexdigest()[:16]
    if not cache.exists():
        for path in source.files():
            try:
                check_parquet(path)
            except (OSError, ArrowException):
                continue  # damaged: loading says which split cannot be loaded
            except ValueError as error:
                raise DatasetError(f"{source.name} ({source.kind}), {path.name}: {error}") from None
    return cache


def _kind_of_folder(folder: Path) -> Kind:
    try:
        if all((folder / config / "dataset_dict.json").is_file() for config in CONFIGS):
            for config in CONFIGS:
                saved_files(folder / config)
            return Kind.SAVED
        if any(path.suffix == ".parquet" for path in data_files(folder)):
            return Kind.FOLDER
    except (ValueError, OSError) as error:
        raise DatasetError(str(error)) from None
    raise DatasetError(
        f"{folder}: no dataset in it. Expected either README.md with `configs:` and parquet files under data/ (hub "
        f"layout), or {CONFIGS[0]}/ and {CONFIGS[1]}/ as save_to_disk writes a DatasetDict. `qreal mini DIR` draws an "
        "example."
    )


def load(source: Source, config: str, split: str) -> Dataset:
    """One split of one config, with images left undecoded until they are asked for.

    Raises:
        DatasetError: the config or split is missing, empty, unreadable, has other columns than the schema, or names
            pictures that are no part of the set.
    """
    rows = open_split(source, config, split)
    check_columns(source, [(config, rows)])
    if foreign := first_unusable_picture(rows, source.own_folder):
        raise DatasetError(f"{source.name} ({source.kind}), config {config}, split {split}, {foreign}")
    return rows


@contextmanager
def bars_on_terminals_only() -> Iterator[None]:
    """Show the bars of ``datasets`` only where standard error is a terminal; elsewhere they are noise in a log."""
    hide = not sys.stderr.isatty() and not are_progress_bars_disabled()
    if hide:
        disable_progress_bars()
    try:
        yield
    finally:
        if hide:
            enable_progress_bars()


def open_split(source: Source, config: str, split: str) -> Dataset:
    """One split of one config, whatever its columns and pictures are: for those who check them.

    Raises:
        DatasetError: the config or split is missing, empty or unreadable.
    """
    require_hub_cache()
    try:
        with bars_on_terminals_only():
            rows = _rows(source, config, split)
    except DatasetError:
        raise
    # The library raises some twenty types, from FileNotFoundError to DatasetGenerationError; all mean the same here.
    except Exception as error:
        cause = _cause(error)
        said = told(error, datasets.config.HF_DATASETS_CACHE)
        said = said or f"{type(error).__name__}: {_text(cause)}{_advice(source, cause)}"
        # The library prepares all splits of a config at once and does not say which one it failed on.
        raise DatasetError(
            f"{source.name} ({source.kind}), config {config}: cannot be loaded (asked for split {split}): {said}"
        ) from error
    if not len(rows):
        raise DatasetError(
            f"{source.name} ({source.kind}), config {config}, split {split}: has no rows, expected at least one"
        )
    return rows


def _rows(source: Source, config: str, split: str) -> Dataset:
    """As the library loads them. A cache of ours that cannot be read, since a full disk has cut it off, is made anew;
    where the set itself is at fault, that fails again."""
    arguments = source.load_arguments(config)
    if source.kind is Kind.SAVED:
        return load_from_disk(arguments["path"])[split]
    cache = Path(arguments["kwargs"].get("cache_dir", ""))
    is_ours = source.kind is not Kind.HUB and cache.is_dir()
    try:
        return load_dataset(arguments["path"], arguments["name"], split=split, **arguments["kwargs"])
    except Exception as error:
        is_not_there = type(_cause(error)) is ValueError  # the config or the split; of damage, derived types tell
        if not is_ours or is_not_there or told(error):
            raise
        shutil.rmtree(cache)
        return load_dataset(arguments["path"], arguments["name"], split=split, **arguments["kwargs"])


def check_columns(source: Source, opened: Iterable[tuple[str, Dataset]]) -> None:
    """Compare columns with the schema; all that is wrong is said at once, and once a config.

    Args:
        opened: configs and splits of them.

    Raises:
        DatasetError: columns are missing or of another type; the message holds the script that casts them, where a
            cast can mend them.
    """
    said: dict[str, str] = {}
    troubles = []
    for config, rows in opened:
        wrong = wrong_columns(rows.features, FEATURES[config])
        if wrong and config not in said:
            said[config] = f"{source.name} ({source.kind}), config {config}: {wrong}"
            troubles.append(cast_trouble(rows, FEATURES[config]))
    if said:
        trouble = next(filter(None, troubles), None)
        advice = f"No cast mends that: {trouble}" if trouble else cast_script(*source.reading())
        raise DatasetError("\n".join([*said.values(), advice]))


def _advice(source: Source, cause: BaseException) -> str:
    if source.kind is Kind.HUB and isinstance(cause, json.JSONDecodeError | pyarrow.ArrowInvalid):
        return f". Where the cache was cut off, as by a full disk, remove it: {datasets.config.HF_DATASETS_CACHE}"
    if source.kind is Kind.HUB and datasets.config.HF_HUB_OFFLINE:
        revision = f" --revision {source.revision}" if source.revision else ""
        return (
            ". HF_HUB_OFFLINE is set: unset it, or download the set first with "
            f"`hf download --repo-type dataset {source.path}{revision}`"
        )
    if isinstance(cause, TypeError) and "cast" in str(cause):
        return f"\nThe files of its splits hold a column in different types. {cast_script(*source.reading())}"
    return ""


def _cause(error: BaseException) -> BaseException:
    """The innermost error: the outer ones of ``datasets`` only say that something went wrong."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _text(cause: BaseException) -> str:
    if isinstance(cause, CastError):
        differing = sorted({*cause.table_column_names} ^ {*cause.requested_column_names})
        return f"the files of its splits do not hold the same columns (only some hold {', '.join(differing)})"
    return (str(cause) or type(cause).__name__).strip().splitlines()[0]
