"""Generation of greedy answers, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from qreal_tasks.models.local.alone import generate_alone
from qreal_tasks.models.local.chat import AskedPicture
from qreal_tasks.models.local.collate import collate_prompts

_TURN_ENDS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<end_of_turn>", "</s>")
_NOT_WHOLE = "\ufffd"
"""What tokenizers write for the first bytes of a character."""


@dataclass(frozen=True)
class GeneratedAnswer:
    """The tokens of an answer, without the one that ends the turn."""

    ids: list[int]
    is_cut_off: bool
    """It ended at the limit on its tokens."""

    @classmethod
    def of(cls, written: Sequence[int], stops: Sequence[int]) -> GeneratedAnswer:
        """The answer in what a model wrote, up to the first of ``stops``."""
        end = next((at for at, token in enumerate(written) if token in stops), None)
        return cls(list(written[:end]), end is None)


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


def generate_greedily(
    model: Any, asked: Sequence[AskedPicture], max_new_tokens: int, stops: Sequence[int], pad_id: int
) -> list[GeneratedAnswer]:
    """The greedy answer to the first prompt of every picture."""
    settings = greedy_settings(max_new_tokens, stops, pad_id)
    if asked[0].prompts[0].inputs is not None:
        written = [generate_alone(model, a.prompts[0], settings) for a in asked]
    else:
        device = model.get_input_embeddings().weight.device
        inputs = collate_prompts(asked, [len(a.prompts[0].ids) for a in asked], pad_id)
        rows: torch.Tensor = model.generate(**{key: value.to(device) for key, value in inputs.items()}, **settings)
        written = rows[:, inputs["input_ids"].shape[1] :].tolist()
    return [GeneratedAnswer.of(row, stops) for row in written]


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
