"""Loading of a model with its processor and adapter from disk or hub, and what identifies them."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from qreal_tasks.files.regular import open_file, read_text
from qreal_tasks.models.local.weights.patches import use_patch_products
from qreal_tasks.shipped import NO_ADAPTER, is_shipped

_WEIGHTS = ("*.safetensors", "*.bin")
_SETTINGS = ("*.json", "*.txt", "*.jinja", "*.model")
_NOT_CONTENT = frozenset({"trainer_state.json", "all_results.json", "train_results.json", "eval_results.json"})


@dataclass(frozen=True)
class LoadedModel:
    """A model that is ready to answer, with its processor."""

    model: Any
    processor: Any
    device: torch.device


def load_model(
    pretrained: str,
    *,
    adapter: str | None,
    merge_adapter: bool,
    revision: str | None,
    dtype: str,
    device: str | None,
    device_map: str | None,
    attn_implementation: str | None,
) -> LoadedModel:
    """The model in evaluation mode, with the adapter in place, and its processor.

    Raises:
        ValueError: the processor handles no pictures, or there is no such device or type of numbers.
        OSError: there is no such model or adapter.
    """
    from transformers import AutoModelForImageTextToText

    _require_dtype(dtype)
    place = device_map or str(_device(device))
    processor = load_processor(pretrained, adapter, revision)
    model = AutoModelForImageTextToText.from_pretrained(
        pretrained,
        revision=revision,
        dtype=dtype,
        device_map=place,
        attn_implementation=attn_implementation,
    )
    if adapter is not None:
        adapted = attach_adapter(model, adapter)
        # Not merged, its layers stay in the base model, which is what is called.
        model = adapted.merge_and_unload() if merge_adapter else adapted.get_base_model()
    use_patch_products(model)
    return LoadedModel(model.eval().requires_grad_(False), processor, model.get_input_embeddings().weight.device)


def load_processor(pretrained: str, adapter: str | None, revision: str | None) -> Any:
    """The processor saved beside the adapter, where there is one, for with its limits of pixels the adapter was
    trained; else the model's.

    Raises:
        ValueError: it handles no pictures.
        OSError: there is no such model or adapter.
    """
    from transformers import AutoProcessor

    processor = _processor_beside(adapter) if adapter else None
    if processor is None:
        processor = AutoProcessor.from_pretrained(pretrained, revision=revision)
    if not (hasattr(processor, "image_processor") and hasattr(processor, "image_token")):
        raise ValueError(f"{pretrained} has no processor for pictures and text, expected an image-text-to-text model")
    return processor


def limit_pictures(processor: Any, **limits: int | None) -> None:
    """Set ``min_pixels``, ``max_pixels`` (Qwen) or ``max_patches`` (InternVL) of the image processor.

    Raises:
        ValueError: the family has no such limit, so that the caller would believe in one that does not hold.
    """
    for name, value in limits.items():
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
            raise ValueError(f"{name} is {value!r}, expected a whole number of 1 or more")
    images = processor.image_processor
    edges = {"min_pixels": "shortest_edge", "max_pixels": "longest_edge"}
    for name, value in limits.items():
        if value is None:
            continue
        if name in edges and hasattr(images, "merge_size"):
            images.size = type(images.size)(**{**dict(images.size), edges[name]: value})
        elif name not in edges and hasattr(images, name):
            setattr(images, name, value)
        else:
            raise ValueError(f"{name}={value}: {type(images).__name__} has no such limit, leave {name} out")
    size = dict(images.size)
    if hasattr(images, "merge_size") and size["shortest_edge"] > size["longest_edge"]:
        raise ValueError(f"min_pixels is {size['shortest_edge']}, more than max_pixels: {size['longest_edge']}")


def _picture_limits(processor: Any) -> dict[str, Any]:
    """What decides how large a picture the model sees."""
    images = processor.image_processor
    found: dict[str, Any] = {"image_processor": type(images).__name__, "size": dict(images.size)}
    for name in ("min_patches", "max_patches", "crop_to_patches", "image_grid_pinpoints"):
        if getattr(images, name, None) is not None:
            found[name] = getattr(images, name)
    return found


def identify(
    pretrained: str, revision: str | None, adapter: str | None, merged: bool, config: Any, processor: Any
) -> dict[str, Any]:
    """Everything that decides an answer, beside engine, attention and type of numbers; JSON types only.

    Args:
        pretrained, revision, adapter: where the model is.
        merged: the adapter is added to the weights.
        config: of the model.
        processor: with its limits set.
    """
    import transformers

    return {
        "transformers": transformers.__version__,
        **identify_model(pretrained, revision, config),
        "adapter": adapter and hash_adapter(adapter),
        "adapter_merged": bool(adapter) and merged,
        "pictures": _picture_limits(processor),
    }


def identify_model(pretrained: str, revision: str | None, config: Any) -> dict[str, Any]:
    """What names a model wherever it lies: the hub's commit, or the content of a folder."""
    folder = Path(pretrained)
    if folder.is_dir():
        return {"model": folder.resolve().name, "content": hash_model_folder(folder)}
    return {"model": pretrained, "revision": getattr(config, "_commit_hash", None) or revision}


def hash_adapter(adapter: str) -> str:
    """SHA-256 over an adapter's weights and settings, without where its base model was when it was trained."""
    folder = require_adapter_folder(adapter)
    settings = json.loads(read_text(folder / "adapter_config.json"))
    for place in ("base_model_name_or_path", "revision"):
        settings.pop(place, None)
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for path in sorted(p for pattern in _WEIGHTS for p in folder.glob("adapter_model" + pattern[1:])):
        digest.update(_file_digest(path).encode())
    return digest.hexdigest()


def attach_adapter(model: Any, adapter: str, trainable: bool = False) -> Any:
    """The model with a PEFT adapter in its layers, as PEFT wraps it.

    Args:
        adapter: folder that PEFT saved.
        trainable: the adapter's weights take gradients.

    Raises:
        OSError: no adapter is there.
        ValueError: it was made for another model, or is of a kind that does not change layers.
    """
    from peft import PeftModel
    from peft.tuners.tuners_utils import BaseTuner

    folder = require_adapter_folder(adapter)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            adapted = PeftModel.from_pretrained(model, str(folder), is_trainable=trainable)
        except (RuntimeError, ValueError) as error:  # sizes that differ; layers that are not there
            reason = " ".join(str(error).split())[:300]
            raise ValueError(f"adapter={adapter} does not fit {model.config.model_type}: {reason}") from None
    warned = [" ".join(str(warning.message).split()) for warning in caught]
    amiss = [text for text in warned if "missing adapter keys" in text or "unexpected" in text.lower()]
    if amiss:  # PEFT goes on with what fits, which may be nothing: the base model under the adapter's name
        raise ValueError(f"adapter={adapter} does not fit {model.config.model_type}: {amiss[0][:300]}")
    if not isinstance(adapted.base_model, BaseTuner):
        kind = adapted.active_peft_config.peft_type
        raise ValueError(f"adapter={adapter} is of type {kind}, expected one that changes layers, such as LORA")
    return adapted


def _processor_beside(adapter: str) -> Any:
    """The processor in an adapter's folder, None where it holds none."""
    from transformers import AutoProcessor

    folder = require_adapter_folder(adapter)
    if not any((folder / name).is_file() for name in ("processor_config.json", "preprocessor_config.json")):
        return None
    return AutoProcessor.from_pretrained(folder)


def require_adapter_folder(adapter: str) -> Path:
    """The folder of an adapter.

    Raises:
        OSError: no adapter is there.
    """
    if is_shipped(adapter):
        raise OSError(NO_ADAPTER)
    folder = Path(adapter).expanduser()
    if not (folder / "adapter_config.json").is_file():
        raise OSError(f"adapter={adapter}: no adapter_config.json there, expected a folder that PEFT saved")
    return folder


def _require_dtype(dtype: str | torch.dtype) -> None:
    """Refuse the name of a type of numbers that torch does not have."""
    if isinstance(dtype, str) and dtype != "auto" and not isinstance(getattr(torch, dtype, None), torch.dtype):
        raise ValueError(f"dtype {dtype}: torch has no such type, expected auto, bfloat16, float16 or float32")


def _device(device: str | None) -> torch.device:
    """The one given, or this process's own accelerator.

    Raises:
        ValueError: torch knows no such device, or finds none on this machine.
    """
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device is None or (device == "cuda" and count):
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0))) if count else torch.device("cpu")
    try:
        found = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"device {device}: {str(error).splitlines()[0]}") from None
    if found.type == "cuda" and (found.index or 0) >= count:
        gpus = f"{count} GPU{'s' * (count != 1)}" if count else "no GPU"
        raise ValueError(f"device {device}: torch finds {gpus} on this machine; leave device out, or give cpu")
    return found


def hash_model_folder(folder: Path) -> str:
    """SHA-256 over the files that make a model, read whole: tuning may have changed any one tensor.

    That takes about a second per gigabyte and core, of files that loading has just read.
    """
    paths = {path for pattern in (*_WEIGHTS, *_SETTINGS) for path in folder.glob(pattern)}
    files = sorted(p for p in paths if p.name not in _NOT_CONTENT)
    with ThreadPoolExecutor() as threads:
        digests = threads.map(_file_digest, files)
        named = [f"{path.name} {digest}" for path, digest in zip(files, digests, strict=True)]
    return hashlib.sha256("\n".join(named).encode()).hexdigest()


def _file_digest(path: Path) -> str:
    with open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
