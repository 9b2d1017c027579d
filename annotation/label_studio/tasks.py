"""What Label Studio shows of a drafted entity: a task with its form, and the pictures as files."""

from __future__ import annotations

import hashlib
import html
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from annotation.label_studio.page import BOX, IMAGE, LABEL
from annotation.merging.forms import DraftForm, load_shard_forms
from annotation.run.folder import AcceptedImage, RunFolder
from annotation.run.gallery import Gallery
from qreal_tasks.benchmark import BODY_PARTS
from qreal_tasks.boxes import percent_box
from qreal_tasks.files.atomic import write_whole

FOLDER = "pictures"
"""Where pictures lie below RUN/verification/media, since Label Studio registers no folder that is its own root."""
_SHOWN_BY_BROWSERS = ("PNG", "JPEG", "WEBP")
_ORIENTATION = 0x0112


def image_file_name(image_id: str) -> str:
    """The name of the file with the whole image. Browsers go by its content."""
    return f"{image_id}.png"


def crop_file_name(form: DraftForm) -> str:
    """The name of the file with the crop; another box is another file."""
    box = hashlib.sha256(repr(form.bbox_px).encode()).hexdigest()[:8]
    return f"{form.entity_id.replace('#', '-')}-{box}.png"


def write_media(run: RunFolder, folder: Path, shards: Iterable[int]) -> None:
    """Write the pictures of these shards that are missing; a picture is there whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for shard in shards:
        forms = list(load_shard_forms(run, shard))
        wanted = {form.image_id for form in forms}
        pictures = [picture for picture in run.pictures(shard) if picture.image_id in wanted]
        gallery = Gallery(pictures)
        for picture in pictures:
            if not (path := folder / image_file_name(picture.image_id)).exists():
                write_whole(path, encode_for_browsers(picture, gallery))
        for form in forms:
            if not (path := folder / crop_file_name(form)).exists():
                out = io.BytesIO()
                gallery.crop(form.image_id, form.bbox_px).save(out, "PNG")
                write_whole(path, out.getvalue())


def encode_for_browsers(picture: AcceptedImage, gallery: Gallery) -> bytes:
    """The picture as a file for browsers: the stored one where they show it as models see it, opaque RGB and not
    turned."""
    with Image.open(io.BytesIO(picture.content)) as image:
        plain = image.mode == "RGB" and "transparency" not in image.info
        if plain and image.format in _SHOWN_BY_BROWSERS and image.getexif().get(_ORIENTATION, 1) == 1:
            return picture.content
    out = io.BytesIO()
    gallery.whole(picture.image_id).save(out, "PNG")
    return out.getvalue()


@dataclass(frozen=True)
class StoredSize:
    """Width and height of a stored image, in pixels."""

    width: int
    height: int


def build_task(form: DraftForm, size: StoredSize, run_id: str, media: str, votes_text: str = "") -> dict[str, Any]:
    """Make a task with the box and the texts drafted, and no answer.

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
    return {"data": data, "predictions": [{"model_version": "draft", "result": [_draft_box(form, size)]}]}


def read_stored_sizes(run: RunFolder) -> dict[str, StoredSize]:
    """Read the size of every stored image, by image id."""
    return {
        row["image_id"]: StoredSize(row["width"], row["height"])
        for shard in run.shard_numbers
        for row in run.read("intake", shard, ["image_id", "width", "height"])
        if row["image_id"] is not None
    }


def _draft_box(form: DraftForm, size: StoredSize) -> dict[str, Any]:
    box = percent_box(form.bbox_px, size.width, size.height)
    return {
        "id": "drafted",
        "from_name": BOX,
        "to_name": IMAGE,
        "type": "rectangle",
        "original_width": size.width,
        "original_height": size.height,
        "image_rotation": 0,
        "value": {**dict(zip(("x", "y", "width", "height"), box, strict=True)), "rotation": 0},
    }
