"""Where local models run, and what names them. Imports torch: only for stages with a model on this machine."""

from __future__ import annotations

import torch

from qreal_tasks.models.loading import model_content


def torch_device(device: str) -> torch.device:
    """``auto`` takes the GPU if there is one. On CPUs this process then computes in one thread.

    How many threads share a sum decides its last digits; with one, they are the same in one process, in several and
    under Ray. Use as many workers as there are cores.
    """
    chosen = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device)
    if chosen.type == "cpu":
        torch.set_num_threads(1)
    return chosen


def torch_dtype(dtype: str) -> torch.dtype:
    """The type of that name."""
    found = getattr(torch, dtype)
    assert isinstance(found, torch.dtype)  # the config allows no other names
    return found


def named_content(pretrained: str, revision: str | None, model: object) -> str:
    """Name and content of a model, wherever it lies: ``name@commit`` of the hub, ``name@sha256:…`` of a folder."""
    said = model_content(pretrained, revision, model)
    if "content" in said:
        return f"{said['model']}@sha256:{said['content'][:12]}"
    return f"{said['model']}@{said['revision'] or 'unknown'}"
