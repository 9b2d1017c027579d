"""Boxes with y first, as Gemini writes them, and boxes that say themselves which side is which."""

from __future__ import annotations

import json

import pytest
from PIL import Image

from qreal_tasks.answers import locate_regions, parse_entities
from qreal_tasks.boxes import Space
from qreal_tasks.models.agent.pictures import SearchedPicture, crop_entities
from qreal_tasks.models.families import find_family_by_name
from qreal_tasks.models.requests import Response

pytestmark = pytest.mark.slow

SIZE = (1600, 1200)
Pixels = tuple[float, float, float, float]


def result(box: object, key: str = "box_2d") -> str:
    return json.dumps([{key: box, "label": "cup", "description": "d"}])


NAMED = {"ymin": 20, "xmin": 10, "ymax": 50, "xmax": 100}

ANSWERS: dict[str, tuple[str, Pixels, Pixels]] = {
    "y first": (result([200, 100, 600, 450]), (160, 240, 720, 720), (320, 120, 960, 540)),
    "wide": (result([600, 100, 800, 450]), (160, 720, 720, 960), (960, 120, 1280, 540)),
    "under another key": (result([200, 100, 600, 450], "bbox_2d"), (160, 240, 720, 720), (320, 120, 960, 540)),
    "corners apart": (result([[200, 100], [600, 450]]), (160, 240, 720, 720), (320, 120, 960, 540)),
    "as text": (result("[200, 100, 600, 450]"), (160, 240, 720, 720), (320, 120, 960, 540)),
    "in prose": ("A cup at [200, 100, 600, 450].", (160, 240, 720, 720), (320, 120, 960, 540)),
    "sides named": (result(NAMED), (16, 24, 160, 60), (16, 24, 160, 60)),
    "sides named in other words": (
        result({"top": 20, "left": 10, "bottom": 50, "right": 100}),
        *((16, 24, 160, 60), (16, 24, 160, 60)),
    ),
    "sides named in the entity itself": (
        json.dumps([{"label": "cup", "description": "d", **NAMED}]),
        *((16, 24, 160, 60), (16, 24, 160, 60)),
    ),
    "beyond the image": (result([900, -100, 1200, 1100]), (0, 1080, 1600, 1200), (1440, 0, 1600, 1200)),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_the_declared_order_decides_and_names_above_it(case: str) -> None:
    text, y_first, x_first = ANSWERS[case]
    for space, expected in ((Space.NORM1000_YX, y_first), (Space.NORM1000, x_first)):
        [region] = locate_regions(parse_entities(text), space, *SIZE).regions
        assert region.bbox_px == pytest.approx(expected), space


def test_gemini_writes_y_first() -> None:
    family = find_family_by_name("gemini-2.5-pro")
    assert family is not None
    assert family.box_space is Space.NORM1000_YX


def test_the_agent_cuts_and_hands_on_boxes_in_the_declared_order() -> None:
    text = json.dumps([{"box_2d": [200, 100, 600, 450], "label": "cup"}, {"box_2d": NAMED, "label": "hand"}])
    found = crop_entities(SearchedPicture(Image.new("RGB", SIZE), Space.NORM1000_YX), Response(text)).entities
    assert [entity.crop.size for entity in found] == [(560, 480), (144, 36)]
    assert [entity.box for entity in found] == [(200, 100, 600, 450), (20, 10, 50, 100)]
