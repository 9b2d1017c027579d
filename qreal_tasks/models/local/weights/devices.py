"""Devices, types and names of models on this machine. Imports torch: only for stages with a local model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import torch

from qreal_tasks.files.user_cache import NoHomeError, require_hub_cache
from qreal_tasks.llm.errors.messages import short
from qreal_tasks.models.errors import LocalModelError
from qreal_tasks.models.local.weights.loading import identify_model
from qreal_tasks.models.local.weights.threads import compute_in
from qreal_tasks.models.sources import find_local_folder


def resolve_device(device: str) -> torch.device:
    """The torch device of a name; ``auto`` takes the GPU if there is one."""
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)


def compute_on(device: torch.device) -> AbstractContextManager[None]:
    """Compute in one thread where the device is a CPU.

    How many threads share a sum decides its last digits; with one, they are the same in one process, in several and
    under Ray. Use as many workers as there are cores.
    """
    return compute_in(1 if device.type == "cpu" else None)


def resolve_dtype(dtype: str) -> torch.dtype:
    """The torch type of a name."""
    found = getattr(torch, dtype)
    assert isinstance(found, torch.dtype)  # the config allows no other names
    return found


@contextmanager
def explain_model_errors(field: str, model: str, example: str, kind: str) -> Iterator[None]:
    """Explain errors while a model that the config names is loaded: what is wrong, and the two ways to have the model.

    Args:
        field: the config's field that names the model.
        example: a model of the hub that will do.
        kind: what is expected.

    Raises:
        LocalModelError: the model cannot be had, is damaged or is of another kind.
    """
    try:
        folder = find_local_folder(model)
        if folder is None:
            require_hub_cache()
        elif not (folder / "config.json").is_file():
            raise ValueError(f"the folder {folder} holds no config.json")
        yield
    except (ImportError, LocalModelError, NoHomeError):
        raise
    except Exception as error:  # transformers and safetensors have many kinds for damaged and foreign files
        section, _, name = field.partition(".")
        raise LocalModelError(
            f"{field} {model} cannot be loaded: {_why_not(error)}. Expected {kind}, as a folder or the id of a hub "
            f"model. Get it with `hf download {_to_download(model, example)}` on a machine with network; the cache it "
            f"fills (HF_HOME) is read here without network. Or name a folder that holds it (`hf download … --local-dir "
            f"FOLDER` makes one), {field}=FOLDER: write `{name}: FOLDER` under `{section}:` into the run's config.yaml."
        ) from error


def _why_not(error: Exception) -> str:
    message = str(error)
    if "in the cached files" in message:
        return "it is not in the cache of this machine, and the hub cannot be reached from here"
    return short(message).rstrip(".") or type(error).__name__


def _to_download(model: str, example: str) -> str:
    """The model where its name may be a hub id, else one that will do."""
    named = re.fullmatch(r"[\w.-]+/[\w.-]+", model) and not Path(model.partition("/")[0]).is_dir()
    return model if named else example


def describe_model(pretrained: str, revision: str | None, model: Any) -> str:
    """Name and content of a model, wherever it lies: ``name@commit`` of the hub, ``name@sha256:…`` of a folder."""
    content = identify_model(pretrained, revision, model.config)
    if "content" in content:
        return f"{content['model']}@sha256:{content['content'][:12]}"
    return f"{content['model']}@{content['revision'] or 'unknown'}"
