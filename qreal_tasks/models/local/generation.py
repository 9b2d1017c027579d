"""Greedy answers to several questions about several pictures, written side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from qreal_tasks.models.local.alone import generate_alone
from qreal_tasks.models.local.chat import AskedPicture, PromptTokens
from qreal_tasks.models.local.prefix import SharedPrompts

_TURN_ENDS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<end_of_turn>", "</s>")
NOT_FINITE = "the model's output is not finite"
_NOT_WHOLE = "\ufffd"
"""What tokenizers write for the first bytes of a character."""


@dataclass
class GeneratedAnswer:
    """An answer as it is being written."""

    max_new_tokens: int
    ids: list[int] = field(default_factory=list)
    """Without the token that ends the turn."""
    is_cut_off: bool = False
    """It ended at the limit on its tokens."""
    is_finite: bool = True
    """The model's output was."""

    def take(self, token: int | None, stops: Sequence[int]) -> bool:
        """Take the next token, None for output that is not finite; return whether the answer goes on."""
        self.is_finite = token is not None
        if token is None or token in stops:
            return False
        self.ids.append(token)
        self.is_cut_off = len(self.ids) >= self.max_new_tokens
        return not self.is_cut_off


def find_stop_ids(model: Any, tokenizer: Any) -> list[int]:
    """Tokens that end an answer: what the model says, what the tokenizer says, and the known ends of a turn.

    Checkpoints are not consistent: a fine-tuned one may name only the end of text and write the end of turn.
    """
    named = model.generation_config.eos_token_id
    ids = {*(named if isinstance(named, list) else [named]), tokenizer.eos_token_id}
    vocabulary = tokenizer.get_vocab()
    special = set(tokenizer.all_special_tokens) | set(tokenizer.get_added_vocab())
    ids.update(vocabulary[token] for token in _TURN_ENDS if token in vocabulary and token in special)
    return sorted(at for at in ids if at is not None)


def greedy_settings(max_new_tokens: int, stops: Sequence[int], pad_id: int) -> dict[str, Any]:
    """What ``model.generate`` takes for plain greedy decoding.

    Sampling, penalties and beams that a checkpoint's own settings ask for are off, so that every token is the one that
    scoring calls most probable.
    """
    return {
        "max_new_tokens": max_new_tokens,
        "do_sample": False,
        "num_beams": 1,
        "temperature": None,
        "top_p": None,
        "top_k": None,
        "repetition_penalty": 1.0,
        "eos_token_id": list(stops),
        "pad_token_id": pad_id,
    }


def generate_sharing(
    model: Any, asked: Sequence[AskedPicture], limits: Sequence[int], stops: Sequence[int], pad_id: int
) -> list[GeneratedAnswer]:
    """The answers to all prompts of all pictures, for models whose prompts share their pictures' prefixes.

    Args:
        limits: tokens of each answer at most.
        stops: tokens that end an answer.
    """
    answers = [GeneratedAnswer(limit) for limit in limits]

    def take(logits: torch.Tensor, going: Sequence[int]) -> list[int | None]:
        pairs = zip(going, _choose_tokens(logits), strict=True)
        return [token if answers[at].take(token, stops) else None for at, token in pairs]

    write_side_by_side(SharedPrompts(model, asked, pad_id), len(answers), take)
    return answers


def generate_each(
    model: Any, asked: Sequence[AskedPicture], limits: Sequence[int], stops: Sequence[int], pad_id: int
) -> list[GeneratedAnswer]:
    """As ``generate_sharing``, for any other model."""
    prompts = [prompt for a in asked for prompt in a.prompts]
    return [_generate_one(model, prompt, limit, stops, pad_id) for prompt, limit in zip(prompts, limits, strict=True)]


def _generate_one(model: Any, prompt: PromptTokens, limit: int, stops: Sequence[int], pad_id: int) -> GeneratedAnswer:
    tokens: list[int | None] = []

    def watch(logits: torch.Tensor) -> None:
        tokens.extend(_choose_tokens(logits))

    generate_alone(model, prompt, greedy_settings(limit, stops, pad_id), watch)
    answer = GeneratedAnswer(limit)
    for token in tokens:
        if not answer.take(token, stops):
            break
    return answer


def _choose_tokens(logits: torch.Tensor) -> list[int | None]:
    """The most probable token of each row; None where the output is not finite."""
    highest, tokens = logits.max(-1)
    pairs = zip(highest.tolist(), tokens.tolist(), strict=True)
    return [token if math.isfinite(value) else None for value, token in pairs]


def write_side_by_side(
    prompts: SharedPrompts, count: int, take: Callable[[torch.Tensor, Sequence[int]], Sequence[int | None]]
) -> None:
    """Write the answers to ``count`` prompts token by token, each up to its end.

    Args:
        take: is given logits, shape (rows, vocabulary), and the prompt of each row by its place among all; returns the
            next token of each, None where the answer is at its end.
    """
    going, logits = list(range(count)), prompts.ask()
    while True:
        taken = zip(going, take(logits, going), strict=True)
        tokens = {at: token for at, token in taken if token is not None}
        if not tokens:
            return
        going, logits = list(tokens), prompts.go_on(tokens)


def decode_answer(tokenizer: Any, ids: Sequence[int]) -> str:
    """The answer with its special tokens: InternVL writes its boxes with them."""
    return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))


def decode_tokens(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """What each token adds to the text of all, blanks included; a character of several tokens comes with the last.

    Alone, a token may lose the blank before its word, and a part of a character is none.
    """
    added: list[str] = []
    start = known = 0
    for end in range(1, len(ids) + 1):
        text = decode_answer(tokenizer, ids[start:end])
        if text.endswith(_NOT_WHOLE):
            added.append("")
            continue
        added.append(text.removeprefix(decode_answer(tokenizer, ids[start:known])))
        start, known = known, end
    return added
