"""How one field of several votes becomes one: an answer, a label, a box, a text.

Texts are written by those alone whose own verdict is the majority's: a text that explains a flaw nobody else sees
explains nothing. All left the draft: the draft. One edit, however many made it: that edit. Several edits are combined,
sentence by sentence: a sentence of the draft stays when every edit kept it, and every new sentence stays. They begin
with the edit whose author's answers agree most often with the majority over the questions of the dimension, then the
longest, then by the author's name. A language model may combine the edits instead (``annotation.merging.combine``).
What everybody wrote is kept as a source.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from annotation.empty_text import says_nothing
from annotation.merging.forms import DraftForm
from annotation.merging.votes import Vote
from qreal_tasks.boxes import iou_matrix

UNCHANGED = "unchanged draft"
ONE_EDIT = "one person's edit"
COMBINED_BY_RULE = "combined by rule"
COMBINED_BY_MODEL = "combined by the language model"
EMPTIED = "left empty by the majority"
TAKEN_AWAY = "draft of a flaw that people do not see"
ADJUDICATED = "adjudicated"

_END_OF_SENTENCE = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])\s*|\n+")
_STOPS = ".!?…。！？"


@dataclass(frozen=True)
class MergedText:
    """A text that several people's texts were merged into, and where it comes from."""

    text: str
    rule: str
    """One of this module's, or of ``annotation.merging.parts``."""
    sources: Mapping[str, str]
    """Annotator to what they left there."""
    inputs: tuple[str, ...] = ()
    """What a language model may combine in the place of the rule."""


def merge_texts(drafted: str, texts: Mapping[str, str], agreement: Mapping[str, int], needed: bool) -> MergedText:
    """Merge several people's texts by the rules of this module.

    Args:
        drafted: what was shown.
        texts: annotator to what they left there.
        agreement: annotator to how many answers agree with the majority's.
        needed: something must be said; else a drafted text that more than half have emptied is empty.

    >>> merge_texts("Odd.", {"anna": "Odd. ", "ben": "Six fingers."}, {"anna": 4, "ben": 4}, needed=True).text
    'Six fingers.'
    """
    kept, draft = dict(texts), collapse_blanks(drafted)
    written = {who: text.strip() for who, text in texts.items() if describes_something(text)}
    silent = len(texts) - len(written)
    if describes_something(drafted) and (not written or (not needed and 2 * silent > len(texts))):
        return MergedText("", EMPTIED, kept)
    if not written:
        return MergedText("" if needed else drafted, UNCHANGED, kept)
    edits = {who: text for who, text in written.items() if collapse_blanks(text) != draft}
    if not edits:
        return MergedText(drafted, UNCHANGED, kept)
    if len({collapse_blanks(text) for text in edits.values()}) == 1:
        return MergedText(edits[min(edits)], ONE_EDIT, kept)
    ordered = sorted(edits, key=lambda who: (-agreement[who], -len(edits[who]), who))
    inputs = tuple({collapse_blanks(edits[who]): edits[who] for who in ordered}.values())
    return MergedText(combine_by_rule(drafted, inputs), COMBINED_BY_RULE, kept, inputs)


def combine_by_rule(drafted: str, edits: Sequence[str]) -> str:
    """Combine several edits of a draft by the rule of this module.

    >>> combine_by_rule("Six fingers. Flat.", ["Seven fingers. Flat.", "Six fingers. Flat. One ear."])
    'Seven fingers. Flat. One ear.'
    """
    draft = {normalize_sentence(one) for one in split_sentences(drafted)}
    left = draft.intersection(*({normalize_sentence(one) for one in split_sentences(edit)} for edit in edits))
    found: dict[str, str] = {}
    for one in (sentence for edit in edits for sentence in split_sentences(edit)):
        if normalize_sentence(one) in left or normalize_sentence(one) not in draft:
            found.setdefault(normalize_sentence(one), one)
    return join_sentences(found.values()) or edits[0]


def split_sentences(text: str) -> list[str]:
    """Split a text into pieces that are compared with each other.

    >>> split_sentences("Six fingers. The ear floats")
    ['Six fingers.', 'The ear floats']
    """
    return [piece.strip() for piece in _END_OF_SENTENCE.split(text) if piece.strip()]


def normalize_sentence(sentence: str) -> str:
    """A sentence in a form that is equal for sentences of the same words.

    >>> normalize_sentence("Six  Fingers!") == normalize_sentence("six fingers")
    True
    """
    return collapse_blanks(sentence).casefold().rstrip(_STOPS + " ")


def join_sentences(pieces: Iterable[str]) -> str:
    """Join sentences into one text; each but the last ends with a full stop where it has no end of its own.

    >>> join_sentences(["Six fingers", "The ear floats"])
    'Six fingers. The ear floats'
    """
    sentences = list(pieces)
    return " ".join([*map(end_sentence, sentences[:-1]), *sentences[-1:]])


def end_sentence(text: str) -> str:
    """Add a full stop where the text ends without any sign."""
    end = text.rstrip()
    return f"{end}." if end and end[-1].isalnum() else end


def collapse_blanks(text: str) -> str:
    """The text with single blanks: an editor's blank or line break at the end is no edit."""
    return " ".join(text.split())


def same_text(one: str | None, other: str | None) -> bool:
    """Whether two texts are equal but for blanks; None is an empty one."""
    return collapse_blanks(one or "") == collapse_blanks(other or "")


def normalize_label(label: str) -> str:
    """A label in a form that is equal for labels that mean the same."""
    return collapse_blanks(label).casefold()


def describes_something(text: str) -> bool:
    """Whether a text describes anything: "none", "N/A" or "-" left in a field is no description."""
    return not says_nothing(text)


LIKE_DRAFT_IOU = 0.9
LIKE_OTHER_IOU = 0.8

Box = tuple[float, float, float, float]


def find_majority(values: Sequence[str]) -> str | None:
    """The value that more than half of them are; None where there is none."""
    counted = Counter(values).most_common(1)
    return counted[0][0] if counted and 2 * counted[0][1] > len(values) else None


def majority_label(form: DraftForm, votes: Sequence[Vote]) -> str | None:
    """The draft's label when the majority means it, else the majority's most frequent spelling; None: no majority."""
    label = find_majority([normalize_label(vote.label) for vote in votes])
    if not label:
        return None
    if label == normalize_label(form.label):
        return form.label
    spelt = Counter(collapse_blanks(vote.label) for vote in votes if normalize_label(vote.label) == label)
    return spelt.most_common(1)[0][0]


def majority_box(form: DraftForm, votes: Sequence[Vote]) -> Box | None:
    """The draft's box, a median, or None, as ``annotation.merging.merge`` describes it."""
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
