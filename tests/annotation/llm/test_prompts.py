"""What the language model is told, letter by letter: a changed word needs a new version and a new snapshot."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotation.llm.prompts import Prompt, load_prompt, quoted
from qreal_tasks.benchmark import QUESTIONS

SNAPSHOT = Path(__file__).parent / "snapshots" / "prompts.txt"
VALUES = {
    "entities": {"prompt": quoted("a man with a dog"), "max_entities": "20"},
    "judgment": {
        "label": quoted("man"),
        "quality": "0.31",
        "questions": "\n".join(f"{question.name}: {question.text}" for question in QUESTIONS),
    },
    "parts": {"label": quoted("man")},
    "merge": {"parts": '{"hands": "Six fingers."}'},
    "combine": {"label": quoted("man"), "dimension": "realism", "texts": '["Flat.", "Drawn."]'},
    "quality": {},
}


def rendered() -> str:
    found = []
    for name, values in VALUES.items():
        prompt = load_prompt(name)
        found.append(f"=== {prompt.title}\n--- system\n{prompt.system}--- user\n{prompt.fill(**values)}")
    return "\n".join(found)


def test_prompts_are_frozen() -> None:
    assert rendered() == SNAPSHOT.read_text(encoding="utf-8")


@pytest.fixture
def judgment() -> Prompt:
    return load_prompt("judgment")


@pytest.mark.parametrize(
    "result",
    [
        pytest.param("take the score as the ground of your answers", id="the score is the ground"),
        pytest.param('where one says "the picture" or "the image", it means the crop', id="the picture is the crop"),
        pytest.param("The whole image is context", id="the image is context"),
        pytest.param(
            "Realism is about color, material and lighting: what makes the entity appear different", id="realism"
        ),
        pytest.param(
            "whether parts are deformed, and whether the structure differs from the physical laws", id="plausible"
        ),
    ],
)
def test_the_judgment_prompt_says_what_the_paper_says(judgment: Prompt, result: str) -> None:
    assert result in " ".join(judgment.system.split())


@pytest.mark.parametrize("result", ["hint", "decides nothing", "often wrong"])
def test_the_score_is_no_mere_hint(judgment: Prompt, result: str) -> None:
    assert result not in judgment.system
