"""Answers to several questions about one picture for little more than the price of one.

All prompts about a crop begin alike: chat template, picture, often the first words. That prefix goes through vision
tower and language model once. The questions' own tokens follow in one row behind it, each seeing the prefix and its
own question only, at the positions it would have alone; so do the tokens of their answers. For six questions behind 400
image tokens this is a fifth of the arithmetic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from qreal_tasks.models.local.chat import AskedPicture
from qreal_tasks.models.local.collate import collate_prompts, compute_positions, pad_left

_PADDING = -1
"""In place of the number of the prompt that a token belongs to."""


class SharedPrompts:
    """The prompts of a batch of pictures in a model's memory, to be answered token by token.

    Positions are given explicitly, so that padding shifts nothing; what is padding is masked. Where the attention takes
    no mask but padding (FlashAttention), every question has a row and a copy of its prefix to itself.

    Args:
        model: with output head, in evaluation mode; an adapter is merged or is injected into its layers.
        asked: the pictures of the batch.
        pad_id: any token id.
    """

    def __init__(self, model: Any, asked: Sequence[AskedPicture], pad_id: int) -> None:
        self._model, self._pad = model, pad_id
        self._device = model.get_input_embeddings().weight.device
        self._any_mask = takes_any_mask(model.config)
        shared = [a.shared_length for a in asked]
        self._questions = [prompt.ids[n:] for a, n in zip(asked, shared, strict=True) for prompt in a.prompts]
        owner = [at for at, a in enumerate(asked) for _ in a.prompts]
        inputs = collate_prompts(asked, shared, pad_id)
        positions, behind = compute_positions(model.model, inputs)
        self._cache: Any = model(
            **{key: value.to(self._device) for key, value in inputs.items()},
            position_ids=positions.to(self._device),
            use_cache=True,
            logits_to_keep=1,
        ).past_key_values
        self._position = behind.flatten()[owner].tolist()  # of the next token of every prompt
        self._seen = inputs["attention_mask"].bool()  # of the prefix, shape (rows, its length)
        self._number = torch.empty(len(asked), 0, dtype=torch.long)  # of the prompt of each token behind it
        self._rows = [[prompt for prompt, at in enumerate(owner) if at == row] for row in range(len(asked))]
        self._answered = 0  # tokens of each answer that is not at its end
        if not self._any_mask:
            self._part()

    def ask(self) -> torch.Tensor:
        """Logits of the first answer token, for every prompt of every picture, in their order.

        Returns:
            Shape (prompts in total, vocabulary), on the model's device, in its dtype.
        """
        return self._feed(dict(enumerate(self._questions)))

    def go_on(self, tokens: Mapping[int, int]) -> torch.Tensor:
        """Logits of the next token for the prompts in ``tokens``, in that order; the others have ended for good.

        Args:
            tokens: prompt, by its place in what ``ask`` returned, to the token that was taken.
        """
        rows = [[prompt for prompt in row if prompt in tokens] for row in self._rows]
        kept = [at for at, row in enumerate(rows) if row]
        if len(kept) < len(rows):
            self._take_rows(kept)
        self._rows = [rows[at] for at in kept]
        self._answered += 1
        if self._answered > self._seen.shape[1] and len(tokens) > len(self._rows):
            self._part()
        return self._feed({prompt: [token] for prompt, token in tokens.items()})

    def _part(self) -> None:
        """Give every prompt a row to itself: an answer that is longer than the prefix costs those beside it more, as
        tokens that they pass over, than sharing the prefix saves them."""
        self._take_rows([at for at, row in enumerate(self._rows) for _ in row])
        self._rows = [[prompt] for row in self._rows for prompt in row]

    def _take_rows(self, places: Sequence[int]) -> None:
        """Keep these rows, each as often as it is named."""
        self._cache.batch_select_indices(torch.tensor(places))  # on the CPU: layers may be on several GPUs
        self._seen, self._number = self._seen[places], self._number[places]

    def _feed(self, tokens: Mapping[int, Sequence[int]]) -> torch.Tensor:
        """Logits behind the last token of each prompt."""
        rows = [[(prompt, token) for prompt in row for token in tokens[prompt]] for row in self._rows]
        ids = pad_left([[token for _, token in row] for row in rows], self._pad).ids
        length = ids.shape[1]
        number = torch.full((len(rows), length), _PADDING)
        positions = torch.zeros(len(rows), length, dtype=torch.long)
        ends: dict[int, tuple[int, int]] = {}
        for at, row in enumerate(rows):
            for column, (prompt, _) in enumerate(row, start=length - len(row)):
                number[at, column] = prompt
                positions[at, column] = self._position[prompt]
                self._position[prompt] += 1
                ends[prompt] = at, column
        self._number = torch.cat([self._number, number], dim=1)
        kept = sorted({column for _, column in ends.values()})
        logits: torch.Tensor = self._model(
            input_ids=ids.to(self._device),
            attention_mask=self._mask(number).to(self._device),
            position_ids=positions.to(self._device),
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=torch.tensor(kept, device=self._device),
        ).logits
        place = {column: at for at, column in enumerate(kept)}
        return logits[[ends[prompt][0] for prompt in tokens], [place[ends[prompt][1]] for prompt in tokens]]

    def _mask(self, number: torch.Tensor) -> torch.Tensor:
        """What the last tokens see: the prefix and, of what is behind it, what their own prompt has up to them."""
        if not self._any_mask:
            return torch.cat([self._seen, self._number != _PADDING], dim=1).long()
        length = number.shape[1]
        own = number[:, :, None] == self._number[:, None, :]
        own = own.tril(self._number.shape[1] - length)
        seen = torch.cat([self._seen[:, None, :].expand(-1, length, -1), own], dim=2)
        return as_attention_mask(seen[:, None], self._model)


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
