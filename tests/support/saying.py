"""Models that load and generate like any other, and write one text to everything."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from tokenizers import AddedToken
from transformers import AutoModelForImageTextToText, AutoProcessor

END = "the end of the turn"
"""In place of a token's text."""
_LEFT = "~"
_IMPOSSIBLE = -30.0
"""Logarithm of the probability of every token that is not named."""


def write_saying(folder: Path, model: Path, text: str) -> Path:
    """Write the tiny model of folder ``model`` into ``folder``, with weights that answer ``text`` to everything."""
    return write_chain(folder, model, [{text: 1.0}, {END: 1.0}])


def write_chain(folder: Path, model: Path, places: Sequence[Mapping[str, float]]) -> Path:
    """Write the tiny model of folder ``model`` into ``folder``, with weights that answer with these tokens.

    Texts that are no token of the model's become one. With attention and feed-forward layers switched off, the hidden
    state is the embedding of the last token; the head is solved for the wanted logits behind the last token of a prompt
    and behind each token that is written. So no token but the last is written twice, and that one then forever.

    Args:
        places: for each token of the answer its alternatives with their probabilities, of which the likeliest is
            written; ``END`` ends it. What is left of 1 is that of another token.
    """
    processor = AutoProcessor.from_pretrained(model)
    tokenizer = processor.tokenizer
    saying = AutoModelForImageTextToText.from_pretrained(model, dtype=torch.float32)
    ids = {END: tokenizer.eos_token_id}
    for token in dict.fromkeys(token for place in [*places, {_LEFT: 0}] for token in place if token != END):
        known = tokenizer(token, add_special_tokens=False)["input_ids"]
        if len(known) != 1:
            tokenizer.add_tokens([AddedToken(token, normalized=False)])
            known = [tokenizer.convert_tokens_to_ids(token)]
        [ids[token]] = known
    prompt = processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Which?"}]}],
        tokenize=False,
        add_generation_prompt=True,
    )
    written = [ids[max(place, key=lambda token: place[token])] for place in places]
    behind = [tokenizer(prompt)["input_ids"][-1], *written[:-1]]
    assert len(set(behind)) == len(behind), f"{places}: a token would have two that follow it"
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        saying.resize_token_embeddings(len(tokenizer))
        language = saying.model.language_model
        for layer in language.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        language.embed_tokens.weight[behind] = torch.randn(len(behind), language.embed_tokens.weight.shape[1])
        wanted = torch.full((len(tokenizer), len(behind)), _IMPOSSIBLE, dtype=torch.float64)
        for at, place in enumerate(places):
            for token, p in {_LEFT: max(1 - sum(place.values()), 1e-12), **place}.items():
                wanted[ids[token], at] = math.log(p)
        states = language.norm(language.embed_tokens.weight[behind]).double()
        saying.lm_head.weight[:] = (wanted @ torch.linalg.pinv(states.T)).float()
    saying.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
