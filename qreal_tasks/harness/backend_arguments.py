"""``--model_args`` of the backends: their names, their types, and the values in those types."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from accelerate import PartialState

from qreal_tasks.subtasks import SUBTASKS

HARNESS_ARGUMENTS: dict[str, Any] = {"batch_size": str | None, "max_batch_size": int | None, "device": str | None}
"""What the harness adds to every backend's arguments; a server has no use for it."""

OPENAI_ARGUMENTS: dict[str, Any] = {
    "model": str,
    "base_url": str | None,
    "concurrency": int,
    "logprobs": bool,
    "top_logprobs": int,
    "timeout_s": float,
    "max_retries": int,
    "image_detail": str,
    "image_format": str,
    "prices": str | None,
    "seed": int | None,
    "temperature": float | None,
    "first_wait_s": float,
    "store": str | None,
}
"""``--model_args`` of ``qreal_openai`` and their types; ``None`` can be written where it is one of them."""

HF_ARGUMENTS: dict[str, Any] = {
    "pretrained": str,
    "adapter": str | None,
    "merge_adapter": bool,
    "revision": str | None,
    "dtype": str,
    "device_map": str | None,
    "attn_implementation": str | None,
    "min_pixels": int | None,
    "max_pixels": int | None,
    "max_patches": int | None,
    "store": str | None,
}
"""``--model_args`` of ``qreal_hf``."""

AGENT_ARGUMENTS: dict[str, Any] = {
    **dict.fromkeys(SUBTASKS, str),
    **{name: type_ for name, type_ in HF_ARGUMENTS.items() if name != "adapter"},
    "pretrained": str | None,
}
"""``--model_args`` of ``qreal_agent``: any of the three models may be an adapter itself."""

_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "True or False"}


def checked(given: Mapping[str, Any], allowed: Mapping[str, Any], needed: Sequence[str]) -> dict[str, Any]:
    """The arguments in their types: the harness's parser makes of ``revision=12`` a number, of ``seed=None`` a text.

    Raises:
        ValueError: a name is unknown or wanting, or a value has another type.
    """
    if "api_key" in given:
        raise ValueError("api_key: set OPENAI_API_KEY instead: the harness prints and stores --model_args")
    names = ", ".join(allowed)
    for name in given:
        if name not in allowed and name not in HARNESS_ARGUMENTS:
            raise ValueError(f"--model_args: unknown name {name!r}, expected some of {names}")
    for name in needed:
        if name not in given:
            raise ValueError(f"--model_args: {name} is missing, expected {name}=…; the others are {names}")
    types = {**HARNESS_ARGUMENTS, **allowed}
    return {name: converted(name, value, types[name]) for name, value in given.items()}


def converted(name: str, value: Any, type_: Any) -> Any:
    """``value`` as ``type_``: one of ``_WORDS``, or one of them or None."""
    wanted, *none = get_args(type_) or (type_,)
    if none and (value is None or value in ("None", "none")):
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if wanted is str and isinstance(value, str | int | float):
        return str(value)
    if wanted is bool and isinstance(value, bool):
        return value
    if wanted in (int, float):
        try:
            number = value if is_number else float(value) if isinstance(value, str) else math.nan
        except ValueError:
            number = math.nan
        if math.isfinite(number) and (wanted is float or number == int(number)):
            return wanted(number)
    raise ValueError(f"{name} is {value!r}, expected {_WORDS[wanted]}{' or None' if none else ''}")


def on_this_process(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a backend that loads a model, as the engines take them.

    ``--batch_size`` counts pictures; the harness's default of 1 stands for ``auto``, which fills the memory. Without a
    device, each process has its own GPU.
    """
    taken = {name: value for name, value in options.items() if name != "max_batch_size"}
    size = taken.get("batch_size")
    taken["batch_size"] = "auto" if size in (None, "1", "auto") else converted("batch_size", size, int)
    if taken.get("device") is None and taken.get("device_map") is None:
        taken["device"] = str(PartialState().device)
    return taken
