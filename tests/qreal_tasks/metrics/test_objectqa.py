"""ObjectQA as a whole: macro means, polarity, one draw for all six questions."""

from __future__ import annotations

import dataclasses
import statistics

import pytest
from typed import Change, Judged, JudgedRows, RandomJudged, present

from qreal_tasks.benchmark import QUESTION_NAMES
from qreal_tasks.metrics.objectqa import compare_objectqa, objectqa_intervals, score_objectqa
from qreal_tasks.records import JudgmentRecord


@pytest.fixture(scope="module")
def six(random_judged: RandomJudged) -> list[JudgmentRecord]:
    return [r for seed, name in enumerate(QUESTION_NAMES) for r in random_judged(seed, question=name)]


def test_macro_means(six: list[JudgmentRecord]) -> None:
    found = score_objectqa(six)
    for metric in ("acc", "f1", "auc", "average_precision"):
        for dimension, names in (("realism", QUESTION_NAMES[:2]), ("plausibility", QUESTION_NAMES[2:])):
            assert found[dimension][metric] == pytest.approx(statistics.mean(present(found[n][metric]) for n in names))
    assert found["overall"]["acc"] == pytest.approx(statistics.mean(present(found[n]["acc"]) for n in QUESTION_NAMES))


def test_overall_never_averages_f1_of_yes(six: list[JudgmentRecord]) -> None:
    """Yes is good in realism and bad in plausibility."""
    overall = score_objectqa(six)["overall"]
    assert "f1_defect" in overall
    assert not {"f1", "precision", "recall", "average_precision", "yes_share"} & set(overall)


def test_mean_is_undefined_when_a_question_is(six: list[JudgmentRecord]) -> None:
    found = score_objectqa([r for r in six if r.question != "plausibility_q3"])
    assert found["plausibility_q3"]["n"] == 0
    assert found["plausibility"]["acc"] is None
    assert found["overall"]["acc"] is None
    assert found["realism"]["acc"] is not None


def test_no_record_at_all() -> None:
    found = score_objectqa([])
    assert set(found) == {*QUESTION_NAMES, "realism", "plausibility", "overall"}
    assert {v for group in found.values() for m, v in group.items() if not m.startswith("n")} == {None}
    assert {group["n"] for name, group in found.items() if name in QUESTION_NAMES} == {0}


def test_intervals_hold_the_points_and_bracket_them(six: list[JudgmentRecord]) -> None:
    found, estimates = score_objectqa(six), objectqa_intervals(six, resamples=400)
    for group, metrics in estimates.items():
        for metric, estimate in metrics.items():
            assert estimate.value == pytest.approx(found[group][metric], abs=1e-12)
        acc = metrics["acc"]
        assert present(acc.low) < present(acc.value) < present(acc.high)


def test_questions_share_their_draws(judged_rows: JudgedRows) -> None:
    """Two questions answered alike on the same images: their mean varies exactly as each of them."""
    rows = [("Yes", "Yes" if n % 3 else "No") for n in range(60)]
    records = [r for name in QUESTION_NAMES[:2] for r in judged_rows(rows, question=name)]
    found = objectqa_intervals(records, resamples=500)
    assert found["realism"]["acc"] == found["realism_q1"]["acc"] == found["realism_q2"]["acc"]


def test_a_run_against_itself_has_no_difference(six: list[JudgmentRecord]) -> None:
    found = compare_objectqa([six, list(reversed(six))], resamples=200)[0]
    for metrics in found.values():
        for metric, difference in metrics.items():
            assert (difference.value, difference.low, difference.high, difference.p_value) == (0, 0, 0, 1), metric


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"entity_id": "new"}, "only in the"),
        ({"reference": "Yes"}, "reference differs"),
    ],
)
def test_comparison_refuses_other_data(judged_rows: JudgedRows, change: Change, message: str) -> None:
    run = judged_rows([("No", "No")] * 3)
    with pytest.raises(ValueError, match=message):
        compare_objectqa([run, [dataclasses.replace(run[0], **change), *run[1:]]])


def test_unknown_question_is_refused(judged: Judged) -> None:
    with pytest.raises(ValueError, match="i0#0: question is 'realism_q9'"):
        score_objectqa([judged("Yes", "Yes", question="realism_q9")])
