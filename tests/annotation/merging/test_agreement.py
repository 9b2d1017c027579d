"""The report over votes whose numbers can be counted by hand."""

from __future__ import annotations

from typing import Any

import pytest
from voting import form, vote

from annotation.merging.agreement import DROP, AgreementReport, AnnotatorAgreement, QuestionAgreement, measure_agreement
from annotation.merging.votes import Vote
from qreal_tasks.benchmark import BODY_PARTS

FORMS = {
    "image0#0": form("image0#0"),
    "image0#1": form("image0#1"),
    "image1#0": form("image1#0", parts=dict.fromkeys(BODY_PARTS)),
    "image2#0": form("image2#0"),
}


def votes(**result: list[dict[str, Any] | None]) -> dict[str, list[Vote]]:
    """Annotator to what they say of the four entities, None for no vote."""
    found: dict[str, list[Vote]] = {}
    for who, changes in result.items():
        for drafted, one in zip(FORMS.values(), changes, strict=True):
            if one is not None:
                found.setdefault(drafted.entity_id, []).append(vote(drafted, who, **one))
    return found


NO = {"realism_q1": "No"}
CAST = votes(
    anna=[NO, {}, {"hands": "Six fingers."}, {"seconds": 10.0}],
    ben=[NO, NO, {"label": "wolf", "realism": "Odd."}, None],
    cara=[NO, {"drop": "unclear"}, {"bbox_px": (60.0, 10.0, 160.0, 110.0)}, None],
)


@pytest.fixture(scope="module")
def report() -> AgreementReport:
    return measure_agreement(FORMS, CAST, resamples=200)


def on(report: AgreementReport, name: str) -> QuestionAgreement:
    return next(question for question in report.questions if question.name == name)


def person(report: AgreementReport, name: str) -> AnnotatorAgreement:
    return next(one for one in report.annotators if one.name == name)


def test_counts(report: AgreementReport) -> None:
    assert (report.entities, report.images, report.votes) == (4, 3, 10)
    assert [one.name for one in report.annotators] == ["anna", "ben", "cara"]


def test_a_question(report: AgreementReport) -> None:
    found = on(report, "realism_q1")
    # No No No | Yes No (dropped) | Yes Yes Yes | Yes
    assert (found.entities, found.votes) == (3, 9)
    values = {name: estimate.value for name, estimate in found.measures.items()}
    assert values["percent_agreement"] == pytest.approx(6 / 7)
    assert values["unanimous"] == pytest.approx(2 / 3)
    assert values["prevalence"] == pytest.approx(5 / 9)
    # Units with two votes: No 3 + 1, Yes 1 + 3; o_01 + o_10 = 2.
    assert values["alpha"] == pytest.approx(1 - 7 * 2 / (2 * 4 * 4))
    # The machine said Yes of all: against No, a tie that does not count, Yes, Yes.
    assert found.machine is not None
    assert (found.machine.value, found.machine_n) == pytest.approx((2 / 3, 3))


def test_all_the_same_has_no_alpha(report: AgreementReport) -> None:
    found = on(report, "plausibility_q4")
    assert found.measures["percent_agreement"].value == 1.0
    assert found.measures["alpha"].value is None
    assert found.measures["prevalence"].value == 0.0


def test_dropping_is_a_question_of_its_own(report: AgreementReport) -> None:
    found = on(report, DROP)
    # Keep of three | keep, keep, drop | keep of three | one keeps: pairs 3 + 1 + 3 of 9.
    assert found.measures["percent_agreement"].value == pytest.approx(7 / 9)
    assert found.measures["prevalence"].value == pytest.approx(1 / 10)
    assert found.machine is None


def test_people(report: AgreementReport) -> None:
    anna, ben, cara = (person(report, name) for name in ("anna", "ben", "cara"))
    assert (anna.votes, ben.votes, cara.votes) == (4, 3, 3)
    assert (anna.dropped, cara.dropped) == (0, 1)
    assert anna.with_majority["realism_q1"] == 1.0  # of three; the tie does not count
    assert cara.with_majority[DROP] == pytest.approx(2 / 3)
    assert anna.yes["realism_q1"] == pytest.approx(3 / 4)
    assert (anna.median_seconds, ben.median_seconds) == (30.0, 30.0)
    assert anna.changed == {
        "label": 0.0,
        "box": 0.0,
        "realism_description": 0.0,
        "plausibility_description": 0.0,
        "parts": 1.0,
    }
    assert ben.changed["label"] == ben.changed["realism_description"] == pytest.approx(1 / 3)
    assert cara.changed["box"] == 0.5  # of the two that she keeps


def test_nobody_has_voted() -> None:
    empty = measure_agreement(FORMS, {}, resamples=50)
    assert (empty.entities, empty.votes, empty.annotators) == (0, 0, ())
    assert {question.measures["alpha"].value for question in empty.questions} == {None}


def test_votes_that_depend_on_others_count_for_the_majority_alone() -> None:
    """Of four entities the two who are asked first differ on one, where a third decides: they agree on 3 of 4, while
    all pairs of votes together would say 4 of 6."""
    odd, *others = FORMS.values()
    first = {odd.entity_id: [vote(odd, "anna"), vote(odd, "ben", **NO)]}
    first |= {one.entity_id: [vote(one, "anna"), vote(one, "ben")] for one in others}
    everybody = first | {odd.entity_id: [*first[odd.entity_id], vote(odd, "cara", **NO)]}
    found = measure_agreement(FORMS, everybody, independent=first, resamples=50)
    assert on(found, "realism_q1").measures["percent_agreement"].value == pytest.approx(3 / 4)
    assert (found.independent_only, found.votes) == (True, 9)
    biased = measure_agreement(FORMS, everybody, resamples=50)
    assert on(biased, "realism_q1").measures["percent_agreement"].value == pytest.approx(4 / 6)
    assert not biased.independent_only
    machine = on(found, "realism_q1").machine
    assert machine is not None
    assert machine.value == pytest.approx(3 / 4)  # the third's vote makes the majority: No, where the machine says Yes
