"""What needs no model: the rows that every result is shown beside.

Each baseline is a run like any other, so the same functions score it. In Table 1 several reported rows lie
below them: always-Yes has F1 .774 on plausibility 2, always-No accuracy .888 on plausibility 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from qreal_tasks.benchmark import Answer
from qreal_tasks.records import GroundingRecord, Region


def score_constant_answer(yes_share: float, answer: str) -> dict[str, float | None]:
    """Accuracy, precision, recall and F1 of a run that always gives ``answer``, in closed form.

    Always Yes, with share ``p`` of Yes references: accuracy and precision ``p``, recall 1, F1 ``2p / (1 +
    p)``. Always No: accuracy ``1 - p``, precision undefined, recall and F1 0 (undefined where ``p`` is 0).

    >>> round(score_constant_answer(0.631, "Yes")["f1"], 3)
    0.774
    """
    if answer == Answer.YES:
        recall, f1 = (1.0, 2 * yes_share / (1 + yes_share)) if yes_share else (None, 0.0)
        return {"acc": yes_share, "precision": yes_share, "recall": recall, "f1": f1}
    none_found = 0.0 if yes_share else None
    return {"acc": 1 - yes_share, "precision": None, "recall": none_found, "f1": none_found}


def predict_whole_image(records: Sequence[GroundingRecord]) -> list[GroundingRecord]:
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
