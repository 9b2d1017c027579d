"""Tokens that spell a choice, and the probability of each choice at a token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from qreal_tasks.text.token_text import normalise_token


@dataclass(frozen=True)
class ScoredChoices:
    """Probabilities of one question's choices at one token of the answer."""

    p: tuple[float, ...]
    """Normalised over the choices."""
    mass: float
    """What all spellings of all choices cover together."""
    greedy_id: int
    """The most probable token of the whole vocabulary."""


class Spellings:
    """The token ids of every choice: all tokens whose text is the choice, whatever its case and the blanks around it.

    That is the rule by which ``llm.logprobs.sum_spellings`` sums the tokens that a server lists. A spelling of several
    tokens does not count: what its first token goes on to say is not known.

    Args:
        tokenizer: of the model.
        choices: at least two.

    Raises:
        ValueError: a choice has no spelling of one token, or two choices share one.
    """

    def __init__(self, tokenizer: Any, choices: Sequence[str]) -> None:
        self.choices = tuple(choices)
        vocabulary = sorted(set(tokenizer.get_vocab().values()))
        texts = tokenizer.batch_decode([[at] for at in vocabulary], clean_up_tokenization_spaces=False)
        normalised = [normalise_token(text) for text in texts]
        self.ids = [
            [at for at, word in zip(vocabulary, normalised, strict=True) if word == choice.strip().casefold()]
            for choice in choices
        ]
        for choice, ids in zip(self.choices, self.ids, strict=True):
            if not ids:
                raise ValueError(f"choice {choice!r} is never one token of this tokenizer, expected short common words")
        every = [at for ids in self.ids for at in ids]
        if len(set(every)) != len(every):
            raise ValueError(f"two of the choices {self.choices} are spelled by the same token")

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
