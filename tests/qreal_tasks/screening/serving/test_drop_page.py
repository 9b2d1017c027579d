"""The page of a reward server, in a browser: what is dropped is shown with boxes, answers, reasons and map."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from brightness_engine import BrightnessEngine, noise, silent_picture
from chromium import Chromium
from PIL import Image
from reward_serving import TOKEN, Served, png, served

from qreal_tasks.screening.reward.reward import QRealReward

HOSTILE = '<img src=x onerror="document.title=1"><b>'
TEXT = json.dumps(
    [
        {"bbox_2d": [0, 0, 500, 1000], "label": HOSTILE, "description": "</script><script>document.title=2</script>"},
        {"bbox_2d": [500, 0, 1000, 1000], "label": "right " + "w" * 300, "description": "Its right is dark."},
    ]
)
BOXES = """[...document.querySelectorAll('#boxes rect')].map(
    one => [one.x, one.y, one.width, one.height].map(value => value.baseVal.value))"""
SAME_PLACE = """(() => {
    const [a, b] = ['picture', 'boxes'].map(id => document.getElementById(id).getBoundingClientRect());
    return Math.abs(a.width - b.width) + Math.abs(a.height - b.height) + Math.abs(a.x - b.x) < 1;
})()"""
DROP = """(() => {
    const given = new DataTransfer();
    given.items.add(new File([new Uint8Array(%s)], 'dropped', {type: '%s'}));
    document.dispatchEvent(new DragEvent('drop', {dataTransfer: given, bubbles: true, cancelable: true}));
})()"""
PICTURES = noise(3, size=(120, 200))
WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with Chromium() as one:
        yield one


@pytest.fixture(scope="module")
def running() -> Iterator[Served]:
    with served(BrightnessEngine(text=TEXT)) as one:
        yield one


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    found = [tmp_path / f"{number}{HOSTILE.replace('/', '')}.png" for number in range(3)]
    for path, picture in zip(found, PICTURES, strict=True):
        path.write_bytes(png(picture))
    return list(map(str, found))


def _choose(browser: Chromium, files: list[str]) -> None:
    root = browser.send("DOM.getDocument")["root"]["nodeId"]
    node = browser.send("DOM.querySelector", nodeId=root, selector="#files")["nodeId"]
    browser.send("DOM.setFileInputFiles", nodeId=node, files=files)


def _text(browser: Chromium, selector: str) -> str:
    return str(browser.run(f"document.querySelector({json.dumps(selector)}).textContent"))


def test_pictures_are_shown_with_what_was_found_and_hostile_text_is_text(
    browser: Chromium, running: Served, files: list[str]
) -> None:
    expected = QRealReward(BrightnessEngine(text=TEXT))(PICTURES)
    browser.go(running.url)
    _choose(browser, files)
    browser.wait("document.querySelectorAll('#others button').length === 3")
    for at, one in enumerate(expected):
        browser.run(f"document.querySelectorAll('#others button')[{at}].click()")
        assert one.reward is not None
        assert f"{one.reward:.3f}".lstrip("0") in _text(browser, "#facts")
        assert browser.run("document.querySelectorAll('#boxes rect').length") == 2
        boxes: Any = browser.run(BOXES)
        assert boxes == [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in (entity.box_px for entity in one.entities)]
        shown: Any = browser.run("[...document.querySelectorAll('.entity h3')].map(h => h.textContent)")
        assert shown == [f"{place}. {entity.label}" for place, entity in enumerate(one.entities, start=1)]
        assert browser.run("document.querySelectorAll('.entity tr').length") == 12
    assert HOSTILE in _text(browser, "#entities")
    assert "</script><script>" in _text(browser, "#entities")
    assert browser.run("document.title") == "Drop a picture"
    assert browser.run("document.querySelectorAll('#entities img, #entities script, #entities b').length") == 0
    assert (browser.trouble, browser.left) == ([], [])


def test_it_holds_in_three_widths_and_two_themes(
    browser: Chromium, running: Served, files: list[str], tmp_path: Path
) -> None:
    browser.go(running.url)
    _choose(browser, files)
    browser.wait("document.querySelectorAll('#others button').length === 3")
    for theme in ("light", "dark"):
        browser.theme(theme)
        for width in (1280, 800, 390):
            browser.resize(width, 844, mobile=width == 390)
            assert browser.run(WIDE) == 0, (theme, width)
            assert browser.run(SAME_PLACE), (theme, width)
            assert browser.picture(tmp_path / f"{width}.png", whole=True).stat().st_size > 10_000
    browser.resize(1280, 800)


def test_the_map_is_red_where_the_reward_is_low(browser: Chromium, running: Served, files: list[str]) -> None:
    browser.go(running.url)
    _choose(browser, files[:1])
    browser.wait("document.getElementById('legend').textContent.startsWith('Strongest')")
    assert browser.run("getComputedStyle(document.getElementById('map')).display") == "none"
    browser.run("document.getElementById('show-map').click()")
    assert browser.run("getComputedStyle(document.getElementById('map')).display") != "none"
    [found] = QRealReward(BrightnessEngine(text=TEXT))(PICTURES[:1], maps=True)
    assert found.map is not None
    at = "document.getElementById('map').getContext('2d').getImageData({}, 60, 1, 1).data[3]"
    left, right = (browser.run(at.format(x)) for x in (20, 180))
    assert (left < right) == (found.map[60, 20] > found.map[60, 180])
    assert max(left, right) == 140
    assert f"{found.map.min():.2f}".lstrip("0") in _text(browser, "#legend")


def test_a_picture_is_dropped_and_a_wrong_one_is_told(browser: Chromium, running: Served) -> None:
    browser.go(running.url)

    def drop(kind: str, content: bytes) -> None:
        browser.run(DROP % (list(content), kind))

    drop("text/plain", b"hello")
    browser.wait("document.getElementById('status').textContent.includes('no picture')")
    drop("image/png", png(PICTURES[0])[:300])
    browser.wait("document.getElementById('status').textContent.startsWith('image 1: damaged')")
    browser.trouble.clear()  # the browser logs the status 422
    drop("image/png", png(silent_picture()))
    browser.wait("!document.getElementById('result').hidden")
    assert "N/A" in _text(browser, "#facts")
    assert "detect: empty answer" in _text(browser, "#unread")
    assert browser.run(WIDE) == 0
    drop("image/png", png(Image.fromarray(PICTURES[0])))
    browser.wait("document.querySelectorAll('.entity').length === 2")
    browser.run("document.querySelector('.entity h3 button').focus()")
    browser.press("Enter")
    assert browser.run("document.querySelectorAll('#boxes .chosen').length") == 1
    assert browser.trouble == []


def test_with_a_token_the_page_asks_for_it(browser: Chromium, files: list[str]) -> None:
    with served(token=TOKEN) as one:
        browser.go(one.url)
        _choose(browser, files[:1])
        browser.wait("document.getElementById('status').textContent.startsWith('no token')")
        browser.trouble.clear()
        browser.run("document.getElementById('token').focus()")
        browser.write(TOKEN)
        _choose(browser, files[:1])
        browser.wait("document.querySelectorAll('.entity').length === 2")
        assert browser.trouble == []
