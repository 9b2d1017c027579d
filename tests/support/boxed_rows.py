"""Rows with boxes of many sizes in pictures of several sizes, for checks that compare crops with boxes."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image
from small_set import Rows, encoded, small_rows

SIZES = ((160, 120), (120, 200), (224, 224))
PER_SPLIT = 12
"""Images; each has two entities."""

Box = Sequence[float]


def boxed_rows() -> Rows:
    """A set without a problem: photograph-like pictures that are not square, crops cut at whole pixels."""
    template = small_rows()
    rows: Rows = {config: {"train": [], "test": []} for config in template}
    for number in range(2 * PER_SPLIT):
        split, image_id = ("train", "test")[number % 2], f"img{number}"
        random = np.random.default_rng(number)
        picture = scene(random, SIZES[number % len(SIZES)])
        shared = {"image_id": image_id, "prompt_id": f"prompt{number}"}
        image = template["imageqa"]["train"][0] | shared
        image |= {
            "prompt": f"A dog and a mug, scene {number}.",
            "image": encoded(picture),
            "width": picture.width,
            "height": picture.height,
            "entities": [],
        }
        for index in range(2):
            box = _box(random, *picture.size)
            entity = template["imageqa"]["train"][0]["entities"][index] | {"entity_id": f"{image_id}#{index}"}
            image["entities"].append(entity | {"bbox": [float(v) for v in box]})
            crop = picture.crop(box)
            entity = template["objectqa"]["train"][index] | shared | {"entity_id": f"{image_id}#{index}"}
            entity |= {"bbox": [float(v) for v in box], "image": encoded(crop)}
            rows["objectqa"][split].append(entity | {"width": crop.width, "height": crop.height})
        rows["imageqa"][split].append(image)
    return rows


def scene(random: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Soft patches of colour with some grain."""
    patches = Image.fromarray(random.integers(0, 256, (7, 9, 3), dtype=np.uint8))
    soft = np.asarray(patches.resize(size, Image.Resampling.BICUBIC), dtype=np.int16)
    grain = random.integers(-12, 13, soft.shape)
    return Image.fromarray(np.clip(soft + grain, 0, 255).astype(np.uint8))


def _box(random: np.random.Generator, width: int, height: int) -> tuple[int, int, int, int]:
    across, down = int(random.integers(24, width * 2 // 3)), int(random.integers(24, height * 2 // 3))
    left, top = int(random.integers(0, width - across)), int(random.integers(0, height - down))
    return left, top, left + across, top + down


def images(rows: Rows) -> Iterator[dict[str, Any]]:
    """The rows of imageqa of both splits."""
    for split in rows["imageqa"].values():
        yield from split


def crops(rows: Rows) -> Iterator[dict[str, Any]]:
    """The rows of objectqa of both splits."""
    for split in rows["objectqa"].values():
        yield from split


def with_boxes(
    rows: Rows, change: Callable[[Box, int, int], Box], configs: Sequence[str] = ("objectqa", "imageqa")
) -> None:
    """Write every box anew, from its four numbers and the image's width and height."""
    size = {image["image_id"]: (image["width"], image["height"]) for image in images(rows)}
    for crop in crops(rows) if "objectqa" in configs else ():
        crop["bbox"] = [float(v) for v in change(crop["bbox"], *size[crop["image_id"]])]
    for image in images(rows) if "imageqa" in configs else ():
        for entity in image["entities"]:
            entity["bbox"] = [float(v) for v in change(entity["bbox"], image["width"], image["height"])]


def decoded(row: dict[str, Any]) -> Image.Image:
    """The picture of a row as its file holds it."""
    return Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB")


def encode(row: dict[str, Any], picture: Image.Image, file_format: str = "PNG", **options: Any) -> None:
    """Give a row another picture; its columns are left alone."""
    out = io.BytesIO()
    picture.save(out, file_format, **options)
    row["image"] = {"bytes": out.getvalue(), "path": None}


def with_orientation(value: int) -> Image.Exif:
    """EXIF with nothing but an orientation."""
    exif = Image.Exif()
    exif[0x0112] = value
    return exif
