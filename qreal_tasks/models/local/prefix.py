"""Scoring of several questions about one picture for little more than the price of one.

All prompts about a crop begin alike: chat template, picture, often the first words. That prefix goes through vision
tower and language model once. The questions' own tokens follow in one row behind it, each seeing the prefix and its
own question only, at the positions it would have alone. For six questions behind 400 image tokens this is a fifth of
the arithmetic.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from qreal_tasks.models.local.chat import AskedPicture
from qreal_tasks.models.local.collate import collate_prompts, compute_positions, pad_left


def compute_logits_sharing(model: Any, asked: Sequence[AskedPicture], pad_id: int) -> torch.Tensor:
    """Logits of the first answer token, for every prompt of every picture, in their order.

    Positions are given explicitly, so that padding shifts nothing; what is padding is masked.

    Args:
        model: with output head, in evaluation mode; an adapter is merged or is injected into its layers.
        asked: the pictures of the batch.
        pad_id: any token id.

    Returns:
        Shape (prompts in total, vocabulary), on the model's device, in its dtype.
    """
    device = model.get_input_embeddings().weight.device
    shared = [a.shared_length for a in asked]
    inputs = collate_prompts(asked, shared, pad_id)
    prefix_positions, next_position = compute_positions(model.model, inputs)
    prefix = SharedPrefix(
        cache=model(
            **{key: value.to(device) for key, value in inputs.items()},
            position_ids=prefix_positions.to(device),
            use_cache=True,
            logits_to_keep=1,
        ).past_key_values,
        mask=inputs["attention_mask"],
        next_position=next_position,
    )
    questions = [[prompt.ids[n:] for prompt in a.prompts] for a, n in zip(asked, shared, strict=True)]
    return (_in_one_row if takes_any_mask(model.config) else _in_rows)(model, prefix, questions, pad_id, device)


def takes_any_mask(config: Any) -> bool:
    """Whether the attention can keep parts of a row apart: FlashAttention takes no mask but padding."""
    return config._attn_implementation in ("sdpa", "eager")


def as_attention_mask(seen: torch.Tensor, model: Any) -> torch.Tensor:
    """``seen``, shape (rows, 1, queries, keys), True where a token sees another, in the form that ``model`` takes."""
    if model.config._attn_implementation != "eager":
        return seen
    # Eager attention adds the mask to the scores; a bool one would be taken for numbers, without an error.
    dtype = model.get_input_embeddings().weight.dtype
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill(~seen, torch.finfo(dtype).min)


class SharedPrefix(NamedTuple):
    """The beginning that all prompts of a picture share, computed once for each picture."""

    cache: Any
    mask: torch.Tensor
    """Shape (pictures, length), 0 where padding is."""
    next_position: torch.Tensor
    """Shape (pictures, 1): of the token after it."""


def _in_one_row(
    model: Any, prefix: SharedPrefix, questions: list[list[list[int]]], pad_id: int, device: torch.device
) -> torch.Tensor:
    """All questions of a picture behind each other, kept apart by the mask: no padding between short and long."""
    ids = pad_left([[token for question in row for token in question] for row in questions], pad_id)
    length = ids.ids.shape[1]
    number = torch.full((len(questions), length), -1)  # of the question that a token belongs to; -1 is padding
    offset = torch.zeros(len(questions), length, dtype=torch.long)
    ends = []
    for at, row in enumerate(questions):
        start = length - sum(map(len, row))
        for which, question in enumerate(row):
            number[at, start : start + len(question)] = which
            offset[at, start : start + len(question)] = torch.arange(len(question))
            start += len(question)
            ends.append((at, start - 1))
    same = number[:, :, None] == number[:, None, :]
    seen = torch.cat([prefix.mask.bool()[:, None, :].expand(-1, length, -1), same.tril()], dim=2)[:, None].to(device)
    kept = sorted({end for _, end in ends})
    logits: torch.Tensor = model(
        input_ids=ids.ids.to(device),
        attention_mask=as_attention_mask(seen, model),
        position_ids=(prefix.next_position + offset).to(device),
        past_key_values=prefix.cache,
        use_cache=True,
        logits_to_keep=torch.tensor(kept, device=device),
    ).logits
    place = {end: at for at, end in enumerate(kept)}
    return logits[[at for at, _ in ends], [place[end] for _, end in ends]]


def _in_rows(
    model: Any, prefix: SharedPrefix, questions: list[list[list[int]]], pad_id: int, device: torch.device
) -> torch.Tensor:
    """Every question behind a copy of its prefix, for attention that takes no mask but padding (FlashAttention)."""
    owner = torch.tensor([at for at, row in enumerate(questions) for _ in row])
    rows = pad_left([question for row in questions for question in row], pad_id)
    offset = (rows.mask.cumsum(1) - 1).clamp(min=0)
    prefix.cache.batch_select_indices(owner.to(device))
    logits: torch.Tensor = model(
        input_ids=rows.ids.to(device),
        attention_mask=torch.cat([prefix.mask[owner], rows.mask], dim=1).to(device),
        position_ids=(prefix.next_position[owner] + offset).to(device),
        past_key_values=prefix.cache,
        use_cache=True,
        logits_to_keep=1,
    ).logits
    return logits[:, -1]
