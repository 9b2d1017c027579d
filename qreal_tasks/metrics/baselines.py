"""What needs no model: the rows that every result is shown beside.

Each baseline is a run like any other, so the same functions score it. In Table 1 several reported rows lie
below them: always-Yes has F1 .774 on plausibility 2, always-No accuracy .888 on plausibility 4.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from qreal_tasks.benchmark import Answer
from qreal_tasks.records import GroundingRecord, JudgmentRecord, Region


def constant_scores(yes_share: float, answer: str) -> dict[str, float | None]:
    """Accuracy, precision, recall and F1 of a run that always gives ``answer``, in closed form.

    Always Yes, with share ``p`` of Yes references: accuracy and precision ``p``, recall 1, F1 ``2p / (1 +
    p)``. Always No: accuracy ``1 - p``, precision undefined, recall and F1 0 (undefined where ``p`` is 0).

    >>> round(constant_scores(0.631, "Yes")["f1"], 3)
    0.774
    """
    if answer == Answer.YES:
        recall, f1 = (1.0, 2 * yes_share / (1 + yes_share)) if yes_share else (None, 0.0)
        return {"acc": yes_share, "precision": yes_share, "recall": recall, "f1": f1}
    none_found = 0.0 if yes_share else None
    return {"acc": 1 - yes_share, "precision": None, "recall": none_found, "f1": none_found}


def always(records: Sequence[JudgmentRecord], answer: Answer) -> list[JudgmentRecord]:
    """The run that gives ``answer`` to every item, without P(Yes), so without AUC."""
    return [_answered(r, answer, None) for r in records]


def majority(records: Sequence[JudgmentRecord], known: Sequence[JudgmentRecord]) -> list[JudgmentRecord]:
    """Each item answered as most references in ``known`` answer its question; a tie, or none known, is No.

    Args:
        records: the items to answer; their references are not looked at.
        known: whose references may be looked at, usually the training split.
    """
    share = _yes_share([(r.question,) for r in known], known)
    return [_answered(r, _likelier(share.get((r.question,), 0.0)), None) for r in records]


def majority_per_label(records: Sequence[JudgmentRecord], known: Sequence[JudgmentRecord]) -> list[JudgmentRecord]:
    """Each item answered as ``known`` answers its question for the same label: what the label gives away.

    P(Yes) is the share of Yes among them, so this baseline has an AUC. A label that ``known`` lacks falls
    back to the question's share over all labels, and a question it lacks to No without P(Yes).
    """
    by_label = _yes_share([(r.question, _plain(r.label)) for r in known], known)
    by_question = _yes_share([(r.question,) for r in known], known)
    answered = []
    for record in records:
        share = by_label.get((record.question, _plain(record.label)), by_question.get((record.question,)))
        answered.append(_answered(record, _likelier(share or 0.0), share))
    return answered


def whole_image(records: Sequence[GroundingRecord]) -> list[GroundingRecord]:
    """The run that predicts one box around each image, clean ones included; not judged."""
    return [
        replace(
            record,
            predicted=(Region("image", (0.0, 0.0, float(record.width), float(record.height)), ""),),
            raw="",
            reason=None,
            dropped={},
            clipped=0,
            scores=None,
        )
        for record in records
    ]


def _answered(record: JudgmentRecord, answer: Answer, p_yes: float | None) -> JudgmentRecord:
    return replace(record, raw=str(answer), answer=str(answer), reason=None, p_yes=p_yes, mass=None)


def _likelier(yes_share: float) -> Answer:
    return Answer.YES if yes_share > 0.5 else Answer.NO


def _plain(label: str) -> str:
    return label.strip().casefold()


def _yes_share(keys: Sequence[tuple[str, ...]], records: Sequence[JudgmentRecord]) -> Mapping[tuple[str, ...], float]:
    """Key to the share of Yes among the references of the records with that key."""
    total: dict[tuple[str, ...], int] = {}
    yes: dict[tuple[str, ...], int] = {}
    for key, record in zip(keys, records, strict=True):
        total[key] = total.get(key, 0) + 1
        yes[key] = yes.get(key, 0) + (record.reference == Answer.YES)
    return {key: yes[key] / n for key, n in total.items()}
