"""All questions about a picture as one sequence behind it.

The prompts about a crop begin alike: chat template, picture, the label. That beginning is computed once; every question
with its answer follows as a part of its own, which sees the beginning and itself, at the positions it would have
alone. Loss and gradients are those of separate sequences; with 400 picture tokens and six questions it is about a fifth
of the arithmetic. Plain turns of one conversation would not do: a later answer would see the earlier ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from qreal_tasks.models.local.chat import AskedPicture
from qreal_tasks.models.local.collate import collate_pictures, collate_texts, compute_positions

IGNORED = -100
"""Label of a token whose prediction is not learnt."""


@dataclass(frozen=True)
class Part:
    """What follows the common beginning: the rest of a prompt, and its answer."""

    ids: list[int]
    answer: int
    """How many of ``ids``, from the last, are the answer and its end of turn."""


@dataclass(frozen=True)
class PackedQuestions:
    """A picture's questions as one sequence."""

    asked: AskedPicture
    shared: int
    """Tokens of the common beginning."""
    parts: tuple[Part, ...]

    def __len__(self) -> int:
        return self.shared + sum(len(part.ids) for part in self.parts)


def pack(asked: AskedPicture, answers: Sequence[Sequence[int]]) -> PackedQuestions:
    """Make one sequence of a picture and its prompts, each with the token ids of its answer and end of turn."""
    shared = asked.shared_length if len(answers) > 1 else len(asked.prompts[0].ids)
    parts = tuple(
        Part(prompt.ids[shared:] + list(answer), len(answer))
        for prompt, answer in zip(asked.prompts, answers, strict=True)
    )
    return PackedQuestions(asked, shared, parts)


class _Layout(NamedTuple):
    """Where everything is, each of shape (sequences, longest)."""

    ids: torch.Tensor
    labels: torch.Tensor
    number: torch.Tensor
    """0 in the beginning, 1, 2, … in the parts, -1 where padding is."""
    offset: torch.Tensor
    """From the start of the beginning, or of the part."""


def make_batch(sequences: Sequence[PackedQuestions], decoder: Any, pad_id: int) -> dict[str, torch.Tensor]:
    """Make what a model takes for these sequences, padded on the right, on the CPU.

    ``attention_mask`` has shape (sequences, 1, longest, longest), True where a token sees another, when a sequence has
    several parts, and is the usual one of shape (sequences, longest) when none has.

    Args:
        decoder: vision tower and language model without output head; only its rule for positions is used, so weights
            may be on the meta device.
        pad_id: any token id.
    """
    laid = _layout(sequences, pad_id)
    pictures = collate_pictures([s.asked for s in sequences])
    batch = {
        "input_ids": laid.ids,
        "attention_mask": _seen(laid.number) if any(len(s.parts) > 1 for s in sequences) else (laid.number >= 0).long(),
        "position_ids": _positions(sequences, laid, pictures, decoder, pad_id),
        "labels": laid.labels,
        **pictures,
    }
    if sequences[0].asked.prompts[0].types is not None:
        batch["mm_token_type_ids"] = _types(sequences, laid.ids.shape)
    return batch


def _layout(sequences: Sequence[PackedQuestions], pad_id: int) -> _Layout:
    longest = max(map(len, sequences))
    rows: tuple[list[list[int]], ...] = ([], [], [], [])
    ids, labels, numbers, offsets = rows
    for sequence in sequences:
        beginning = Part(sequence.asked.prompts[0].ids[: sequence.shared], 0)
        parts = (beginning, *sequence.parts)
        padding = longest - len(sequence)
        ids.append([token for part in parts for token in part.ids] + [pad_id] * padding)
        learnt = ([IGNORED] * (len(part.ids) - part.answer) + part.ids[len(part.ids) - part.answer :] for part in parts)
        labels.append([label for of_part in learnt for label in of_part] + [IGNORED] * padding)
        numbers.append([number for number, part in enumerate(parts) for _ in part.ids] + [-1] * padding)
        offsets.append([at for part in parts for at in range(len(part.ids))] + [0] * padding)
    return _Layout(*map(torch.tensor, rows))


def _seen(number: torch.Tensor) -> torch.Tensor:
    """A token sees those before it of the beginning and of its own part; padding sees itself."""
    of_query, of_key = number[:, :, None], number[:, None, :]
    return ((of_key == 0) | (of_key == of_query)).tril()[:, None]


def _positions(
    sequences: Sequence[PackedQuestions], laid: _Layout, pictures: dict[str, torch.Tensor], decoder: Any, pad_id: int
) -> torch.Tensor:
    """Shape (sequences, longest), or (3, sequences, longest) in families whose positions follow the picture's grid."""
    asked, shared = [s.asked for s in sequences], [s.shared for s in sequences]
    padded_left, following = compute_positions(decoder, {**collate_texts(asked, shared, pad_id), **pictures})
    found = (following + laid.offset).expand(*padded_left.shape[:-2], *laid.offset.shape).clone()
    for at, length in enumerate(shared):
        found[..., at, :length] = padded_left[..., at, -length:]
    found[..., laid.number < 0] = 0
    return found


def _types(sequences: Sequence[PackedQuestions], shape: torch.Size) -> torch.Tensor:
    """Text 0, picture 1; the picture is in the beginning."""
    types = torch.zeros(shape, dtype=torch.long)
    for at, sequence in enumerate(sequences):
        types[at, : sequence.shared] = torch.tensor((sequence.asked.prompts[0].types or [])[: sequence.shared])
    return types
