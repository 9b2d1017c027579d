"""Tokens that spell a choice, and the probability of each choice at the first answer token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from qreal_tasks.text.token_text import BLANK_MARKS, list_cases


@dataclass(frozen=True)
class ScoredChoices:
    """Probabilities of one question's choices at the first answer token."""

    p: tuple[float, ...]
    """Normalised over the choices."""
    mass: float
    """What all spellings of all choices cover together."""
    greedy_id: int
    """The most probable token of the whole vocabulary."""


class Spellings:
    """The token ids of every choice: ``Yes``, ``yes`` and ``YES``, each with and without a space before it.

    A spelling counts when the tokenizer writes it as one token, behind the prompt, alone, or as an entry of its
    vocabulary in either of the two ways to write a space. One of several tokens does not count: what its first token
    goes on to say is not known.

    Args:
        tokenizer: of the model.
        choices: at least two.
        rendered: a prompt after the chat template; only what it ends in matters.

    Raises:
        ValueError: a choice has no spelling of one token, or two choices share one.
    """

    def __init__(self, tokenizer: Any, choices: Sequence[str], rendered: str) -> None:
        self.choices = tuple(choices)
        self.ids = [_single_tokens(tokenizer, choice, rendered) for choice in self.choices]
        for choice, ids in zip(self.choices, self.ids, strict=True):
            if not ids:
                raise ValueError(f"choice {choice!r} is never one token of this tokenizer, expected short common words")
        every = [at for ids in self.ids for at in ids]
        if len(set(every)) != len(every):
            raise ValueError(f"two of the choices {self.choices} are spelled by the same token")

    def choice_of(self, token_id: int) -> str | None:
        """The choice that this token spells."""
        return next((c for c, ids in zip(self.choices, self.ids, strict=True) if token_id in ids), None)

    def score(self, logits: torch.Tensor) -> list[ScoredChoices | None]:
        """Probabilities from logits; None in place of a row that is not finite.

        ``p_c = Σ_{t spells c} softmax(logits)_t / mass``, with ``mass`` the sum over all choices.

        Args:
            logits: shape (rows, vocabulary), any dtype.
        """
        logits = logits.float()
        of_choice = torch.stack([logits[:, ids].double().logsumexp(1) for ids in self.ids], dim=1)
        p = of_choice.softmax(1).cpu()
        mass = (of_choice.logsumexp(1) - logits.logsumexp(1).double()).exp().clamp(max=1).cpu()
        greedy = logits.argmax(1).cpu()
        finite = (p.isfinite().all(1) & mass.isfinite()).tolist()
        rows = zip(p.tolist(), mass.tolist(), greedy.tolist(), finite, strict=True)
        return [ScoredChoices(tuple(row), total, token) if ok else None for row, total, token, ok in rows]


def _single_tokens(tokenizer: Any, choice: str, rendered: str) -> list[int]:
    def ids_of(text: str) -> list[int]:
        ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    vocabulary: dict[str, int] = tokenizer.get_vocab()
    before = ids_of(rendered)
    found: set[int] = set()
    for spelling in list_cases(choice):
        entries = (mark + spelling for mark in ("", *BLANK_MARKS))
        found.update(vocabulary[entry] for entry in entries if entry in vocabulary)
        for written in (spelling, " " + spelling):
            alone, behind = ids_of(written), ids_of(rendered + written)
            if len(alone) == 1:
                found.add(alone[0])
            if behind[:-1] == before:
                found.add(behind[-1])
    return sorted(at for at in found if at != tokenizer.unk_token_id)
