"""Collation of rows of different length and pictures of different size into one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from qreal_tasks.models.local.chat import AskedPicture


class Padded(NamedTuple):
    """Rows padded on the left."""

    ids: torch.Tensor
    """Shape (rows, longest)."""
    mask: torch.Tensor
    """1 where a token is, 0 where padding is."""


def pad_left(rows: Sequence[Sequence[int]], pad_id: int) -> Padded:
    """Rows of token ids with ``pad_id`` before them."""
    longest = max(map(len, rows))
    ids = torch.tensor([[pad_id] * (longest - len(row)) + list(row) for row in rows])
    mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
    return Padded(ids, mask)


def collate_prompts(asked: Sequence[AskedPicture], rows: Sequence[int], pad_id: int) -> dict[str, torch.Tensor]:
    """What a model takes for the first ``rows[i]`` tokens of the first prompt of ``asked[i]``, on the CPU."""
    return {**collate_texts(asked, rows, pad_id), **collate_pictures(asked)}


def collate_texts(asked: Sequence[AskedPicture], rows: Sequence[int], pad_id: int) -> dict[str, torch.Tensor]:
    """The same without the inputs of the vision tower."""
    prompts = [a.prompts[0] for a in asked]
    ids, mask = pad_left([p.ids[:n] for p, n in zip(prompts, rows, strict=True)], pad_id)
    inputs = {"input_ids": ids, "attention_mask": mask}
    types = [p.types[:n] for p, n in zip(prompts, rows, strict=True) if p.types is not None]
    if types:
        inputs["mm_token_type_ids"] = pad_left(types, 0).ids
    return inputs


def collate_pictures(asked: Sequence[AskedPicture]) -> dict[str, torch.Tensor]:
    """The inputs of the vision tower, one picture after the other.

    Families that give every picture a row of tiles (LLaVA-NeXT) get empty tiles at the end of shorter rows.
    """
    return {key: _joined([a.picture[key] for a in asked]) for key in asked[0].picture}


def compute_positions(decoder: Any, inputs: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Position ids that padding does not shift, and for every row the position of the token after it.

    Args:
        decoder: vision tower and language model without the output head; families with three-dimensional positions
            compute them (``get_rope_index``).
        inputs: as ``collate_prompts``.

    Returns:
        Shape (rows, length) or (3, rows, length), and (rows, 1).
    """
    mask = inputs["attention_mask"]
    tokens = mask.sum(1, keepdim=True)
    if not hasattr(decoder, "get_rope_index"):
        return (mask.cumsum(1) - 1).clamp(min=0), tokens
    needed = ("input_ids", "mm_token_type_ids", "image_grid_thw", "attention_mask")
    ids, deltas = decoder.get_rope_index(**{key: inputs[key] for key in needed})
    return ids, tokens + deltas


def _joined(parts: list[torch.Tensor]) -> torch.Tensor:
    if parts[0].ndim == 5:
        most = max(part.shape[1] for part in parts)
        parts = [torch.nn.functional.pad(part, (0, 0, 0, 0, 0, 0, 0, most - part.shape[1])) for part in parts]
    return torch.cat(parts)
