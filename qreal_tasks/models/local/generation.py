"""Generation of greedy answers, a batch at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from qreal_tasks.models.local import alone
from qreal_tasks.models.local.chat import AskedPicture
from qreal_tasks.models.local.collate import collate_prompts

_TURN_ENDS = ("<|im_end|>", "<|endoftext|>", "<|eot_id|>", "<end_of_turn>", "</s>")


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


def generate_greedily(
    model: Any, asked: Sequence[AskedPicture], max_new_tokens: int, stops: Sequence[int], pad_id: int
) -> list[list[int]]:
    """Token ids of the answer to the first prompt of every picture, up to the end of turn and without it.

    Plain greedy decoding: sampling, penalties and beams that a checkpoint's own settings ask for are off, so that the
    first token is the one that scoring calls most probable.
    """
    settings: dict[str, Any] = {
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
    if asked[0].prompts[0].inputs is not None:
        written = alone.generate_alone(model, asked, **settings)
    else:
        device = model.get_input_embeddings().weight.device
        inputs = collate_prompts(asked, [len(a.prompts[0].ids) for a in asked], pad_id)
        rows: torch.Tensor = model.generate(**{key: value.to(device) for key, value in inputs.items()}, **settings)
        written = rows[:, inputs["input_ids"].shape[1] :].tolist()
    return [_until_stop(row, stops) for row in written]


def decode_answer(tokenizer: Any, ids: Sequence[int]) -> str:
    """The answer with its special tokens: InternVL writes its boxes with them."""
    return str(tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False))


def _until_stop(row: list[int], stops: Sequence[int]) -> list[int]:
    return row[: next((at for at, token in enumerate(row) if token in stops), len(row))]
