"""The model to be tuned: which of its weights take gradients, counted before any is loaded, and loaded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from qreal_tasks.files.system_errors import describe_error
from qreal_tasks.models.local.weights.adapter_base import BaseMatch, identify_base, read_tensors
from qreal_tasks.models.local.weights.loading import attach_adapter, limit_pictures, require_adapter_folder
from qreal_tasks.models.sources import ADAPTER_SETTINGS
from qreal_tasks.text.one_line import one_line
from training.config import ConfigError, Lora, TrainConfig
from training.data.families import TunedFamily, find_family


@dataclass(frozen=True)
class Trainable:
    """Which weights a config would train."""

    parameters: int
    total: int
    modules: int
    """Layers that hold them."""
    example: str
    """Name of one, for the user to recognise."""


@dataclass(frozen=True)
class Outline:
    """What a model's settings say without its weights."""

    config: Any
    family: TunedFamily
    processor: Any
    empty: Any
    """The model with weights on the meta device: shapes and names, no memory."""


def read_outline(config: TrainConfig) -> Outline:
    """Read the model's settings and processor, with the pixel limits of the config set.

    Raises:
        ConfigError: there is no such model, its family is not known, or it has no such pixel limit.
    """
    from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

    try:
        settings = AutoConfig.from_pretrained(config.loads_from, revision=config.revision)
        family = find_family(settings.model_type)
        processor = AutoProcessor.from_pretrained(config.loads_from, revision=config.revision)
    except (OSError, ValueError) as error:
        raise ConfigError(f"model {config.model}: {one_line(str(error), 300)}") from None
    for name in ("min_pixels", "max_pixels", "max_patches"):
        if getattr(config, name) is not None and name not in family.pixel_limits:
            known = " and ".join(family.pixel_limits) or "none"
            raise ConfigError(f"{name}: {family.model_type} has no such limit (it has {known}); leave it out")
    try:
        limit_pictures(processor, **{name: getattr(config, name) for name in family.pixel_limits})
    except ValueError as error:
        raise ConfigError(str(error)) from None
    try:
        with torch.device("meta"):
            empty = AutoModelForImageTextToText.from_config(settings, attn_implementation=config.attn_implementation)
    except (ImportError, ValueError) as error:
        raise ConfigError(f"attn_implementation {config.attn_implementation}: {one_line(str(error), 300)}") from None
    return Outline(empty.config, family, processor, empty)


def count_trainable(config: TrainConfig, found: Outline) -> Trainable:
    """Count what would be trained.

    Raises:
        ConfigError: nothing would be, or the adapter to go on with was made for another model.
    """
    adapter = _read_adapter(config, config.adapter) if config.adapter else None
    prepared = _prepare(found.empty, config, found.family, adapter)
    if config.adapter:
        _check_fits(prepared, config.adapter)
    named = [(name, weight) for name, weight in prepared.named_parameters() if weight.requires_grad]
    if not named:
        raise ConfigError("nothing would be trained: no weight takes gradients with this config")
    return Trainable(
        parameters=sum(weight.numel() for _, weight in named),
        total=sum(weight.numel() for weight in prepared.parameters()),
        modules=len({name.split(".lora_")[0] if ".lora_" in name else name.rpartition(".")[0] for name, _ in named}),
        example=named[0][0],
    )


def load_model(config: TrainConfig, family: TunedFamily) -> Any:
    """Load the model with its weights, ready to be trained; under DeepSpeed's third stage spread over the processes.

    Raises:
        ConfigError: the adapter to go on with does not fit.
    """
    from transformers import AutoModelForImageTextToText

    # All weights are trained in float32, under automatic mixed precision where bfloat16 is asked for: steps of the
    # optimiser are smaller than what bfloat16 can add to a weight.
    dtype = torch.float32 if config.method == "full" else getattr(torch, config.dtype)
    model = AutoModelForImageTextToText.from_pretrained(
        config.loads_from,
        revision=config.revision,
        dtype=dtype,
        attn_implementation=config.attn_implementation,
    )
    model.config.use_cache = False
    if config.adapter:
        try:
            return attach_adapter(model, config.adapter, trainable=True)
        except (OSError, ValueError) as error:
            raise ConfigError(str(error)) from None
    return _prepare(model, config, family, None) if config.method == "full" else model


def make_lora_config(config: TrainConfig, family: TunedFamily) -> Any:
    """Make PEFT's settings."""
    from peft import LoraConfig

    return LoraConfig(
        r=config.lora.r,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        target_modules=config.lora.targets or family.lora_targets,
        bias="none",
        task_type="CAUSAL_LM",
    )


def skip_vision_gradient(model: Any, family: TunedFamily) -> bool:
    """Run the vision tower without keeping anything for a backward pass, when none of its weights takes gradients.

    Gradient checkpointing makes even the inputs of frozen layers ask for gradients, so that the backward pass would
    run through a tower that learns nothing. Loss and gradients stay the same to the bit.

    ``model`` has its output head and is not wrapped by PEFT. Returns whether the tower is frozen.
    """
    tower = model.model.get_submodule(family.vision)
    if any(weight.requires_grad for weight in tower.parameters()):
        return False
    tower.forward = torch.no_grad()(tower.forward)
    return True


def _prepare(model: Any, config: TrainConfig, family: TunedFamily, adapter: Any | None) -> Any:
    """Put an adapter on the model, or freeze parts of it."""
    if config.method == "lora":
        from peft import get_peft_model

        try:
            return get_peft_model(model, adapter or make_lora_config(config, family))
        except (ValueError, re.error) as error:  # no layer of that name; no regular expression
            raise ConfigError(f"lora.targets: nothing would be trained: {one_line(str(error), 300)}") from None
    decoder = model.model
    for weight in model.parameters():
        weight.requires_grad_(not config.freeze.language)
    for frozen, parts in ((config.freeze.vision, (family.vision,)), (config.freeze.projector, family.projector)):
        for part in parts:
            for weight in decoder.get_submodule(part).parameters():
                weight.requires_grad_(not frozen)
    return model


def _read_adapter(config: TrainConfig, adapter: str) -> Any:
    from peft import PeftConfig

    try:
        folder = require_adapter_folder(adapter)
    except OSError as error:
        raise ConfigError(str(error)) from None
    settings = PeftConfig.from_pretrained(str(folder))
    base = identify_base(adapter, config.model, config.revision)
    names = {Path(config.loads_from).name, Path(config.loads_from).resolve().name}
    if base.match is BaseMatch.OTHER or (base.match is BaseMatch.UNKNOWN and Path(base.named).name not in names):
        made_for = f"adapter {adapter} was made for {base.named or 'a model that it does not name'}"
        advice = (
            "their weights differ. Train that one, or go on with an adapter of this one"
            if base.match is BaseMatch.OTHER
            else "they cannot be compared here. Where that is the same model under another name, give it the name that "
            f"stands in {ADAPTER_SETTINGS}"
        )
        raise ConfigError(f"{made_for}, and the model to be trained is {config.model}: {advice}")
    own = Lora(r=settings.r, alpha=settings.lora_alpha, dropout=settings.lora_dropout, targets=config.lora.targets)
    if own != config.lora:
        raise ConfigError(
            f"adapter {adapter} has r={own.r} alpha={own.alpha:g} dropout={own.dropout:g}, which stay as they are; the "
            f"config has r={config.lora.r} alpha={config.lora.alpha:g} dropout={config.lora.dropout:g}"
        )
    settings.inference_mode = False  # PEFT saves them for use, and would freeze the adapter
    return settings


def _check_fits(prepared: Any, adapter: str) -> None:
    """Compare names and shapes with the file's, before weights are loaded."""
    from peft import get_peft_model_state_dict

    expected = {name: tuple(weight.shape) for name, weight in get_peft_model_state_dict(prepared).items()}
    path = Path(adapter).expanduser() / "adapter_model.safetensors"
    try:
        found = {name: tensor.shape for name, tensor in read_tensors(path).items()}
    except (OSError, ValueError) as error:
        raise ConfigError(f"adapter {adapter}: cannot be read: {describe_error(error)}") from None
    wrong = sorted(name for name in expected.keys() | found.keys() if expected.get(name) != found.get(name))
    if wrong:
        name = wrong[0]
        raise ConfigError(
            f"adapter {adapter} was made for another model: {len(wrong)} of its weights differ, first {name}: "
            f"the adapter has {found.get(name, 'none')}, the model takes {expected.get(name, 'none')}"
        )
