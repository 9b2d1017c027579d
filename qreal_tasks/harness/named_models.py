"""The models that ``--model_args`` names: whether they are there, and which one writes the boxes.

Looked at before the harness starts: it would find out after a minute of imports.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence
from pathlib import Path

from qreal_tasks.benchmark import QUESTION_NAMES
from qreal_tasks.models.sources import model_source
from qreal_tasks.subtasks import SUBTASKS

AGENT = "qreal_agent"

_WITH_OBJECTQA = ("qreal", "qreal_objectqa", *(f"qreal_objectqa_{name}" for name in QUESTION_NAMES))


def check_models(backend: str, model_args: Mapping[str, str], tasks: Sequence[str]) -> None:
    """Look for the folders that the arguments name.

    Raises:
        ValueError: one is missing or holds no model; or the agent is given no model for a stage, or asked ObjectQA.
    """
    _check_folder(model_args.get("pretrained", ""))
    if backend != AGENT:
        return
    wanting = [name for name in SUBTASKS if not model_args.get(name)]
    if wanting:
        raise ValueError(
            f"{AGENT} runs three models, but --model_args has no {', '.join(wanting)}; expected "
            f"{','.join(f'{name}=…' for name in SUBTASKS)}"
        )
    for name in SUBTASKS:
        try:
            model_source(model_args[name], model_args.get("pretrained"))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    for task in tasks:
        if any(fnmatch.fnmatch(name, task) for name in _WITH_OBJECTQA):
            raise ValueError(f"{AGENT} answers ImageQA only, not {task}; name the tasks: --tasks qreal_imageqa")


def box_writer(backend: str, model_args: Mapping[str, str]) -> str | None:
    """Folder or hub id of the model that writes the boxes, whose type decides their space; None when none is named.

    Raises:
        ValueError: as ``model_source``, for the agent's detecting model.
    """
    if backend == AGENT and model_args.get("detect"):
        return model_source(model_args["detect"], model_args.get("pretrained")).pretrained
    return model_args.get("pretrained") or model_args.get("model")


def _check_folder(pretrained: str) -> None:
    if not pretrained.startswith(("/", ".", "~")):
        return
    folder = Path(pretrained).expanduser()
    if not folder.is_dir():
        raise ValueError(f"model folder {pretrained} does not exist (looked for {folder.absolute()})")
    if not (folder / "config.json").is_file():
        raise ValueError(f"model folder {pretrained} has no config.json; expected a folder written by save_pretrained")
