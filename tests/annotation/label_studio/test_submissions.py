"""From what was submitted back to a vote: what a browser, a script or a hand in the database may have sent."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from answering import random_answers, results

from annotation.label_studio.submissions import Submission, read_form_of_task, read_task, withdraw
from annotation.label_studio.tasks import StoredSize, build_task
from annotation.merging.forms import DraftForm
from annotation.merging.votes import Vote
from qreal_tasks.benchmark import BODY_PARTS

SIZE = StoredSize(640, 480)
FORM = DraftForm(
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


def task(form: DraftForm = FORM, *annotations: list[dict[str, Any]]) -> dict[str, Any]:
    made = {**build_task(form, SIZE, "run", "/media/"), "id": 5, "updated_at": "2026-11-25T10:00:00Z"}
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


def read(made: object, account: int | None = None) -> Submission:
    return read_task(made, "anna", "run", {"abc": SIZE}, account)


def vote(*annotations: list[dict[str, Any]], form: DraftForm = FORM) -> Vote:
    reported = read(task(form, *annotations))
    assert reported.reason == ""
    assert reported.vote is not None
    return reported.vote


def test_what_is_drafted_comes_back_to_the_last_bit() -> None:
    reported = vote(results(task(), ANSWERS))
    assert (reported.annotator, reported.entity_id, reported.answers, reported.drop) == ("anna", "abc#3", ANSWERS, None)
    assert (reported.label, reported.bbox_px, reported.descriptions, reported.parts) == (
        FORM.label,
        FORM.bbox_px,
        FORM.descriptions,
        FORM.parts,
    )
    assert reported.shown == FORM.shown
    assert (reported.seconds, reported.updated_at) == (12.5, "2026-11-25T08:00:00.500000+00:00")


def test_a_text_that_was_sent_twice_is_one() -> None:
    once = results(task(), ANSWERS, label="woman", realism_description="Flat.")
    twice = vote([*once, *(one for one in once if one["type"] == "textarea")])
    assert (twice.label, twice.descriptions) == ("woman", vote(once).descriptions)
    assert twice.parts == FORM.parts


def test_what_is_changed_is_in_the_vote() -> None:
    reported = results(task(), ANSWERS, label="woman", plausibility_description=" Two\nlines ", part_1="Five fingers.")
    reported[0]["value"] = {"x": 50, "y": 0, "width": 50.5, "height": 25, "rotation": 0}
    changed = vote(reported)
    assert list(changed.bbox_px) == [320, 0, 640, 120]  # clipped to the image
    assert (changed.label, changed.descriptions["plausibility"]) == ("woman", "Two\nlines")
    assert changed.parts is not None
    assert changed.parts["hands"] == "Five fingers."


def test_a_drop_needs_no_answers_and_the_newest_annotation_counts() -> None:
    reported = vote(results(task(), random_answers(2)), results(task(), ANSWERS, drop="unclear"))
    assert (reported.drop, reported.answers, reported.annotation_id) == ("unclear", None, 1)


def test_an_entity_without_parts_has_none() -> None:
    form = DraftForm(**{**vars(FORM), "parts": None})
    reported = vote(results(task(form), ANSWERS), form=form)
    assert reported.parts is None


BOX, Q1 = 0, 1
"""Of what is submitted."""


def changed(place: int = BOX, /, **reported: Any) -> dict[str, Any]:
    """A task with a complete answer of which one result has other fields; those of its value by ``value``."""
    made = task(FORM, results(task(), ANSWERS))
    result = made["annotations"][0]["result"][place]
    result |= reported | (
        {"value": result["value"] | reported["value"]} if isinstance(reported.get("value"), dict) else {}
    )
    return made


def annotated(**reported: Any) -> dict[str, Any]:
    """The same with other fields of the annotation."""
    made = changed()
    made["annotations"][0] |= reported
    return made


def lacking(where: str, name: str) -> dict[str, Any]:
    """The same without a field of the box, of its value, or of the annotation."""
    made = changed()
    annotation = made["annotations"][0]
    box = annotation["result"][BOX]
    {"box": box, "value": box["value"], "annotation": annotation, "task": made, "data": made["data"]}[where].pop(name)
    return made


def answered(*more: dict[str, Any], without: str = "", drop: str | None = None) -> dict[str, Any]:
    """A task whose answer has further results, or lacks those of one name."""
    reported = [one for one in results(task(), ANSWERS, drop) if one["from_name"] != without]
    return task(FORM, [*reported, *more])


def times_100() -> dict[str, Any]:
    box = changed()["annotations"][0]["result"][BOX]["value"]
    return changed(value={name: 100 * box[name] for name in ("x", "y", "width", "height")})


READ = {
    "as drafted": (changed(), ""),
    "no original_width": (lacking("box", "original_width"), ""),
    "neither size": (changed(original_width=None, original_height=None), ""),
    "sizes that are no numbers": (changed(original_width="640", original_height=[480]), ""),
    "sizes that are not finite": (changed(original_width=math.nan, original_height=10**400), ""),
    "size of a scaled copy": (changed(original_width=320, original_height=240), "names a picture of 320 x 240 px"),
    "pasted from an upright picture": (
        changed(original_width=480, original_height=640),
        "the stored one has 640 x 480",
    ),
    "another height alone": (changed(original_height=100), "names a picture of 640 x 100 px"),
    "size 0": (changed(original_width=0, original_height=0), "names a picture of 0 x 0 px"),
    "rotation 360": (changed(value={"rotation": 360}), ""),
    "rotation -720": (changed(value={"rotation": -720}), ""),
    "rotation 1e-9": (changed(value={"rotation": 1e-9}), ""),
    "rotation 359.9999999": (changed(value={"rotation": 359.9999999}), ""),
    "rotation null": (changed(value={"rotation": None}), ""),
    "no rotation": (lacking("value", "rotation"), ""),
    "picture turned by 360": (changed(image_rotation=360), ""),
    "a name that the page does not have": (
        answered({"from_name": "other", "value": {"choices": ["Yes"]}}),
        "what the page does not ask for is left out: other",
    ),
    "a result without a name": (answered({"type": "relation"}), "left out: None"),
    "a name that is a number": (answered({"from_name": 3}), "left out: 3"),
    "a choice that is no list": (changed(Q1, value={"choices": ANSWERS["realism_q1"]}), ""),
    "a text that is no list": (changed(7, value={"text": FORM.label}), ""),
    "time spent that is text": (annotated(lead_time="12"), ""),
    "time spent that is no number": (annotated(lead_time=math.nan), ""),
    "time spent below nothing": (annotated(lead_time=-4), ""),
    "no time spent": (lacking("annotation", "lead_time"), ""),
    "cancelled is null": (annotated(was_cancelled=None), ""),
    "cancelled is not said": (lacking("annotation", "was_cancelled"), ""),
    "updated in another time zone": (annotated(updated_at="2026-11-25T10:00:00+02:00"), ""),
    "updated without a time zone": (annotated(updated_at="2026-11-25T08:00:00"), ""),
}


@pytest.mark.parametrize("case", READ)
def test_what_is_known_is_read_and_what_is_odd_is_noted(case: str) -> None:
    made, note = READ[case]
    found = read(made)
    assert (found.task_id, found.reason) == (5, "")
    assert found.vote is not None
    assert (found.vote.bbox_px, found.vote.answers, found.vote.label) == (FORM.bbox_px, ANSWERS, FORM.label)
    assert found.vote.seconds in (12.5, None)
    assert note in found.note
    assert bool(note) == bool(found.note)


def test_percent_are_of_the_stored_picture_whatever_size_the_browser_names() -> None:
    """A box of the right half, pasted from a task with a picture of another size, stands on the right half."""
    value = {"x": 50, "y": 25, "width": 50, "height": 75}
    for named in (640, 480), (100, 50), (48, 64), (None, None):
        found = read(changed(value=value, original_width=named[0], original_height=named[1]))
        assert found.vote is not None
        assert found.vote.bbox_px == (320, 120, 640, 480)


UNUSABLE = {
    "a question left out": (answered(without="realism_q2"), "realism_q2 not answered, and not dropped"),
    "nothing at all": (task(FORM, []), "realism_q1, realism_q2"),
    "result is null": (annotated(result=None), "realism_q1, realism_q2"),
    "result is missing": (lacking("annotation", "result"), "realism_q1, realism_q2"),
    "result is an object": (annotated(result={}), "result: Input should be a valid list"),
    "result is text": (annotated(result="[]"), "result: Input should be a valid list, found '[]'"),
    "a result that is null": (annotated(result=[None]), "result.0: Input should be a valid dictionary, found None"),
    "a result that is text": (annotated(result=["Yes"]), "result.0: Input should be a valid dictionary, found 'Yes'"),
    "two choices": (changed(Q1, value={"choices": ["Yes", "No"]}), "realism_q1 is Yes, No, expected one of No, Yes"),
    "a choice in another case": (changed(Q1, value={"choices": ["yes"]}), "realism_q1 is yes, expected one of No, Yes"),
    "choices are a number": (changed(Q1, value={"choices": 1}), "realism_q1 holds {'choices': 1}, expected choices"),
    "choices are null": (changed(Q1, value={"choices": None}), "realism_q1 holds {'choices': None}"),
    "a choice that is null": (changed(Q1, value={"choices": [None]}), "realism_q1 holds {'choices': [None]}"),
    "an answer without a value": (changed(Q1, value=None), "realism_q1 holds None, expected choices"),
    "an answer that is a boolean": (changed(Q1, value=True), "realism_q1 holds True, expected choices"),
    "two reasons to drop": (
        answered({"from_name": "drop", "value": {"choices": ["unclear", "too small"]}}),
        "drop is unclear, too small",
    ),
    "no label": (answered(without="label"), "the label is empty"),
    "a label that is null": (changed(7, value={"text": [None]}), "label holds {'text': [None]}, expected text"),
    "a label that is a number": (changed(7, value={"text": [3]}), "label holds {'text': [3]}, expected text"),
    "no box": (answered(without="box"), "0 boxes, expected one"),
    "two boxes": (answered(results(task(), ANSWERS)[BOX]), "2 boxes, expected one"),
    "a box without a value": (lacking("box", "value"), "the box cannot be read (value: Field required)"),
    "a box without x": (lacking("value", "x"), "the box cannot be read (value.x: Field required)"),
    "x is null": (changed(value={"x": None}), "value.x: Input should be a valid number, found None"),
    "x is text": (changed(value={"x": "10.5"}), "value.x: Input should be a valid number, found '10.5'"),
    "x is a boolean": (changed(value={"x": True}), "value.x: Input should be a valid number, found True"),
    "width is not a number": (changed(value={"width": math.nan}), "value.width: Input should be a finite number"),
    "height is infinite": (changed(value={"height": math.inf}), "value.height: Input should be a finite number"),
    "y is minus infinity": (changed(value={"y": -math.inf}), "value.y: Input should be a finite number"),
    "rotation is text": (changed(value={"rotation": "0"}), "value.rotation: Input should be a valid number"),
    "rotation is not a number": (changed(value={"rotation": math.nan}), "value.rotation: Input should be a finite"),
    "a rotated box": (changed(value={"rotation": 3}), "the box is rotated by 3 degrees"),
    "a box on its side": (changed(value={"rotation": 90}), "the box is rotated by 90 degrees"),
    "a turned picture": (changed(image_rotation=90), "the picture was turned by 90 degrees"),
    "percent times 100": (
        times_100(),
        "no percent of the picture: it was submitted before",
    ),
    "percent times 100 from 0, 0": (changed(value={"x": 0, "y": 0, "width": 2500, "height": 7000}), "0 0 2500 7000"),
    "percent times 100 of a narrow box": (changed(value={"x": 30, "y": 50, "width": 80, "height": 400}), "no percent"),
    "a box without area": (changed(value={"width": 0}), "no area in the picture"),
    "a box of negative width": (changed(value={"width": -5}), "no area in the picture"),
    "a box outside": (changed(value={"x": 100, "width": 5}), "no area in the picture"),
    "a box left of the picture": (changed(value={"x": -50, "width": 20}), "no area in the picture"),
    "no time": (annotated(updated_at=None), "updated_at: expected a time, such as"),
    "a time that is none": (annotated(updated_at="yesterday"), "found 'yesterday'"),
    "a time that is a number": (annotated(updated_at=1.5), "expected a time"),
    "a time before all": (annotated(updated_at="0001-01-01T00:00:00+05:00"), "expected a time"),
    "an annotation without a number": (
        lacking("annotation", "id"),
        "annotation cannot be read: id: Field required",
    ),
    "a number that no file holds": (annotated(id=2**63), "id: Input should be less than"),
    "an annotation that is null": (changed() | {"annotations": [None]}, "the annotation cannot be read"),
    "an annotation that is text": (changed() | {"annotations": ["x"]}, "the annotation cannot be read"),
    "cancelled may be": (annotated(was_cancelled="perhaps"), "was_cancelled: Input should be a valid boolean"),
    "an account that is none": (annotated(completed_by=[7]), "completed_by"),
}


@pytest.mark.parametrize("case", UNUSABLE)
def test_what_is_no_vote_says_why_on_one_line(case: str) -> None:
    made, reason = UNUSABLE[case]
    found = read(made)
    assert found.vote is None
    assert (found.name, found.shown) == ("task 5, abc#3", FORM.shown)
    assert reason in found.reason
    assert found.reason.isprintable()
    assert len(found.reason) <= 300


def test_a_tiny_box_times_100_is_known_by_the_draft() -> None:
    """No number of it is larger than percent may be."""
    tiny = DraftForm(**{**vars(FORM), "bbox_px": (0.0, 1.2, 5.12, 5.04)})
    made = task(tiny, results(task(tiny), ANSWERS))
    value = made["annotations"][0]["result"][BOX]["value"]
    value |= {name: 100 * value[name] for name in ("x", "y", "width", "height")}
    assert max(value["width"], value["height"]) < 100
    assert "no percent of the picture" in read(made).reason


DAMAGED = {
    "no id": (lacking("task", "id"), "id: Field required"),
    "id is text": (changed() | {"id": "5"}, "id: Input should be a valid integer, found '5'"),
    "no time": (lacking("task", "updated_at"), "updated_at: Field required"),
    "shown is null": (changed() | {"data": task()["data"] | {"shown": None}}, "data.shown"),
    "shown is missing": (lacking("data", "shown"), "data.shown: Field required"),
    "shown is half": (
        changed() | {"data": task()["data"] | {"shown": {"label": "x"}}},
        "shown: bbox_px: Field req",
    ),
    "the entity is null": (changed() | {"data": task()["data"] | {"entity_id": None}}, "data.entity_id"),
    "the entity has no number": (changed() | {"data": task()["data"] | {"entity_id": "abc"}}, "data.entity_id"),
    "the form is missing": (lacking("data", "form"), "data.form: Field required"),
    "annotations are an object": (changed() | {"annotations": {"id": 1}}, "annotations: Input should be a valid list"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_task_is_named_and_its_form_is_not_there_when_that_is_damaged(case: str) -> None:
    made, reason = DAMAGED[case]
    found = read(made)
    assert found.vote is None
    assert "the task is damaged (" in found.reason
    assert reason in found.reason
    assert (read_form_of_task(made) is None) == ("data." in reason or "shown" in reason)
    assert found.name == ("task 5" if made.get("id") == 5 else "a task without a number")


def test_the_form_of_a_task_that_can_be_read() -> None:
    assert read_form_of_task(changed()) == ("abc#3", FORM.digest)


FOREIGN = [{"run": "other"}, {"run": None}, {"run": ["run"]}, {}, None, "run", ["run"]]


@pytest.mark.parametrize("data", FOREIGN)
def test_a_task_of_something_else_is_named(data: object) -> None:
    found = read({"id": 7, "data": data})
    assert (found.name, found.entity_id) == ("task 7", None)
    assert "is no task of this run" in found.reason


@pytest.mark.parametrize("made", [None, [], "x", 3, {}])
def test_what_is_no_task_at_all_is_named(made: object) -> None:
    assert "is no task of this run" in read(made).reason


def test_an_entity_whose_picture_the_run_does_not_hold_is_named() -> None:
    found = read_task(changed(), "anna", "run", {"another": SIZE})
    assert (found.name, found.reason) == ("task 5, abc#3", "the run holds no picture of it")


def test_what_another_account_answered_is_not_this_persons() -> None:
    for account in (8, {"id": 8, "email": "ben@qreal.local"}):
        made = annotated(completed_by=account)
        assert "answered by account 8, expected anna's own" in read(made, account=7).reason
        assert read(made, account=8).vote is not None
        assert read(made).vote is not None


def test_anothers_newer_annotation_does_not_hide_ones_own() -> None:
    made = task(FORM, results(task(), ANSWERS), results(task(), random_answers(2)))
    made["annotations"][0]["completed_by"], made["annotations"][1]["completed_by"] = 7, 8
    found = read(made, account=7)
    assert found.vote is not None
    assert found.vote.answers == ANSWERS


@pytest.mark.parametrize("annotations", [None, []])
def test_a_task_without_an_annotation_is_not_answered(annotations: list[object] | None) -> None:
    found = read(task() | {"annotations": annotations})
    assert (found.vote, found.reason, found.entity_id) == (None, "", "abc#3")


@pytest.mark.parametrize("more", [{}, {"result": None}, {"id": None, "updated_at": None}, {"was_cancelled": "true"}])
def test_a_skipped_task_is_not_answered_however_damaged_it_is(more: dict[str, Any]) -> None:
    found = read(annotated(**{"was_cancelled": True, **more}))
    assert (found.vote, found.reason) == (None, "")


def test_a_withdrawn_vote_keeps_what_it_said() -> None:
    reported = vote(results(task(), ANSWERS))
    gone = withdraw(reported, "2026-11-25T11:00:00.000000+00:00")
    assert gone.withdrawn
    assert gone.answers == reported.answers
    assert gone.updated_at > reported.updated_at


JUNK: tuple[Any, ...] = (
    None,
    [],
    {},
    "",
    "x\n\ud83d",
    "Yes",
    -1,
    10**400,
    1e308,
    math.nan,
    -math.inf,
    True,
    [[]],
    {"x": None},
    [{}],
)


def places(node: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a JSON value."""
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in children:
        yield (*above, key)
        yield from places(value, (*above, key))


@pytest.mark.slow
@pytest.mark.parametrize("account", [None, 7])
def test_anything_in_place_of_anything_raises_nothing_and_can_be_kept_and_printed(account: int | None) -> None:
    whole = annotated(completed_by=7)
    unusable = 0
    for path in places(whole):
        for junk in (*JUNK, ...):
            made = copy.deepcopy(whole)
            node = made
            for key in path[:-1]:
                node = node[key]
            if junk is ...:
                del node[path[-1]]
            else:
                node[path[-1]] = junk
            found = read(made, account)
            read_form_of_task(made)
            unusable += found.vote is None
            (found.name + found.reason + found.note).encode()
            if found.vote is not None:
                json.dumps(vars(found.vote)["bbox_px"], allow_nan=False)
                (found.vote.entity_id + found.vote.label + "".join(found.vote.descriptions.values())).encode()
                assert all(math.isfinite(side) for side in found.vote.bbox_px)
    assert unusable > 100
