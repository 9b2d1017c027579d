"""ObjectQA, one question: every number that follows from decoded answers and P(Yes) (section 3.4, Table 1).

The positive class is "Yes" for all six questions, because that is how Table 1 adds up. For realism "Yes" is
good and for plausibility it is a defect, so the ``*_defect`` metrics exist with the answer that reports a
defect as positive.

An answer that could not be read is wrong everywhere: a Yes item counts as false negative, a No item as false
positive. The paper leaves this open. So ``precision`` counts unread No items against the model.

============================  =============================================================================
``acc``                       (TP + TN) / n
``precision``                 TP / (TP + FP)
``recall``                    TP / (TP + FN)
``specificity``               TN / (TN + FP)
``f1``                        2 TP / (2 TP + FP + FN)
``precision_defect`` ...      the same three with the answer that reports a defect as positive class
``balanced``                  (recall + specificity) / 2
``mcc``                       (TP TN - FP FN) / sqrt((TP+FP)(TP+FN)(TN+FP)(TN+FN))
``auc``                       of P(Yes), ties half; over the items that have P(Yes)
``average_precision``         of P(Yes); over the items that have P(Yes)
``calibration_error``         expected calibration error of P(Yes): sum over ten equal bins of
                              abs(sum(P(Yes) - [reference is Yes])) / items that have P(Yes)
``disagree``                  share of (answer is Yes) != (P(Yes) > .5) among items that have both
``unparsed``                  share of answers that could not be read
``yes_share``                 share of Yes among the references
``yes_answers``               share of Yes among the answers that could be read
``without_p``                 share of items without P(Yes)
``mass``                      mean of the probability that the spellings of Yes and No cover together at the
                              answer's token; over the items that have it
``off_choice``                share of them whose mass is below .5: P(Yes) compares tokens that the model would
                              hardly say
============================  =============================================================================

Each is None when its denominator is 0; scikit-learn gives 0 there.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qreal_tasks.benchmark import ANSWERS, Answer, question
from qreal_tasks.metrics.ranking import Ranking
from qreal_tasks.metrics.sums import FloatArray, Ratio, Scores, divide, none_if_nan, require_same
from qreal_tasks.records import NO_REASON, JudgmentRecord

COUNTS = (
    *("n", "tp", "fp", "fn", "tn", "unparsed", "parsed", "said_yes", "without_p", "with_both", "disagree"),
    *("with_mass", "mass", "off_choice"),
)
"""What is counted per image; ``mass`` is a sum of probabilities."""

LOW_MASS = 0.5
"""Below it another token than a choice is likelier than all of them."""

CALIBRATION_BINS = 10
"""Bins of equal width over [0, 1]; the last one is closed on both sides."""

_Terms = tuple[str, ...]
_RATIOS: dict[str, tuple[_Terms, _Terms]] = {
    "acc": (("tp", "tn"), ("n",)),
    "precision": (("tp",), ("tp", "fp")),
    "recall": (("tp",), ("tp", "fn")),
    "specificity": (("tn",), ("tn", "fp")),
    "f1": (("tp", "tp"), ("tp", "tp", "fp", "fn")),
    "disagree": (("disagree",), ("with_both",)),
    "unparsed": (("unparsed",), ("n",)),
    "yes_share": (("tp", "fn"), ("n",)),
    "yes_answers": (("said_yes",), ("parsed",)),
    "without_p": (("without_p",), ("n",)),
    "mass": (("mass",), ("with_mass",)),
    "off_choice": (("off_choice",), ("with_mass",)),
}
"""Metric: counts whose sum is the numerator, counts whose sum is the denominator."""

_OTHER_CLASS = {"tp": "tn", "tn": "tp", "fp": "fn", "fn": "fp"}


def _ratios(name: str | None) -> dict[str, tuple[_Terms, _Terms]]:
    """``_RATIOS`` with the ``*_defect`` ones for the polarity of that question."""
    swapped = name is not None and question(name).defect is Answer.NO
    found = dict(_RATIOS)
    for metric in ("precision", "recall", "f1"):
        num, den = _RATIOS[metric]
        found[f"{metric}_defect"] = (_other_class(num), _other_class(den)) if swapped else (num, den)
    return found


def _other_class(terms: _Terms) -> _Terms:
    return tuple(_OTHER_CLASS[count] for count in terms)


def _check(record: JudgmentRecord) -> None:
    for field, value, allowed in (
        ("reference", record.reference, ANSWERS),
        ("answer", record.answer, (*ANSWERS, None)),
    ):
        if value not in allowed:
            raise ValueError(f"{record.entity_id}: {field} is {value!r}, expected one of {allowed}")
    if record.p_yes is not None and not 0 <= record.p_yes <= 1:
        raise ValueError(f"{record.entity_id}: p_yes is {record.p_yes!r}, expected a number from 0 to 1 or None")
    if record.mass is not None and not 0 <= record.mass < math.inf:
        raise ValueError(f"{record.entity_id}: mass is {record.mass!r}, expected a number of 0 or more or None")


def _counts(record: JudgmentRecord) -> dict[str, float]:
    """``COUNTS`` of one item."""
    is_yes, right = record.reference == Answer.YES, record.answer == record.reference
    parsed, scored = record.answer is not None, record.p_yes is not None
    said_yes = record.answer == Answer.YES
    both = parsed and record.p_yes is not None
    # More than 1 is the rounding of a server that sums it.
    mass = min(record.mass, 1.0) if scored and record.mass is not None else None
    return {
        "n": 1,
        "tp": int(is_yes and right),
        "fp": int(not is_yes and not right),
        "fn": int(is_yes and not right),
        "tn": int(not is_yes and right),
        "unparsed": int(not parsed),
        "parsed": int(parsed),
        "said_yes": int(said_yes),
        "without_p": int(not scored),
        "with_both": int(both),
        "disagree": int(both and said_yes != (record.p_yes is not None and record.p_yes > 0.5)),
        "with_mass": int(mass is not None),
        "mass": mass or 0.0,
        "off_choice": int(mass is not None and mass < LOW_MASS),
    }


def judgment_sums(record: JudgmentRecord) -> dict[str, Ratio]:
    """What one item adds to every metric that is a ratio of sums, for an aggregation while a run is going on.

    ``aggregate`` over the items of a run gives exactly what ``score_judgment`` gives, ``mass`` up to rounding. Metrics
    that are no such ratio (``balanced``, ``mcc``, ``auc``, ``average_precision``, ``calibration_error``) need the
    records themselves.

    Raises:
        ValueError: a field of the record has an impossible value.
    """
    _check(record)
    counts = _counts(record)
    return {
        metric: Ratio(sum(counts[c] for c in num), sum(counts[c] for c in den))
        for metric, (num, den) in _ratios(record.question).items()
    }


@dataclass(frozen=True)
class JudgmentTable:
    """The sums per image of one question: everything that its point estimates and resamples are made of."""

    question: str | None
    """None when there are no records."""
    image_ids: tuple[str, ...]
    counts: FloatArray
    """(n_images, len(COUNTS))"""
    ranking: Ranking
    calibration: FloatArray
    """(n_images, CALIBRATION_BINS), sums of P(Yes) - [reference is Yes]."""

    @classmethod
    def of(cls, records: Sequence[JudgmentRecord], image_ids: Sequence[str] | None = None) -> JudgmentTable:
        """Sum up the records of one question.

        Args:
            records: of one question, every entity once.
            image_ids: rows of the table, when several questions share them; the records' images when None.

        Raises:
            ValueError: records of several questions, an entity twice, or an impossible value; names the
            record.
        """
        require_same(records, "question", "entity_id")
        for record in records:
            _check(record)
        rows = tuple(sorted({r.image_id for r in records}) if image_ids is None else image_ids)
        index = {image_id: row for row, image_id in enumerate(rows)}
        # A fixed order, so that sums of P(Yes) round the same way whatever order the samples came in.
        ordered = sorted(records, key=lambda r: (r.image_id, r.entity_id))
        counts = np.zeros((len(rows), len(COUNTS)))
        calibration = np.zeros((len(rows), CALIBRATION_BINS))
        scored: list[tuple[float, bool, int]] = []
        for record in ordered:
            row = index[record.image_id]
            counts[row] += list(_counts(record).values())
            if record.p_yes is not None:
                positive = record.reference == Answer.YES
                scored.append((record.p_yes, positive, row))
                bin_ = min(int(record.p_yes * CALIBRATION_BINS), CALIBRATION_BINS - 1)
                calibration[row, bin_] += record.p_yes - positive
        ranking = Ranking.of([s[0] for s in scored], [s[1] for s in scored], [s[2] for s in scored])
        return cls(records[0].question if records else None, rows, counts, ranking, calibration)

    def resampled(self, weights: FloatArray) -> dict[str, FloatArray]:
        """Every metric when image ``i`` counts ``weights[:, i]`` times.

        Args:
            weights: (n_resamples, n_images), whole numbers.

        Returns:
            metric to (n_resamples,), nan where undefined.
        """
        totals = dict(zip(COUNTS, (weights @ self.counts).T, strict=True))
        found = {
            metric: divide(_add(totals, num), _add(totals, den))
            for metric, (num, den) in _ratios(self.question).items()
        }
        tp, fp, fn, tn = (totals[c] for c in ("tp", "fp", "fn", "tn"))
        found["balanced"] = (found["recall"] + found["specificity"]) / 2
        found["mcc"] = divide(tp * tn - fp * fn, np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)))
        found["auc"], found["average_precision"] = self.ranking.scores(weights)
        errors = np.abs(weights @ self.calibration).sum(axis=1)
        found["calibration_error"] = divide(errors, totals["n"] - totals["without_p"])
        return found

    def point(self) -> Scores:
        """Every metric with each image counted once."""
        once = self.resampled(np.ones((1, len(self.image_ids))))
        return {metric: none_if_nan(values[0]) for metric, values in once.items()}


def _add(totals: Mapping[str, FloatArray], terms: _Terms) -> FloatArray:
    return sum((totals[term] for term in terms[1:]), start=totals[terms[0]])


def score_judgment(records: Sequence[JudgmentRecord]) -> Scores:
    """Every metric of one question, with ``n`` items, ``n_images``, ``n_unparsed`` and ``n_without_p``.

    Raises:
        ValueError: records of several questions, an entity twice, or an impossible value; names the record.
    """
    table = JudgmentTable.of(records)
    totals = dict(zip(COUNTS, table.counts.sum(axis=0), strict=True))
    return {
        **table.point(),
        "n": int(totals["n"]),
        "n_images": len(table.image_ids),
        "n_unparsed": int(totals["unparsed"]),
        "n_without_p": int(totals["without_p"]),
    }


def count_unparsed_reasons(records: Sequence[JudgmentRecord]) -> dict[str, int]:
    """How many answers could not be read, by reason, most frequent first; ties by name."""
    found = Counter(r.reason or NO_REASON for r in records if r.answer is None)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
