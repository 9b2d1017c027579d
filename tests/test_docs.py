"""The README and the pages: short, linked to what is there, in step with the code, and readable without a network."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from chromium import Chromium
from documented import PAGES, ROOT
from draw_example import main as draw_example
from PIL import Image
from write_glossary import PAGE, fill_tables

README = ROOT / "README.md"
PAPER = ROOT / "qreal_tasks" / "leaderboard" / "board" / "paper.json"
_LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")


def test_the_tables_of_the_results_are_those_of_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == fill_tables(page), "run: python tools/write_glossary.py"


def test_a_table_without_its_marks_is_named() -> None:
    with pytest.raises(ValueError, match="<!-- objectqa -->"):
        fill_tables("# A page without tables\n")


def test_the_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= 150


def test_the_readme_quotes_the_paper_as_it_is() -> None:
    paper = json.loads(PAPER.read_text(encoding="utf-8"))
    rows = [line.strip("| ").split(" | ") for line in README.read_text(encoding="utf-8").splitlines()]
    table = {row[0]: row[1:] for row in rows if row[0] in paper["table2_imageqa"]["realism"]}
    assert table.keys() == paper["table2_imageqa"]["realism"].keys()
    for model, cells in table.items():
        accuracies = [question.get(model, {}).get("acc") for question in paper["table1_objectqa"].values()]
        boxes = [
            paper["table2_imageqa"][one][model][metric]
            for one in ("realism", "plausibility")
            for metric in ("iou", "detection_rate", "llm_score")
        ]
        assert [None if cell == "–" else float(cell) for cell in cells] == [*accuracies, *boxes], model


def test_the_example_of_the_readme_is_drawn(tmp_path: Path) -> None:
    drawn = tmp_path / "example.png"
    draw_example([str(drawn)])
    with Image.open(drawn) as new, Image.open(ROOT / "docs" / "example.png") as shown:
        assert new.width == shown.width
        corner = (0, 0, 500, 180)  # of the picture, above all boxes: whoever answered
        assert new.crop(corner).tobytes() == shown.convert(new.mode).crop(corner).tobytes()


def test_an_entity_that_was_not_found_is_no_crop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        draw_example([str(tmp_path / "example.png"), "--crop", "3"])
    assert "--crop 3: 2 entities were found in picture 37" in capsys.readouterr().err


def test_every_benchmark_is_in_the_table() -> None:
    folder = ROOT / "tests" / "benchmarks"
    table = (folder / "README.md").read_text(encoding="utf-8")
    assert [script.name for script in folder.glob("*.py") if f"`{script.name}" not in table] == []


def _anchors(text: str) -> set[str]:
    """Of a page's headings."""
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name, anchor in _LINK.findall(text):
        target = page.parent / name if name else page
        assert target.exists(), f"{page.name} links to {name}"
        if anchor:
            assert anchor in _anchors(target.read_text(encoding="utf-8")), f"{page.name} links to {name}#{anchor}"


class _Loaded(HTMLParser):
    """Addresses that a page loads as it is shown; links are not among them."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag in ("script", "img", "iframe", "source", "video", "audio", "embed"):
            self.addresses.append(found.get("src") or "")
        if tag == "link" and found.get("rel") not in ("canonical", "next", "prev"):
            self.addresses.append(found.get("href") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages as `make docs` builds them; links or anchors that lead nowhere end it."""
    if importlib.util.find_spec("mkdocs") is None:
        pytest.skip("MkDocs is not installed: it is in the extra docs")
    folder = tmp_path_factory.mktemp("docs") / "site"
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_the_site_has_every_page_and_loads_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert {page.stem for page in pages} >= {path.stem for path in (ROOT / "docs").glob("*.md")}
    for page in pages:
        reader = _Loaded()
        reader.feed(page.read_text(encoding="utf-8"))
        far = [one for one in reader.addresses if re.match(r"(?:\w+:)?//", one)]
        assert not far, f"{page.name} loads {far[0]}"
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(?:\w+:)?//", style.read_text(encoding="utf-8")), style.name


@pytest.mark.slow
def test_one_can_search_on_the_disk(site: Path) -> None:
    with Chromium() as browser:
        _search(browser, site / "index.html", "detection rate", "Read the results")


def _search(browser: Chromium, page: Path, words: str, expected: str) -> None:
    browser.go(page.as_uri())
    browser.run("document.querySelector('.md-search__input').focus()")
    browser.write(words)
    browser.wait("document.querySelectorAll('.md-search-result__item').length > 0")
    assert expected in browser.run("document.querySelector('.md-search-result').textContent")
    assert (browser.trouble, browser.left) == ([], [])
