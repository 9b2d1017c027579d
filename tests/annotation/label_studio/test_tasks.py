"""From a form to a task."""

from __future__ import annotations

from answering import random_answers
from voting import form

from annotation.label_studio.tasks import StoredSize, build_task


def test_no_answer_is_drafted_and_none_is_shown() -> None:
    drafted = form(answers=random_answers(0))
    made = build_task(drafted, StoredSize(640, 480), "run", "/media/")
    assert [one["from_name"] for one in made["predictions"][0]["result"]] == ["box"]
    assert not {*drafted.answers, "quality_score"} & {*made["data"]}
    assert drafted.generator not in made["data"].values()
