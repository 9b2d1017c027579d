"""P(Yes) that was set after the references is found; honest scorers, however bad, are not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.stats import norm

from qreal_tasks.metrics.judgment import score_judgment
from qreal_tasks.metrics.reversal import find_reversal
from qreal_tasks.metrics.sums import FloatArray
from qreal_tasks.records import JudgmentRecord

ENTITIES_AN_IMAGE = 6


@dataclass(frozen=True)
class Scorer:
    """An honest scorer: its logit is d (reference) + noise + bias."""

    d: float = 0.0
    share: float = 0.5
    """Of references Yes."""
    bias: float = 0.0
    sharpness: float = 1.0
    steps: int | None = None
    """To which P(Yes) is rounded."""
    shared: float = 0.0
    """How much entities of one image have in common."""
    noise: Callable[[np.random.Generator, int], FloatArray] = lambda rng, n: rng.normal(size=n)
    guesses: float = 0.0
    """Share of items about which it knows nothing."""

    def records(self, rng: np.random.Generator, n: int) -> list[JudgmentRecord]:
        images = np.arange(n) // ENTITIES_AN_IMAGE
        common, seen = (rng.normal(size=images.max() + 1)[images] for _ in range(2))
        is_yes = rng.random(n) < norm.cdf(norm.ppf(self.share) + self.shared * common)
        d = np.where(rng.random(n) < self.guesses, 0, self.d)
        logit = d * (is_yes - 0.5) + self.noise(rng, n) + 0.7 * self.shared * seen + self.bias
        p = 1 / (1 + np.exp(-np.clip(self.sharpness * logit, -500, 500)))
        p = np.round(p * self.steps) / self.steps if self.steps else p
        columns = (column.tolist() for column in (images, is_yes, p > 0.5, p))
        return [_record(*item) for item in zip(*columns, strict=True)]


def _record(image: int, is_yes: bool, said_yes: bool, p: float) -> JudgmentRecord:
    return JudgmentRecord(
        question="realism_q1",
        entity_id=f"{image}#{p}",
        image_id=str(image),
        generator="g",
        is_portrait=False,
        label="dog",
        reference="Yes" if is_yes else "No",
        raw="Yes" if said_yes else "No",
        answer="Yes" if said_yes else "No",
        reason=None,
        p_yes=float(p),
        mass=1.0,
        prompt_version="1",
        pre_prompt="",
        post_prompt="",
        data="org/set",
    )


def _altered(
    records: list[JudgmentRecord], rng: np.random.Generator, share: float, reorder: bool = False
) -> list[JudgmentRecord]:
    """P(Yes) of that share set after the references, each on the side of its answer; or only put in another order."""
    chosen = rng.random(len(records)) < share
    p = np.array([record.p_yes or 0.0 for record in records])
    towards = np.array([rng.uniform(0.8, 1) if r.reference == "Yes" else rng.uniform(0, 0.2) for r in records])
    for answer, start in (("No", 0.0), ("Yes", 0.5)):
        mine = np.flatnonzero([c and r.answer == answer for c, r in zip(chosen, records, strict=True)])
        values = np.sort(p[mine]) if reorder else np.sort(start + towards[mine] / 2)
        p[mine[np.argsort(towards[mine])]] = values
    return [replace(record, p_yes=float(value)) for record, value in zip(records, p, strict=True)]


HONEST = {
    "knows nothing": Scorer(),
    "knows a little": Scorer(d=0.3),
    "knows much": Scorer(d=2),
    "few references Yes": Scorer(share=0.05),
    "says Yes nearly always": Scorer(d=0.5, share=0.1, bias=2),
    "inverted": Scorer(d=-0.5),
    "clearly inverted": Scorer(d=-2),
    "overconfident": Scorer(d=0.5, sharpness=30),
    "rounded to tenths": Scorer(d=0.3, steps=10),
    "entities of one image alike": Scorer(d=0.3, shared=1.5),
    "knows half of the items": Scorer(d=2, guesses=0.5),
    "knows half, and is biased": Scorer(d=4, guesses=0.5, bias=1.5),
    "heavy tails": Scorer(d=0.5, noise=lambda rng, n: rng.standard_t(2, size=n)),
    "skewed": Scorer(d=0.5, noise=lambda rng, n: np.exp(rng.normal(size=n)) - 1.6),
}


@pytest.mark.slow
@pytest.mark.parametrize("scorer", HONEST.values(), ids=HONEST)
def test_honest_scorers_are_not_found(scorer: Scorer) -> None:
    rng = np.random.default_rng(0)
    runs = [scorer.records(rng, n) for n, times in ((60, 20), (300, 10), (2316, 3)) for _ in range(times)]
    assert [found for run in runs if (found := find_reversal(run)) is not None] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scorer", "n", "share", "reorder"),
    [
        pytest.param(Scorer(), 300, 1.0, False, id="all of P(Yes) set, answers worth nothing"),
        pytest.param(Scorer(d=1), 300, 1.0, False, id="all set, 7 of 10 answers right"),
        pytest.param(Scorer(d=1.7), 2316, 1.0, False, id="all set, 8 of 10 answers right"),
        pytest.param(Scorer(), 2316, 1.0, True, id="the same values in another order"),
        pytest.param(Scorer(), 2316, 0.3, False, id="30 % set"),
        pytest.param(Scorer(d=1), 2316, 0.3, False, id="30 % set, 7 of 10 answers right"),
        pytest.param(Scorer(), 2316, 0.3, True, id="30 % in another order"),
        pytest.param(Scorer(share=0.1), 2316, 0.3, False, id="30 % set, 10 % of the references Yes"),
        pytest.param(Scorer(share=0.1, bias=2), 2316, 1.0, False, id="all set, nearly all answers Yes"),
    ],
)
def test_p_yes_that_was_set_after_the_references_is_found(scorer: Scorer, n: int, share: float, reorder: bool) -> None:
    rng = np.random.default_rng(0)
    records = scorer.records(rng, n)
    altered = _altered(records, rng, share, reorder)
    before, after = score_judgment(records), score_judgment(altered)
    assert after["acc"] == before["acc"]
    assert after["disagree"] == 0
    assert (after["auc"] or 0) > (before["auc"] or 0) + 0.04
    assert find_reversal(records) is None
    found = find_reversal(altered)
    assert found is not None
    assert found.no > found.yes
    assert found.within > 0.5


def test_the_shares_are_those_of_the_nearest_items() -> None:
    """Of 60 Nos and 60 Yeses the 30 nearest count; one success and one failure are added to each share."""
    nos = [_record(n, n >= 32, False, n / 200) for n in range(60)]
    yeses = [_record(100 + n, n >= 28, True, 0.6 + n / 200) for n in range(60)]
    found = find_reversal(nos + yeses)
    assert found is not None
    assert (found.no, found.yes) == pytest.approx((29 / 32, 3 / 32))
    assert found.within == 1


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"p_yes": None}, "without P(Yes)"),
        ({"answer": None}, "unread"),
        ({"answer": "Yes"}, "all of one answer"),
        ({"reference": "Yes"}, "all references of one class"),
        ({"p_yes": 0.5}, "one P(Yes) for all"),
    ],
)
def test_too_little_to_say(change: dict[str, object], what: str) -> None:
    rng = np.random.default_rng(0)
    altered = _altered(Scorer().records(rng, 300), rng, 1.0)
    assert find_reversal([replace(record, **change) for record in altered]) is None, what  # type: ignore[arg-type]


def test_fewer_than_thirty_answers_of_a_kind_say_nothing() -> None:
    rng = np.random.default_rng(0)
    altered = _altered(Scorer().records(rng, 300), rng, 1.0)
    nos = [record for record in altered if record.answer == "No"]
    yeses = [record for record in altered if record.answer == "Yes"]
    assert find_reversal(nos + yeses[:29]) is None
    assert find_reversal([]) is None
