"""Checks of the models that ``--model_args`` names, and which of them writes the boxes.

Looked at before the harness starts: it would find out after a minute of imports.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Mapping, Sequence

from qreal_tasks.benchmark import IMAGEQA_SETS, TASK_NAMES, Style, task_of
from qreal_tasks.models.sources import ADAPTER_SETTINGS, find_local_folder, find_shipped, resolve_model
from qreal_tasks.shipped import NO_ADAPTER, SHIPPED, is_shipped
from qreal_tasks.subtasks import SUBTASKS

AGENT = "qreal_agent"
LOCAL = ("qreal_hf", AGENT)
"""Backends of this project that load models themselves."""

_OF_THE_AGENT = frozenset({"qreal_imageqa", *(task_of(Style.BENCHMARK, name) for name in IMAGEQA_SETS)})
"""Its three models are asked prompts of their own, so the paper's bare queries mean nothing to it."""


def check_models(backend: str, model_args: Mapping[str, str], tasks: Sequence[str]) -> None:
    """Look for the folders that the arguments name.

    Raises:
        ValueError: one is missing or holds no model; or the agent is given no model for a stage, or asked ObjectQA.
    """
    if not backend.startswith("qreal_") and model_args.get("pretrained") == SHIPPED:
        raise ValueError(
            f"pretrained: {backend} does not know the shipped model by its name; `qreal mini-model FOLDER` copies it, "
            "then give pretrained=FOLDER"
        )
    for name in ("pretrained", "adapter"):
        _check_folder(name, model_args.get(name, ""))
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
            resolve_model(model_args[name], model_args.get("pretrained"))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    for task in tasks:
        if any(fnmatch.fnmatch(name, task) for name in TASK_NAMES if name not in _OF_THE_AGENT):
            raise ValueError(
                f"{AGENT} answers ImageQA only, not {task}, and not with the paper's bare queries; name the tasks: "
                "--tasks qreal_imageqa"
            )


def find_box_writer(backend: str, model_args: Mapping[str, str]) -> str | None:
    """Folder or hub id of the model that writes the boxes, whose type decides their space; None when none is named.

    Raises:
        ValueError: as ``resolve_model``, for the agent's detecting model.
    """
    if backend == AGENT and model_args.get("detect"):
        return resolve_model(model_args["detect"], model_args.get("pretrained")).pretrained
    if backend in LOCAL and model_args.get("pretrained"):
        return find_shipped(model_args["pretrained"])
    return next((model_args[name] for name in ("pretrained", "model", "model_version") if model_args.get(name)), None)


def _check_folder(name: str, value: str) -> None:
    if not value or "://" in value:
        return
    if name == "adapter" and is_shipped(value):
        raise ValueError(NO_ADAPTER)
    settings = ADAPTER_SETTINGS if name == "adapter" else "config.json"
    try:
        folder = find_local_folder(value, settings)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None
    if folder is None or (folder / settings).is_file():
        return
    if (folder / ADAPTER_SETTINGS).is_file():
        raise ValueError(f"{name}: {value} holds an adapter; expected pretrained=BASE,adapter={value}")
    raise ValueError(f"{name}: model folder {value} has no {settings}; expected a folder written by save_pretrained")
