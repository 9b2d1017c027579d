"""Loading splits of the dataset, and checking their columns against the schema."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path

import datasets
import pyarrow
from datasets import Dataset, Split, concatenate_datasets, load_dataset, load_from_disk
from datasets.table import CastError

from qreal_tasks.dataset.columns import cast_script, cast_trouble, wrong_columns
from qreal_tasks.dataset.files import first_unusable_picture
from qreal_tasks.dataset.library_output import bars_on_terminals_only
from qreal_tasks.dataset.schema import FEATURES
from qreal_tasks.dataset.source import DatasetError, Source, SourceKind
from qreal_tasks.files.system_errors import explain_refusal
from qreal_tasks.files.user_cache import require_hub_cache


def load_split(source: Source, config: str, split: str) -> Dataset:
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


def open_split(source: Source, config: str, split: str) -> Dataset:
    """One split of one config, whatever its columns and pictures are: for those who check them.

    Args:
        split: also several (``train+test``), or ``all`` of them.

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
        why = explain_refusal(error, datasets.config.HF_DATASETS_CACHE)
        why = why or _explain_missing(source, cause)
        why = why or f"{type(error).__name__}: {_text(cause)}{_advice(source, cause)}"
        # The library prepares all splits of a config at once and does not say which one it failed on.
        raise DatasetError(
            f"{source.name} ({source.kind}), config {config}: cannot be loaded (asked for split {split}): {why}"
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
    if source.kind is SourceKind.SAVED:
        saved = load_from_disk(arguments["path"])
        return concatenate_datasets([saved[one] for one in (saved if split == Split.ALL else split.split("+"))])
    cache = Path(arguments["kwargs"].get("cache_dir", ""))
    is_ours = source.kind is not SourceKind.HUB and cache.is_dir()
    try:
        return load_dataset(arguments["path"], arguments["name"], split=split, **arguments["kwargs"])
    except Exception as error:
        is_not_there = type(_cause(error)) is ValueError  # the config or the split; of damage, derived types tell
        if not is_ours or is_not_there or explain_refusal(error):
            raise
        shutil.rmtree(cache)
        return load_dataset(arguments["path"], arguments["name"], split=split, **arguments["kwargs"])


def check_columns(source: Source, opened: Iterable[tuple[str, Dataset]]) -> None:
    """Compare columns with the schema; one error names all that is wrong, once a config.

    Args:
        opened: configs and splits of them.

    Raises:
        DatasetError: columns are missing or of another type; the message holds the script that casts them, where a
            cast can mend them.
    """
    messages: dict[str, str] = {}
    troubles = []
    for config, rows in opened:
        wrong = wrong_columns(rows.features, FEATURES[config])
        if wrong and config not in messages:
            messages[config] = f"{source.name} ({source.kind}), config {config}: {wrong}"
            troubles.append(cast_trouble(rows, FEATURES[config]))
    if messages:
        trouble = next(filter(None, troubles), None)
        advice = f"No cast mends that: {trouble}" if trouble else cast_script(*source.reading())
        raise DatasetError("\n".join([*messages.values(), advice]))


def _advice(source: Source, cause: BaseException) -> str:
    if source.kind is SourceKind.HUB and isinstance(cause, json.JSONDecodeError | pyarrow.ArrowInvalid):
        return f". Where the cache was cut off, as by a full disk, remove it: {datasets.config.HF_DATASETS_CACHE}"
    if isinstance(cause, TypeError) and "cast" in str(cause):
        return f"\nThe files of its splits hold a column in different types. {cast_script(*source.reading())}"
    return ""


def _explain_missing(source: Source, cause: BaseException) -> str | None:
    """Other programs put single files of a set into the hub's cache; without a network there is no more of it."""
    if source.kind is not SourceKind.HUB or not isinstance(cause, FileNotFoundError):
        return None
    return (
        f"commit {source.commit} has no such data, or only a part of it is in the cache; bring the rest with "
        f"`hf download --repo-type dataset {source.path} --revision {source.commit}`"
    )


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
