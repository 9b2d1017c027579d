"""Values that the task YAML takes from the environment: where the dataset is, and the name shown in tables.

The harness has no flag for a dataset, but ``!function module.attribute`` takes any attribute. They are computed when
a YAML is read in full, that is only for tasks that were asked for, so a wrong ``QREAL_DATA`` never disturbs others.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from loguru import logger

from qreal_tasks.dataset import DatasetError, Source, locate
from qreal_tasks.harness.box_space import declared_space
from qreal_tasks.mini import MINI_NOTICE


@functools.cache
def _warn_of_mini() -> None:
    logger.warning(MINI_NOTICE)


def _source() -> Source:
    source = locate()
    if source.is_mini:
        _warn_of_mini()
    return source


def _alias(task: str) -> str:
    return f"{task} (mini)" if _source().is_mini else task


_VALUES: dict[str, Callable[[], Any]] = {
    "objectqa_path": lambda: _source().load_arguments("objectqa")["path"],
    "objectqa_name": lambda: _source().load_arguments("objectqa")["name"],
    "imageqa_path": lambda: _source().load_arguments("imageqa")["path"],
    "imageqa_name": lambda: _source().load_arguments("imageqa")["name"],
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
            declared_space()  # a wrong QREAL_BOX_SPACE is said before the model is loaded, not once per answer
            return _alias(name.removeprefix("alias_"))
        if name in _VALUES:
            return _VALUES[name]()
    except (DatasetError, ValueError) as error:
        logger.error(f"qreal: {error}")  # the harness's own last line only says that a function failed to import
        raise
    raise AttributeError(f"module {__name__} has no attribute {name}")
