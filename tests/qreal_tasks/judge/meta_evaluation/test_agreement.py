"""Agreement of judges: against SciPy and scikit-learn, by hand, and where nothing can be said."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr
from sklearn.metrics import cohen_kappa_score
from typed import present

from qreal_tasks.judge.meta_evaluation.agreement import (
    JudgeAgreement,
    PairKey,
    collect_scores,
    compare_judges,
    quadratic_kappa,
    spearman,
)
from qreal_tasks.judge.meta_evaluation.ranking_changes import RankingChange, compare_rankings
from qreal_tasks.judge.meta_evaluation.tables import print_agreement
from qreal_tasks.metrics.bootstrap import Estimate
from qreal_tasks.records import GroundingRecord, Region

Scores = dict[PairKey, float | None]


def keyed(values: list[float | None], per_image: int = 1) -> Scores:
    return {PairKey(f"i{n // per_image:03}", str(n % per_image)): value for n, value in enumerate(values)}


def compared(a: list[float | None], b: list[float | None], per_image: int = 1) -> JudgeAgreement:
    return compare_judges({"a": keyed(a, per_image), "b": keyed(b, per_image)}, resamples=500)[0]


def values(found: JudgeAgreement) -> tuple[float | None, float | None, float | None]:
    return found.spearman.value, found.kappa.value, found.bias.value


def noisy(seed: int, n: int = 120) -> tuple[list[float | None], list[float | None]]:
    """Anchors with many ties, a tenth unjudged on either side."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 5, n)
    a, b = (np.clip(truth + rng.integers(-1, 2, n), 0, 4) / 4 for _ in range(2))
    gaps = rng.random((2, n)) < 0.1
    return _with_gaps(a, gaps[0]), _with_gaps(b, gaps[1])


def _with_gaps(scores: np.ndarray, gaps: np.ndarray) -> list[float | None]:
    return [None if gap else float(score) for score, gap in zip(scores, gaps, strict=True)]


BY_HAND: dict[str, tuple[list[float | None], list[float | None], tuple[float | None, ...]]] = {
    "same": ([0.0, 0.5, 1.0], [0.0, 0.5, 1.0], (1.0, 1.0, 0.0)),
    "opposite": ([0.0, 0.5, 1.0], [1.0, 0.5, 0.0], (-1.0, -1.0, 0.0)),
    "one anchor more generous": (
        [0.25, 0.5, 1.0],
        [0.0, 0.25, 0.75],
        (1.0, 1 - 3 / (37 / 3), 0.25),
    ),  # 3 steps seen, 37 in 9 expected
    "a constant": ([0.5, 0.5, 0.5], [0.0, 0.5, 1.0], (None, 0.0, 0.0)),
    "the same constant": ([0.5, 0.5], [0.5, 0.5], (None, None, 0.0)),
    "half an anchor goes up, at .125 as at .375": ([0.125, 0.375], [0.25, 0.5], (1.0, 1.0, -0.125)),
    "unjudged pairs are out": ([0.0, None, 0.5, 1.0, None], [0.0, 1.0, 0.5, 1.0, None], (1.0, 1.0, 0.0)),
    "nothing judged by both": ([None, 1.0], [1.0, None], (None, None, None)),
}


@pytest.mark.parametrize("case", BY_HAND)
def test_by_hand(case: str) -> None:
    a, b, expected = BY_HAND[case]
    found = compared(a, b)
    assert values(found) == pytest.approx(expected)
    assert found.n_pairs + found.n_unjudged == len(a)


@pytest.mark.parametrize("seed", range(5))
def test_point_estimates_are_those_of_scipy_and_sklearn(seed: int) -> None:
    a, b = noisy(seed)
    both = [(x, y) for x, y in zip(a, b, strict=True) if x is not None and y is not None]
    x, y = np.array(both).T
    kappa = cohen_kappa_score((4 * x).astype(int), (4 * y).astype(int), weights="quadratic", labels=range(5))
    assert values(compared(a, b, per_image=3)) == pytest.approx((spearmanr(x, y).statistic, kappa, (x - y).mean()))


@pytest.mark.parametrize("seed", range(5))
def test_a_weight_counts_as_repetition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y, weights = rng.integers(0, 9, 40) / 8, rng.random(40), rng.integers(0, 4, 40)
    repeated = spearmanr(np.repeat(x, weights), np.repeat(y, weights)).statistic
    assert spearman(x, y, weights[None].astype(float))[0] == pytest.approx(repeated)


def test_kappa_of_no_pair_is_undefined() -> None:
    assert math.isnan(quadratic_kappa(np.zeros((1, 5, 5)))[0])


@pytest.mark.parametrize("seed", range(3))
def test_intervals_hold_the_estimate_and_come_again(seed: int) -> None:
    a, b = noisy(seed)
    found = compared(a, b, per_image=3)
    assert found == compared(a, b, per_image=3)
    for estimate in (found.spearman, found.kappa, found.bias):
        low, high = present(estimate.low), present(estimate.high)
        assert low <= present(estimate.value) <= high
        assert low < high


def test_pairs_of_one_image_are_drawn_together() -> None:
    """Ten copies of each pair are no more evidence: the interval stays, where independent pairs would shrink it."""
    a, b = noisy(0, 30)
    alone = compared(a, b)
    copies = compared([x for x in a for _ in range(10)], [y for y in b for _ in range(10)], per_image=10)
    assert copies.n_pairs == 10 * alone.n_pairs
    assert (copies.bias.low, copies.bias.high) == pytest.approx((alone.bias.low, alone.bias.high))


def test_the_order_of_the_pairs_changes_nothing() -> None:
    a, b = (keyed(side, 3) for side in noisy(1))
    turned = {"a": dict(reversed(a.items())), "b": b}
    assert compare_judges(turned, resamples=50) == compare_judges({"a": a, "b": b}, resamples=50)


def test_exchanged_judges_exchange_the_sign_of_the_bias_only() -> None:
    a, b = noisy(2)
    one, other = compared(a, b), compared(b, a)
    assert values(one)[:2] == pytest.approx(values(other)[:2])
    assert one.bias.value == pytest.approx(-present(other.bias.value))


def test_one_image_gives_a_value_without_interval() -> None:
    found = compared([0.0, 0.5, 1.0], [0.0, 0.5, 1.0], per_image=3)
    assert (found.spearman.value, found.spearman.low) == (1.0, None)


def test_three_judges_make_three_comparisons() -> None:
    scores = {name: keyed([0.0, 1.0]) for name in "abc"}
    assert [(f.first, f.second) for f in compare_judges(scores, resamples=10)] == [("a", "b"), ("a", "c"), ("b", "c")]


REFUSED = {
    "one judge": ({"a": keyed([1.0])}, "1 judges, expected at least two"),
    "other pairs": ({"a": keyed([1.0, 0.5]), "b": keyed([1.0])}, "image i001, pair 0: only from judge a"),
    "above 1": ({"a": keyed([1.0]), "b": keyed([4.0])}, "image i000, pair 0: score of judge b is 4.0"),
    "nan": ({"a": keyed([float("nan")]), "b": keyed([1.0])}, "score of judge a is nan"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_compared_is_an_error(case: str) -> None:
    scores, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        compare_judges(scores)


def record(image_id: str, scores: tuple[float | None, ...] | None) -> GroundingRecord:
    region = Region("cat", (0.0, 0.0, 1.0, 1.0), "flat")
    regions = (region,) * len(scores or ())
    return GroundingRecord(
        *("realism", image_id, "g", False, 9, 9, "pixels", None, "", None),
        *(regions, {}, 0, regions, "1", "", "", "test", scores),
    )


def test_scores_of_records_by_pair() -> None:
    found = collect_scores([record("i0", (1.0, None)), record("i1", ())], run="r")
    assert found == {PairKey("i0", "r realism 0"): 1.0, PairKey("i0", "r realism 1"): None}


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([record("i0", None)], "image i0: no judge was asked"),
        ([record("i0", (1.0,)), record("i0", (1.0,))], "image i0: occurs twice"),
    ],
)
def test_records_that_give_no_scores(records: list[GroundingRecord], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        collect_scores(records)


def changed(a: dict[str, float | None], b: dict[str, float | None]) -> RankingChange:
    return compare_rankings({"a": a, "b": b})[0]


def test_a_swap_by_hand() -> None:
    found = changed({"x": 0.6, "y": 0.5, "z": 0.1}, {"z": 0.2, "y": 0.7, "x": 0.4})
    assert list(found.first_rank.items()) == [("x", 1), ("y", 2), ("z", 3)]
    assert list(found.second_rank) == ["y", "x", "z"]
    assert found.swapped == (("x", "y"),)
    assert found.tau == pytest.approx(1 / 3)  # two pairs in order, one not


RANKINGS: dict[str, tuple[dict[str, float | None], dict[str, float | None], float | None, tuple[object, ...]]] = {
    "same order": ({"x": 0.6, "y": 0.5}, {"x": 0.9, "y": 0.1}, 1.0, ()),
    "a tie is no swap": ({"x": 0.5, "y": 0.5}, {"x": 0.9, "y": 0.1}, None, ()),
    "one run": ({"x": 0.5}, {"x": 0.9}, None, ()),
    "no run": ({}, {}, None, ()),
    "all turned": ({"x": 3, "y": 2, "z": 1}, {"x": 1, "y": 2, "z": 3}, -1.0, (("x", "y"), ("x", "z"), ("y", "z"))),
}


@pytest.mark.parametrize("case", RANKINGS)
def test_rankings(case: str) -> None:
    a, b, tau, swapped = RANKINGS[case]
    found = changed(a, b)
    assert found.tau == (None if tau is None else pytest.approx(tau))
    assert found.swapped == swapped


def test_tied_runs_share_their_mean_rank_and_tau_is_scipys() -> None:
    a: dict[str, float | None] = {"w": 0.9, "x": 0.5, "y": 0.5, "z": 0.1}
    b: dict[str, float | None] = {"w": 0.8, "x": 0.9, "y": 0.5, "z": 0.2}
    found = changed(a, b)
    assert found.first_rank == {"w": 1, "x": 2.5, "y": 2.5, "z": 4}
    assert found.tau == pytest.approx(kendalltau([a[k] for k in "wxyz"], [b[k] for k in "wxyz"]).statistic)


def test_a_run_without_a_score_is_left_out_by_name() -> None:
    found = changed({"x": 0.6, "y": None, "z": 0.1}, {"x": 0.4, "y": 0.7, "u": 0.2})
    assert (found.left_out, list(found.first_rank)) == (("u", "y", "z"), ["x"])


def test_a_score_that_is_no_number_is_an_error() -> None:
    with pytest.raises(ValueError, match="run y: score of judge b is nan"):
        changed({"x": 0.6}, {"y": float("nan")})


def test_the_table_names_judges_and_swaps(capsys: pytest.CaptureFixture[str]) -> None:
    scores = {"x": 0.6, "y": 0.5}
    a, b = noisy(0)
    found = compare_judges({"gpt[/b]": keyed(a), "other": keyed(b)}, resamples=50)
    print_agreement(found, compare_rankings({"gpt[/b]": scores, "other": {"x": 0.1, "y": 0.2, "z": 0.3}}))
    shown = capsys.readouterr().out
    for piece in ("gpt[/b]", "Spearman", "-1.000", "gpt[/b] prefers x to y, other the reverse", "from both: z"):
        assert piece in shown


def test_the_dash_of_an_interval_is_no_minus_sign(capsys: pytest.CaptureFixture[str]) -> None:
    positive, around_zero = Estimate(0.5, 0.4, 0.6, 9, 0.0), Estimate(0.0, -0.2, -0.1, 9, 0.0)
    print_agreement([JudgeAgreement("a", "b", 9, 0, positive, Estimate(None, None, None, 9, 1.0), around_zero)])
    output = capsys.readouterr().out
    assert ".400–.600" in output
    assert "-.200 to -.100" in output
    assert "N/A–" not in output
