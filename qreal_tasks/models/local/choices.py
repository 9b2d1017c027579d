"""Greedy answers to questions with choices, and the probability of each choice at the token that answers.

All questions of a batch are answered side by side, token by token, each up to the end of its turn. Most are over with
the second token, which is the end: that step takes one token a question, beside hundreds of its picture and prompt.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from qreal_tasks.answers import find_answer_token
from qreal_tasks.llm.completions import explain_blank
from qreal_tasks.models.local.alone import generate_alone
from qreal_tasks.models.local.chat import AskedPicture, PromptTokens
from qreal_tasks.models.local.generation import (
    NOT_FINITE,
    decode_answer,
    decode_tokens,
    greedy_settings,
    write_side_by_side,
)
from qreal_tasks.models.local.prefix import SharedPrompts
from qreal_tasks.models.local.spellings import ScoredChoices, Spellings
from qreal_tasks.models.requests import Response


@dataclass(frozen=True)
class ChoiceQuestion:
    """How one prompt is to be answered."""

    spellings: Spellings
    max_new_tokens: int


@dataclass
class ScoredAnswer:
    """An answer with the choices' probabilities at each of its tokens, as it is being written."""

    scored: list[ScoredChoices] = field(default_factory=list)
    is_cut_off: bool = False
    """It ended at the limit on its tokens."""
    is_finite: bool = True
    """The model's output was."""

    def take(self, scored: ScoredChoices | None, question: ChoiceQuestion, stops: Sequence[int]) -> bool:
        """Take the next token; return whether the answer goes on."""
        self.is_finite = scored is not None
        if scored is None or scored.greedy_id in stops:
            return False
        self.scored.append(scored)
        self.is_cut_off = len(self.scored) >= question.max_new_tokens
        return not self.is_cut_off

    def response(self, tokenizer: Any, choices: tuple[str, ...], opened: str, input_size: tuple[int, int]) -> Response:
        """What is recorded of it (``requests.Response``).

        Args:
            opened: mark of reasoning at the end of the prompt. It goes in front, or reasoning would be read as answer.
        """
        if not self.is_finite:
            return Response("", choices, unanswered=NOT_FINITE)
        ids = [one.greedy_id for one in self.scored]
        written = decode_answer(tokenizer, ids)
        blank = explain_blank(written, self.is_cut_off)
        if blank is not None:
            return Response(written, choices, input_size=input_size, unanswered=blank)
        text, tokens = opened + written, [token.encode("utf-8", "replace") for token in decode_tokens(tokenizer, ids)]
        found = find_answer_token(tokens, text, choices)
        if found.place is None:
            return Response(text, choices, no_p=found.why_not, input_size=input_size)
        at = self.scored[found.place]
        return Response(text, choices, at.p, at.mass, input_size=input_size)


def answer_sharing(
    model: Any, asked: Sequence[AskedPicture], questions: Sequence[ChoiceQuestion], stops: Sequence[int], pad_id: int
) -> list[ScoredAnswer]:
    """The answers to all prompts of all pictures, for models whose prompts share their pictures' prefixes.

    Args:
        questions: one for each prompt, in their order.
        stops: tokens that end an answer.
    """
    answers = [ScoredAnswer() for _ in questions]

    def take(logits: torch.Tensor, going: Sequence[int]) -> list[int | None]:
        scored = _score(logits, [questions[at].spellings for at in going])
        pairs = zip(going, scored, strict=True)
        return [one.greedy_id if answers[at].take(one, questions[at], stops) and one else None for at, one in pairs]

    write_side_by_side(SharedPrompts(model, asked, pad_id), len(answers), take)
    return answers


def answer_alone(
    model: Any, asked: Sequence[AskedPicture], questions: Sequence[ChoiceQuestion], stops: Sequence[int], pad_id: int
) -> list[ScoredAnswer]:
    """As ``answer_sharing``, for any other model."""
    prompts = [prompt for a in asked for prompt in a.prompts]
    return [
        _answer_one(model, prompt, question, stops, pad_id) for prompt, question in zip(prompts, questions, strict=True)
    ]


def _answer_one(
    model: Any, prompt: PromptTokens, question: ChoiceQuestion, stops: Sequence[int], pad_id: int
) -> ScoredAnswer:
    steps: list[ScoredChoices | None] = []

    def watch(logits: torch.Tensor) -> None:
        steps.extend(question.spellings.score(logits))

    generate_alone(model, prompt, greedy_settings(question.max_new_tokens, stops, pad_id), watch)
    answer = ScoredAnswer()
    for scored in steps:
        if not answer.take(scored, question, stops):
            break
    return answer


def _score(logits: torch.Tensor, spellings: Sequence[Spellings]) -> list[ScoredChoices | None]:
    """The probabilities of each row's own choices."""
    rows: dict[Spellings, list[int]] = defaultdict(list)
    for row, of_row in enumerate(spellings):
        rows[of_row].append(row)
    scored: dict[int, ScoredChoices | None] = {}
    for one, own in rows.items():
        part = logits if len(own) == len(spellings) else logits[own]
        scored.update(zip(own, one.score(part), strict=True))
    return [scored[row] for row in range(len(spellings))]
