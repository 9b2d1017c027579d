"""Parts of the tiny models: a vocabulary learnt from the benchmark's own prompts, a head that says Yes or No, files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES, imageqa_prompt, objectqa_prompt
from qreal_tasks.boxes import Space

VOCABULARY_SIZE = 1024
HIDDEN_SIZE = 64

SMALL_TEXT_MODEL: dict[str, Any] = {
    "hidden_size": HIDDEN_SIZE,
    "intermediate_size": 2 * HIDDEN_SIZE,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 8192,
}


def read_template(name: str) -> str:
    """A chat template of this folder."""
    return Path(__file__).with_name(f"{name}.jinja").read_text(encoding="utf-8")


def chatml_template(image: str, video: str) -> str:
    """ChatML, text given as a string or as parts, with a family's placeholders for a picture and a film."""
    return read_template("chatml").replace("IMAGE", image).replace("VIDEO", video)


def learn_byte_level_vocabulary(texts: Sequence[str] = (), size: int = VOCABULARY_SIZE) -> dict[str, Any]:
    """Learn ``vocab`` and ``merges`` of a byte-level vocabulary.

    Args:
        texts: to learn from beside the prompts.
        size: of the vocabulary, at most.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    learner = Tokenizer(models.BPE())
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    learner.train_from_iterator(
        [*_texts(), *texts],
        trainers.BpeTrainer(vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False),
    )
    return _state(learner)


def learn_metaspace_vocabulary() -> dict[str, Any]:
    """Learn ``vocab`` and ``merges`` of a vocabulary in Llama's form: ``▁`` for a space, bytes for unseen signs."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    learner = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    learner.pre_tokenizer = pre_tokenizers.Metaspace()
    learner.train_from_iterator(
        _texts(),
        trainers.BpeTrainer(
            vocab_size=VOCABULARY_SIZE + 256,
            special_tokens=["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))],
            show_progress=False,
        ),
    )
    return _state(learner)


def write_model(
    folder: Path,
    model_class: Any,
    config: Any,
    tokenizer: Any,
    seed: int,
    *,
    stops: int | list[int],
    start: Callable[[Any, Any], None] | None = None,
) -> None:
    """Write a new model into ``folder``.

    Args:
        seed: of the weights.
        stops: token ids that end an answer.
        start: sets the weights, given model and tokenizer; by default they answer Yes or No.
    """
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = model_class(config)
        (start or _answer_yes_or_no)(model, tokenizer)
    model.generation_config.eos_token_id = stops
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(folder)


def _answer_yes_or_no(model: Any, tokenizer: Any) -> None:
    """Leave the output head three words: Yes, No and, after either, end of turn.

    Random weights over a whole vocabulary write noise that no parser can read, and nothing behind the parser would
    be exercised. What decides between Yes and No stays random.
    """
    import torch

    vocabulary = tokenizer.get_vocab()
    yes, no = (vocabulary.get(f"▁{word}", vocabulary.get(word)) for word in ("Yes", "No"))
    head, embedding = model.lm_head.weight, model.get_input_embeddings().weight
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2 and weight is not head and weight is not embedding:
                weight.mul_(5)  # at the usual scale the picture hardly reaches the answer
        undecided, answered = torch.linalg.qr(torch.randn(head.shape[1], 2, dtype=torch.float32)).Q.T.to(head.dtype)
        embedding.mul_(5)
        embedding[[yes, no]] = 1e5 * answered  # outweighs whatever the layers add
        head.zero_()
        head[yes], head[no], head[tokenizer.eos_token_id] = 10 * undecided, -10 * undecided, 0.3 * answered


def _texts() -> list[str]:
    prompts = [objectqa_prompt(name) for name in QUESTION_NAMES]
    prompts += [imageqa_prompt(name, space, 1024, 1024) for name in IMAGEQA_SETS for space in Space]
    return [*prompts, "Yes No yes no"]


def _state(learner: Any) -> dict[str, Any]:
    model = json.loads(learner.to_str())["model"]
    return {"vocab": model["vocab"], "merges": [tuple(pair) for pair in model["merges"]]}
