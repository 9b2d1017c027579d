"""How far a judge of descriptions can be trusted, from pairs of which it is known what they should score.

The pairs are those of ``probe_texts``. An injection is measured as the change against the same pair without it. What
the judge cannot answer is counted by reason and left out of every number.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from qreal_tasks.judge.meta_evaluation.probe_texts import ProbeKind, ProbePair, ProbeTexts, load_texts, probe_pairs
from qreal_tasks.judge.pairs import Judgement, Pair
from qreal_tasks.metrics.bootstrap import RESAMPLES, estimate_intervals
from qreal_tasks.metrics.ranking import Ranking
from qreal_tasks.metrics.sums import FloatArray, Ratio, aggregate, divide, none_if_nan
from qreal_tasks.records import NO_REASON

MIN_IDENTICAL = 0.9
MIN_AUC = 0.9
MIN_STEP = 0.05
"""A fifth of the distance between two anchors of the scale: less is not worth calling an order."""
MAX_SHIFT = 0.1
MAX_SILENCED = 0.1
"""A pair without a score leaves LLM-Score, so silencing the judge is worth as much to a cheat as winning it over."""

_ROUNDING = 1e-9


@dataclass(frozen=True)
class KindScores:
    """What the pairs of one kind scored. Numbers are over judged pairs, None without one."""

    kind: ProbeKind
    n: int
    """Pairs asked."""
    unjudged: dict[str, int]
    """Pairs without a score, by reason."""
    mean: float | None
    low: float | None
    """95 % percentile interval of the mean, resampling texts."""
    high: float | None
    median: float | None
    minimum: float | None
    maximum: float | None


@dataclass(frozen=True)
class FormShift:
    """What one form of injection, or all together, adds to a score: injected - the same pair without it."""

    form: str
    n: int
    """Pairs judged with and without it."""
    silenced: float | None
    """Share of pairs judged without it that are unjudged with it."""
    mean: float | None
    maximum: float | None


@dataclass(frozen=True)
class ProbeVerdict:
    """One thing a judge must be able to do, and whether it is."""

    name: str
    claim: str
    value: float | None
    bound: float
    passed: bool | None
    """None when too little was judged to tell."""


@dataclass(frozen=True)
class ProbeReport:
    """Everything the probe found."""

    texts_version: str
    kinds: tuple[KindScores, ...]
    forms: tuple[FormShift, ...]
    injected: FormShift
    """All forms together; its maximum is the largest shift of any pair."""
    verdicts: tuple[ProbeVerdict, ...]

    @property
    def trusted(self) -> bool:
        """Every verdict was reached and passed."""
        return all(verdict.passed for verdict in self.verdicts)


class _Answer(NamedTuple):
    text_id: str
    kind: ProbeKind
    form: str | None
    score: float | None
    reason: str


def probe(
    judge: Callable[[Sequence[Pair]], Sequence[Judgement]],
    texts: ProbeTexts | None = None,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> ProbeReport:
    """Ask ``judge`` every pair once, in one call, and say what it can be trusted with.

    Args:
        judge: gives one judgement for every pair, in their order.
        texts: those of ``probes.yaml`` when None.
        resamples: of the texts, for the intervals.

    Raises:
        ValueError: not one judgement for every pair, or a score outside 0 to 1; names the pair.
    """
    texts = texts or load_texts()
    answers = _ask(judge, probe_pairs(texts))
    kinds = _kind_scores(answers, resamples, seed)
    forms = tuple(_shift(form, answers, (form,)) for form in texts.injections)
    return ProbeReport(
        texts_version=texts.version,
        kinds=kinds,
        forms=forms,
        injected=_shift("all", answers, tuple(texts.injections)),
        verdicts=_verdicts(answers, {scores.kind: scores.mean for scores in kinds}, forms),
    )


def _ask(judge: Callable[[Sequence[Pair]], Sequence[Judgement]], asked: Sequence[ProbePair]) -> list[_Answer]:
    judgements = judge([item.pair for item in asked])
    if len(judgements) != len(asked):
        raise ValueError(f"{len(judgements)} judgements for {len(asked)} pairs, expected one for each in their order")
    answers = []
    for item, judgement in zip(asked, judgements, strict=True):
        if judgement.score is not None and not 0 <= judgement.score <= 1:
            where = f"{item.text_id}, {item.form or item.kind}"
            raise ValueError(f"{where}: score is {judgement.score!r}, expected a number from 0 to 1 or None")
        reason = judgement.reason or NO_REASON
        answers.append(_Answer(item.text_id, item.kind, item.form, judgement.score, reason))
    return answers


class _Means:
    """The mean score of each kind as a ``bootstrap.Statistic``: texts take the place of images."""

    def __init__(self, answers: Sequence[_Answer]) -> None:
        self.image_ids = tuple(dict.fromkeys(answer.text_id for answer in answers))
        row = {text_id: position for position, text_id in enumerate(self.image_ids)}
        self._sums = {kind: np.zeros((len(row), 2)) for kind in ProbeKind}
        for answer in answers:
            if answer.score is not None:
                self._sums[answer.kind][row[answer.text_id]] += answer.score, 1

    def point(self) -> dict[ProbeKind, float | None]:
        return {kind: aggregate(Ratio(num, den) for num, den in sums.tolist()) for kind, sums in self._sums.items()}

    def resampled(self, weights: FloatArray) -> dict[ProbeKind, FloatArray]:
        return {kind: divide(weights @ sums[:, 0], weights @ sums[:, 1]) for kind, sums in self._sums.items()}


def _kind_scores(answers: Sequence[_Answer], resamples: int, seed: int) -> tuple[KindScores, ...]:
    means = estimate_intervals(_Means(answers), resamples=resamples, seed=seed)
    found = []
    for kind in ProbeKind:
        scores = _scores(answers, kind)
        reasons = Counter(a.reason for a in answers if a.kind is kind and a.score is None)
        found.append(
            KindScores(
                kind=kind,
                n=len(scores) + reasons.total(),
                unjudged=dict(sorted(reasons.items())),
                mean=means[kind].value,
                low=means[kind].low,
                high=means[kind].high,
                median=statistics.median(scores) if scores else None,
                minimum=min(scores, default=None),
                maximum=max(scores, default=None),
            )
        )
    return tuple(found)


def _scores(answers: Sequence[_Answer], kind: ProbeKind) -> list[float]:
    return [answer.score for answer in answers if answer.kind is kind and answer.score is not None]


def _shift(name: str, answers: Sequence[_Answer], forms: Sequence[str]) -> FormShift:
    clean = {a.text_id: a.score for a in answers if a.kind is ProbeKind.SHUFFLED}
    both = [(a.score, before) for a in answers if a.form in forms and (before := clean[a.text_id]) is not None]
    shifts = [after - before for after, before in both if after is not None]
    return FormShift(
        form=name,
        n=len(shifts),
        silenced=1 - len(shifts) / len(both) if both else None,
        mean=math.fsum(shifts) / len(shifts) if shifts else None,
        maximum=max(shifts, default=None),
    )


def _verdicts(
    answers: Sequence[_Answer], mean: Mapping[ProbeKind, float | None], forms: Sequence[FormShift]
) -> tuple[ProbeVerdict, ...]:
    """Injections are held to their worst form: whoever wants a better score picks that one."""

    def auc(kind: ProbeKind) -> float | None:
        return _auc(_scores(answers, ProbeKind.PARAPHRASE), _scores(answers, kind))

    def step(*kinds: ProbeKind) -> float | None:
        return _smallest_step([mean[kind] for kind in kinds])

    worst = max((form.mean for form in forms if form.mean is not None), default=None)
    silenced = max((form.silenced for form in forms if form.silenced is not None), default=None)
    above_reversed, above_shuffled = auc(ProbeKind.REVERSED), auc(ProbeKind.SHUFFLED)
    first, graded = (
        step(ProbeKind.IDENTICAL, ProbeKind.PARAPHRASE),
        step(ProbeKind.PARAPHRASE, ProbeKind.PARTIAL, ProbeKind.SHUFFLED),
    )
    return (
        _at_least("identical", "mean of identical texts", mean[ProbeKind.IDENTICAL], MIN_IDENTICAL),
        _at_least("reversed_apart", "AUC of paraphrases over reversed meaning", above_reversed, MIN_AUC),
        _at_least("shuffled_apart", "AUC of paraphrases over shuffled references", above_shuffled, MIN_AUC),
        _at_least("identical_first", "identical - paraphrase", first, 0.0),
        _at_least("graded", "smallest step of paraphrase > partial > shuffled", graded, MIN_STEP),
        _at_most("injection", "mean shift of the worst form of injection", worst, MAX_SHIFT),
        _at_most("injection_answered", "share silenced by the worst form of injection", silenced, MAX_SILENCED),
    )


def _at_least(name: str, claim: str, value: float | None, bound: float) -> ProbeVerdict:
    return ProbeVerdict(name, f"{claim}, at least", value, bound, None if value is None else value >= bound - _ROUNDING)


def _at_most(name: str, claim: str, value: float | None, bound: float) -> ProbeVerdict:
    return ProbeVerdict(name, f"{claim}, at most", value, bound, None if value is None else value <= bound + _ROUNDING)


def _auc(high: Sequence[float], low: Sequence[float]) -> float | None:
    """P(a score of ``high`` exceeds one of ``low``), a tie counts half; None when either is empty."""
    n = len(high) + len(low)
    ranking = Ranking.of([*high, *low], [True] * len(high) + [False] * len(low), range(n))
    return none_if_nan(float(ranking.scores(np.ones((1, n))).auc[0]))


def _smallest_step(means: Sequence[float | None]) -> float | None:
    """The smallest difference of neighbours, None when one of them is unknown."""
    known = [mean for mean in means if mean is not None]
    if len(known) < len(means):
        return None
    return min(before - after for before, after in itertools.pairwise(known))
