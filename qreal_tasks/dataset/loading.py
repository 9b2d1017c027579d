"""Loading splits of the dataset, and checking their columns against the schema."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import datasets
import pyarrow
from datasets import (
    Dataset,
    are_progress_bars_disabled,
    disable_progress_bars,
    enable_progress_bars,
    load_dataset,
    load_from_disk,
)
from datasets.table import CastError

from qreal_tasks.dataset.columns import cast_script, cast_trouble, wrong_columns
from qreal_tasks.dataset.files import first_unusable_picture
from qreal_tasks.dataset.schema import FEATURES
from qreal_tasks.dataset.source import DatasetError, Kind, Source
from qreal_tasks.files.system_errors import explain_refusal
from qreal_tasks.files.user_cache import require_hub_cache


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
        said = explain_refusal(error, datasets.config.HF_DATASETS_CACHE)
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
        if not is_ours or is_not_there or explain_refusal(error):
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
