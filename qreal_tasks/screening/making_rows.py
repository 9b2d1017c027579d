"""The rows of a screening run, made: of what a model said, of files that are no pictures, of images that occur twice.

row = make_row(ImageOrigin("dog.png"), pixels, assess(findings))
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES, Dimension
from qreal_tasks.screening.assessment import (
    EntityAssessment,
    ImageAssessment,
    Weighting,
    any_of,
    importance_of,
    sort_by_importance,
)
from qreal_tasks.screening.calibration.record import Calibrate
from qreal_tasks.screening.rows import AnswerCell, EntityCell, RowState, ScreeningRow, UnreadCell

if TYPE_CHECKING:
    from qreal_tasks.api.findings import QuestionAnswer


@dataclass(frozen=True)
class ImageOrigin:
    """Where an image comes from; None where nobody said."""

    image: str
    """Its name as the user knows it: the path in the given folder, or the table's id."""
    prompt: str | None = None
    prompt_id: str | None = None
    generator: str | None = None


def make_row(origin: ImageOrigin, pixels: str, assessment: ImageAssessment) -> ScreeningRow:
    """The row of an image that a model was asked about, before any calibration.

    Args:
        pixels: SHA-256 of its decoded pixels and size.
    """
    raw = {one: assessment.p_flaw[one] for one in Dimension}
    unread: list[UnreadCell] = [
        {"where": where, "reason": _as_utf_8(reason)} for where, reason in assessment.unread.items()
    ]
    state = RowState.JUDGED if assessment.answered else RowState.UNREAD
    reason = f"{unread[0]['where']}: {unread[0]['reason']}" if unread and not assessment.answered else None
    return {
        **_without_numbers(origin, state, reason),
        "pixels": pixels,
        "width": assessment.width,
        "height": assessment.height,
        "p_realism": raw[Dimension.REALISM],
        "p_plausibility": raw[Dimension.PLAUSIBILITY],
        "severity": any_of(raw.values()),
        "raw_p_realism": raw[Dimension.REALISM],
        "raw_p_plausibility": raw[Dimension.PLAUSIBILITY],
        "p_question": {name: assessment.p_question[name] for name in QUESTION_NAMES},
        "entities": [_entity_cell(one) for one in assessment.entities],
        "unread": unread,
    }


def calibrate_row(row: ScreeningRow, calibrate: Calibrate) -> ScreeningRow:
    """The row with the calibrated probabilities of its image; what else it holds stays."""
    raw = {Dimension.REALISM: row["raw_p_realism"], Dimension.PLAUSIBILITY: row["raw_p_plausibility"]}
    p = {one: None if value is None else calibrate(value, one) for one, value in raw.items()}
    return {
        **row,
        "p_realism": p[Dimension.REALISM],
        "p_plausibility": p[Dimension.PLAUSIBILITY],
        "severity": any_of(p.values()),
    }


def weigh_row(row: ScreeningRow, weighting: Weighting) -> ScreeningRow:
    """The row with the importance of its entities, and their order, under another weighting."""
    size = (row["width"] or 0, row["height"] or 0)

    def weighed(one: EntityCell) -> EntityCell:
        p = any_of([one["p_realism"], one["p_plausibility"]])
        return {**one, "importance": importance_of(p, one["bbox"], size, weighting)}

    return {**row, "entities": sort_by_importance(map(weighed, row["entities"]), lambda one: one["importance"])}


def make_refused_row(origin: ImageOrigin, reason: str, pixels: str | None = None) -> ScreeningRow:
    """The row of a file that cannot be used as a picture.

    Args:
        pixels: as they were when they could be read.
    """
    return {**_without_numbers(origin, RowState.REFUSED, reason), "pixels": pixels}


def make_failed_row(origin: ImageOrigin, pixels: str, size: tuple[int, int], reason: str) -> ScreeningRow:
    """The row of an image that the model was asked about in vain, as a whole."""
    width, height = size
    unread: list[UnreadCell] = [{"where": "image", "reason": _as_utf_8(reason)}]
    row = _without_numbers(origin, RowState.UNREAD, _as_utf_8(reason))
    return {**row, "pixels": pixels, "width": width, "height": height, "unread": unread}


def make_repeated_row(origin: ImageOrigin, earlier: ScreeningRow) -> ScreeningRow:
    """The row of an image with the pixels of one that was judged before: its numbers, under the new name."""
    same = earlier["same_as"] or earlier["image"]
    return {**name_row(origin, earlier), "state": RowState.REPEATED.value, "same_as": same}


def name_row(origin: ImageOrigin, row: ScreeningRow) -> ScreeningRow:
    """The row under another name, with what is known of the image that has it."""
    named = {name: getattr(origin, name) for name in ("image", "prompt", "prompt_id", "generator")}
    return cast(ScreeningRow, {**row, **named})


def _without_numbers(origin: ImageOrigin, state: RowState, reason: str | None) -> ScreeningRow:
    return {
        "image": origin.image,
        "pixels": None,
        "state": state.value,
        "reason": reason,
        "same_as": None,
        "width": None,
        "height": None,
        "prompt": origin.prompt,
        "prompt_id": origin.prompt_id,
        "generator": origin.generator,
        "p_realism": None,
        "p_plausibility": None,
        "severity": None,
        "raw_p_realism": None,
        "raw_p_plausibility": None,
        "p_question": dict.fromkeys(QUESTION_NAMES),
        "entities": [],
        "unread": [],
    }


def _entity_cell(entity: EntityAssessment) -> EntityCell:
    return {
        "label": _as_utf_8(entity.label),
        "bbox": [float(value) for value in entity.box_px],
        "importance": entity.importance,
        "p_realism": entity.p_flaw[Dimension.REALISM],
        "p_plausibility": entity.p_flaw[Dimension.PLAUSIBILITY],
        "answers": {name: _answer_cell(entity.answers[name]) for name in QUESTION_NAMES},
        "reasons": {name: _as_utf_8(entity.reasons[name]) if name in entity.reasons else None for name in IMAGEQA_SETS},
        "found_by": list(entity.found_by),
    }


def _answer_cell(found: QuestionAnswer) -> AnswerCell:
    reason = None if found.reason is None else _as_utf_8(found.reason)
    return {"answer": found.answer, "p_yes": found.p_yes, "mass": found.mass, "reason": reason}


def _as_utf_8(text: str) -> str:
    """A model's text with question marks for half surrogate pairs, which no file can hold."""
    return text.encode(errors="replace").decode()
