"""From a form to a task of Label Studio, and from what was submitted back to a vote."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from annotation.errors import AnnotationError
from annotation.verification.forms import Form
from annotation.verification.media import crop_name, image_name
from annotation.verification.page import BOX, DROP, IMAGE, LABEL, PART
from annotation.verification.votes import DROP_REASONS, Vote
from qreal_tasks.benchmark import ANSWERS, BODY_PARTS, QUESTION_NAMES, Dimension

_UNCHANGED_PX = 0.01
"""Percentages of Label Studio come back with other last digits."""

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Unusable:
    """Something submitted that is no vote; it counts as not answered until it is mended on the page."""

    annotator: str
    entity_id: str
    task_id: int
    reason: str
    shown: Mapping[str, Any]
    updated_at: str


@dataclass(frozen=True)
class Size:
    """Of a stored image, in pixels."""

    width: int
    height: int


def task_of(form: Form, size: Size, run_id: str, media: str, votes_text: str = "") -> dict[str, Any]:
    """A task with the box and the texts drafted, and no answer.

    Args:
        media: what the address of a picture begins with; the name of its file follows, quoted.
        votes_text: for an adjudicator: what the annotators said.
    """
    crop = html.escape(media + quote(crop_name(form)), quote=True)
    data = {
        "run": run_id,
        "form": form.digest,
        "entity_id": form.entity_id,
        "shown": form.shown,
        "image": media + quote(image_name(form.image_id)),
        "crop": f'<img src="{crop}" alt="">',
        LABEL: form.label,
        **{f"{dimension}_description": text for dimension, text in form.descriptions.items()},
        "parts": [
            {"name": part.replace("_", " "), "text": form.parts.get(part) or ""}
            for part in BODY_PARTS
            if form.parts is not None
        ],
        "votes": votes_text,
    }
    return {"data": data, "predictions": [{"model_version": "draft", "result": [_drafted_box(form, size)]}]}


def votes_of(task: Json, annotator: str, run_id: str, account: int | None = None) -> Iterator[Vote | Unusable]:
    """What was submitted for a task: nothing, or one vote or the reason why it is none.

    Of several annotations, which Label Studio allows, the newest counts; a skipped task is not answered.

    Args:
        account: of the annotator; what others submitted is no vote of theirs. None where that is not known.

    Raises:
        AnnotationError: the task is of another run, or was not made by this program.
    """
    check_run(task, annotator, run_id)
    submitted = [one for one in task.get("annotations") or () if not one.get("was_cancelled")]
    if submitted:
        yield _vote(max(submitted, key=lambda one: (_utc(one["updated_at"]), one["id"])), task, annotator, account)


def check_run(task: Json, annotator: str, run_id: str) -> None:
    """Whether a task belongs to the run.

    Raises:
        AnnotationError: it does not.
    """
    data = task.get("data") or {}
    if data.get("run") != run_id or not {"entity_id", "form", "shown"} <= data.keys():
        what = "of another run" if "run" in data else "of something else"
        raise AnnotationError(
            f"{annotator}'s project holds task {task.get('id')} {what}, expected entities of this run only; delete it "
            "there, or give the run a project of its own"
        )


def withdrawn(vote: Vote, at: str) -> Vote:
    """What is recorded when somebody has deleted a vote."""
    return Vote(**{**vars(vote), "withdrawn": True, "updated_at": _utc(at)})


def _drafted_box(form: Form, size: Size) -> dict[str, Any]:
    x1, y1, x2, y2 = form.bbox_px
    return {
        "id": "drafted",
        "from_name": BOX,
        "to_name": IMAGE,
        "type": "rectangle",
        "original_width": size.width,
        "original_height": size.height,
        "image_rotation": 0,
        "value": {
            "x": 100 * x1 / size.width,
            "y": 100 * y1 / size.height,
            "width": 100 * (x2 - x1) / size.width,
            "height": 100 * (y2 - y1) / size.height,
            "rotation": 0,
        },
    }


def _vote(annotation: Json, task: Json, annotator: str, account: int | None) -> Vote | Unusable:
    data, said = task["data"], _by_name(annotation["result"])
    entity_id, shown, at = data["entity_id"], data["shown"], _utc(annotation["updated_at"])
    try:
        if account is not None and annotation.get("completed_by") not in (None, account):
            raise ValueError(f"was answered by account {annotation['completed_by']}, expected {annotator}'s own")
        drop = _one_of(said, DROP, DROP_REASONS)
        answers = {name: _one_of(said, name, ANSWERS) for name in QUESTION_NAMES}
        missing = [name for name, answer in answers.items() if answer is None]
        if drop is None and missing:
            raise ValueError(f"{', '.join(missing)} not answered, and not dropped")
        parts = shown["parts"]
        return Vote(
            annotator=annotator,
            entity_id=entity_id,
            answers=None if drop is not None else {name: str(answer) for name, answer in answers.items()},
            drop=drop,
            label=_label(said),
            bbox_px=_box(said, shown["bbox_px"]),
            descriptions={str(d): _text(said, f"{d}_description") for d in Dimension},
            parts=parts and {part: _text(said, f"{PART}{n}") or None for n, part in enumerate(BODY_PARTS)},
            shown=shown,
            seconds=annotation.get("lead_time"),
            annotation_id=annotation["id"],
            updated_at=at,
        )
    except ValueError as error:
        return Unusable(annotator, entity_id, task["id"], str(error), shown, at)


def _utc(said: str) -> str:
    """Always with microseconds, so that texts sort as times do."""
    return datetime.fromisoformat(said).astimezone(UTC).isoformat(timespec="microseconds")


def _by_name(results: Sequence[Json]) -> dict[str, list[Json]]:
    found: dict[str, list[Json]] = {}
    for result in results:
        found.setdefault(str(result.get("from_name")), []).append(result)
    return found


def _one_of(said: Mapping[str, list[Json]], name: str, choices: Sequence[str]) -> str | None:
    chosen = [choice for result in said.get(name, ()) for choice in result["value"].get("choices", ())]
    if not chosen:
        return None
    if len(chosen) > 1 or chosen[0] not in choices:
        raise ValueError(f"{name} is {', '.join(chosen)}, expected one of {', '.join(choices)}")
    return str(chosen[0])


def _text(said: Mapping[str, list[Json]], name: str) -> str:
    texts = [text for result in said.get(name, ()) for text in _as_list(result["value"].get("text"))]
    # Half a surrogate pair has no UTF-8, and no parquet file could hold it.
    return "\n".join(text.strip() for text in texts).strip().encode(errors="replace").decode()


def _as_list(text: object) -> list[str]:
    return [str(one) for one in text] if isinstance(text, list) else [] if text is None else [str(text)]


def _label(said: Mapping[str, list[Json]]) -> str:
    label = _text(said, LABEL)
    if not label:
        raise ValueError("the label is empty, expected what the entity is")
    return label


def _box(said: Mapping[str, list[Json]], drafted_px: Sequence[float]) -> tuple[float, float, float, float]:
    boxes = said.get(BOX, [])
    if len(boxes) != 1:
        raise ValueError(f"{len(boxes)} boxes, expected one; delete the others, or draw one")
    value, width, height = boxes[0]["value"], boxes[0]["original_width"], boxes[0]["original_height"]
    if value.get("rotation"):
        raise ValueError("the box is rotated, expected sides along those of the image")
    x1, y1 = value["x"] * width / 100, value["y"] * height / 100
    x2, y2 = x1 + value["width"] * width / 100, y1 + value["height"] * height / 100
    box = (max(0.0, x1), max(0.0, y1), min(float(width), x2), min(float(height), y2))
    if box[0] >= box[2] or box[1] >= box[3]:
        raise ValueError("the box has no area")
    if all(abs(new - old) < _UNCHANGED_PX for new, old in zip(box, drafted_px, strict=True)):
        x1, y1, x2, y2 = drafted_px
        return x1, y1, x2, y2
    return box
