"""Pictures that are processed without the text around them, against the processor's own call."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from straightforward import picture
from transformers import AutoProcessor

from qreal_tasks.models.local.chat import AskedPicture, Chat

pytestmark = pytest.mark.slow

FAMILIES = ("qwen2_5_vl", "qwen3_vl", "internvl", "llava_next")
SIZES = ((31, 29), (90, 60), (90, 60), (300, 40), (60, 90), (91, 61), (90, 60), (40, 300), (31, 29))
TEXTS = ("Is it real?", "Are the hands right?")


def ask(chat: Chat) -> list[AskedPicture]:
    """Pictures of few sizes in turn, every one with other pixels; the texts change places."""
    return [chat.ask(picture(*size, seed=at), TEXTS[:: (-1) ** at]) for at, size in enumerate(SIZES)]


def assert_same(one: AskedPicture, other: AskedPicture) -> None:
    assert one.prompts == other.prompts
    assert one.input_size == other.input_size
    assert list(one.picture) == list(other.picture)
    for key, value in one.picture.items():
        assert value.dtype == other.picture[key].dtype
        assert torch.equal(value, other.picture[key])


@pytest.mark.parametrize("family", FAMILIES)
def test_the_step_alone_gives_what_the_processor_gives(
    family: str, tiny_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    processor, whole = AutoProcessor.from_pretrained(tiny_model(family)), []
    own = Chat._processed

    def watched(chat: Chat, image: Image.Image, text: str) -> Any:
        whole.append(image.size)
        return own(chat, image, text)

    # Every picture is the first of a chat of its own.
    each = [Chat(processor).ask(picture(*size, seed=at), TEXTS[:: (-1) ** at]) for at, size in enumerate(SIZES)]
    monkeypatch.setattr(Chat, "_processed", watched)
    for one, other in zip(ask(Chat(processor)), each, strict=True):
        assert_same(one, other)
    assert not torch.equal(each[1].picture["pixel_values"], each[2].picture["pixel_values"])
    assert len(whole) == len(set(whole)) < len(SIZES), "as a whole it is called for the first picture of a size"


def test_data_loaders_may_take_it_to_other_processes(tiny_model: Callable[[str], Path]) -> None:
    chat = Chat(AutoProcessor.from_pretrained(tiny_model("qwen2_5_vl")))
    expected = ask(chat)
    for one, other in zip(ask(pickle.loads(pickle.dumps(chat))), expected, strict=True):
        assert_same(one, other)


@pytest.mark.parametrize("spoilt", ["picture", "result", "calls"])
def test_a_processor_that_does_more_is_asked_every_time(spoilt: str, tiny_model: Callable[[str], Path]) -> None:
    """It changes the picture before its image processor sees it, changes what comes back, or calls it twice."""
    processor = AutoProcessor.from_pretrained(tiny_model("qwen2_5_vl"))

    class Other(type(processor)):  # type: ignore[misc]
        def _process_images(self, images: Any, **named: Any) -> Any:
            if spoilt == "picture":
                images = [[one.transpose(0) for one in of_text] for of_text in images]
            if spoilt == "calls":
                self.image_processor(images, **named)
            found, texts = super()._process_images(images, **named)
            if spoilt == "result":
                found["pixel_values"] = found["pixel_values"] + 1
            return found, texts

    processor.__class__ = Other
    chat = Chat(processor)
    for one, (at, size) in zip(ask(chat), enumerate(SIZES), strict=True):
        assert_same(one, Chat(processor).ask(picture(*size, seed=at), TEXTS[:: (-1) ** at]))
    assert chat._step(picture(90, 60, seed=1)) is None


def test_where_prompts_keep_all_that_the_processor_gives_it_is_asked_every_time(
    tiny_model: Callable[[str], Path],
) -> None:
    chat = Chat(AutoProcessor.from_pretrained(tiny_model("qwen2_5_vl")), alone=True)
    assert all(prompt.inputs for asked in ask(chat) for prompt in asked.prompts)
