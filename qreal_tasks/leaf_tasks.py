"""The leaf tasks, by halves of the benchmark and prompt style, and the versions that this release computes."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from qreal_tasks.benchmark import GROUPS, LEAVES, QUESTION_NAMES, Style
from qreal_tasks.records import JudgmentRecord, Record

TASKS_FOLDER = Path(__file__).parent / "harness" / "tasks"
"""What lmms-eval indexes: by the plugin, or by ``--include_path "$(qreal tasks-path)"``."""

MEAN = "mean"
"""Mean of the sets ``realism`` and ``plausibility``. Portraits are shown beside: their images are among the others."""
MEAN_SETS = ("realism", "plausibility")


class Half(StrEnum):
    """What a submission may be complete in: ObjectQA, ImageQA, or both."""

    OBJECTQA = "objectqa"
    IMAGEQA = "imageqa"


def half_of(record: Record) -> Half:
    """The half that a sample belongs to."""
    return Half.OBJECTQA if isinstance(record, JudgmentRecord) else Half.IMAGEQA


TASKS: Mapping[str, tuple[Half, str]] = {
    task: (Half.OBJECTQA if name in QUESTION_NAMES else Half.IMAGEQA, name) for task, (_, name) in LEAVES.items()
}
"""Leaf task, of either style, to its half and its question or set."""


def tasks_of(half: Half, style: Style) -> tuple[str, ...]:
    """The leaf tasks that ask a half in a style, in order."""
    return tuple(task for task, (its, _) in TASKS.items() if its is half and LEAVES[task][0] is style)


def group_of(half: Half, style: Style) -> str:
    """What ``--tasks`` calls all of them.

    >>> group_of(Half.IMAGEQA, Style.PAPER)
    'qreal_paper_imageqa'
    """
    return f"{GROUPS[style]}_{half}"


@functools.cache
def task_versions() -> Mapping[str, str]:
    """Leaf task to the ``metadata.version`` of its YAML, as the harness writes it into results.

    >>> sorted(set(task_versions()) ^ set(TASKS))
    []
    """
    return {task: str(_metadata(task)["version"]) for task in TASKS}


@functools.cache
def answer_length(task: str) -> int:
    """Tokens that the answer to a leaf task may have.

    >>> answer_length("qreal_objectqa_realism_q1"), answer_length("qreal_paper_imageqa_realism")
    (16, 2048)
    """
    found = _read(f"{task}.yaml")
    while "generation_kwargs" not in found:
        found = _read(found["include"])
    return int(found["generation_kwargs"]["max_new_tokens"])


def _metadata(task: str) -> Mapping[str, Any]:
    return dict(_read(f"{task}.yaml")["metadata"])


def _read(name: str) -> Mapping[str, Any]:
    return dict(yaml.load((TASKS_FOLDER / name).read_text(encoding="utf-8"), _WithoutFunctions))


class _WithoutFunctions(yaml.SafeLoader):
    """Reads the harness's YAML without resolving what ``!function`` names."""


_WithoutFunctions.add_constructor("!function", lambda loader, node: None)
