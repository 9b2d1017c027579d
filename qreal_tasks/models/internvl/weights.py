"""Conversion of the weights of an original InternVL checkpoint to the names of transformers' own model.

InternLM2 is Llama with other names and one matrix for queries, keys and values, whose rows go by key-value head.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from transformers import InternVLForConditionalGeneration

from qreal_tasks.files.regular import read_text, require_file

_PREFIXES = {
    "vision_model.": "model.vision_tower.",
    "mlp1.": "model.multi_modal_projector.",
    "language_model.model.": "model.language_model.",
    "language_model.": "",
}
# Modules that have another name behind the prefix, with {} for the layer; a fused one has a name for each part.
_NAMES = {
    "embeddings.class_embedding": ["embeddings.cls_token"],
    "embeddings.position_embedding": ["embeddings.position_embeddings"],
    "embeddings.patch_embedding": ["embeddings.patch_embeddings.projection"],
    "encoder.layers.{}.attn.qkv": [f"encoder.layer.{{}}.attention.{part}_proj" for part in "qkv"],
    "encoder.layers.{}.attn.q_norm": ["encoder.layer.{}.attention.q_norm"],
    "encoder.layers.{}.attn.k_norm": ["encoder.layer.{}.attention.k_norm"],
    "encoder.layers.{}.attn.proj": ["encoder.layer.{}.attention.projection_layer"],
    "encoder.layers.{}.norm1": ["encoder.layer.{}.layernorm_before"],
    "encoder.layers.{}.norm2": ["encoder.layer.{}.layernorm_after"],
    "encoder.layers.{}.ls1": ["encoder.layer.{}.lambda_1"],
    "encoder.layers.{}.ls2": ["encoder.layer.{}.lambda_2"],
    "encoder.layers.{}.mlp.fc1": ["encoder.layer.{}.mlp.fc1"],
    "encoder.layers.{}.mlp.fc2": ["encoder.layer.{}.mlp.fc2"],
    "0": ["layer_norm"],  # of mlp1
    "1": ["linear_1"],
    "3": ["linear_2"],
    "tok_embeddings": ["embed_tokens"],
    "layers.{}.attention.wqkv": [f"layers.{{}}.self_attn.{part}_proj" for part in "qkv"],
    "layers.{}.attention.wo": ["layers.{}.self_attn.o_proj"],
    "layers.{}.attention_norm": ["layers.{}.input_layernorm"],
    "layers.{}.ffn_norm": ["layers.{}.post_attention_layernorm"],
    "layers.{}.feed_forward.w1": ["layers.{}.mlp.gate_proj"],
    "layers.{}.feed_forward.w3": ["layers.{}.mlp.up_proj"],
    "layers.{}.feed_forward.w2": ["layers.{}.mlp.down_proj"],
    "output": ["lm_head"],
}


def weight_files(source: Path) -> list[Path]:
    """The safetensors files that the index names, or the only one.

    Raises:
        ValueError: one is missing.
    """
    index = source / "model.safetensors.index.json"
    names = {"model.safetensors"}
    if index.is_file():
        names = set(json.loads(read_text(index))["weight_map"].values())
    if missing := sorted(name for name in names if not (source / name).is_file()):
        raise ValueError(f"{source} lacks the weights {', '.join(missing)}; download the checkpoint again")
    return [source / name for name in sorted(names)]


def check_weights(files: Sequence[Path], config: Any) -> None:
    """Read only the headers: every weight has a place in the native model, and every place a weight of its shape.

    Args:
        config: ``InternVLConfig`` of the native model.

    Raises:
        ValueError: which weight has no place, which place no weight, or which shape differs.
    """
    with torch.device("meta"):
        model = InternVLForConditionalGeneration(config)
    expected = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
    found: dict[str, tuple[int, ...]] = {}
    unexpected: list[str] = []
    for file in files:
        try:
            with safe_open(require_file(file), "pt") as weights:
                for name in weights.keys():  # noqa: SIM118, it is no mapping
                    parts = _native_parts(name, torch.empty(weights.get_slice(name).get_shape(), device="meta"), config)
                    found |= {native: tuple(part.shape) for native, part in parts.items()}
                    unexpected += [name] * (not parts.keys() <= expected.keys())
        except SafetensorError as error:
            raise ValueError(f"{file} is no whole safetensors file ({error}); download it again") from error
    if unexpected:
        raise ValueError(
            f"{files[0].parent}: the native model has no place for {_some(unexpected)}; expected the weights that "
            "config.json describes, with no adapter beside them"
        )
    if missing := expected.keys() - found.keys():
        raise ValueError(f"{files[0].parent} has no weights for {_some(missing)}; download the checkpoint again")
    for name, shape in expected.items():
        if found[name] != shape:
            raise ValueError(f"{name} has shape {found[name]}, expected {shape} after config.json")


def write_weights(files: Sequence[Path], config: Any, target: Path) -> None:
    """One file for each of ``files``, and an index; types stay."""
    weight_map: dict[str, str] = {}
    size = 0
    for at, file in enumerate(files, start=1):
        parts: dict[str, torch.Tensor] = {}
        with safe_open(require_file(file), "pt") as weights:
            for name in weights.keys():  # noqa: SIM118
                parts |= _native_parts(name, weights.get_tensor(name), config)
        written = f"model-{at:05}-of-{len(files):05}.safetensors"
        save_file({name: part.clone() for name, part in parts.items()}, target / written, metadata={"format": "pt"})
        weight_map |= dict.fromkeys(parts, written)
        size += sum(part.nbytes for part in parts.values())
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    (target / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def _native_parts(name: str, tensor: torch.Tensor, config: Any) -> dict[str, torch.Tensor]:
    """What an original weight is in the native model: itself under another name, or the parts of a fused one."""
    prefix = next((prefix for prefix in _PREFIXES if name.startswith(prefix)), "")
    leaf = next((leaf for leaf in (".weight", ".bias") if name.endswith(leaf)), "")
    stem = name.removeprefix(prefix).removesuffix(leaf)
    layer = "".join(re.findall(r"(?<=layers\.)\d+", stem))
    natives = _NAMES.get(re.sub(r"(?<=layers\.)\d+", "{}", stem), [stem])
    parts = [tensor]
    if stem.endswith(".attn.qkv"):
        parts = list(tensor.chunk(3))
    elif stem.endswith(".wqkv"):
        parts = _ungrouped(name, tensor, config.text_config)
    names = [_PREFIXES.get(prefix, "") + native.format(layer) + leaf for native in natives]
    return dict(zip(names, parts, strict=True))


def _ungrouped(name: str, wqkv: torch.Tensor, text: Any) -> list[torch.Tensor]:
    """Queries, keys and values of InternLM2, whose rows go by key-value head: its queries, then its key, its value."""
    heads = text.num_attention_heads + 2 * text.num_key_value_heads
    if wqkv.shape[0] != heads * text.head_dim:
        raise ValueError(
            f"{name} has {wqkv.shape[0]} rows, expected {heads} heads of {text.head_dim} after config.json"
        )
    groups = wqkv.reshape(text.num_key_value_heads, -1, text.head_dim, *wqkv.shape[1:])
    return [part.flatten(0, 2) for part in (groups[:, :-2], groups[:, -2:-1], groups[:, -1:])]


def _some(names: Iterable[str], most: int = 3) -> str:
    ordered = sorted(names)
    rest = f" and {len(ordered) - most} more" if len(ordered) > most else ""
    return ", ".join(ordered[:most]) + rest
