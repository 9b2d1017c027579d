"""What most people say: an answer, a label, a box; None where there is no majority."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations

import numpy as np

from annotation.merging.forms import DraftForm
from annotation.merging.texts import collapse_blanks, normalize_label
from annotation.merging.votes import Vote
from qreal_tasks.boxes import iou_matrix

LIKE_DRAFT_IOU = 0.9
LIKE_OTHER_IOU = 0.8

Box = tuple[float, float, float, float]


def find_majority(said: Sequence[str]) -> str | None:
    """What more than half of them say."""
    counted = Counter(said).most_common(1)
    return counted[0][0] if counted and 2 * counted[0][1] > len(said) else None


def majority_label(form: DraftForm, votes: Sequence[Vote]) -> str | None:
    """The draft as it stands when the majority means it, else the majority's most frequent spelling."""
    label = find_majority([normalize_label(vote.label) for vote in votes])
    if not label:
        return None
    if label == normalize_label(form.label):
        return form.label
    spelt = Counter(collapse_blanks(vote.label) for vote in votes if normalize_label(vote.label) == label)
    return spelt.most_common(1)[0][0]


def majority_box(form: DraftForm, votes: Sequence[Vote]) -> Box | None:
    """The draft's, a median, or None; as ``annotation.merging.merge`` says."""
    boxes = [vote.bbox_px for vote in votes if box_area(vote.bbox_px) > 0]
    if not boxes:
        return None
    like_draft = (iou_matrix(boxes, [form.bbox_px])[:, 0] >= LIKE_DRAFT_IOU).sum()
    if 2 * like_draft > len(votes):
        return form.bbox_px
    agree = iou_matrix(boxes, boxes)
    for size in range(len(boxes), len(votes) // 2, -1):
        groups = [
            group
            for group in combinations(range(len(boxes)), size)
            if all(agree[i, j] >= LIKE_OTHER_IOU for i, j in combinations(group, 2))
        ]
        if groups:
            closest = max(groups, key=lambda group: sum(agree[i, j] for i, j in combinations(group, 2)))
            x1, y1, x2, y2 = np.median([boxes[i] for i in closest], axis=0).tolist()
            return x1, y1, x2, y2
    return None


def box_area(box: Box) -> float:
    return max(0.0, box[2] - box[0]) * max(0.0, box[3] - box[1])
