"""The rules of merging, each with votes that can be counted by hand."""

from __future__ import annotations

from typing import Any

import pytest
from typed import present
from voting import CLEAN, form, vote

from annotation.merging.fields import COMBINED_BY_RULE, EMPTIED, ONE_EDIT, TAKEN_AWAY, UNCHANGED
from annotation.merging.merge import Conclusion, MergedEntity, find_unexplained_flaws, merge_votes
from qreal_tasks.benchmark import BODY_PARTS

PEOPLE = ("anna", "ben", "cara")
DOG = form()
PERSON = form(label="man", is_portrait=True, parts=dict.fromkeys(BODY_PARTS) | {"hands": "Six fingers."})
BOX = DOG.bbox_px


def merged(*result: dict[str, Any], drafted: Any = DOG, assigned: int = 0, **more: Any) -> MergedEntity:
    """What anna, ben and cara said, in this order."""
    votes = [vote(drafted, who, **one) for who, one in zip(PEOPLE, result, strict=False)]
    arguments = {"adjudicated": None, "min_votes": None, **more}
    return merge_votes(drafted, votes, PEOPLE[: assigned or len(result)], **arguments)


def box(dx: float, dy: float = 0.0) -> tuple[float, ...]:
    x1, y1, x2, y2 = BOX
    return (x1 + dx, y1 + dy, x2 + dx, y2 + dy)


@pytest.mark.parametrize(
    ("result", "assigned", "min_votes", "state"),
    [
        pytest.param([], 3, None, Conclusion.PENDING, id="nobody"),
        pytest.param([], 0, 1, Conclusion.PENDING, id="laid before nobody"),
        pytest.param([{}, {}], 3, None, Conclusion.PENDING, id="one missing"),
        pytest.param([{}, {}], 3, 2, Conclusion.FINAL, id="one missing, two are enough"),
        pytest.param([{}, {}], 3, 3, Conclusion.PENDING, id="one missing, three are needed"),
        pytest.param([{}, {}], 2, None, Conclusion.FINAL, id="laid before two"),
        pytest.param([{}, {}], 2, 3, Conclusion.FINAL, id="all of two are enough though three are wanted"),
        pytest.param([{}, {}, {}], 3, None, Conclusion.FINAL, id="all"),
        pytest.param(
            [{"drop": "unclear"}, {"drop": "unclear"}, {}], 3, None, Conclusion.DROPPED, id="two of three drop"
        ),
        pytest.param([{"drop": "unclear"}, {}, {}], 3, None, Conclusion.FINAL, id="one of three drops"),
        pytest.param([{"drop": "unclear"}, {}], 2, None, Conclusion.CONFLICT, id="one of two drops"),
    ],
)
def test_state(result: list[dict[str, Any]], assigned: int, min_votes: int | None, state: Conclusion) -> None:
    assert merged(*result, assigned=assigned, min_votes=min_votes).state == state


@pytest.mark.parametrize(
    ("reasons", "taken"),
    [
        (("unclear", "unclear", "too small"), "unclear"),
        (("wrong label", "unclear", "too small"), "too small"),
        (("wrong label", "unclear"), "unclear"),
    ],
)
def test_the_most_frequent_reason_drops_and_ties_go_by_the_order_of_reasons(
    reasons: tuple[str, ...], taken: str
) -> None:
    found = merged(*({"drop": reason} for reason in reasons))
    assert (found.state, found.drop) == (Conclusion.DROPPED, taken)
    assert found.label is None
    assert set(found.answers.values()) == {None}


def test_every_answer_is_its_own_majority_over_those_who_keep_it() -> None:
    found = merged({"realism_q1": "No", "realism": "Drawn."}, {"realism_q1": "No", "realism_q2": "No"}, {})
    assert found.answers == CLEAN | {"realism_q1": "No"}
    # cara drops it: of anna and ben each says another thing on realism_q2.
    tied = merged({"realism_q1": "No"}, {"realism_q1": "No", "realism_q2": "No"}, {"drop": "unclear"})
    assert tied.answers["realism_q1"] == "No"
    assert tied.conflicts == ("realism_q2: 1 Yes, 1 No",)
    assert tied.answers["realism_q2"] is None


@pytest.mark.parametrize(
    ("labels", "taken"),
    [
        pytest.param(("dog", "dog", "wolf"), "dog", id="draft"),
        pytest.param(("Dog ", "DOG", "wolf"), "dog", id="the draft, spelt otherwise"),
        pytest.param(("Grey  Wolf", "grey wolf", "grey wolf"), "grey wolf", id="most frequent spelling"),
        pytest.param(("dog", "wolf", "fox"), None, id="none"),
        pytest.param((" ", "  ", "dog"), None, id="an empty label is none"),
    ],
)
def test_label(labels: tuple[str, ...], taken: str | None) -> None:
    found = merged(*({"label": label} for label in labels))
    assert found.label == taken
    assert (found.state == Conclusion.CONFLICT) == (taken is None)


@pytest.mark.parametrize(
    ("boxes", "taken"),
    [
        # Shifted by d, a box of 100 px has IoU (100 - d) / (100 + d): 5 -> .905, 6 -> .887, 11 -> .802, 12 -> .786.
        pytest.param([BOX, box(5), box(50)], BOX, id="two within .9 of the draft: the draft itself"),
        pytest.param([box(6), box(6), BOX], (16.0, 10.0, 116.0, 110.0), id="two beyond .9: median of the three"),
        pytest.param([box(60), box(62), BOX], (71.0, 10.0, 171.0, 110.0), id="two that agree beat the draft"),
        pytest.param([box(60), box(71), box(82)], (75.5, 10.0, 175.5, 110.0), id="agreeing is not passed on"),
        pytest.param([BOX, box(50), box(0, 50)], None, id="contradictory"),
        pytest.param([box(6), box(60)], None, id="two that contradict each other"),
        pytest.param([(5.0, 5.0, 5.0, 5.0)] * 3, None, id="without area"),
    ],
)
def test_box(boxes: list[tuple[float, ...]], taken: tuple[float, ...] | None) -> None:
    found = merged(*({"bbox_px": one} for one in boxes))
    assert found.bbox_px == taken
    assert ("box: no majority of boxes agrees" in found.conflicts) == (taken is None)


NO_ART = {"realism_q1": "No"}
FLAT = {"realism_q1": "No", "realism_q2": "No"}


@pytest.mark.parametrize(
    ("result", "text", "rule"),
    [
        pytest.param(
            [{}, {"realism": " Nothing  is wrong.\n"}, {}], DOG.descriptions["realism"], UNCHANGED, id="draft"
        ),
        pytest.param([{}, {"realism": "All fine. "}, {}], "All fine.", ONE_EDIT, id="one edit"),
        pytest.param([{"realism": "Fine."}, {"realism": "Fine. "}, {}], "Fine.", ONE_EDIT, id="the same edit twice"),
        pytest.param(
            [NO_ART | {"realism": "Drawn."}, FLAT | {"realism": "Drawn, with flat colours."}, NO_ART],
            "Drawn. Drawn, with flat colours.",
            COMBINED_BY_RULE,
            id="several edits: first the author who agrees most",
        ),
        pytest.param(
            [NO_ART | {"realism": "Drawn."}, NO_ART | {"realism": "It is drawn."}, NO_ART],
            "It is drawn. Drawn.",
            COMBINED_BY_RULE,
            id="then the longest",
        ),
        pytest.param(
            [NO_ART | {"realism": "Art b."}, NO_ART | {"realism": "Art a."}, NO_ART],
            "Art b. Art a.",
            COMBINED_BY_RULE,
            id="then by name",
        ),
        pytest.param(
            [NO_ART | {"realism": "Drawn."}, {"realism": "A perfect photograph, all of it."}, NO_ART],
            "Drawn.",
            ONE_EDIT,
            id="who sees no flaw does not explain it",
        ),
        pytest.param(
            [NO_ART | {"realism": ""}, NO_ART | {"realism": "Drawn."}, NO_ART | {"realism": " "}],
            "Drawn.",
            ONE_EDIT,
            id="an emptied field is no text of a flaw",
        ),
        pytest.param(
            [{"realism": ""}, {"realism": ""}, {"realism": ""}], "", EMPTIED, id="nothing to say, none needed"
        ),
        pytest.param(
            [NO_ART | {"realism": "N/A"}, NO_ART | {"realism": "Drawn."}, NO_ART | {"realism": "-"}],
            "Drawn.",
            ONE_EDIT,
            id="none is no text of a flaw",
        ),
    ],
)
def test_description(result: list[dict[str, Any]], text: str, rule: str) -> None:
    found = merged(*result)
    chosen = found.descriptions["realism"]
    assert chosen is not None
    assert (found.state, chosen.text, chosen.rule) == (Conclusion.FINAL, text, rule)


def test_every_source_is_kept() -> None:
    found = merged(NO_ART | {"realism": "Drawn."}, NO_ART | {"realism": "It is drawn."}, NO_ART)
    chosen = found.descriptions["realism"]
    assert chosen is not None
    assert chosen.sources == {"anna": "Drawn.", "ben": "It is drawn.", "cara": "Nothing is wrong."}


@pytest.mark.parametrize("text", ["", "None.", "n/a", "...", "-"])
def test_flawed_without_any_text_is_a_conflict(text: str) -> None:
    found = merged(*[NO_ART | {"realism": text}] * 3)
    assert found.conflicts == ("realism_description: flawed in realism, and nobody says why",)


@pytest.mark.parametrize("text", ["none", "No", "N/A", "-"])
def test_none_in_the_field_of_a_part_is_no_remark(text: str) -> None:
    odd = {"plausibility_q1": "Yes", "plausibility": "Bad hand."}
    assert PERSON.parts is not None
    one_says = merged(odd | {"feet": text}, odd, odd, drafted=PERSON)
    assert one_says.part_texts == PERSON.parts
    most_say = merged(odd | {"hands": text}, odd | {"hands": text}, odd, drafted=PERSON)
    assert most_say.part_texts == {**(PERSON.parts or {}), "hands": None}
    settled = merged(odd, odd, odd, drafted=PERSON, adjudicated=vote(PERSON, "zoe", **odd, feet=text))
    assert settled.part_texts == PERSON.parts
    assert all(text not in present(found.descriptions["plausibility"]).text for found in (one_says, most_say, settled))


def test_parts_are_merged_part_by_part() -> None:
    odd = {"plausibility_q1": "Yes", "plausibility": "Bad hand."}
    found = merged(
        odd | {"hands": "", "feet": "No toes."},
        odd | {"hands": " "},
        odd | {"feet": "Toes missing here."},
        drafted=PERSON,
    )
    assert found.part_texts == dict.fromkeys(BODY_PARTS) | {"feet": "Toes missing here. No toes."}
    assert found.parts is not None
    assert found.parts["hands"].rule == EMPTIED
    assert merged({}, {}, {}, drafted=PERSON).part_texts == PERSON.parts
    assert merged({}, {}, {}).part_texts is None


def test_an_adjudicator_settles_everything() -> None:
    votes = [{"drop": "unclear"}, {"realism_q1": "No"}]
    last = vote(DOG, "zoe", **FLAT, realism="Drawn.", label=" grey  wolf", bbox_px=box(30))
    found = merged(*votes, adjudicated=last)
    assert (found.state, found.label, found.bbox_px) == (Conclusion.FINAL, "grey wolf", box(30))
    assert found.answers == CLEAN | FLAT
    assert found.adjudicated_by == "zoe"
    dropped = merged(*votes, adjudicated=vote(DOG, "zoe", drop="too small"))
    assert (dropped.state, dropped.drop, dropped.adjudicated_by) == (Conclusion.DROPPED, "too small", "zoe")
    silent = merged(*votes, adjudicated=vote(DOG, "zoe", **FLAT, realism=" "))
    assert silent.state == Conclusion.CONFLICT


def test_the_order_of_votes_changes_nothing() -> None:
    result: list[dict[str, Any]] = [
        NO_ART | {"realism": "Art.", "bbox_px": box(60)},
        NO_ART | {"realism": "Drawn.", "bbox_px": box(62)},
        {"label": "Dog"},
    ]
    votes = [vote(DOG, who, **one) for who, one in zip(PEOPLE, result, strict=True)]
    assert merge_votes(DOG, votes, PEOPLE, None, None) == merge_votes(DOG, votes[::-1], PEOPLE, None, None)


@pytest.mark.parametrize(
    ("result", "drafted", "found"),
    [
        pytest.param([NO_ART] * 3, DOG, 1, id="a new flaw and the old text"),
        pytest.param([NO_ART | {"realism": "Drawn."}, NO_ART, NO_ART], DOG, 0, id="a new flaw and a new text"),
        pytest.param([{}] * 3, DOG, 0, id="no flaw"),
        pytest.param([NO_ART] * 3, form(answers=CLEAN | NO_ART), 0, id="the machine's own flaw"),
        pytest.param([NO_ART, {}], DOG, 0, id="not settled"),
    ],
)
def test_a_flaw_that_nobody_has_put_into_words_is_noted(result: list[dict[str, Any]], drafted: Any, found: int) -> None:
    assert len(find_unexplained_flaws(drafted, merged(*result, drafted=drafted))) == found


def test_flaws_that_each_sees_elsewhere_are_a_conflict() -> None:
    """Every majority says No, and every person says that something is wrong."""
    found = merged({"plausibility_q1": "Yes"}, {"plausibility_q2": "Yes"}, {"plausibility_q3": "Yes"})
    assert found.state == Conclusion.CONFLICT
    assert "plausibility: the majorities say it is not flawed, and nobody does" in found.conflicts


def test_an_untouched_draft_of_a_flaw_goes_when_people_see_none() -> None:
    flawed = form(
        answers=CLEAN | {"plausibility_q1": "Yes"}, descriptions={"realism": "Fine.", "plausibility": "Six fingers."}
    )
    found = merged({}, {}, {}, drafted=flawed)
    assert found.state == Conclusion.FINAL
    chosen = found.descriptions["plausibility"]
    assert chosen is not None
    assert (chosen.text, chosen.rule) == ("", TAKEN_AWAY)
    assert set(chosen.sources.values()) == {"Six fingers."}
    kept = merged({"plausibility": "The sixth finger is a shadow."}, {}, {}, drafted=flawed).descriptions[
        "plausibility"
    ]
    assert kept is not None
    assert kept.text == "The sixth finger is a shadow."


def test_one_who_empties_a_text_is_no_majority() -> None:
    one, two = merged({"realism": ""}, {}, {}), merged({"realism": ""}, {"realism": " "}, {})
    assert [found.descriptions["realism"].text for found in (one, two)] == [  # type: ignore[union-attr]
        DOG.descriptions["realism"],
        "",
    ]
