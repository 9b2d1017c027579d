"""Verified body parts and the description that is made of them never disagree, whatever people did to either."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from annotating import stage_of
from drafted_run import write_drafted_run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from verified_run import write_verified_run
from voting import CLEAN, form, vote

from annotation.merging.ballot import load_ballot
from annotation.merging.combine import combine_by_model, count_texts_to_combine
from annotation.merging.fields import EMPTIED, UNCHANGED, MergedText, normalize_sentence, split_sentences
from annotation.merging.forms import DraftForm, load_forms
from annotation.merging.merge import Conclusion, MergedEntity, merge_votes
from annotation.merging.merged_file import read_merged
from annotation.merging.parts import INTEGRATED_BY_MODEL, INTEGRATED_BY_RULE
from annotation.publish.publish import PublishOptions, publish
from annotation.run.folder import RunFolder
from qreal_tasks.benchmark import BODY_PARTS, parts_description
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion
from qreal_tasks.samples import reference_regions

PEOPLE = ("anna", "ben", "cara")
ODD = {"plausibility_q1": "Yes"}
HANDS = dict.fromkeys(BODY_PARTS) | {"hands": "Six fingers."}
BOTH = HANDS | {"feet": "No toes."}


def person(parts: dict[str, str | None], **changes: Any) -> DraftForm:
    """A drafted man whose description was made of the drafted parts."""
    texts = {"realism": "Nothing is wrong.", "plausibility": parts_description(parts)}
    result = {"label": "man", "is_portrait": True, "parts": parts, "descriptions": texts, "integrated": True}
    return form(**{**result, "answers": CLEAN | ODD, **changes})


def merged(drafted: DraftForm, *result: dict[str, Any], adjudicated: dict[str, Any] | None = None) -> MergedEntity:
    votes = [vote(drafted, who, **ODD | one) for who, one in zip(PEOPLE, result, strict=False)]
    last = None if adjudicated is None else vote(drafted, "zoe", **ODD | adjudicated)
    return merge_votes(drafted, votes, PEOPLE[: len(result)], last, None)


def described(found: MergedEntity) -> MergedText:
    chosen = found.descriptions["plausibility"]
    assert chosen is not None
    return chosen


@pytest.mark.parametrize(
    ("result", "text", "rule"),
    [
        pytest.param([{}, {}, {}], "Hands: Six fingers. Feet: No toes.", UNCHANGED, id="as drafted"),
        pytest.param([{"feet": ""}, {"feet": None}, {}], "Hands: Six fingers.", INTEGRATED_BY_RULE, id="a part goes"),
        pytest.param(
            [{"hands": "Seven fingers."}, {}, {}],
            "Hands: Seven fingers. Feet: No toes.",
            INTEGRATED_BY_RULE,
            id="one person changes a part",
        ),
        pytest.param(
            [{"hands": "Six fingers. One is bent."}, {"hands": "Six fingers. No nails"}, {}],
            "Hands: Six fingers. One is bent. No nails. Feet: No toes.",
            INTEGRATED_BY_RULE,
            id="two supplement a part",
        ),
        pytest.param(
            [{"torso": "Twisted."}, {}, {}],
            "Hands: Six fingers. Torso: Twisted. Feet: No toes.",
            INTEGRATED_BY_RULE,
            id="one adds a part",
        ),
        pytest.param(
            [{"plausibility": "Hands: Six fingers. Feet: No toes. An ear floats."}, {}, {}],
            "Hands: Six fingers. Feet: No toes. An ear floats.",
            INTEGRATED_BY_RULE,
            id="one adds to the description",
        ),
        pytest.param(
            [{"plausibility": "An ear floats."}, {"plausibility": "The shadow is missing."}, {"feet": " "}],
            "Hands: Six fingers. Feet: No toes. The shadow is missing. An ear floats.",
            INTEGRATED_BY_RULE,
            id="two write the description anew, and the parts stay",
        ),
        pytest.param(
            [{"plausibility": ""}, {"plausibility": " "}, {"plausibility": ""}],
            "Hands: Six fingers. Feet: No toes.",
            INTEGRATED_BY_RULE,
            id="all empty the description, and the parts stay",
        ),
        pytest.param(
            [{"feet": "", "plausibility": "There are no toes, and an ear floats. The nose is flat."}, {"feet": ""}, {}],
            "Hands: Six fingers. The nose is flat.",
            INTEGRATED_BY_RULE,
            id="what repeats a part that is gone goes too",
        ),
        pytest.param(
            [{"feet": "", "plausibility": "Toes! The nose is flat."}, {"feet": ""}, {}],
            "Hands: Six fingers. The nose is flat.",
            INTEGRATED_BY_RULE,
            id="and what repeats some of it",
        ),
    ],
)
def test_by_rule(result: list[dict[str, Any]], text: str, rule: str) -> None:
    found = merged(person(BOTH), *result)
    assert (found.state, described(found).text, described(found).rule) == (Conclusion.FINAL, text, rule)
    assert found.part_texts is not None
    assert all(one in text for one in found.part_texts.values() if one)


def test_no_part_is_left_to_explain_a_flaw() -> None:
    found = merged(person(HANDS), *[{"hands": ""}] * 3)
    assert (described(found).text, described(found).rule) == ("", EMPTIED)
    assert found.conflicts == ("plausibility_description: flawed in plausibility, and nobody says why",)


def test_an_adjudicators_parts_and_description_agree_too() -> None:
    found = merged(person(BOTH), {}, {}, adjudicated={"hands": "", "plausibility": "Six fingers. An ear floats."})
    assert (found.state, described(found).text) == (Conclusion.FINAL, "Feet: No toes. An ear floats.")
    silent = merged(person(HANDS), {}, {}, adjudicated={"hands": "", "plausibility": "Hands: Six fingers."})
    assert silent.state == Conclusion.CONFLICT


@pytest.mark.parametrize(
    ("answers", "drafted", "text"),
    [
        pytest.param(CLEAN, "Nothing is wrong.", "Hands: Six fingers.", id="it said that nothing is wrong"),
        pytest.param(CLEAN | ODD, "An ear floats.", "Hands: Six fingers. An ear floats.", id="it named another flaw"),
        pytest.param(CLEAN | ODD, "Six fingers!", "Hands: Six fingers.", id="it said the same"),
    ],
)
def test_a_draft_that_was_not_made_of_the_parts(answers: dict[str, str], drafted: str, text: str) -> None:
    texts = {"realism": "Nothing is wrong.", "plausibility": drafted}
    found = merged(person(HANDS, descriptions=texts, answers=answers, integrated=False), {}, {}, {})
    assert described(found).text == text


def test_parts_without_any_remark_leave_the_description_as_people_left_it() -> None:
    texts = {"realism": "Nothing is wrong.", "plausibility": "An ear floats."}
    nothing = person(dict.fromkeys(BODY_PARTS), descriptions=texts, integrated=False)
    assert described(merged(nothing, {}, {}, {})).text == "An ear floats."
    assert described(merged(nothing, {"plausibility": "It floats."}, {}, {})).text == "It floats."


_FLAWS = [f"Flaw {letter} is {letter}{letter}." for letter in "abcdefghijkl"]
"""None stands in another."""
_TEXT = st.lists(st.sampled_from(_FLAWS), min_size=1, max_size=3, unique=True).map(" ".join)
_LEFT = "left as drafted"
_EDIT = st.one_of(st.just(_LEFT), st.sampled_from(["", " "]), _TEXT)
_SAID = st.fixed_dictionaries(
    {
        "plausibility_q1": st.sampled_from(["Yes", "No"]),
        "plausibility": _EDIT,
        **dict.fromkeys(("head_face", "hands", "feet"), _EDIT),
    }
)


@st.composite
def _entity(draw: st.DrawFn) -> tuple[DraftForm, MergedEntity]:
    """A drafted portrait and what one to three people, or an adjudicator, made of it."""
    parts = dict.fromkeys(BODY_PARTS) | {part: draw(st.none() | _TEXT) for part in ("head_face", "hands", "feet")}
    made_of_parts = draw(st.booleans()) and any(parts.values())
    text = parts_description(parts) if made_of_parts else draw(_TEXT | st.just("Nothing is wrong."))
    texts = {"realism": "Nothing is wrong.", "plausibility": text}
    answers = CLEAN | {"plausibility_q1": draw(st.sampled_from(["Yes", "No"]))}
    drafted = person(parts, descriptions=texts, integrated=made_of_parts, answers=answers)
    left = draw(st.lists(_SAID, min_size=1, max_size=3))
    result = [{name: value for name, value in one.items() if value != _LEFT} for one in left]
    adjudicated = result.pop() if draw(st.booleans()) else None
    return drafted, merged(drafted, *result, adjudicated=adjudicated)


def assert_agreement(drafted: DraftForm, found: MergedEntity) -> None:
    """Every part that is left is in the description, and no sentence that a part has lost."""
    if found.parts is None or found.part_texts is None:  # dropped or pending
        return
    assert drafted.parts is not None
    text = described(found).text
    left = {one for result in found.part_texts.values() for one in split_sentences(result or "")}
    assert all(one in text for one in left), (found.part_texts, text)
    held = [*drafted.parts.values(), *(result for part in found.parts.values() for result in part.sources.values())]
    gone = {one for result in held for one in split_sentences(result or "")} - left
    if any((result or "").strip() for result in (*drafted.parts.values(), *left)):
        assert not any(normalize_sentence(one) in normalize_sentence(text) for one in gone), (
            found.part_texts,
            text,
            gone,
        )


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(_entity())
def test_parts_and_description_agree_after_any_edit(made: tuple[DraftForm, MergedEntity]) -> None:
    assert_agreement(*made)


def joining(asked: Asked) -> Reply:
    """A language model that repeats all it is given, once, and says that it was asked."""
    text = asked.body["messages"][1]["content"][0]["text"]
    result = json.loads(text[text.index(": ", text.rindex("as a JSON")) + 2 :])
    flat = [one for value in (result.values() if isinstance(result, dict) else [result]) for one in _as_list(value)]
    field = "plausibility_description" if stage_of(asked) == "merge" else "description"
    return completion(json.dumps({field: " ".join([*dict.fromkeys(flat), "So says a model."])}))


def _as_list(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


@pytest.fixture(scope="module")
def asked_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunFolder, ScriptedServer]]:
    with ScriptedServer(joining) as server:
        model = {"model": "scripted", "base_url": server.url, "first_wait_s": 0.01}
        yield write_drafted_run(tmp_path_factory.mktemp("asked"), 1, language_model=model), server


@pytest.mark.slow
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(_entity(), min_size=1, max_size=6))
def test_parts_and_description_agree_when_a_model_writes_them(
    asked_run: tuple[RunFolder, ScriptedServer], made: list[tuple[DraftForm, MergedEntity]]
) -> None:
    done = combine_by_model(asked_run[0], [found for _, found in made])
    assert done.combined == count_texts_to_combine([found for _, found in made])
    for (drafted, _), found in zip(made, done.merged, strict=True):
        assert_agreement(drafted, found)


def test_a_model_is_given_the_parts_that_are_left_and_the_rest_of_the_description(
    asked_run: tuple[RunFolder, ScriptedServer],
) -> None:
    run, server = asked_run
    edited = {"plausibility": "Hands: Six fingers. Feet: No toes. An ear floats."}
    found = merged(person(BOTH), {"feet": "", "hands": "Seven."}, {"feet": "", "hands": "Eight."}, edited)
    before = len(server.asked)
    (done,) = combine_by_model(run, [found]).merged
    combined, integrated = (one.body["messages"][1]["content"][0]["text"] for one in server.asked[before:])
    assert 'first: ["Seven.", "Eight."]' in combined
    assert "The description is about hands." in combined
    assert integrated.strip().endswith(
        '{"hands": "Seven. Eight. So says a model.", "further_remarks": ["An ear floats."]}'
    )
    assert done.part_texts == dict.fromkeys(BODY_PARTS) | {"hands": "Seven. Eight. So says a model."}
    assert described(done).text == "Seven. Eight. So says a model. An ear floats. So says a model."
    assert described(done).rule == INTEGRATED_BY_MODEL


def test_a_model_that_combines_and_does_not_integrate_leaves_both_in_agreement(tmp_path: Path) -> None:
    def refuses_to_integrate(asked: Asked) -> Reply:
        return completion("I will not.", refusal="I will not.") if stage_of(asked) == "merge" else joining(asked)

    with ScriptedServer(refuses_to_integrate) as server:
        run = write_drafted_run(tmp_path, 1, language_model={"model": "scripted", "base_url": server.url})
        found = merged(person(BOTH), {"hands": "Seven.", "feet": ""}, {"hands": "Eight.", "feet": ""})
        rewritten = combine_by_model(run, [found])
    (done,) = rewritten.merged
    assert (rewritten.combined, rewritten.failed) == (1, 1)
    assert (described(done).text, described(done).rule) == ("Hands: Seven. Eight. So says a model.", INTEGRATED_BY_RULE)
    assert "plausibility_description: combining refused" in rewritten.notes[done.entity_id]["notes"]


@pytest.mark.slow
def test_what_is_published_follows_the_parts(tmp_path: Path) -> None:
    """From votes over the merged file to the reference texts of both ImageQA sets."""

    def result(place: int, drafted: DraftForm, who: str) -> dict[str, Any]:
        changed = {"hands": "Seven long fingers.", "torso": ""} if drafted.parts is not None else {}
        return {**drafted.answers, **changed}

    run = write_verified_run(tmp_path, 40, result)
    changed = {entity for entity, drafted in load_forms(run).items() if drafted.parts is not None}
    rows = {row["entity_id"]: row for row in read_merged(run, load_ballot(run))}
    assert changed
    folder = publish(run, tmp_path / "set", PublishOptions()).folder
    import pyarrow.parquet as pq

    images = [row for path in (folder / "data" / "imageqa").iterdir() for row in pq.read_table(path).to_pylist()]
    listed = {entity["entity_id"]: entity for row in images for entity in row["entities"]}
    for entity in changed:
        parts, text = listed[entity]["parts"], listed[entity]["plausibility_description"]
        assert (parts["hands"], parts["torso"]) == ("Seven long fingers.", None)
        assert text == rows[entity]["plausibility_description"]
        assert all(one in text for one in parts.values() if one)
    flawed = 0
    for row in images:
        human = {one.entity_id: one.description for one in reference_regions(row, "human_plausibility")}
        general = {one.entity_id: one.description for one in reference_regions(row, "plausibility")}
        flawed += len(human)
        assert all(written in general[entity] for entity, written in human.items())
    assert flawed
