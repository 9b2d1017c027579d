"""ObjectQA of one question: agreement with scikit-learn, hand-made cases, undefined values, refusals."""

from __future__ import annotations

import dataclasses
import random
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics as reference
from typed import Change, Judged, JudgedRows, RandomJudged, Row

from qreal_tasks.metrics.bootstrap import estimate_intervals
from qreal_tasks.metrics.judgment import (
    JudgmentTable,
    count_unparsed_reasons,
    judgment_sums,
    score_judgment,
)
from qreal_tasks.metrics.sums import Scores, aggregate

SEEDS = range(5)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        ("acc", lambda y, a, p: reference.accuracy_score(y, a)),
        ("precision", lambda y, a, p: reference.precision_score(y, a)),
        ("recall", lambda y, a, p: reference.recall_score(y, a)),
        ("specificity", lambda y, a, p: reference.recall_score(y, a, pos_label=0)),
        ("f1", lambda y, a, p: reference.f1_score(y, a)),
        ("mcc", lambda y, a, p: reference.matthews_corrcoef(y, a)),
        ("balanced", lambda y, a, p: reference.balanced_accuracy_score(y, a)),
        ("auc", lambda y, a, p: reference.roc_auc_score(y, p)),
        ("average_precision", lambda y, a, p: reference.average_precision_score(y, p)),
        # realism_q1: the defect is No
        ("precision_defect", lambda y, a, p: reference.precision_score(y, a, pos_label=0)),
        ("recall_defect", lambda y, a, p: reference.recall_score(y, a, pos_label=0)),
        ("f1_defect", lambda y, a, p: reference.f1_score(y, a, pos_label=0)),
    ],
)
def test_equals_scikit_learn_with_tied_scores(
    random_judged: RandomJudged, seed: int, metric: str, expected: Callable[..., float]
) -> None:
    records = random_judged(seed, gaps=False)
    yes = np.array([r.reference == "Yes" for r in records])
    answered = np.array([r.answer == "Yes" for r in records])
    p_yes = np.array([r.p_yes for r in records])
    assert score_judgment(records)[metric] == pytest.approx(expected(yes, answered, p_yes), abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_unparsed_answers_equal_scikit_learn_on_the_opposite_answer(random_judged: RandomJudged, seed: int) -> None:
    """Wrong everywhere: a Yes item becomes FN and a No item FP, as if the other answer had been given."""
    records = random_judged(seed)
    yes = [r.reference == "Yes" for r in records]
    counted = [y == (r.answer == r.reference) for y, r in zip(yes, records, strict=True)]
    found = score_judgment(records)
    assert found["n_unparsed"]
    assert found["f1"] == pytest.approx(reference.f1_score(yes, counted), abs=1e-12)
    assert found["mcc"] == pytest.approx(reference.matthews_corrcoef(yes, counted), abs=1e-12)
    with_p = [r for r in records if r.p_yes is not None]
    assert found["n_without_p"] == len(records) - len(with_p) > 0
    expected = reference.roc_auc_score([r.reference == "Yes" for r in with_p], [r.p_yes for r in with_p])
    assert found["auc"] == pytest.approx(expected, abs=1e-12)


YES, NO = "Yes", "No"


@pytest.mark.parametrize(
    ("proves", "rows", "expected"),
    [
        (
            "a hand count: TP 2, FP 1, FN 1, TN 1",
            [(YES, YES), (YES, YES), (NO, YES), (YES, NO), (NO, NO)],
            {"acc": 0.6, "precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "specificity": 0.5, "auc": None},
        ),
        (
            "unparsed: Yes item is FN, No item is FP",
            [(YES, YES), (YES, None), (NO, None), (NO, NO)],
            {"acc": 0.5, "precision": 0.5, "recall": 0.5, "f1": 0.5, "unparsed": 0.5, "yes_answers": 0.5},
        ),
        (
            "all unparsed is 0, not undefined",
            [(YES, None), (NO, None)],
            {
                "acc": 0.0,
                "precision": 0.0,
                "recall": 0.0,
                "f1": 0.0,
                "mcc": -1.0,
                "unparsed": 1.0,
                "yes_answers": None,
            },
        ),
        (
            "no positive prediction: precision and MCC undefined, F1 0",
            [(YES, NO), (NO, NO)],
            {"acc": 0.5, "precision": None, "recall": 0.0, "f1": 0.0, "mcc": None},
        ),
        (
            "no positive anywhere: F1 undefined",
            [(NO, NO, 0.1), (NO, NO, 0.2)],
            {"acc": 1.0, "precision": None, "recall": None, "f1": None, "balanced": None, "auc": None}
            | {"average_precision": None, "mcc": None, "f1_defect": 1.0},
        ),
        (
            "one class, all positive: AUC undefined, average precision 1",
            [(YES, YES, 0.3), (YES, YES, 0.9)],
            {"auc": None, "average_precision": 1.0, "specificity": None, "precision": 1.0},
        ),
        (
            "all scores tied: AUC one half, average precision the share of Yes",
            [(YES, YES, 0.5), (NO, NO, 0.5), (NO, NO, 0.5), (YES, NO, 0.5)],
            {"auc": 0.5, "average_precision": 0.5},
        ),
        (
            "disagreement: p = .5 is not above .5; items without answer or P are out",
            [
                (YES, YES, 0.5),
                (YES, YES, 0.6),
                (NO, NO, 0.7),
                (NO, YES, 0.5),
                (NO, None, 0.9),
                (NO, YES, None),
            ],
            {"disagree": 3 / 4, "without_p": 1 / 6},
        ),
        (
            "mass: the mean, and the share below .5, of items with P; a server's rounding above 1 is cut",
            [(YES, YES, 0.6, {"mass": m}) for m in (0.5, 0.49, 1.001, None)] + [(NO, NO, None)],
            {"mass": 1.99 / 3, "off_choice": 1 / 3},
        ),
        ("mass: none given", [(YES, YES, 0.6, {"mass": None})], {"mass": None, "off_choice": None}),
        (
            "calibration: bin .1 is off by .2 - 1 summed, bin .9 (1.0 included) by -.1, over 3",
            [(YES, YES, 0.1), (NO, YES, 0.1), (YES, YES, 1.0)],
            {"calibration_error": 0.8 / 3},
        ),
        (
            "calibration: .19 and .21 are in different bins",
            [(YES, YES, 0.19), (NO, NO, 0.21)],
            {"calibration_error": (0.81 + 0.21) / 2},
        ),
        (
            "no record: nothing is defined",
            [],
            {"acc": None, "f1": None, "auc": None, "unparsed": None, "n": 0},
        ),
    ],
)
def test_by_hand(judged_rows: JudgedRows, proves: str, rows: list[Row], expected: Scores) -> None:
    found = score_judgment(judged_rows(rows))
    for metric, value in expected.items():
        assert found[metric] == (value if value is None else pytest.approx(value, abs=1e-12)), (
            proves,
            metric,
        )


def test_defect_polarity_follows_the_question(judged_rows: JudgedRows) -> None:
    rows = [(YES, YES), (YES, YES), (NO, YES), (YES, NO), (NO, NO)]
    realism, plausibility = (
        score_judgment(judged_rows(rows, question=name)) for name in ("realism_q1", "plausibility_q1")
    )
    assert plausibility["f1_defect"] == plausibility["f1"] == pytest.approx(2 / 3)
    assert realism["f1"] == pytest.approx(2 / 3)
    assert realism["f1_defect"] == pytest.approx(1 / 2)  # TN 1: 2 / (2 + FP 1 + FN 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_order_never_matters_and_live_items_give_the_same_number(random_judged: RandomJudged, seed: int) -> None:
    records = random_judged(seed)
    found = score_judgment(records)
    shuffled = random.Random(seed).sample(records, len(records))
    assert score_judgment(shuffled) == found
    items = [judgment_sums(r) for r in shuffled]
    for metric in items[0]:
        # Of all sums this one alone is not of whole numbers.
        expected = pytest.approx(found[metric], abs=1e-12) if metric == "mass" else found[metric]
        assert aggregate(item[metric] for item in items) == expected, metric


@pytest.mark.parametrize("seed", SEEDS)
def test_a_weight_equals_repeating_the_image(random_judged: RandomJudged, seed: int) -> None:
    """The resampled statistic is the statistic of the resampled records, for every metric."""
    records = random_judged(seed)
    table = JudgmentTable.of(records)
    weights = np.random.default_rng(seed).multinomial(len(table.image_ids), [1 / len(table.image_ids)] * 15, size=3)
    fast = table.resampled(weights.astype(float))
    for row, weight in enumerate(weights):
        times = dict(zip(table.image_ids, weight, strict=True))
        repeated = [
            dataclasses.replace(r, entity_id=f"{r.entity_id}/{copy}", image_id=f"{r.image_id}/{copy}")
            for r in records
            for copy in range(times[r.image_id])
        ]
        for metric, value in score_judgment(repeated).items():
            if metric in fast:
                assert fast[metric][row] == pytest.approx(np.nan if value is None else value, abs=1e-12, nan_ok=True)


def test_values_are_plain_and_intervals_hold_the_same_point(random_judged: RandomJudged) -> None:
    records = random_judged(0)
    found = score_judgment(records)
    estimates = estimate_intervals(JudgmentTable.of(records), resamples=50)
    for metric, value in found.items():
        assert value is None or type(value) in (float, int), metric
        if metric in estimates:
            assert estimates[metric].value == value, metric
    assert set(found) - set(estimates) == {"n", "n_images", "n_unparsed", "n_without_p"}


def test_no_warning_where_values_are_undefined(judged_rows: JudgedRows) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score_judgment([])
        estimate_intervals(JudgmentTable.of(judged_rows([(YES, NO, 0.2), (NO, None, None)])), resamples=20)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"question": "realism_q2"}, "i1#1: question is 'realism_q2', the first record's is 'realism_q1'"),
        ({"entity_id": "i0#0"}, "i0#0: occurs twice"),
        ({"reference": "yes"}, "i1#1: reference is 'yes'"),
        ({"reference": None}, "i1#1: reference is None"),
        ({"answer": "Maybe"}, "i1#1: answer is 'Maybe'"),
        ({"p_yes": 1.2}, "i1#1: p_yes is 1.2"),
        ({"p_yes": float("nan")}, "i1#1: p_yes is nan"),
    ],
)
def test_refusals_name_the_record(judged_rows: JudgedRows, change: Change, message: str) -> None:
    first, second = judged_rows([(YES, YES, 0.5), (NO, NO, 0.5)])
    with pytest.raises(ValueError, match=message):
        score_judgment([first, dataclasses.replace(second, **change)])


def test_reasons_are_counted(judged: Judged) -> None:
    records = [judged(YES, None, reason=reason) for reason in ("both", "empty", "both", None)]
    assert count_unparsed_reasons([*records, judged(YES, YES)]) == {"both": 2, "empty": 1, "no reason given": 1}
