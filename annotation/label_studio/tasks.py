"""From a form to a task of Label Studio."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from annotation.label_studio.media import crop_file_name, image_file_name
from annotation.label_studio.page import BOX, IMAGE, LABEL
from annotation.merging.forms import DraftForm
from annotation.run.folder import RunFolder
from qreal_tasks.benchmark import BODY_PARTS


@dataclass(frozen=True)
class StoredSize:
    """Width and height of a stored image, in pixels."""

    width: int
    height: int


def make_task(form: DraftForm, size: StoredSize, run_id: str, media: str, votes_text: str = "") -> dict[str, Any]:
    """A task with the box and the texts drafted, and no answer.

    Args:
        media: what the address of a picture begins with; the name of its file follows, quoted.
        votes_text: for an adjudicator: what the annotators said.
    """
    crop = html.escape(media + quote(crop_file_name(form)), quote=True)
    data = {
        "run": run_id,
        "form": form.digest,
        "entity_id": form.entity_id,
        "shown": form.shown,
        "image": media + quote(image_file_name(form.image_id)),
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


def read_stored_sizes(run: RunFolder) -> dict[str, StoredSize]:
    """Every stored image with its size."""
    return {
        row["image_id"]: StoredSize(row["width"], row["height"])
        for shard in run.shard_numbers
        for row in run.read("intake", shard, ["image_id", "width", "height"])
        if row["image_id"] is not None
    }


def _drafted_box(form: DraftForm, size: StoredSize) -> dict[str, Any]:
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
