"""Entry point ``lmms_eval.models``: makes ``lmms-eval --tasks qreal`` find the tasks after ``pip install``.

The harness has an entry point for models and none for tasks. It loads this one with ``lmms_eval.evaluator``, before
it indexes the tasks, so here is the place to add the task folder. Whatever goes wrong must not break runs of other
tasks: it becomes one warning, and ``--include_path "$(qreal tasks-path)"`` remains.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from loguru import logger

from qreal_tasks.leaf_tasks import TASKS_FOLDER
from qreal_tasks.text.one_line import printable

BACKENDS = {
    "qreal_hf": "qreal_tasks.harness.backends.QRealHF",
    "qreal_agent": "qreal_tasks.harness.agent_backend.QRealAgent",
    "qreal_openai": "qreal_tasks.harness.backends.QRealOpenAI",
}
"""``--model`` to its class, imported when it is asked for."""

_MARK = "_qreal_tasks_added"


def manifests() -> list[Any]:
    """The payload of the entry point: our backends; the task folder is added on the way."""
    logger.configure(patcher=_spell_out)
    try:
        from lmms_eval.models.registry_v2 import ModelManifest

        add_task_folder()
        return [ModelManifest(name, chat_class_path=path) for name, path in BACKENDS.items()]
    except Exception as error:  # any failure here would break every run of every task
        logger.warning(
            f"qreal: tasks not added to this lmms-eval ({type(error).__name__}: {error}); "
            'add them with --include_path "$(qreal tasks-path)"'
        )
    return []


def _spell_out(record: Any) -> None:
    """Messages of this project hold a server's words, ids and file names; as on any terminal they are spelled out."""
    if (record["name"] or "").startswith(__package__.partition(".")[0]):
        record["message"] = printable(record["message"])


def add_task_folder() -> None:
    """Let every ``TaskManager`` of this process index our folder after those it was given. Done once."""
    from lmms_eval.tasks import TaskManager

    original = TaskManager.initialize_tasks
    if getattr(original, _MARK, False):
        return

    @functools.wraps(original)
    def with_qreal(self: Any, include_path: Any = None, include_defaults: bool = True) -> Any:
        if not include_defaults:
            return original(self, include_path=include_path, include_defaults=False)
        given = [include_path] if isinstance(include_path, (str, Path)) else list(include_path or [])
        return original(self, include_path=[*map(str, given), str(TASKS_FOLDER)], include_defaults=True)

    setattr(with_qreal, _MARK, True)
    TaskManager.initialize_tasks = with_qreal
