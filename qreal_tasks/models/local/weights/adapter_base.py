"""Check that an adapter lies on the model that it was trained on: on another one its answers mean nothing."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from qreal_tasks.files.regular import read_bytes, read_text, require_file
from qreal_tasks.models.local.weights.loading import hash_model_folder, require_adapter_folder
from qreal_tasks.models.sources import ADAPTER_SETTINGS, find_shipped

logger = logging.getLogger(__name__)

_FLOATS = {"F64", "F32", "F16", "BF16"}
"""Types of numbers, by their names in safetensors, that weights have which are not quantised."""


class BaseMatch(Enum):
    """How a model stands to the base that an adapter names."""

    SAME = auto()
    OTHER = auto()
    """Both are here, and their weights differ."""
    UNKNOWN = auto()
    """No base is named, one of the two is not a folder here, or they are stored in other types of numbers (bfloat16 of
    float32, quantised), so that they cannot be compared."""


@dataclass(frozen=True)
class NamedBase:
    """The base that an adapter names, held against a model."""

    named: str
    """Empty where the adapter names none."""
    match: BaseMatch


@dataclass(frozen=True)
class Tensor:
    """A tensor of a safetensors file, not read yet."""

    file: Path
    name: str
    dtype: str
    shape: tuple[int, ...]

    def read(self) -> bytes:
        """Its bytes."""
        import torch

        with _opened(self.file) as weights:
            return bytes(weights.get_tensor(self.name).reshape(-1).view(torch.uint8).numpy())


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name, from its header.

    Raises:
        OSError, ValueError: it cannot be read.
    """
    with _opened(path) as weights:
        slices = {name: weights.get_slice(name) for name in weights.keys()}  # noqa: SIM118, it is no mapping
        return {name: Tensor(path, name, one.get_dtype(), tuple(one.get_shape())) for name, one in slices.items()}


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(require_file(path), "pt") as weights:
            yield weights
    except SafetensorError as error:
        raise ValueError(f"{path} is no whole safetensors file: {error}") from None


def identify_base(adapter: str, model: str, revision: str | None = None) -> NamedBase:
    """Hold the base that an adapter names against a model: by the content of both where both are folders, wherever
    they lie; of hub ids by name and revision.

    Weights are compared tensor by tensor up to the first that differs, so only equal ones are read whole.

    Args:
        adapter: folder that PEFT saved.
        model: folder or hub id.
        revision: of a hub id.

    Raises:
        OSError: no adapter is there.
        ValueError: its settings cannot be read.
    """
    settings = json.loads(read_text(require_adapter_folder(adapter) / ADAPTER_SETTINGS))
    if not isinstance(settings, dict):
        raise ValueError(f"adapter={adapter}: its {ADAPTER_SETTINGS} holds no settings; save the adapter anew")
    named = str(settings.get("base_model_name_or_path") or "")
    if not named:
        return NamedBase(named, BaseMatch.UNKNOWN)
    one, other = (Path(find_shipped(name)).expanduser() for name in (named, model))
    if one.is_dir() and other.is_dir():
        return NamedBase(named, BaseMatch.SAME if one.samefile(other) else _compared(one, other))
    same_name = named == model and not one.is_dir() and settings.get("revision") in (None, revision)
    return NamedBase(named, BaseMatch.SAME if same_name else BaseMatch.UNKNOWN)


def check_base(adapter: str, model: str, revision: str | None = None, refuse: bool = True) -> None:
    """Refuse a model that is not the one below which the adapter was trained; say so where that cannot be known.

    Args:
        adapter, model, revision: as of ``identify_base``.
        refuse: otherwise it is only said, where somebody put the model below the adapter on purpose.

    Raises:
        OSError: no adapter is there.
        ValueError: the model is another one.
    """
    base = identify_base(adapter, model, revision)
    on = f"pretrained={model}" + (f" (revision {revision or 'main'})" if base.named == model else "")
    if base.match is BaseMatch.OTHER:
        fault = f"adapter={adapter} was trained on {base.named}, and {on} is another model: their weights differ"
        if refuse:
            raise ValueError(f"{fault}. Give pretrained={base.named}, or an adapter of this model")
        logger.warning("%s", fault)
    elif base.match is BaseMatch.UNKNOWN:
        logger.warning(
            "adapter=%s names %s as its base, and runs on %s: whether they are the same model cannot be known here. On "
            "another one its answers mean nothing",
            adapter,
            base.named or "no model",
            on,
        )


def _compared(one: Path, other: Path) -> BaseMatch:
    try:
        first, second = _weights(one), _weights(other)
        if not first or not second:  # pickled weights, which may differ in form alone
            return BaseMatch.SAME if hash_model_folder(one) == hash_model_folder(other) else BaseMatch.UNKNOWN
        if (_types(first) ^ _types(second)) - _FLOATS:  # one is quantised: even its shapes are others
            return BaseMatch.UNKNOWN
        if _shapes(first) != _shapes(second):
            return BaseMatch.OTHER
        if any(first[name].dtype != second[name].dtype for name in first):
            return BaseMatch.UNKNOWN
        return BaseMatch.SAME if all(first[name].read() == second[name].read() for name in first) else BaseMatch.OTHER
    except (OSError, ValueError, KeyError, TypeError):  # a damaged file: what loads it says so
        return BaseMatch.UNKNOWN


def _weights(folder: Path) -> dict[str, Tensor]:
    """All tensors that transformers would load, however many files they are spread over."""
    whole, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if whole.is_file():
        files = [whole]  # not the consolidated.safetensors of another program beside it
    elif index.is_file():
        files = [folder / name for name in sorted(set(json.loads(read_bytes(index))["weight_map"].values()))]
    else:
        files = [path for path in sorted(folder.glob("*.safetensors")) if not path.name.startswith("adapter_model")]
    return {name: tensor for path in files for name, tensor in read_tensors(path).items()}


def _types(tensors: Mapping[str, Tensor]) -> set[str]:
    return {tensor.dtype for tensor in tensors.values()}


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tensor.shape for name, tensor in tensors.items()}
