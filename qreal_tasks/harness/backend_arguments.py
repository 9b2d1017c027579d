"""``--model_args`` of the backends: their names, types and meanings, and the values in those types."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from qreal_tasks.answers import parse_marks
from qreal_tasks.files.user_cache import user_cache_path
from qreal_tasks.subtasks import SUBTASKS
from qreal_tasks.text.suggestions import suggest

STORE_VARIABLE = "QREAL_ANSWERS"

HARNESS_ARGUMENTS: dict[str, Any] = {"batch_size": str | None, "max_batch_size": int | None, "device": str | None}
"""What the harness adds to every backend's arguments; a server has no use for it."""

_TABLE: Mapping[str, tuple[Any, str]] = {
    "adapter": (str | None, "folder or hub id of a PEFT adapter over pretrained"),
    "attn_implementation": (str | None, "sdpa (default), eager or flash_attention_2"),
    "base_url": (str | None, "of the server, with /v1; default $OPENAI_BASE_URL, then OpenAI itself"),
    "concurrency": (int, "requests at a time (32)"),
    "describe": (str, "model of the third stage: folder of a model or an adapter, or hub id"),
    "detect": (str, "model of the first stage: folder of a model or an adapter, or hub id"),
    "device_map": (str | None, "as transformers takes it, for a model on several devices"),
    "dtype": (str, "auto (default), bfloat16, float16 or float32"),
    "family": (str | None, "of a model whose name does not tell it, such as qwen2_5_vl: decides how boxes are written"),
    "filter": (str, "model of the second stage: folder of a model or an adapter, or hub id"),
    "first_wait_s": (float, "seconds before the first retry (.1)"),
    "image_detail": (str, "high (default), low or auto; OpenAI's own models take it"),
    "image_format": (str, "png (default, the pixels as they are) or jpeg (smaller, changes them)"),
    "logprobs": (bool, "False asks for no probabilities; AUC of ObjectQA is then N/A"),
    "max_patches": (int | None, "most tiles a picture is cut into (InternVL)"),
    "max_pixels": (int | None, "largest picture in pixels (Qwen)"),
    "max_retries": (int, "of one request (6)"),
    "merge_adapter": (bool, "False leaves the adapter beside the weights"),
    "min_pixels": (int | None, "smallest picture in pixels (Qwen)"),
    "model": (str, "name that the server knows the model by"),
    "outage_s": (float, "seconds to wait for a server that answered before and is gone (900)"),
    "pretrained": (str, "folder or hub id of the model; of qreal_agent's adapters, their base"),
    "prices": (str | None, "YAML file with dollars per million tokens by model"),
    "reasoning_marks": (
        str | None,
        "of a model whose reasoning is not known: '◁think▷ ◁/think▷', several pairs separated by ;",
    ),
    "revision": (str | None, "of a hub id"),
    "seed": (int | None, "sent with every request"),
    "store": (str | None, "file that keeps the answers; default $QREAL_ANSWERS, then ~/.cache/qreal/answers.sqlite"),
    "temperature": (float | None, "0 (default), or None to send none"),
    "timeout_s": (float, "seconds of one attempt (120)"),
    "top_logprobs": (int, "tokens listed at the first place, 1 to 20 (20)"),
}
"""Every argument with its type, where ``None`` can be written if it is one, and its meaning in a line."""

ABOUT = {name: about for name, (_, about) in _TABLE.items()}
"""Argument to what it means, for ``qreal eval --help``."""


def _pick_types(names: str) -> dict[str, Any]:
    return {name: _TABLE[name][0] for name in names.split()}


OPENAI_ARGUMENTS = _pick_types(
    "model base_url concurrency logprobs top_logprobs timeout_s max_retries "
    "image_detail image_format family min_pixels max_pixels prices seed temperature first_wait_s outage_s "
    "store reasoning_marks"
)
"""``--model_args`` of ``qreal_openai`` and their types."""

HF_ARGUMENTS = _pick_types(
    "pretrained adapter merge_adapter revision dtype device_map attn_implementation "
    "min_pixels max_pixels max_patches store reasoning_marks"
)
"""``--model_args`` of ``qreal_hf``."""

AGENT_ARGUMENTS: dict[str, Any] = {
    **_pick_types(" ".join(SUBTASKS)),
    **{name: type_ for name, type_ in HF_ARGUMENTS.items() if name not in ("adapter", "reasoning_marks")},
    "pretrained": str | None,
}
"""``--model_args`` of ``qreal_agent``: any of the three models may be an adapter itself."""

ARGUMENTS: Mapping[str, tuple[Mapping[str, Any], Sequence[str]]] = {
    "qreal_hf": (HF_ARGUMENTS, ("pretrained",)),
    "qreal_openai": (OPENAI_ARGUMENTS, ("model",)),
    "qreal_agent": (AGENT_ARGUMENTS, SUBTASKS),
}
"""Backend to its arguments, and to those that must be given."""

_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "True or False"}


def parse_arguments(given: Mapping[str, Any], allowed: Mapping[str, Any], needed: Sequence[str]) -> dict[str, Any]:
    """The arguments in their types: the harness's parser makes of ``revision=12`` a number, of ``seed=None`` a text.

    Raises:
        ValueError: a name is unknown or wanting, a value has another type, or ``reasoning_marks`` are no pairs.
    """
    if "api_key" in given:
        raise ValueError("api_key: set OPENAI_API_KEY instead: the harness prints and stores --model_args")
    names = ", ".join(allowed)
    for name in given:
        if name not in allowed and name not in HARNESS_ARGUMENTS:
            raise ValueError(f"--model_args: unknown name {name!r}{suggest(name, allowed)} Expected some of {names}")
    for name in needed:
        if name not in given:
            raise ValueError(f"--model_args: {name} is missing, expected {name}=…; the others are {names}")
    for name, value in given.items():
        if isinstance(value, str) and (not value.strip() or value[0] in "\"'"):
            raise ValueError(f"--model_args: {name}={value}: expected a value as it is, not empty and without quotes")
    types = {**HARNESS_ARGUMENTS, **allowed}
    options = {name: convert_value(name, value, types[name]) for name, value in given.items()}
    parse_marks(options.get("reasoning_marks") or "")
    return options


def convert_value(name: str, value: Any, type_: Any) -> Any:
    """``value`` as ``type_``: one of ``_WORDS``, or one of them or None."""
    wanted, *none = get_args(type_) or (type_,)
    if none and (value is None or value in ("None", "none")):
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if wanted is str and isinstance(value, str | int | float):
        return str(value)
    if wanted is bool and str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    if wanted in (int, float):
        try:
            number = value if is_number else float(value) if isinstance(value, str) else math.nan
        except ValueError:
            number = math.nan
        if math.isfinite(number) and (wanted is float or number == int(number)):
            return wanted(number)
    raise ValueError(f"{name} is {value!r}, expected {_WORDS[wanted]}{' or None' if none else ''}")


def resolve_store_path(given: str | None) -> Path:
    """The file for the answers of all runs; they are kept by model, prompt, settings and pixels, so they never mix.

    Raises:
        NoHomeError: it lies in the home folder, and there is none.
    """
    named = given or os.environ.get(STORE_VARIABLE)
    return Path(named).expanduser() if named else user_cache_path("answers.sqlite", f"store= or {STORE_VARIABLE}")


def parse_batch_size(given: str | None) -> int | Literal["auto"]:
    """Pictures at a time; the harness's default of 1 stands for ``auto``, which fills the memory.

    Raises:
        ValueError: it is neither.
    """
    size: int | Literal["auto"] = "auto" if given in (None, "1", "auto") else convert_value("batch_size", given, int)
    if size != "auto" and size < 1:
        raise ValueError(f"batch_size is {given}, expected auto or a whole number of 1 or more")
    return size


def prepare_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a backend that loads a model, as the engines take them.

    Without a device, each process has its own GPU.
    """
    from accelerate import PartialState  # takes seconds, and arguments are checked without it

    taken = {name: value for name, value in options.items() if name != "max_batch_size"}
    taken["batch_size"] = parse_batch_size(taken.get("batch_size"))
    if taken.get("device") is None and taken.get("device_map") is None:
        taken["device"] = str(PartialState().device)
    return taken
