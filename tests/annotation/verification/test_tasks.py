"""From a form to a task, and from what was submitted back to a vote."""

from __future__ import annotations

from typing import Any

import pytest
from answering import random_answers, results

from annotation.errors import AnnotationError
from annotation.verification.forms import Form
from annotation.verification.tasks import Size, Unusable, task_of, votes_of, withdrawn
from annotation.verification.votes import Vote
from qreal_tasks.benchmark import BODY_PARTS

SIZE = Size(640, 480)
FORM = Form(
    entity_id="abc#3",
    image_id="abc",
    prompt_id="p",
    generator="g",
    is_portrait=True,
    label="man <b>$image</b>",
    bbox_px=(10.3, 20.7, 333.1, 479.9),
    descriptions={"realism": "Waxy skin.", "plausibility": ""},
    parts=dict.fromkeys(BODY_PARTS) | {"hands": "Six fingers."},
    answers=random_answers(0),
)
ANSWERS = random_answers(1)


def task(form: Form = FORM, *annotations: list[dict[str, Any]]) -> dict[str, Any]:
    made = {**task_of(form, SIZE, "run", "/media/"), "id": 5, "updated_at": "2026-11-25T10:00:00Z"}
    made["annotations"] = [
        {
            "id": n,
            "result": result,
            "updated_at": f"2026-11-25T08:00:0{n}.5Z",
            "lead_time": 12.5,
            "was_cancelled": False,
        }
        for n, result in enumerate(annotations)
    ]
    return made


def vote(*annotations: list[dict[str, Any]], form: Form = FORM) -> Vote | Unusable:
    (said,) = votes_of(task(form, *annotations), "anna", "run")
    return said


def test_what_is_drafted_comes_back_to_the_last_bit() -> None:
    said = vote(results(task(), ANSWERS))
    assert isinstance(said, Vote)
    assert (said.annotator, said.entity_id, said.answers, said.drop) == ("anna", "abc#3", ANSWERS, None)
    assert (said.label, said.bbox_px, said.descriptions, said.parts) == (
        FORM.label,
        FORM.bbox_px,
        FORM.descriptions,
        FORM.parts,
    )
    assert said.shown == FORM.shown
    assert (said.seconds, said.updated_at) == (12.5, "2026-11-25T08:00:00.500000+00:00")


def test_no_answer_is_drafted_and_none_is_shown() -> None:
    made = task_of(FORM, SIZE, "run", "/media/")
    assert [one["from_name"] for one in made["predictions"][0]["result"]] == ["box"]
    assert not {*FORM.answers, "quality_score"} & {*made["data"]}
    assert FORM.generator not in made["data"].values()


def test_what_is_changed_is_in_the_vote() -> None:
    said = results(task(), ANSWERS, label="woman", plausibility_description=" Two\nlines ", part_1="Five fingers.")
    said[0]["value"] = {"x": 50, "y": 0, "width": 50.5, "height": 25, "rotation": 0}
    changed = vote(said)
    assert isinstance(changed, Vote)
    assert changed.bbox_px == (320, 0, 640, 120)  # clipped to the image
    assert (changed.label, changed.descriptions["plausibility"]) == ("woman", "Two\nlines")
    assert changed.parts is not None
    assert changed.parts["hands"] == "Five fingers."


def test_a_drop_needs_no_answers_and_the_newest_annotation_counts() -> None:
    said = vote(results(task(), random_answers(2)), results(task(), ANSWERS, drop="unclear"))
    assert isinstance(said, Vote)
    assert (said.drop, said.answers, said.annotation_id) == ("unclear", None, 1)


def test_an_entity_without_parts_has_none() -> None:
    form = Form(**{**vars(FORM), "parts": None})
    said = vote(results(task(form), ANSWERS), form=form)
    assert isinstance(said, Vote)
    assert said.parts is None


def without(name: str) -> list[dict[str, Any]]:
    return [one for one in results(task(), ANSWERS) if one["from_name"] != name]


def boxed(**value: Any) -> list[dict[str, Any]]:
    said = results(task(), ANSWERS)
    said[0]["value"] = {**said[0]["value"], **value}
    return said


UNUSABLE = {
    "a question left out": (without("realism_q2"), "realism_q2 not answered, and not dropped"),
    "no label": (without("label"), "the label is empty"),
    "no box": (without("box"), "0 boxes, expected one"),
    "two boxes": ([*results(task(), ANSWERS), results(task(), ANSWERS)[0]], "2 boxes, expected one"),
    "a rotated box": (boxed(rotation=3), "rotated"),
    "a box without area": (boxed(width=0), "no area"),
    "a box outside": (boxed(x=100, width=5), "no area"),
    "two reasons to drop": (
        [*results(task(), ANSWERS), *({"from_name": "drop", "value": {"choices": ["unclear", "too small"]}},)],
        "drop is unclear, too small",
    ),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_what_is_no_vote_says_why(case: str) -> None:
    said, reason = UNUSABLE[case]
    found = vote(said)
    assert isinstance(found, Unusable)
    assert (found.annotator, found.entity_id, found.task_id) == ("anna", "abc#3", 5)
    assert reason in found.reason


def test_what_another_account_answered_is_not_this_persons() -> None:
    made = task(FORM, results(task(), ANSWERS))
    made["annotations"][0]["completed_by"] = 8
    (said,) = votes_of(made, "anna", "run", account=7)
    assert isinstance(said, Unusable)
    assert "answered by account 8, expected anna's own" in said.reason
    (said,) = votes_of(made, "anna", "run", account=8)
    assert isinstance(said, Vote)


def test_a_skipped_task_is_not_answered() -> None:
    made = task(FORM, results(task(), ANSWERS))
    made["annotations"][0]["was_cancelled"] = True
    assert list(votes_of(made, "anna", "run")) == []


@pytest.mark.parametrize(
    ("data", "what"),
    [({"run": "other"}, "of another run"), ({"run": "run"}, "of another run"), ({}, "of something else")],
)
def test_a_task_of_another_run_is_refused(data: dict[str, str], what: str) -> None:
    with pytest.raises(AnnotationError, match=f"anna's project holds task 7 {what}"):
        list(votes_of({"id": 7, "data": data}, "anna", "run"))


def test_a_withdrawn_vote_keeps_what_it_said() -> None:
    said = vote(results(task(), ANSWERS))
    assert isinstance(said, Vote)
    gone = withdrawn(said, "2026-11-25T11:00:00Z")
    assert gone.withdrawn
    assert gone.answers == said.answers
    assert gone.updated_at > said.updated_at
