"""Models that load and generate like any other, and always say one text."""

from __future__ import annotations

from pathlib import Path

import torch
from tokenizers import AddedToken
from transformers import AutoModelForImageTextToText, AutoProcessor


def write_saying(folder: Path, model: Path, text: str) -> Path:
    """Write the tiny model of folder ``model`` into ``folder``, with weights that answer ``text`` to everything.

    ``text`` becomes one token. With attention and feed-forward layers switched off, the hidden state is the embedding
    of the last token: the head answers the last token of a prompt with ``text``, and ``text`` with the end.
    """
    processor = AutoProcessor.from_pretrained(model)
    tokenizer = processor.tokenizer
    saying = AutoModelForImageTextToText.from_pretrained(model, dtype=torch.float32)
    tokenizer.add_tokens([AddedToken(text, normalized=False)])
    answer = tokenizer.convert_tokens_to_ids(text)
    prompt = processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Which?"}]}],
        tokenize=False,
        add_generation_prompt=True,
    )
    last = tokenizer(prompt)["input_ids"][-1]
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        saying.resize_token_embeddings(len(tokenizer))
        language = saying.model.language_model
        for layer in language.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        rows = language.embed_tokens.weight
        rows[answer].normal_()
        states = language.norm(rows)
        saying.lm_head.weight.zero_()
        saying.lm_head.weight[answer] = states[last]
        saying.lm_head.weight[tokenizer.eos_token_id] = states[answer]
    saying.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
