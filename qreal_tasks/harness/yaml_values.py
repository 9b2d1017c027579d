"""Values that the task YAML takes from the environment: where the dataset is, and the name shown in tables.

The harness has no flag for a dataset, but ``!function module.attribute`` takes any attribute. They are computed when
a YAML is read in full, that is only for tasks that were asked for, so a wrong ``QREAL_DATA`` never disturbs others.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from loguru import logger

from qreal_tasks.answers import read_declared_marks
from qreal_tasks.dataset.loading import load_split
from qreal_tasks.dataset.source import DatasetError, Source, locate
from qreal_tasks.harness.box_space import ASSUMED_NOTICE, is_assumed, read_declared_space
from qreal_tasks.mini import MINI_NOTICE


@functools.cache
def _is_drawn(source: Source) -> bool:
    """Whether ``qreal mini`` drew it; looked up, and said, once."""
    if source.is_drawn:
        logger.warning(MINI_NOTICE)
    return source.is_drawn


@functools.cache
def _warn_of_assumed_space() -> None:
    logger.warning(f"qreal: {ASSUMED_NOTICE}")


@functools.cache
def _the_first(source: Source) -> Source:
    """One source for all tasks of a run: of a branch of the hub it holds which commit the first of them was given."""
    return source


def _source() -> Source:
    source = _the_first(locate())
    _is_drawn(source)
    return source


def _alias(task: str) -> str:
    return f"{task} (mini)" if _is_drawn(locate()) else task


@functools.cache
def _check_loadable(source: Source, config: str) -> None:
    """The harness would load other columns too, and open whatever files a set names as its pictures."""
    load_split(source, config, "test")


def _arguments(config: str) -> dict[str, Any]:
    source = _source()
    _check_loadable(source, config)
    return source.load_arguments(config)


_VALUES: dict[str, Callable[[], Any]] = {
    "objectqa_path": lambda: _arguments("objectqa")["path"],
    "objectqa_name": lambda: _arguments("objectqa")["name"],
    "imageqa_path": lambda: _arguments("imageqa")["path"],
    "imageqa_name": lambda: _arguments("imageqa")["name"],
    # One keyword set serves both configs.
    "dataset_kwargs": lambda: _source().load_arguments("objectqa")["kwargs"],
}


def __getattr__(name: str) -> Any:
    """``alias_<task>`` or one of ``_VALUES``.

    Raises:
        DatasetError: ``QREAL_DATA`` names nothing that is there.
    """
    try:
        if name.startswith("alias_"):
            # What is wrong with them is said before the model is loaded, not once per answer.
            read_declared_space()
            read_declared_marks()
            if is_assumed() and "imageqa" in name:
                _warn_of_assumed_space()
            return _alias(name.removeprefix("alias_"))
        if name in _VALUES:
            return _VALUES[name]()
    except (DatasetError, ValueError) as error:
        logger.error(f"qreal: {error}")  # the harness's own last line only says that a function failed to import
        raise
    raise AttributeError(f"module {__name__} has no attribute {name}")
