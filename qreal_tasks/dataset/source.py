"""Where the dataset is.

``QREAL_DATA`` names a hub set (``org/name`` or ``org/name@revision``), a folder in hub layout, or a folder written by
``save_to_disk`` (one sub-folder a config). ``mini``, or unset, is the embedded set.
"""

from __future__ import annotations

import functools
import glob
import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import datasets
from datasets import load_from_disk
from pyarrow import ArrowException, parquet

from qreal_tasks.dataset.drawn import MINI_FOLDER, card_says_drawn, is_drawn_id
from qreal_tasks.dataset.files import card_keys, data_files, saved_files, state_of
from qreal_tasks.dataset.hub import bring_data, cards_of
from qreal_tasks.dataset.hub_errors import HubError
from qreal_tasks.dataset.schema import CONFIGS
from qreal_tasks.files.parquet_limits import check_parquet
from qreal_tasks.shipped import SHIPPED, is_shipped

ENVIRONMENT = "QREAL_DATA"
_HUB_ID = re.compile(r"(?P<id>[\w.-]+/[\w.-]+)(@(?P<revision>[\w./-]+))?")


class DatasetError(Exception):
    """The dataset is missing, or is not what the schema says; the message says what to do."""


class SourceKind(StrEnum):
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
    kind: SourceKind
    path: str
    revision: str | None = None

    @functools.cached_property
    def is_drawn(self) -> bool:
        """Whether ``qreal mini`` drew it, all or a part: it is the embedded set, its card says so, or its ids do.

        Of a hub set only the cards are asked for here, since the ids would cost a download; the records of a run on it
        tell by their ids.
        """
        return self.kind is SourceKind.MINI or _says_drawn(self) or _holds_drawn(self)

    @functools.cached_property
    def _cards(self) -> Path:
        """The folder with the cards; of a hub set that of one commit, which stays that of this source."""
        with self._named():
            return cards_of(self.path, self.revision) if self.kind is SourceKind.HUB else Path(self.path)

    @functools.cached_property
    def folder(self) -> Path:
        """The folder with the whole set; of a hub set it is downloaded first.

        Raises:
            DatasetError: the hub does not give it.
            OSError, ValueError: the cache cannot be written, or the cards cannot be read.
        """
        if self.kind is SourceKind.HUB:
            with self._named():
                bring_data(self.path, self._cards)
        return self._cards

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Errors of the hub with the name of the set."""
        try:
            yield
        except HubError as error:
            raise DatasetError(f"{self.name} ({self.kind}): {error}") from error

    @property
    def commit(self) -> str | None:
        """The hub's commit that the rows are read from; None for folders."""
        return self.folder.name if self.kind is SourceKind.HUB else None

    def files(self) -> list[Path]:
        """The files that the rows are read from.

        Raises:
            ValueError, OSError: as ``files.data_files`` and ``folder``.
        """
        if self.kind is SourceKind.SAVED:
            return sorted(path for config in CONFIGS for path in saved_files(self.folder / config))
        return data_files(self.folder)

    def load_arguments(self, config: str) -> dict[str, Any]:
        """The ``path``, ``name`` and further keywords with which the harness loads ``config``.

        Raises:
            DatasetError: the set is over a limit of ``parquet_limits``, or the hub does not give it.
            OSError, ValueError: as ``folder``.
        """
        if self.kind is SourceKind.SAVED:
            return {"path": str(Path(self.path) / config), "name": None, "kwargs": {"load_from_disk": True}}
        return {"path": str(self.folder), "name": config, "kwargs": {"cache_dir": str(_cache_of(self))}}

    @property
    def own_folder(self) -> Path | None:
        """The folder that is the set; of a hub set, none."""
        return None if self.kind is SourceKind.HUB else Path(self.path)

    def reading(self) -> tuple[str, str]:
        """Python that loads every split of ``config`` with ``features``, and a folder for a changed copy of the set."""
        if self.kind is SourceKind.SAVED:
            return f"load_from_disk({self.path + '/'!r} + config)", f"{self.path}-cast"
        options = "features=features, columns=list(features)"
        if self.kind is SourceKind.HUB:
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
    if not value or is_shipped(value):
        return Source(SHIPPED, SourceKind.MINI, str(MINI_FOLDER))
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
    return Source(value, SourceKind.HUB, hub["id"], hub["revision"])


def _says_drawn(source: Source) -> bool:
    """Whether the cards say so; those that are not there, or cannot be read or reached, say nothing."""
    try:
        return card_says_drawn(card_keys(source._cards))
    except Exception:  # of files, of the network, of YAML: the same one ends the loading with a message of its own
        return False


def _holds_drawn(source: Source) -> bool:
    """Whether a folder has a row with the id of a drawn image; what is wrong with its files is said by ``load``."""
    try:
        if source.kind is SourceKind.FOLDER:
            files = (parquet.ParquetFile(path) for path in source.files())
            columns = (file.read(["image_id"])["image_id"] for file in files if "image_id" in file.schema_arrow.names)
            return any(is_drawn_id(str(item)) for column in columns for item in column.unique().to_pylist())
        if source.kind is SourceKind.SAVED:
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


def _kind_of_folder(folder: Path) -> SourceKind:
    try:
        if all((folder / config / "dataset_dict.json").is_file() for config in CONFIGS):
            for config in CONFIGS:
                saved_files(folder / config)
            return SourceKind.SAVED
        if any(path.suffix == ".parquet" for path in data_files(folder)):
            return SourceKind.FOLDER
    except (ValueError, OSError) as error:
        raise DatasetError(str(error)) from None
    raise DatasetError(
        f"{folder}: no dataset in it. Expected either README.md with `configs:` and parquet files under data/ (hub "
        f"layout), or {CONFIGS[0]}/ and {CONFIGS[1]}/ as save_to_disk writes a DatasetDict. `qreal mini DIR` draws an "
        "example."
    )
