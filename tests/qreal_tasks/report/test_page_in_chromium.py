"""The report as a browser shows it, opened from disk: nothing is fetched, nothing fails, nothing runs over the edge."""

from __future__ import annotations

from pathlib import Path

import pytest
from chromium import Chromium, chromium_path
from pretend_run import hostile_run, write_pretend_run

from qreal_tasks.report.page import write_report
from qreal_tasks.results.run_folder import find_results, read_run
from qreal_tasks.results.score import score_run

pytestmark = pytest.mark.slow

WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    chromium_path()
    found = {}
    for name, write in (("honest", write_pretend_run), ("hostile", hostile_run)):
        run = read_run(find_results(write(tmp_path_factory.mktemp(name)))[-1])
        found[name] = run.results_path.with_name("report.html")
        write_report(score_run(run, resamples=50), found[name], gallery=6, resamples=50)
    return found


@pytest.mark.parametrize("name", ["honest", "hostile"])
def test_the_page_opens_from_disk_in_both_themes_and_on_a_phone(name: str, pages: dict[str, Path]) -> None:
    grounds = set()
    with Chromium() as browser:
        for theme in ("light", "dark"):
            browser.theme(theme)
            for width in (1280, 390):
                browser.resize(width, 844, mobile=width == 390)
                browser.go(pages[name].as_uri())
                assert browser.run(WIDE) == 0, (theme, width)
                assert browser.run("[...document.images].every(i => i.loading = 'eager')")
                browser.wait("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
            grounds.add(browser.run("getComputedStyle(document.body).backgroundColor"))
        assert browser.run("window.pwned === undefined")
        assert browser.trouble == []
        assert browser.left == []
    assert len(grounds) == 2


def test_links_lead_to_sections_and_tables_scroll_in_their_own_box(pages: dict[str, Path]) -> None:
    with Chromium(width=390, height=844) as browser:
        browser.go(pages["honest"].as_uri())
        links = browser.run("[...document.querySelectorAll('nav.sections a')].map(a => a.hash)")
        assert len(links) >= 9
        for link in links:
            assert browser.run(f"document.querySelectorAll('{link}').length") == 1, link
        browser.run("document.querySelector('nav.sections a[href=\"#misses\"]').click()")
        browser.wait("Math.abs(document.querySelector('#misses').getBoundingClientRect().top) < 100")
        assert browser.run("[...document.querySelectorAll('.scroll')].some(s => s.scrollWidth > s.clientWidth)")
        assert browser.run("[...document.querySelectorAll('.scroll')].every(s => s.tabIndex === 0 && s.ariaLabel)")
        assert browser.run("[...document.querySelectorAll('th')].every(th => th.scope)")
        assert browser.run("[...document.images].every(i => i.alt)")


def test_on_a_phone_a_table_says_that_it_scrolls_and_shows_two_numbers(pages: dict[str, Path]) -> None:
    said = """[...document.querySelectorAll('.scroll')].filter(s => s.checkVisibility()).map(s => [
        s.scrollWidth > s.clientWidth, s.querySelector('.hint').getBoundingClientRect().height > 10])"""
    numbers = """Math.min(...[...document.querySelectorAll('td[data-row][data-metric=auc]')].map(cell =>
        [...cell.parentNode.querySelectorAll('td[data-metric]:not([data-metric=n])')]
            .filter(cell => cell.getBoundingClientRect().right - 9 <= innerWidth).length))"""
    with Chromium(width=360, height=780) as browser:
        browser.resize(360, 780, mobile=True)
        browser.go(pages["honest"].as_uri())
        browser.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        found = browser.run(said)
        assert any(scrolls for scrolls, _ in found)
        assert all(scrolls == hint for scrolls, hint in found), found
        assert browser.run(numbers) >= 2
        browser.resize(1400, 900)
        browser.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        wide = browser.run(said)
        assert any(not scrolls for scrolls, _ in wide)
        assert all(scrolls == hint for scrolls, hint in wide), wide


def test_boxes_lie_on_the_picture_where_the_record_says(pages: dict[str, Path]) -> None:
    with Chromium() as browser:
        browser.go(pages["honest"].as_uri())
        inside = """[...document.querySelectorAll('.miss .stage')].every(stage => {
            const frame = stage.getBoundingClientRect();
            return [...stage.querySelectorAll('.box')].every(box => {
                const at = box.getBoundingClientRect();
                return at.left >= frame.left - 1 && at.right <= frame.right + 1
                    && at.top >= frame.top - 1 && at.bottom <= frame.bottom + 1;
            });
        })"""
        assert browser.run("document.querySelectorAll('.box.reference').length") > 5
        assert browser.run("document.querySelectorAll('.box.predicted').length") > 5
        assert browser.run(inside)
