"""The texts of the three subtasks, and ImageQA prompts recognised."""

from __future__ import annotations

from pathlib import Path

import pytest

from qreal_tasks.benchmark import IMAGEQA_SETS, box_key, imageqa_prompt, objectqa_prompt
from qreal_tasks.boxes import Space
from qreal_tasks.subtasks import (
    ImageQAQuestion,
    describe_prompt,
    detect_prompt,
    filter_prompt,
    question_of_imageqa,
)

SNAPSHOT = Path(__file__).parent / "snapshots" / "subtask_prompts.txt"


def test_prompts_are_frozen() -> None:
    """A changed prompt must change the snapshot and ``SUBTASK_PROMPT_VERSION``: models are tuned to the old one."""
    texts = {f"detect {space}": detect_prompt(space, 224, 160) for space in Space}
    texts |= {f"filter {name}": filter_prompt(name, "street sign") for name in IMAGEQA_SETS}
    texts |= {f"describe {name}": describe_prompt(name, "street sign") for name in IMAGEQA_SETS}
    rendered = "\n".join(f"## {name}\n{text}\n" for name, text in texts.items())
    assert rendered == SNAPSHOT.read_text(encoding="utf-8")


@pytest.mark.parametrize("space", Space)
def test_detection_and_imageqa_name_the_coordinates_alike(space: Space) -> None:
    sentence = detect_prompt(space, 300, 200).splitlines()[-1].removesuffix("If there is no entity, answer [].")
    assert sentence.startswith(f"Give {box_key(space)} as ")
    assert sentence in imageqa_prompt("realism", space, 300, 200)


@pytest.mark.parametrize("name", IMAGEQA_SETS)
def test_questions_about_one_crop_begin_alike(name: str) -> None:
    """What begins alike is computed once."""
    first = filter_prompt("realism", "dog").splitlines()[0]
    assert "dog" in first
    assert filter_prompt(name, "dog").startswith(first + "\n")
    assert describe_prompt(name, "dog").startswith(first + "\n")


@pytest.mark.parametrize("name", IMAGEQA_SETS)
@pytest.mark.parametrize("space", Space)
def test_every_imageqa_prompt_is_recognised(name: str, space: Space) -> None:
    assert question_of_imageqa(imageqa_prompt(name, space, 640, 480), 640, 480) == ImageQAQuestion(name, space)


@pytest.mark.parametrize(
    "text",
    [
        objectqa_prompt("realism_q1"),
        imageqa_prompt("realism", Space.PIXELS, 640, 481),
        imageqa_prompt("realism", Space.UNIT, 640, 480) + " ",
        detect_prompt(Space.UNIT, 640, 480),
        "",
    ],
    ids=["objectqa", "other size", "one character more", "detect", "empty"],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected the prompt of an ImageQA task.*640 x 480"):
        question_of_imageqa(text, 640, 480)


@pytest.mark.parametrize("prompt", [filter_prompt, describe_prompt])
def test_unknown_sets_are_named(prompt: object) -> None:
    assert callable(prompt)
    with pytest.raises(ValueError, match="unknown set 'beauty', expected one of realism, plausibility"):
        prompt("beauty", "dog")
