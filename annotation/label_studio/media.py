"""The pictures that people see, as files: every image as it came in, and the lossless crop of every entity."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

from annotation.merging.forms import DraftForm, load_shard_forms
from annotation.run.folder import AcceptedImage, RunFolder
from annotation.run.gallery import Gallery
from qreal_tasks.files.atomic import write_whole

FOLDER = "pictures"
"""Within RUN/verification/media. A folder below it, because Label Studio registers none that is its own root."""
_SHOWN_BY_BROWSERS = ("PNG", "JPEG", "WEBP")
_ORIENTATION = 0x0112


def image_file_name(image_id: str) -> str:
    """Of the file with the whole image. Browsers go by its content."""
    return f"{image_id}.png"


def crop_file_name(form: DraftForm) -> str:
    """Of the file with the crop; another box is another file."""
    box = hashlib.sha256(repr(form.bbox_px).encode()).hexdigest()[:8]
    return f"{form.entity_id.replace('#', '-')}-{box}.png"


def write_media(run: RunFolder, folder: Path, shards: Iterable[int]) -> None:
    """What is missing of the pictures of these shards; a picture is there whole or not at all."""
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
    """The file itself where a browser shows what models are shown: opaque RGB that no EXIF data turns."""
    with Image.open(io.BytesIO(picture.content)) as image:
        plain = image.mode == "RGB" and "transparency" not in image.info
        if plain and image.format in _SHOWN_BY_BROWSERS and image.getexif().get(_ORIENTATION, 1) == 1:
            return picture.content
    out = io.BytesIO()
    gallery.whole(picture.image_id).save(out, "PNG")
    return out.getvalue()
