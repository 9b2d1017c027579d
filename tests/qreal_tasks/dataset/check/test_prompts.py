"""One prompt in both splits, by its id or by its text."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qreal_tasks.dataset.check import DatasetProblem, check_dataset
from qreal_tasks.dataset.source import locate

Change = Callable[[Any], None]


@pytest.fixture
def leaks(small_dataset: Callable[..., Path]) -> Callable[[Change], list[DatasetProblem]]:
    """The prompts that are found in both splits of the small set, once it is changed."""

    def found(change: Change) -> list[DatasetProblem]:
        problems = check_dataset(locate(str(small_dataset(change))))
        assert {problem.kind for problem in problems} <= {"prompt in both splits"}, problems
        return problems

    return found


TEXT = "A café, wide."


@pytest.mark.slow
@pytest.mark.parametrize(
    "other",
    [
        TEXT,
        "A cafe\u0301, wide.",
        "\ufeffA café, wide.",
        "A café, wide.\u200b",
        "a CAFÉ, wide.",
        " A  café,\nwide. ",
    ],
    ids=ascii,
)
def test_one_text_under_two_ids_names_both_rows(leaks: Callable[[Change], list[DatasetProblem]], other: str) -> None:
    def change(rows: Any) -> None:
        rows["imageqa"]["train"][1]["prompt"] = TEXT
        rows["imageqa"]["test"][0]["prompt"] = other
        rows["imageqa"]["test"][2]["prompt"] = TEXT  # said once a prompt

    (problem,) = leaks(change)
    assert (problem.config, problem.split, problem.row, problem.item) == ("imageqa", "test", 0, "img2")
    assert "the prompt is that of imageqa/train row 1, img1, under another prompt_id" in problem.message
    assert "(prompt-test-2 here, prompt-train-1 there)" in problem.message


def test_one_id_names_both_rows(leaks: Callable[[Change], list[DatasetProblem]]) -> None:
    def change(rows: Any) -> None:
        for row in (rows["imageqa"]["train"][0], *rows["objectqa"]["train"][:2]):
            row["prompt_id"] = "prompt-test-2"

    (problem,) = leaks(change)
    assert (problem.split, problem.row, problem.item) == ("test", 0, "img2")
    assert "prompt prompt-test-2 is in train (imageqa/train row 0, img0) and in test" in problem.message


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda rows: None, id="as it is"),
        pytest.param(
            lambda rows: [row.update(prompt=TEXT) for row in rows["imageqa"]["test"]], id="two ids in one split"
        ),
        pytest.param(
            lambda rows: [row.update(prompt="\u200b") for split in rows["imageqa"].values() for row in split],
            id="no prompt is no prompt in common",
        ),
    ],
)
def test_nothing_is_said_of_prompts_that_stay_apart(
    leaks: Callable[[Change], list[DatasetProblem]], change: Change
) -> None:
    assert leaks(change) == []
