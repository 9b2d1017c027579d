"""``qreal compare --html``: the numbers of the comparison, text as text, and a page that holds in a browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from chromium import Chromium
from pretend_run import HOSTILE, hostile_run, write_pretend_run
from typer.testing import CliRunner

from qreal_tasks.cli import app
from qreal_tasks.pages.numbers import decimals, interval
from qreal_tasks.report.compare_page import write_comparison
from qreal_tasks.results.compare import TESTED, compare_runs
from qreal_tasks.results.conclusion import list_conclusions
from qreal_tasks.results.run_folder import find_results, read_run

CELL = re.compile(r'data-pair="(\d-\d)" data-row="([^"]*)" data-metric="(\w+)">(.*?)</td>')


@pytest.mark.slow
def test_every_difference_is_that_of_the_comparison(tmp_path: Path) -> None:
    folders = [write_pretend_run(tmp_path / name, seed, model=name) for seed, name in enumerate("abc")]
    html = tmp_path / "compare.html"
    done = CliRunner().invoke(app, ["compare", *map(str, folders), "--resamples", "100", "--html", str(html)])
    assert done.exit_code == 0, done.output
    runs = [read_run(find_results(folder)[-1]) for folder in folders]
    comparison = compare_runs(runs, resamples=100)
    expected = {}
    for name, pair in zip(("1-0", "2-0"), comparison.shown, strict=True):
        for table, metrics in TESTED.items():
            for row, found in pair.findings(table).items():
                for metric in metrics:
                    if metric in found and found[metric].difference.value is not None:
                        d = found[metric].difference
                        expected[name, f"{table}/{row}", metric] = decimals(d.value) + interval(d)
    shown = {
        (pair, row, metric): re.sub(r"<.*?>", "", text)
        for pair, row, metric, text in CELL.findall(html.read_text(encoding="utf-8"))
    }
    assert shown == expected
    assert len(shown) == comparison.family
    page = html.read_text(encoding="utf-8")
    assert "<h1>b and c against a</h1>" in page
    first = page.index('id="conclusion"')
    assert first < page.index(f'<p class="conclusion">{list_conclusions(comparison)[0]}</p>') < page.index('id="runs"')


@pytest.mark.slow
def test_the_page_holds_in_a_browser_whatever_the_runs_say(tmp_path: Path) -> None:
    runs = [read_run(find_results(hostile_run(tmp_path / name))[-1]) for name in "ab"]
    html = tmp_path / "compare.html"
    write_comparison(compare_runs(runs, resamples=20), html)
    with Chromium() as browser:
        for theme in ("light", "dark"):
            browser.theme(theme)
            for width in (1280, 390):
                browser.resize(width, 844, mobile=width == 390)
                browser.go(html.as_uri())
                browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
                wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
                assert browser.run(wide) == 0, (theme, width)
        assert browser.run("document.scripts.length") == 0
        assert browser.run("window.pwned === undefined")
        assert browser.run("document.querySelector('.runs').innerText").count(HOSTILE[:30]) == 4
        for link in browser.run("[...document.querySelectorAll('nav.sections a')].map(a => a.hash)"):
            assert browser.run(f"document.querySelectorAll('{link}').length") == 1, link
        assert browser.trouble == []
        assert browser.left == []
