"""The site in a browser: opens from disk, sorts, filters, links; nothing leaves the page; markup is shown as text."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from chromium import Chromium
from refusing import at_every_moment, tree

from qreal_tasks.leaderboard.board.site import PAGES, require_own_folder, write_site
from qreal_tasks.pages.environment import write_page

from .conftest import IMAGE, MODELS, SCRIPT, Made


@pytest.fixture(scope="module")
def browser() -> Iterator[Chromium]:
    with Chromium() as opened:
        yield opened


def _pages(site: Path) -> list[str]:
    return [*(path for path, _ in PAGES), *sorted(f"s/{path.name}" for path in (site / "s").glob("*.html"))]


def _open(browser: Chromium, made: Made, page: str) -> None:
    path, _, part = page.partition("#")
    address = (made.site / path).as_uri() + (f"#{part}" if part else "")
    browser.go(address)
    browser.wait(f"location.href === {json.dumps(address)} && document.readyState === 'complete'")


def _column(browser: Chromium, table: str, place: int) -> list[str]:
    rows = f"[...document.querySelectorAll('#{table} tbody tr')].filter(row => !row.hidden)"
    return list(browser.run(f"{rows}.map(row => row.cells[{place}].firstChild.textContent.trim())"))


def test_every_page_opens_from_disk_without_trouble(browser: Chromium, made: Made) -> None:
    pages = _pages(made.site)
    assert len(pages) == len(PAGES) + len(MODELS)
    for page in pages:
        _open(browser, made, page)
        assert browser.run("document.querySelectorAll('main .card').length") > 0, page
        assert browser.run("window.hacked") is None, page
    assert browser.trouble == []
    assert browser.left == []
    assert all(url.startswith("file:") for url in browser.requests)


def test_every_link_leads_to_a_file(browser: Chromium, made: Made) -> None:
    seen = set()
    for page in _pages(made.site):
        _open(browser, made, page)
        links = browser.run("[...document.links].map(link => link.href.split('#')[0])")
        for link in links:
            path = Path(link.removeprefix("file://"))
            assert path.is_file(), f"{page}: {link}"
            assert path.is_relative_to(made.site)
            seen.add(path)
    assert seen >= {made.site / page for page in _pages(made.site)}
    assert seen >= {made.site / "board.json", made.site / "board.csv"}


@pytest.mark.parametrize("width", [390, 1280])
def test_no_page_scrolls_sideways(width: int, browser: Chromium, made: Made) -> None:
    browser.resize(width, 800, mobile=width < 500)
    for page in _pages(made.site):
        _open(browser, made, page)
        assert browser.run("document.documentElement.scrollWidth") <= width, page
    browser.resize(1280, 800)


def test_sorting_by_click_and_by_keyboard(browser: Chromium, made: Made) -> None:
    _open(browser, made, "index.html")
    head = "#objectqa thead th:nth-child(6)"  # accuracy, whose paper rows are partly unreadable
    browser.run(f"document.querySelector('{head} button').click()")
    assert browser.run(f"document.querySelector('{head}').getAttribute('aria-sort')") == "descending"
    values = _column(browser, "objectqa", 5)
    numbers = [float(value) for value in values if value != "N/A"]
    assert numbers == sorted(numbers, reverse=True)
    assert values[len(numbers) :] == ["N/A"] * (len(values) - len(numbers)) != []
    browser.run(f"document.querySelector('{head} button').focus()")
    browser.press("Enter")
    assert browser.run(f"document.querySelector('{head}').getAttribute('aria-sort')") == "ascending"
    values = _column(browser, "objectqa", 5)
    numbers = [float(value) for value in values if value != "N/A"]
    assert numbers == sorted(numbers)
    assert values[-1] == "N/A", "what is missing stays last"
    browser.run("document.querySelector('#objectqa thead th:nth-child(2) button').click()")
    names = [name.lower() for name in _column(browser, "objectqa", 1)]
    assert names == browser.run(f"{json.dumps(names)}.sort((a, b) => a.localeCompare(b))")
    sorts = browser.run(
        "[...document.querySelectorAll('#objectqa th[aria-sort]')].map(h => h.getAttribute('aria-sort'))"
    )
    assert sorted(sorts) == ["ascending", *["none"] * (len(sorts) - 1)]


def test_filtering_and_the_papers_rows(browser: Chromium, made: Made) -> None:
    _open(browser, made, "index.html")
    assert browser.run("document.getElementById('shown').textContent") == f"{len(MODELS)} submissions"
    browser.run("document.getElementById('search').focus()")
    browser.write("middle again")
    assert _column(browser, "objectqa", 1) == ["Middle model, again"]
    assert browser.run("document.getElementById('shown').textContent") == "1 submission"
    browser.run("search.value = ''")
    browser.run("search.dispatchEvent(new Event('input'))")
    everything = _column(browser, "imageqa", 2)
    assert len(everything) == len(MODELS) - 1 + 13
    browser.run("document.getElementById('paper').click()")
    assert len(_column(browser, "imageqa", 2)) == len(MODELS) - 1


def test_submissions_of_one_name_and_model_count_each(browser: Chromium, made: Made, tmp_path: Path) -> None:
    first, second = made.board.entries[:2]
    alike = {"name": first.manifest.name, "model": first.manifest.model}
    result = replace(second.result, manifest=second.manifest.model_copy(update=alike))
    write_site(replace(made.board, entries=(first, replace(second, result=result))), tmp_path / "site")
    browser.go((tmp_path / "site" / "index.html").as_uri())
    browser.wait("location.href.includes('/site/index.html') && document.readyState === 'complete'")
    assert browser.run("document.getElementById('shown').textContent") == "2 submissions"


def test_one_question_at_a_time(browser: Chromium, made: Made) -> None:
    _open(browser, made, "questions.html")
    shown = "[...document.querySelectorAll('section[data-choice]')].filter(s => !s.hidden).map(s => s.id)"
    assert browser.run(shown) == ["realism_q1"]
    browser.run(
        "const c = document.getElementById('choice'); c.value = 'plausibility_q4'; c.dispatchEvent(new Event('change'))"
    )
    assert browser.run(shown) == ["plausibility_q4"]
    names = _column(browser, "plausibility_q4", 0)
    assert names[-2:] == ["always No", "always Yes"]
    browser.run("location.hash = 'plausibility_q2'")
    browser.wait(f"({shown}).join() === 'plausibility_q2'")
    _open(browser, made, "about.html")
    _open(browser, made, "questions.html#realism_q2")
    assert browser.run(shown) == ["realism_q2"]


def test_markup_is_text_in_every_page(browser: Chromium, made: Made) -> None:
    for page in _pages(made.site):
        text = (made.site / page).read_text(encoding="utf-8")
        assert SCRIPT not in text, page
        assert IMAGE not in text, page
        _open(browser, made, page)
        assert browser.run("document.querySelectorAll('img').length") == 0, page
        assert browser.run("document.querySelectorAll('h1 b').length") == 0, page
        assert browser.run("window.hacked") is None, page
    _open(browser, made, "index.html")
    assert browser.run("document.querySelector('h1').textContent") == "Board <b>of</b> tests"
    assert SCRIPT in _column(browser, "objectqa", 1)
    _open(browser, made, "refused.html")
    shown = browser.run("document.querySelector('main').textContent")
    assert IMAGE.replace("/", "") in shown
    assert SCRIPT in shown


class _Markup(HTMLParser):
    """What a browser would run, fetch or take for a name."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.attributes += [(tag, name, value or "") for name, value in attrs]


def test_no_text_of_others_is_markup_an_address_or_an_id(made: Made) -> None:
    """Without a browser: no element that runs or fetches but the site's own script, no handler, only plain ids."""
    fetching = {"img", "iframe", "object", "embed", "link", "base", "form", "video", "audio", "source"}
    for page in _pages(made.site):
        found = _Markup()
        found.feed((made.site / page).read_text(encoding="utf-8"))
        assert found.tags["script"] <= 1, page
        assert not fetching & found.tags.keys(), page
        for tag, name, value in found.attributes:
            assert not name.startswith("on"), (page, tag, name)
            if name in ("id", "for", "aria-controls"):
                assert re.fullmatch(r"[a-z][a-z0-9_-]*", value), (page, value)
            if name in ("href", "src", "action"):
                assert re.fullmatch(r"#?[\w./-]*(#[\w-]+)?", value), (page, value)


def test_a_model_page_shows_what_ran(browser: Chromium, made: Made) -> None:
    entry = made.board.entries[0]
    _open(browser, made, f"s/{entry.manifest.id}.html")
    text = browser.run("document.querySelector('main').innerText")
    for piece in ("org/good", "qreal_hf", "lmms-eval 0.7.3", "gpt-4o", entry.manifest.id, f"{IMAGE} described", SCRIPT):
        assert piece in text
    numbers = json.loads((made.site / f"s/{entry.manifest.id}.json").read_text())
    assert numbers["groups"]["objectqa.overall"]["auc"] == entry.result.groups["objectqa.overall"]["auc"]


def test_readable_without_scripts(browser: Chromium, made: Made) -> None:
    browser.send("Emulation.setScriptExecutionDisabled", value=True)
    try:
        _open(browser, made, "questions.html")
        assert browser.run("[...document.querySelectorAll('section')].filter(s => s.offsetHeight > 0).length") == 6
        assert browser.run("document.querySelector('.controls').offsetHeight") == 0, "they need scripts"
    finally:
        browser.send("Emulation.setScriptExecutionDisabled", value=False)


def test_it_is_a_static_space(made: Made) -> None:
    head = (made.site / "README.md").read_text(encoding="utf-8").split("---")[1]
    assert yaml.safe_load(head) | {"license": ""} == {
        "title": "Board <b>of</b> tests",
        "sdk": "static",
        "app_file": "index.html",
        "pinned": False,
        "license": "",
    }


def test_equal_boards_give_equal_bytes(made: Made, tmp_path: Path) -> None:
    write_site(made.board, tmp_path / "again", "Board <b>of</b> tests")
    for path in (p for p in made.site.rglob("*") if p.is_file()):
        assert path.read_bytes() == (tmp_path / "again" / path.relative_to(made.site)).read_bytes(), path


def test_a_rebuild_takes_away_what_is_gone(made: Made, tmp_path: Path) -> None:
    write_site(made.board, tmp_path / "site")
    (tmp_path / "site" / "s" / "gone-0123456789ab.html").write_text("old")
    write_site(made.board, tmp_path / "site")
    assert not (tmp_path / "site" / "s" / "gone-0123456789ab.html").exists()


def test_every_link_holds_at_every_moment_of_a_rebuild(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = len(made.board.entries) // 2
    before = replace(made.board, entries=made.board.entries[:half])
    after = replace(made.board, entries=made.board.entries[half:])
    site = tmp_path / "site"
    write_site(before, site)
    moments = 0

    def look_and_write(path: Path, text: str) -> int:
        nonlocal moments
        moments += 1
        for page in site.rglob("*.html"):
            for link in re.findall(r'href="([^"#:]+)', page.read_text(encoding="utf-8")):
                assert (page.parent / link).is_file(), f"before {path.name} is written, {page.name} links to {link}"
        return write_page(path, text)

    monkeypatch.setattr("qreal_tasks.leaderboard.board.site.write_page", look_and_write)
    write_site(after, site)
    assert moments > len(PAGES) + 2 * (len(MODELS) - half)
    names = {f"{entry.manifest.id}{ending}" for entry in after.entries for ending in (".html", ".json")}
    assert {path.name for path in (site / "s").iterdir()} == names


def test_a_build_that_was_killed_early_is_taken_up(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    written: list[Path] = []

    def write_two(path: Path, text: str) -> int:
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(path)
        return write_page(path, text)

    with monkeypatch.context() as patched:
        patched.setattr("qreal_tasks.leaderboard.board.site.write_page", write_two)
        with pytest.raises(KeyboardInterrupt):
            write_site(made.board, site)
    require_own_folder(site, made.submissions)
    write_site(made.board, site)
    assert (site / "index.html").is_file()


def _faults(site: Path) -> list[str]:
    """Links that lead nowhere, and files that are not whole."""
    found = []
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        found += [] if text.endswith("</html>\n") else [f"{page.name} is cut off"]
        links = re.findall(r'href="([^"#:]+)', text)
        found += [f"{page.name} links to {link}" for link in links if not (page.parent / link).is_file()]
    for path in site.rglob("*.json"):
        json.loads(path.read_bytes())
    return found


@pytest.mark.slow
def test_a_kill_at_any_moment_of_a_rebuild_leaves_a_whole_site_that_the_next_build_takes_up(
    made: Made, tmp_path: Path
) -> None:
    before = replace(made.board, entries=made.board.entries[:2])
    after = replace(made.board, entries=made.board.entries[2:3])
    site, killed = tmp_path / "site", tmp_path / "killed"
    write_site(before, site)
    write_site(after, tmp_path / "expected")
    moments = 0

    def look() -> None:
        nonlocal moments
        if moments:  # before the first write nothing is new
            assert _faults(site) == []
        if moments % 16 == 5:
            shutil.copytree(site, killed / str(moments))
        moments += 1

    with at_every_moment(look):
        write_site(after, site)
    assert moments > 30
    assert any(path.name.endswith(".new") for path in killed.rglob("*")), "no kill left anything: this proves nothing"
    for folder in killed.iterdir():
        require_own_folder(folder, made.submissions)
        write_site(after, folder)
        left = tree(folder)
        assert {name: left[name] for name in left if not Path(name).name.startswith(".")} == tree(tmp_path / "expected")


def test_two_builds_of_one_site_take_turns(made: Made, tmp_path: Path) -> None:
    boards = [replace(made.board, entries=made.board.entries[number : number + 1]) for number in (0, 1)]
    threads = [threading.Thread(target=write_site, args=(board, tmp_path / "site")) for board in boards]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _faults(tmp_path / "site") == []
    (entry,) = json.loads((tmp_path / "site" / "board.json").read_bytes())["entries"]
    names = {f"{entry['id']}.html", f"{entry['id']}.json"}
    assert {path.name for path in (tmp_path / "site" / "s").iterdir()} == names
