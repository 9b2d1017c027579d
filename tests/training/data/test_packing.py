"""A picture's questions as one sequence against the same questions apart: loss and gradients."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from straightforward import picture
from transformers import AutoModelForImageTextToText, AutoProcessor

from qreal_tasks.benchmark import QUESTION_NAMES, imageqa_prompt, objectqa_prompt
from qreal_tasks.models.local.chat import Chat
from qreal_tasks.models.local.prefix import as_attention_mask
from training.data.families import TUNED_FAMILIES
from training.data.packing import IGNORED, PackedQuestions, make_batch, pack
from training.model import make_lora_config

pytestmark = pytest.mark.slow

CROPS = (((90, 60), "dog"), ((200, 130), "a red street sign with letters"), ((60, 150), "x"), ((31, 29), "dog"))


class Tuned:
    """A tiny model with an adapter that does something, and batches for it."""

    def __init__(self, folder: Path, config: Any, attention: str, dtype: torch.dtype = torch.float64) -> None:
        from peft import get_peft_model

        self.family = TUNED_FAMILIES[AutoModelForImageTextToText.from_pretrained(folder).config.model_type]
        base = AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype, attn_implementation=attention)
        torch.manual_seed(1)
        self.model = get_peft_model(base, make_lora_config(config, self.family), autocast_adapter_dtype=False).train()
        with torch.no_grad():
            for name, weight in self.model.named_parameters():
                if "lora_B" in name:
                    weight.normal_(0, 0.05)
        self.chat = Chat(AutoProcessor.from_pretrained(folder))
        self.dtype = dtype

    def sequences(self, together: bool) -> list[PackedQuestions]:
        made = []
        for at, (size, _) in enumerate(CROPS):
            prompts = [objectqa_prompt(name) for name in QUESTION_NAMES]
            turns = [self.family.answer(("Yes", "No")[(at + n) % 2]) for n in range(6)]
            answers = [self.chat.answer_ids(p, t) for p, t in zip(prompts, turns, strict=True)]
            image = picture(*size, seed=at)
            groups = [range(6)] if together else [[n] for n in range(6)]
            for group in groups:
                asked = self.chat.ask(image, [prompts[n] for n in group])
                made.append(pack(asked, [answers[n] for n in group]))
        return made

    def boxes(self) -> list[PackedQuestions]:
        """Whole images, each asked one question with a long answer."""
        made = []
        for at, size in enumerate(((150, 90), (64, 64))):
            prompt = imageqa_prompt("realism", self.family.box_space, *size)
            answer = self.family.answer(
                '[{"bbox_2d": [1, 2, 30, 40], "label": "dog", "description": "Blue."}]' * (at + 1)
            )
            asked = self.chat.ask(picture(*size, seed=9 + at), [prompt])
            made.append(pack(asked, [self.chat.answer_ids(prompt, answer)]))
        return made

    def loss(self, sequences: list[PackedQuestions]) -> torch.Tensor:
        """Sum over the learnt tokens."""
        base = self.model.get_base_model()
        batch = make_batch(sequences, base.model, pad_id=self.chat.tokenizer.pad_token_id)
        if batch["attention_mask"].ndim == 4:
            batch["attention_mask"] = as_attention_mask(batch["attention_mask"], base)
        batch["pixel_values"] = batch["pixel_values"].to(self.dtype)
        labels = batch.pop("labels")[:, 1:]
        logits = self.model(**batch, use_cache=False).logits[:, :-1]
        return torch.nn.functional.cross_entropy(
            logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="sum"
        )

    def gradients(self) -> torch.Tensor:
        found = [w.grad.flatten() for w in self.model.parameters() if w.requires_grad and w.grad is not None]
        self.model.zero_grad()
        return torch.cat(found)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", TUNED_FAMILIES)
def test_loss_and_gradients_are_those_of_questions_apart(
    family: str, attention: str, tiny_model: Callable[[str], Path], config: Callable[..., Any]
) -> None:
    tuned = Tuned(tiny_model(family), config(family), attention)
    together = tuned.loss(tuned.sequences(together=True))
    torch.autograd.backward(together)
    in_one = tuned.gradients()
    alone = [tuned.loss([sequence]) for sequence in tuned.sequences(together=False)]  # no padding, usual mask
    apart = torch.stack(alone).sum()
    torch.autograd.backward(apart)
    in_rows = tuned.gradients()
    assert len(alone) == 24
    assert float(together.detach()) == pytest.approx(float(apart.detach()), rel=1e-6)
    assert float((in_one - in_rows).norm() / in_rows.norm()) < 1e-4
    assert float(in_rows.norm()) > 1e-3, "nothing flows, the test proves nothing"


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("family", TUNED_FAMILIES)
def test_a_batch_of_two_tasks_is_the_mean_of_both_weighted_by_tokens(
    family: str, attention: str, tiny_model: Callable[[str], Path], config: Callable[..., Any]
) -> None:
    """Packed crops and whole images in one batch: neither sees the other, whatever order they come in."""
    tuned = Tuned(tiny_model(family), config(family), attention)
    crops, images = tuned.sequences(together=True), tuned.boxes()
    mixed = [crops[0], images[1], crops[1], crops[2], images[0], crops[3]]
    tokens = [sum(part.answer for one in of_task for part in one.parts) for of_task in (crops, images)]
    assert tokens[1] > tokens[0] > 0
    loss = tuned.loss(mixed) / sum(tokens)
    torch.autograd.backward(loss)
    of_mixed = tuned.gradients()
    of_each = [tuned.loss(of_task) / count for of_task, count in zip((crops, images), tokens, strict=True)]
    mean = (tokens[0] * of_each[0] + tokens[1] * of_each[1]) / sum(tokens)
    torch.autograd.backward(mean)
    of_both = tuned.gradients()
    assert float(loss.detach()) == pytest.approx(float(mean.detach()), rel=1e-6)
    assert abs(float(of_each[0].detach()) / float(of_each[1].detach()) - 1) > 1e-2, "alike, the weights prove nothing"
    assert float((of_mixed - of_both).norm() / of_both.norm()) < 1e-4


def test_in_single_precision_too(tiny_model: Callable[[str], Path], config: Callable[..., Any]) -> None:
    tuned = Tuned(tiny_model("qwen2_5_vl"), config(), "sdpa", torch.float32)
    together = tuned.loss(tuned.sequences(together=True))
    torch.autograd.backward(together)
    in_one = tuned.gradients()
    apart = tuned.loss(tuned.sequences(together=False))
    torch.autograd.backward(apart)
    in_rows = tuned.gradients()
    assert float(together.detach()) == pytest.approx(float(apart.detach()), rel=1e-6)
    assert float((in_one - in_rows).norm() / in_rows.norm()) < 1e-4


@pytest.mark.parametrize("family", TUNED_FAMILIES)
def test_a_sequence_alone_is_what_the_family_itself_makes_of_it(family: str, tiny_model: Callable[[str], Path]) -> None:
    """Positions, types and mask of the row against the processor's own tokens and the model's own positions."""
    folder = tiny_model(family)
    processor = AutoProcessor.from_pretrained(folder)
    model = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float64).eval()
    chat, image = Chat(processor), picture(120, 80, seed=3)
    prompt = objectqa_prompt("realism_q1")
    answer = chat.answer_ids(prompt, TUNED_FAMILIES[family].answer("Yes"))
    batch = make_batch([pack(chat.ask(image, [prompt]), [answer])], model.model, pad_id=0)
    content = [{"type": "image", "image": image}, {"type": "text", "text": prompt}]
    own = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        tokenize=True,
        add_generation_prompt=True,
        return_dict=True,
        return_tensors="pt",
    )
    length = own["input_ids"].shape[1]
    assert batch["input_ids"][0, :length].tolist() == own["input_ids"][0].tolist()
    assert batch["labels"][0, :length].tolist() == [IGNORED] * length
    own["pixel_values"] = own["pixel_values"].double()
    batch["pixel_values"] = batch["pixel_values"].double()
    with torch.inference_mode():
        expected = model(**own).logits[0, -1]
        found = model(**{k: v for k, v in batch.items() if k != "labels"}).logits[0, length - 1]
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def test_what_is_padding_sees_itself_and_nothing_sees_it(tiny_model: Callable[[str], Path]) -> None:
    model = AutoModelForImageTextToText.from_pretrained(tiny_model("llava_next"))
    chat = Chat(AutoProcessor.from_pretrained(tiny_model("llava_next")))
    made = []
    for count, size in ((6, (40, 40)), (2, (90, 50))):
        prompts = [objectqa_prompt(name) for name in QUESTION_NAMES[:count]]
        made.append(pack(chat.ask(picture(*size, seed=0), prompts), [[5, 6]] * count))
    batch = make_batch(made, model.model, pad_id=0)
    short = len(made[1])
    seen = batch["attention_mask"][1, 0]
    assert len(made[0]) > short
    assert not seen[:short, short:].any()
    assert seen.diagonal().all()
    assert (batch["labels"][1, short:] == IGNORED).all()
