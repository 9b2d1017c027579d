"""How often `qreal data check` takes a crop for the part of a picture that its box names: photographs of your own.

    python tests/benchmarks/crop_likeness.py PHOTO PHOTO …

prints, by what was done to the crop or its box, the share of random boxes (sides of 12 pixels to 60 % of the picture)
that pass. What is right should pass always, what is wrong never.
"""

from __future__ import annotations

import io
import math
import random
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence

from PIL import Image, ImageOps

from qreal_tasks.dataset.check.boxes import Corners, fault_of
from qreal_tasks.dataset.check.pictures import DecodedPicture

BOXES = 250
"""A picture."""


def encoded(picture: Image.Image, file_format: str, quality: int) -> Image.Image:
    """The picture after lossy encoding."""
    out = io.BytesIO()
    picture.save(out, file_format, quality=quality)
    return Image.open(out).convert("RGB")


def moved(box: Corners, across: float, down: float) -> Corners:
    """The box beside itself."""
    return box[0] + across, box[1] + down, box[2] + across, box[3] + down


def variants(
    whole: Image.Image, other: Image.Image, at: random.Random
) -> Iterator[tuple[str, Corners, DecodedPicture, DecodedPicture]]:
    """What was done to a random box or its crop, then box, picture and crop."""
    width, height = (round(math.exp(at.uniform(math.log(12), math.log(0.6 * side)))) for side in whole.size)
    left, top = at.randrange(whole.width - width), at.randrange(whole.height - height)
    box = (left, top, left + width, top + height)
    crop, picture = whole.crop(box), DecodedPicture(whole)
    for file_format, quality in (("JPEG", 75), ("JPEG", 50), ("WEBP", 50)):
        yield f"crop as {file_format} {quality}", box, picture, DecodedPicture(encoded(crop, file_format, quality))
    yield "picture as JPEG 75", box, DecodedPicture(encoded(whole, "JPEG", 75)), DecodedPicture(crop)
    yield "crop 3 % larger", box, picture, DecodedPicture(crop.resize((round(width * 1.03), round(height * 1.03))))
    yield "box off by half a pixel", moved(box, 0.5, 0.5), picture, DecodedPicture(crop)
    yield "box off by a pixel", moved(box, 1, 1), picture, DecodedPicture(crop)
    across, down = at.randrange(whole.width - width) - left, at.randrange(whole.height - height) - top
    if abs(across) > width / 2 or abs(down) > height / 2:
        yield "WRONG: box elsewhere", moved(box, across, down), picture, DecodedPicture(crop)
    if all(mine <= its for mine, its in zip(box[2:], other.size, strict=True)):
        yield "WRONG: another photograph", box, DecodedPicture(other), DecodedPicture(crop)
    yield "WRONG: upside down", box, picture, DecodedPicture(ImageOps.flip(crop))
    yield "WRONG: mirrored", box, picture, DecodedPicture(ImageOps.mirror(crop))


def main(paths: Sequence[str]) -> None:
    """Print the table."""
    photographs = [Image.open(path).convert("RGB") for path in paths]
    passed: dict[str, list[bool]] = defaultdict(list)
    at = random.Random(0)
    for number, whole in enumerate(photographs):
        for _ in range(BOXES):
            other = photographs[number - at.randrange(1, max(2, len(photographs)))]
            for what, box, picture, crop in variants(whole, other, at):
                passed[what].append(fault_of(0, "", box, whole.size, picture, crop) is None)
    for what, outcomes in passed.items():
        print(f"{what:<28}{sum(outcomes) / len(outcomes):7.1%} of {len(outcomes)}")


if __name__ == "__main__":
    main(sys.argv[1:])
