"""The page of a screening run: what is in it, and how it behaves in a browser."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chromium import Chromium
from screened import HOSTILE, make_entity, make_refused, make_screened, many_rows, write_screened

from qreal_tasks.benchmark import Dimension
from qreal_tasks.screening.page import SHOWN_ENTITIES, collect_rows, render_page, write_page

WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
BOX = (10, 10, 100, 100)


def _data(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    content: dict[str, Any] = json.loads(found[1])
    return content


def test_images_are_listed_by_severity_and_refused_ones_last(tmp_path: Path) -> None:
    rows = [make_refused("broken.png", "damaged"), make_screened("clean.png")]
    rows += [make_screened("flawed.png", [make_entity("dog", BOX, {"plausibility_q1": 0.9})])]
    found = collect_rows(write_screened(tmp_path, rows))
    assert [row["image"] for row in found.images] == ["flawed.png", "clean.png", "broken.png"]
    assert dict(found.states) == {"refused": 1, "judged": 2}


def test_of_a_large_run_the_most_severe_are_listed_and_all_are_counted(tmp_path: Path) -> None:
    rows = many_rows(300)
    found = collect_rows(write_screened(tmp_path, rows), most=20)
    severities = sorted((row["severity"] or 0.0 for row in rows), reverse=True)
    assert [row["severity"] for row in found.images] == severities[:20]
    text = render_page("run", found, None)
    assert "The 20 most severe images are listed here." in text
    packed = np.frombuffer(base64.b64decode(_data(text)["all_p"]["realism"]), "<f4")
    expected = [np.nan if row["p_realism"] is None else row["p_realism"] for row in rows]
    np.testing.assert_allclose(packed, np.array(expected, dtype="<f4"))


def test_a_thousand_boxes_do_not_fill_the_page(tmp_path: Path) -> None:
    row = make_screened("many.png", [make_entity("dog", BOX, {}) for _ in range(1000)])
    [shown] = collect_rows(write_screened(tmp_path, [row])).images
    assert (len(shown["entities"]), shown["entities_left_out"]) == (SHOWN_ENTITIES, 1000 - SHOWN_ENTITIES)
    assert len(row["entities"]) == 1000


def test_what_models_and_file_names_say_is_text(tmp_path: Path) -> None:
    entity = make_entity(HOSTILE, BOX, {"realism_q1": 0.9}, realism=HOSTILE)
    row = make_screened(HOSTILE, [entity], generator=HOSTILE, prompt=HOSTILE, reason=HOSTILE)
    text = render_page(HOSTILE, collect_rows(write_screened(tmp_path, [row])), None)
    assert "<script>window" not in text
    assert "<img src=x" not in text
    assert _data(text)["images"][0]["entities"][0]["label"] == HOSTILE


def test_without_a_calibration_the_page_says_so(tmp_path: Path) -> None:
    page = write_page(write_screened(tmp_path / "run", [make_screened("a.png")]))
    assert page == tmp_path / "run" / "index.html"
    assert "Uncalibrated." in page.read_text(encoding="utf-8")


@pytest.mark.slow
def test_long_names_and_reasons_stay_in_their_tile(tmp_path: Path) -> None:
    rows = [make_screened(f"{'folder/' * 30}{n}.png") for n in range(3)] + [make_refused("broken.png", "damaged " * 90)]
    page = write_page(write_screened(tmp_path / "run", rows))
    outside = """[...document.querySelectorAll('.tile .name, .tile .none')].filter(one => {
        const [inner, outer] = [one, one.closest('li')].map(e => e.getBoundingClientRect());
        return inner.right > outer.right || one.scrollWidth > one.clientWidth || inner.height > outer.width;
    }).length"""
    with Chromium(420, 900) as browser:
        browser.go(page.as_uri())
        assert browser.run("document.querySelectorAll('.tile').length") == 4
        assert browser.run(outside) == 0
        assert browser.run("document.querySelector('.none').checkVisibility()")
        assert (
            browser.run("new Set([...document.querySelectorAll('.tile')].slice(0, 2).map(t => t.offsetHeight)).size")
            == 1
        )
        browser.run("document.getElementById('text').value = '1.png'; filter()")
        assert browser.run("document.getElementById('found').textContent") == "1 of 4 images listed, 0 of them flagged"


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"images\.parquet is missing"):
        write_page(tmp_path)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("screened") / "run"
    hostile = make_entity(HOSTILE, BOX, {"plausibility_q4": 0.97}, plausibility=f"unique word {HOSTILE}")
    odd = make_screened(HOSTILE, [hostile], generator=HOSTILE, p_realism=0.999, p_plausibility=0.999)
    rows = [*many_rows(1999, out=out), {**odd, "pixels": None}]
    return write_page(write_screened(out, rows))  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_2000_images_open_in_three_widths(page: Path, theme: str) -> None:
    with Chromium() as browser:
        browser.theme(theme)
        for width in (360, 800, 1400):
            browser.resize(width, 900, mobile=width == 360)
            browser.go(page.as_uri())
            paint = browser.run("performance.getEntriesByName('first-contentful-paint')[0].startTime")
            assert paint < 4000, "milliseconds, on a busy machine"
            assert browser.run(WIDE) == 0, width
            browser.wait("[...document.querySelectorAll('#grid img')].slice(0, 3).every(i => i.naturalWidth > 0)")
            assert browser.run("document.querySelectorAll('.tile').length") == 60
        browser.run("select(0)")
        browser.press("Enter")
        browser.wait("document.getElementById('details').open")
        assert browser.run(WIDE) == 0
        assert browser.run("window.pwned === undefined")
        assert browser.trouble == []
        assert browser.left == []


@pytest.mark.slow
def test_filters_thresholds_and_keys(page: Path) -> None:
    listed = "[...document.querySelectorAll('.tile .name')].map(n => n.textContent)"
    change = (
        "(id, value) => { const e = document.getElementById(id); e.value = value; e.dispatchEvent(new Event('%s')); }"
    )
    with Chromium(1400, 900) as browser:
        browser.go(page.as_uri())
        assert browser.run(listed)[0] == HOSTILE
        rows = browser.run("data.images")

        browser.run(f"({change % 'input'})('number-realism', '0.9')")
        expected = sum((row["p_realism"] or 0) >= 0.9 for row in rows)
        assert browser.run("document.getElementById('count-realism').textContent").startswith(f"{expected} of 2,000 ")
        browser.run(f"({change % 'change'})('dimension', 'realism')")
        browser.run(f"({change % 'change'})('state', 'flagged')")
        assert browser.run("shown.length") == expected

        browser.run("document.getElementById('controls').reset()")
        browser.wait("shown.length === 2000")
        browser.run(f"({change % 'change'})('question', 'plausibility_q4')")
        assert browser.run("shown.length") == sum(
            any(one["answers"]["plausibility_q4"]["answer"] == "Yes" for one in row["entities"]) for row in rows
        )
        assert browser.run("shown.every((r, n) => !n || scoreOf(shown[n - 1]) >= scoreOf(r))")
        browser.run("document.getElementById('controls').reset()")
        browser.wait("shown.length === 2000")
        browser.run(
            f"({change % 'change'})('generator', document.querySelector('#generator [data-name=\"gen-2\"]').value)"
        )
        assert browser.run("shown.length") == sum(row["generator"] == "gen-2" for row in rows)
        browser.run("document.getElementById('controls').reset()")
        browser.wait("shown.length === 2000")
        browser.press("/")
        browser.write("UNIQUE word")
        browser.wait("shown.length === 1")
        browser.run("document.getElementById('controls').reset()")
        browser.wait("shown.length === 2000")

        browser.run("document.activeElement.blur()")
        browser.press("ArrowRight")
        browser.press("ArrowRight")
        browser.press("ArrowDown")
        place = browser.run("place")
        assert place == 1 + browser.run("columns()")
        browser.press("ArrowRight", shift=True)
        assert (browser.run("page"), browser.run("place")) == (1, 60)
        browser.press("ArrowLeft")
        assert (browser.run("page"), browser.run("place")) == (0, 59)
        browser.press("Enter")
        browser.wait("document.getElementById('details').open")
        browser.press("ArrowRight")
        assert browser.run("document.getElementById('details-name').textContent") == browser.run("shown[60].image")
        browser.run(
            "Object.defineProperty(navigator, 'clipboard', {value: {writeText: async (t) => { window.copied = t; }}})"
        )
        browser.press("c")
        browser.wait("window.copied")
        assert json.loads(browser.run("window.copied")) == browser.run("shown[60]")
        browser.press("Escape")
        browser.wait("!document.getElementById('details').open")
        assert browser.run("document.activeElement.dataset.at") == "60"
        assert browser.trouble == []


def test_the_threshold_of_a_calibration_is_where_the_page_starts(tmp_path: Path) -> None:
    from labelled import fit_made_up

    calibration = fit_made_up()
    text = render_page("run", collect_rows(write_screened(tmp_path, [make_screened("a.png")])), calibration)
    assert "Uncalibrated" not in text
    assert _data(text)["thresholds"] == {str(one): calibration.threshold(one) for one in Dimension}


@pytest.mark.slow
def test_counts_beside_the_thresholds_are_of_all_images(tmp_path: Path) -> None:
    rows = many_rows(900)
    (tmp_path / "index.html").write_text(
        render_page("run", collect_rows(write_screened(tmp_path / "run", rows), most=30), None), encoding="utf-8"
    )
    with Chromium() as browser:
        browser.go((tmp_path / "index.html").as_uri())
        for threshold in (0.0, 0.5, 0.93):
            browser.run(f"(thresholds.plausibility = {threshold}, countFlagged())")
            expected = sum(row["p_plausibility"] is not None and row["p_plausibility"] >= threshold for row in rows)
            text = browser.run("document.getElementById('count-plausibility').textContent")
            assert text.startswith(f"{expected} of 900 images flagged")
        assert browser.run("shown.length") == 30
