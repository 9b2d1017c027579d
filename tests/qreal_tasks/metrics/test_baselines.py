"""Baselines: closed forms equal scored runs; nothing looks at the references of the items it answers."""

from __future__ import annotations

import dataclasses

import pytest
from answered_alike import always, majority, majority_per_label
from typed import BuildRegion, Grounded, Judged, JudgedRows

from qreal_tasks.benchmark import Answer
from qreal_tasks.metrics.baselines import predict_whole_image, score_constant_answer
from qreal_tasks.metrics.grounding import score_grounding
from qreal_tasks.metrics.judgment import score_judgment
from qreal_tasks.records import JudgmentRecord


@pytest.mark.parametrize("answer", list(Answer))
@pytest.mark.parametrize("n_yes", [0, 3, 7, 10])
def test_closed_form_is_the_scored_run(judged_rows: JudgedRows, answer: Answer, n_yes: int) -> None:
    records = judged_rows([("Yes" if i < n_yes else "No", None, 0.3) for i in range(10)])
    found = score_judgment(always(records, answer))
    expected = score_constant_answer(n_yes / 10, answer)
    assert {m: found[m] for m in expected} == {
        m: None if v is None else pytest.approx(v, abs=1e-12) for m, v in expected.items()
    }
    assert found["auc"] is None
    assert found["unparsed"] == 0


@pytest.mark.parametrize(
    ("proves", "answer", "metric", "yes_share", "value"),
    [
        ("plausibility 2: always Yes", "Yes", "f1", 0.631, 0.774),
        ("plausibility 3: always Yes", "Yes", "f1", 0.600, 0.750),
        ("plausibility 4: always No", "No", "acc", 0.112, 0.888),
    ],
)
def test_constants_of_table_1(proves: str, answer: str, metric: str, yes_share: float, value: float) -> None:
    assert score_constant_answer(yes_share, answer)[metric] == pytest.approx(value, abs=0.0005), proves


@pytest.fixture
def known(judged_rows: JudgedRows) -> list[JudgmentRecord]:
    """Cats are Yes three times of four, dogs never, owls every other time; over all, Yes four times of nine."""
    owls = judged_rows([("Yes", None), ("No", None)], label="owl")
    cats = judged_rows([("Yes", None)] * 3 + [("No", None)], label="Cat ")
    dogs = judged_rows([("No", None)] * 3, label="dog")
    return cats + dogs + owls


@pytest.mark.parametrize(
    ("label", "answer", "p_yes"), [("cat", "Yes", 0.75), ("dog", "No", 0.0), ("owl", "No", 0.5), ("car", "No", 4 / 9)]
)
def test_majority_per_label(judged: Judged, known: list[JudgmentRecord], label: str, answer: str, p_yes: float) -> None:
    for reference in Answer:
        (found,) = majority_per_label([judged(reference, None, label=label)], known)
        assert (found.answer, found.p_yes, found.reason) == (answer, p_yes, None)


def test_majority_is_per_question(judged: Judged, known: list[JudgmentRecord]) -> None:
    records = [judged("Yes", None), judged("Yes", None, question="plausibility_q1")]
    all_yes = [dataclasses.replace(r, question="plausibility_q1", reference="Yes") for r in known]
    assert [r.answer for r in majority(records, known + all_yes)] == ["No", "Yes"]
    assert [r.answer for r in majority(records, [])] == ["No", "No"]
    assert [r.p_yes for r in majority_per_label(records, [])] == [None, None]


def test_whole_image(region: BuildRegion, grounded: Grounded) -> None:
    flawed = grounded([], [region(0, 0, 100, 60), region(0, 0, 5, 5)], image_id="a", reason="unread", scores=())
    clean = grounded([], [], image_id="b")
    found = score_grounding(predict_whole_image([flawed, clean]))
    assert found["iou"] == pytest.approx(0.6)
    assert (found["f1_at_50"], found["false_alarm"], found["unparsed"]) == pytest.approx((2 / 3, 1, 0))
    assert found["llm_score"] is None
