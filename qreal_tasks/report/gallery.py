"""Which samples a report shows: the worst misses of ImageQA, and the wrong answers that a model was surest of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from qreal_tasks.benchmark import QUESTION_NAMES, Answer
from qreal_tasks.boxes import percent_box
from qreal_tasks.metrics.description import IOU_THRESHOLD
from qreal_tasks.metrics.matching import match
from qreal_tasks.records import GroundingRecord, JudgmentRecord, Region

SHOWN_REGIONS = 30
"""Regions listed of one image: an answer of a thousand boxes is a miss, but must not fill the page."""

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True)
class Marked:
    """A region as the page shows it: a box on the picture with a mark in its corner."""

    mark: str
    region: Region
    place: tuple[float, float, float, float]
    """Left, top, width and height in per cent of the picture."""


@dataclass(frozen=True)
class Pairing:
    """A reference and a predicted region side by side; either may be missing."""

    reference: Marked | None
    predicted: Marked | None
    iou: float | None = None
    score: float | None = None
    """LLM-Score; None also when the pair was not judged."""

    @property
    def found(self) -> bool:
        """Whether the boxes overlap enough to count."""
        return self.iou is not None and self.iou > IOU_THRESHOLD


@dataclass(frozen=True)
class Miss:
    """An image with what was found, missed and invented in it."""

    record: GroundingRecord
    pairings: tuple[Pairing, ...]

    @property
    def shown(self) -> tuple[Pairing, ...]:
        """What a page has room for."""
        return self.pairings[:SHOWN_REGIONS]

    @property
    def missed(self) -> int:
        """Reference regions without a box of IoU > .5."""
        return len(self.record.reference) - sum(pairing.found for pairing in self.pairings)

    @property
    def invented(self) -> int:
        """Predicted boxes without a reference of IoU > .5."""
        return len(self.record.predicted) - sum(pairing.found for pairing in self.pairings)

    @property
    def overlap(self) -> float:
        """Sum of the IoUs."""
        return sum(pairing.iou or 0.0 for pairing in self.pairings)


@dataclass(frozen=True)
class SureAndWrong:
    """A wrong answer with the probability that the model gave it."""

    record: JudgmentRecord
    confidence: float


def find_worst_misses(records: Sequence[GroundingRecord], most: int) -> list[Miss]:
    """Images with an error, most errors (missed and invented regions) first, then least overlap, then by id."""
    found = [Miss(record, _pairings(record)) for record in records]
    wrong = [miss for miss in found if miss.missed + miss.invented]
    wrong.sort(key=lambda miss: (-(miss.missed + miss.invented), miss.overlap, miss.record.image_id))
    return wrong[:most]


def find_surest_wrong(records: Sequence[JudgmentRecord], most: int) -> list[SureAndWrong]:
    """Wrong answers by falling probability of the given answer, each question taking its turn; then by id."""
    turns: dict[str, list[SureAndWrong]] = defaultdict(list)
    for record in records:
        if record.p_yes is not None and record.answer is not None and record.answer != record.reference:
            confidence = record.p_yes if record.answer == Answer.YES else 1 - record.p_yes
            turns[record.question].append(SureAndWrong(record, confidence))
    for wrong in turns.values():
        wrong.sort(key=lambda sure: (-sure.confidence, sure.record.entity_id))
    longest = max(map(len, turns.values()), default=0)
    ranked = [sure for place in range(longest) for name in QUESTION_NAMES for sure in turns[name][place : place + 1]]
    return ranked[:most]


def _pairings(record: GroundingRecord) -> tuple[Pairing, ...]:
    """Pairs by falling IoU, then the reference regions left over, then the predicted ones."""
    references = [_marked(r, _letter(n), record) for n, r in enumerate(record.reference)]
    predicted = [_marked(r, str(n), record) for n, r in enumerate(record.predicted, start=1)]
    pairs = match(record.predicted, record.reference)
    scores = record.scores if record.scores is not None else (None,) * len(pairs)
    both = [
        Pairing(references[pair.gt], predicted[pair.pred], pair.iou, score)
        for pair, score in zip(pairs, scores, strict=True)
    ]
    both.sort(key=lambda pairing: -(pairing.iou or 0.0))
    used_gt, used_pred = {pair.gt for pair in pairs}, {pair.pred for pair in pairs}
    missed = [Pairing(marked, None) for n, marked in enumerate(references) if n not in used_gt]
    invented = [Pairing(None, marked) for n, marked in enumerate(predicted) if n not in used_pred]
    return (*both, *missed, *invented)


def _marked(region: Region, mark: str, record: GroundingRecord) -> Marked:
    return Marked(mark, region, percent_box(region.bbox_px, max(1, record.width), max(1, record.height)))


def _letter(number: int) -> str:
    """A to Z, then AA to AZ and so on."""
    rest, place = divmod(number, len(_LETTERS))
    return (_letter(rest - 1) if rest else "") + _LETTERS[place]
