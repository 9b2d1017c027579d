"""``qreal score --html``: the page's numbers are those of ``score_run``, and whatever a run says is text."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pretend_run import HOSTILE, hostile_run, pretend_tasks, write_pretend_run
from typer.testing import CliRunner, Result
from written_run import groundings, write_run, write_tasks

from qreal_tasks.cli import app
from qreal_tasks.pages.numbers import decimals, interval, whole
from qreal_tasks.records import JudgmentRecord, Region
from qreal_tasks.results.run_folder import find_results, read_run
from qreal_tasks.results.score import RunScores, score_run

pytestmark = pytest.mark.slow

RESAMPLES = "50"


@dataclass
class Page(HTMLParser):
    """Names of the elements, texts of the cells that carry a metric, and all text."""

    content: str
    elements: list[str] = field(default_factory=list)
    attributes: list[str] = field(default_factory=list)
    cells: dict[tuple[str, str, str], str] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._cell: tuple[str, str, str] | None = None
        self.feed(self.content)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += [name for name, _ in attrs]
        about = dict(attrs)
        if tag == "td" and "data-metric" in about:
            kind = "row" if "data-row" in about else "all"
            self._cell = (kind, about[f"data-{kind}"] or "", about["data-metric"] or "")
            # ObjectQA shows a metric with both polarities; they must agree.
            self.cells.setdefault(self._cell, "")
        if tag == "span" and self._cell and about.get("class") == "interval":
            self.cells[self._cell] += "|"

    def handle_endtag(self, tag: str) -> None:
        if tag == "td":
            self._cell = None

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self._cell:
            self.cells[self._cell] += data


def report(run: Path, *arguments: str) -> tuple[Result, Page]:
    html = run.parent / "report.html"
    done = CliRunner().invoke(app, ["score", str(run), "--resamples", RESAMPLES, "--html", str(html), *arguments])
    return done, Page(html.read_text(encoding="utf-8"))


def scores_of(run: Path) -> RunScores:
    return score_run(read_run(find_results(run)[-1]), resamples=int(RESAMPLES))


@pytest.fixture(scope="module")
def pretend(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pretend_run(tmp_path_factory.mktemp("pretend") / "run")


def test_every_number_is_that_of_score_run(pretend: Path) -> None:
    done, page = report(pretend, "--gallery", "0")
    assert done.exit_code == 0, done.output
    scores = scores_of(pretend)
    tables = {"objectqa": scores.objectqa, "imageqa": scores.imageqa}
    rows = {f"{table}/{name}": group for table, groups in tables.items() for name, group in groups.items()}
    for (kind, row, metric), shown in page.cells.items():
        group = rows[row]
        if metric not in group.metrics:
            assert shown == "", (row, metric)
            continue
        value = group.metrics[metric]
        count = metric == "n" or metric.startswith("n_")
        ends = interval(group.intervals.get(metric))
        expected = whole(value) if count else decimals(value) + (f"|{ends}" if ends else "")
        # A metric that stands in both ObjectQA tables is written twice.
        assert shown in (expected, expected * 2), (kind, row, metric)
    shown_all = {(row, metric) for kind, row, metric in page.cells if kind == "all"}
    assert shown_all >= {(row, metric) for row, group in rows.items() for metric in group.metrics}
    in_tables = {(row, metric) for kind, row, metric in page.cells if kind == "row"}
    for metric in ("acc", "precision", "f1", "auc", "f1_defect"):
        assert ("objectqa/plausibility_q4", metric) in in_tables
    for metric in ("iou", "detection_rate", "auc", "llm_score", "f1_at_50", "joint_score"):
        assert ("imageqa/human_plausibility", metric) in in_tables


def test_the_page_needs_nothing_from_outside(pretend: Path) -> None:
    _, page = report(pretend, "--gallery", "4")
    addresses = re.findall(r"(?:src|href|action|data|poster|srcset)=[\"']([^\"']*)", page.content)
    assert addresses
    assert all(address.startswith(("#", "data:image/jpeg;base64,")) for address in addresses)
    assert not re.search(r"@import|url\(|<link|<script", page.content)
    assert page.content.count("data:image/jpeg") == 8


def test_pictures_are_bounded_and_their_size_is_said(pretend: Path) -> None:
    done, page = report(pretend, "--gallery", "5")
    assert re.search(r"Report: .* \((\d+) pictures, 0\.\d MB\)", done.output), done.output
    assert page.elements.count("article") == 10
    done, page = report(pretend, "--gallery", "0")
    assert "0 pictures" in done.output
    assert "img" not in page.elements


def test_without_the_dataset_the_reason_stands_where_the_pictures_would_be(tmp_path: Path) -> None:
    run = write_pretend_run(tmp_path / "run", data=str(tmp_path / "gone"))
    done, page = report(run)
    assert done.exit_code == 0, done.output
    assert "pictures are missing: the dataset cannot be read" in done.output
    assert "img" not in page.elements
    assert " ".join(page.text).count("No picture: the dataset cannot be read") > 20
    done, page = report(run, "--data", "mini", "--gallery", "3")
    assert page.elements.count("img") == 6


def test_a_dataset_without_these_images_is_no_reason_to_fail(
    tmp_path: Path, small_dataset: Callable[..., Path]
) -> None:
    done, page = report(write_pretend_run(tmp_path / "run"), "--data", str(small_dataset()), "--gallery", "2")
    assert done.exit_code == 0, done.output
    assert "not in the test split" in " ".join(page.text)


def test_whatever_a_run_says_is_text(tmp_path: Path, pretend: Path) -> None:
    done, page = report(hostile_run(tmp_path / "hostile"), "--data", "mini")
    assert done.exit_code == 1  # texts and boxes were changed, and that is said
    assert "differ from the live run's" in " ".join(page.text)
    assert "script" not in page.elements
    assert not [name for name in page.attributes if name.startswith("on")]
    assert set(page.elements) <= {*report(pretend)[1].elements, "div", "details", "summary", "ul", "li"}
    assert "".join(page.text).count(HOSTILE) > 100


def test_what_is_missing_from_a_run_is_missing_from_its_page(tmp_path: Path) -> None:
    done, page = report(write_run(tmp_path / "run"))
    assert done.exit_code == 0, done.output
    text = " ".join(page.text)
    for piece in ("1 answer held nothing to read", "These numbers are on  mini :", "asks one", "N/A"):
        assert piece in text
    assert "Portraits apart" not in text


def test_a_run_without_p_yes_has_no_curves(tmp_path: Path) -> None:
    tasks = {
        task: [replace(record, p_yes=None, mass=None) for record in records if isinstance(record, JudgmentRecord)]
        for task, records in pretend_tasks().items()
        if "objectqa" in task
    }
    done, page = report(write_tasks(tmp_path / "run", tasks))
    assert done.exit_code == 0, done.output
    text = " ".join(page.text)
    assert text.count("The backend gave no P(Yes).") == 12
    assert "None shown" in text


def test_a_page_that_cannot_be_written_is_an_error(pretend: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["score", str(pretend), "--resamples", "0", "--html", str(tmp_path / "no" / "x.html")]
    )
    assert done.exit_code == 1
    assert "No such file or directory" in done.output


def test_an_answer_of_thousands_of_boxes_does_not_fill_the_page(tmp_path: Path) -> None:
    flood = tuple(Region("dog" * 500, (float(n % 9), 0.0, 10.0, 10.0), "flat " * 2000) for n in range(1500))
    records = [replace(record, predicted=flood) for record in groundings()]
    _, page = report(write_run(tmp_path / "run", records))
    assert len(page.content) < 400_000
    assert "and 1470 more that are not shown" in " ".join(page.text)
