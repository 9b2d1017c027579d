"""The page at the end of the tour, on runs that are there already."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from pretend_run import write_pretend_run

from qreal_tasks.dataset.drawn import MINI_FOLDER
from qreal_tasks.steps.records import StepRecords
from qreal_tasks.tour.figures import collect_figures
from qreal_tasks.tour.index_page import write_index
from qreal_tasks.tour.plan import RUNS, TourPlaces, plan_tour

SKILLS = {"worse": 0.0, "tuned": 1.0, "shipped": 1.4}


@pytest.fixture(scope="module")
def toured(tmp_path_factory: pytest.TempPathFactory) -> TourPlaces:
    """A folder as after a tour, with pretended runs."""
    at = TourPlaces(tmp_path_factory.mktemp("tour"))
    steps = plan_tour(at.folder)
    records = StepRecords(at.folder)
    records.path("").parent.mkdir()
    for step in steps:
        for path in step.makes:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch() if path.suffix else path.mkdir(exist_ok=True)
        records.write(step, 61)
    for run in RUNS:
        write_pretend_run(at.run(run), seed=1, skill=SKILLS[run])
    for place in (at.data, at.annotation / "dataset"):
        shutil.copytree(MINI_FOLDER, place, dirs_exist_ok=True)
    at.screening.mkdir(exist_ok=True)
    rows = [
        {"state": "judged", "p_realism": 0.9, "p_plausibility": 0.2},
        {"state": "judged", "p_realism": 0.4, "p_plausibility": 0.8},
        {"state": "unread", "p_realism": None, "p_plausibility": 0.7},
    ]
    (at.screening / "images.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    for path in (at.board / "index.html", at.screening / "index.html"):
        path.write_text("<p>", encoding="utf-8")
    write_index(at.folder, steps)
    return at


def test_figures_are_those_of_the_runs(toured: TourPlaces) -> None:
    figures = collect_figures(toured)
    worse, tuned, shipped = figures.models
    assert [one.name for one in figures.models] == ["Model with noise", "Fine-tuned model", "Shipped model"]
    for better, than in ((tuned, worse), (shipped, tuned)):
        assert (better.accuracy.value or 0) > (than.accuracy.value or 1)
        assert (better.auc.value or 0) > (than.auc.value or 1)
    assert worse.accuracy.interval is not None
    assert figures.trivial > 0.5
    assert figures.tuned_conclusion.startswith(
        "The fine-tuned model against the model with noise: answers are right more often on"
    )
    assert figures.screening is not None
    assert (figures.screening.images, figures.screening.judged) == (3, 2)
    assert figures.screening.flawed == {"realism": 1, "plausibility": 2}


def test_every_link_leads_to_a_file_and_every_page_is_linked(toured: TourPlaces) -> None:
    page = (toured.folder / "index.html").read_text(encoding="utf-8")
    links = [link for link in re.findall(r'href="([^"]+)"', page) if not link.startswith("#")]
    assert all((toured.folder / link).is_file() for link in links)
    made = {"board/index.html", "screening/index.html"} | {f"pages/{run}.html" for run in RUNS}
    assert made | {"pages/tuned-against-worse.html", "pages/shipped-against-worse.html"} <= set(links)
    anchors = set(re.findall(r'href="#([^"]+)"', page))
    assert anchors <= set(re.findall(r'id="([^"]+)"', page))


def test_the_page_says_what_ran_and_how_long(toured: TourPlaces) -> None:
    page = (toured.folder / "index.html").read_text(encoding="utf-8")
    steps = plan_tour(toured.folder)
    assert page.count("1:01 min") == len(steps)
    assert all(f'<th scope="row">{step.name}</th>' in page for step in steps)
    assert "Drawn pictures." in page
    assert str(toured.folder) not in page.split('id="steps"')[0]


@pytest.mark.slow
@pytest.mark.parametrize("width", [390, 820, 1280])
def test_nothing_is_wider_than_the_window(toured: TourPlaces, width: int) -> None:
    from chromium import Chromium

    with Chromium(width=width) as browser:
        browser.go((toured.folder / "index.html").as_uri())
        assert browser.run("document.documentElement.scrollWidth") <= width
        assert browser.trouble == []
        assert browser.left == []
