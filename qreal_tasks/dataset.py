"""The dataset: its schema, and where it is.

``QREAL_DATA`` names a hub set (``org/name`` or ``org/name@revision``), a folder in hub layout, or a folder written by
``save_to_disk`` (one sub-folder a config). Unset, the embedded ``mini`` set is meant.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import datasets
from datasets import ClassLabel, Dataset, Features, Image, List, Value, load_dataset, load_from_disk

from qreal_tasks.benchmark import ANSWERS, BODY_PARTS, QUESTION_NAMES
from qreal_tasks.mini import MINI_FOLDER

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

    @property
    def is_mini(self) -> bool:
        return self.kind is Kind.MINI

    def load_arguments(self, config: str) -> dict[str, Any]:
        """The ``path``, ``name`` and further keywords with which the harness loads ``config``."""
        if self.kind is Kind.SAVED:
            return {"path": str(Path(self.path) / config), "name": None, "kwargs": {"load_from_disk": True}}
        if self.kind is Kind.HUB:
            return {"path": self.path, "name": config, "kwargs": {"revision": self.revision} if self.revision else {}}
        return {"path": self.path, "name": config, "kwargs": {"cache_dir": str(_cache_of(Path(self.path)))}}


def locate(value: str | None = None) -> Source:
    """Find the dataset that ``value`` (by default the variable ``QREAL_DATA``) names.

    Nothing is loaded, and the hub is not asked.

    Raises:
        DatasetError: a folder that does not exist or holds no dataset, or a text that is neither a folder nor a
            hub id.
    """
    value = os.environ.get(ENVIRONMENT, "") if value is None else value
    value = value.strip()
    folder = Path(value).expanduser()
    if value == "mini" and folder.is_dir():
        raise DatasetError("mini names both the embedded set and a folder here. Write ./mini for the folder.")
    if not value or value == "mini":
        return Source("mini", Kind.MINI, str(MINI_FOLDER))
    hub = _HUB_ID.fullmatch(value)
    if folder.is_dir():
        if hub and not value.startswith("."):
            raise DatasetError(
                f"{ENVIRONMENT}={value} names both a folder here and a hub set, and the folder would hide the set. "
                f"Write ./{value} for the folder, or run from another folder for the hub set."
            )
        if glob.has_magic(str(folder.resolve())):
            raise DatasetError(f"{folder.resolve()}: `datasets` takes [, ] , * and ? in a path as a pattern; rename it")
        return Source(value, _kind_of_folder(folder), str(folder.resolve()))
    if not hub or value.startswith(("/", ".", "~")):
        raise DatasetError(
            f"{ENVIRONMENT}={value}: there is no such folder (looked for {folder.absolute()}). Expected a folder in "
            "hub layout, a folder written by save_to_disk, or a hub id such as org/name or org/name@revision."
        )
    return Source(value, Kind.HUB, hub["id"], hub["revision"])


def _cache_of(folder: Path) -> Path:
    """A cache of its own for each state of a folder in hub layout.

    ``datasets`` caches such a folder under its last name alone: another folder of that name, or the same one after a
    change, would silently be answered from the first one's rows.
    """
    state = hashlib.sha256()
    for path in sorted([folder / "README.md", *folder.rglob("*.parquet")]):
        status = path.lstat()
        state.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return Path(datasets.config.HF_DATASETS_CACHE) / "qreal" / state.hexdigest()[:16]


def _kind_of_folder(folder: Path) -> Kind:
    if all((folder / config / "dataset_dict.json").is_file() for config in CONFIGS):
        return Kind.SAVED
    if (folder / "README.md").is_file() and any(folder.rglob("*.parquet")):
        return Kind.FOLDER
    raise DatasetError(
        f"{folder}: no dataset in it. Expected either README.md with `configs:` and parquet files under data/ (hub "
        f"layout), or {CONFIGS[0]}/ and {CONFIGS[1]}/ as save_to_disk writes a DatasetDict. `qreal mini DIR` draws an "
        "example."
    )


def load(source: Source, config: str, split: str) -> Dataset:
    """One split of one config, with images left undecoded until they are asked for.

    Raises:
        DatasetError: the config or split is missing, empty, unreadable, or has other columns than the schema.
    """
    where = f"{source.name} ({source.kind}), config {config}, split {split}"
    try:
        arguments = source.load_arguments(config)
        if source.kind is Kind.SAVED:
            dataset = load_from_disk(arguments["path"])[split]
        else:
            dataset = load_dataset(arguments["path"], arguments["name"], split=split, **arguments["kwargs"])
    # The library raises some twenty types, from FileNotFoundError to DatasetGenerationError; all mean the same here.
    except Exception as error:
        # The library prepares all splits of a config at once and does not say which one it failed on.
        raise DatasetError(
            f"{source.name} ({source.kind}), config {config}: cannot be loaded (asked for split {split}): "
            f"{type(error).__name__}: {_first_cause(error)}{_advice(source)}"
        ) from error
    problem = schema_problem(dataset.features, config)
    if problem:
        raise DatasetError(f"{where}: {problem}")
    if not len(dataset):
        raise DatasetError(f"{where}: has no rows, expected at least one")
    return dataset


def schema_problem(features: Features, config: str) -> str | None:
    """What is wrong with the columns of a config, or None."""
    expected = FEATURES[config]
    missing = sorted(set(expected) - set(features))
    if missing:
        return f"column {', '.join(missing)} missing; found {', '.join(features)}"
    wrong = [name for name in expected if features[name] != expected[name]]
    if wrong:
        name = wrong[0]
        return f"column {name} is {features[name]}, expected {expected[name]}" + (
            f" (and {len(wrong) - 1} more columns differ: {', '.join(wrong[1:])})" if wrong[1:] else ""
        )
    return None


def _advice(source: Source) -> str:
    if source.kind is Kind.HUB and datasets.config.HF_HUB_OFFLINE:
        return ". HF_HUB_OFFLINE is set: unset it, or download the set first"
    return ""


def _first_cause(error: BaseException) -> str:
    """The innermost message: the outer ones of ``datasets`` only say that something went wrong."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error) or type(error).__name__).strip().splitlines()[0]
