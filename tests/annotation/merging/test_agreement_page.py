"""The page of agreement: escaped, without network, readable on a phone, and its numbers are the JSON's."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from chromium import Chromium
from typer.testing import CliRunner
from verified_run import PEOPLE, write_verified_run

from annotation.commands import annotate_app
from annotation.merging.agreement import measure_agreement
from annotation.merging.agreement_page import report_to_json, write_agreement
from annotation.merging.ballot import load_ballot
from annotation.merging.forms import DraftForm
from annotation.run.folder import RunFolder
from qreal_tasks.benchmark import QUESTION_NAMES


def result(place: int, drafted: DraftForm, who: str) -> dict[str, Any] | None:
    """Everybody errs now and then; nobody ever sees garbled text."""
    chance = random.Random(f"{place} {who}")
    if chance.random() < 0.05:
        return {"drop": "too small"}
    answers = {
        name: {"Yes": "No", "No": "Yes"}[answer] if chance.random() < 0.15 else answer
        for name, answer in drafted.answers.items()
    }
    edit = {"realism": f"{drafted.descriptions['realism']} More."} if chance.random() < 0.2 else {}
    return answers | {"plausibility_q4": "No"} | edit


@pytest.fixture(scope="module")
def voted(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return write_verified_run(tmp_path_factory.mktemp("voted"), 24, result)


def written(run: RunFolder, folder: Path, name: str = "a run") -> Path:
    ballot = load_ballot(run)
    return write_agreement(measure_agreement(ballot.forms, ballot.votes, resamples=200), {"final": 1}, name, folder)[0]


def test_the_command_writes_both_and_alpha_never_stands_without_prevalence(voted: RunFolder) -> None:
    done = CliRunner().invoke(annotate_app, ["verify", "report", str(voted.path)])
    assert done.exit_code == 0, done.output
    data = json.loads((voted.path / "verification" / "agreement.json").read_text())
    assert [question["name"] for question in data["questions"]] == [*QUESTION_NAMES, "drop"]
    garbled = data["questions"][5]
    assert (garbled["alpha"]["value"], garbled["prevalence"]["value"]) == (None, 0.0)
    assert all("prevalence" in question for question in data["questions"])
    assert 0 < data["questions"][0]["alpha"]["low"] < data["questions"][0]["alpha"]["high"] < 1
    assert [one["name"] for one in data["annotators"]] == list(PEOPLE)
    html = (voted.path / "verification" / "agreement.html").read_text()
    for question in data["questions"]:
        value = question["percent_agreement"]["value"]
        assert (f"{value:.3f}".lstrip("0") if value < 1 else "1.000") in html


def test_names_are_text(voted: RunFolder, tmp_path: Path) -> None:
    html = written(voted, tmp_path, "<script>alert(1)</script>").read_text()
    assert "<script" not in html


@pytest.mark.slow
def test_in_a_browser(voted: RunFolder, tmp_path: Path) -> None:
    page = written(voted, tmp_path)
    with Chromium() as browser:
        for width, theme in ((1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")):
            browser.resize(width, 900, mobile=width < 500)
            browser.theme(theme)
            browser.go(page.as_uri())
            browser.picture(tmp_path / f"{width}-{theme}.png", whole=True)
            assert browser.run("document.documentElement.scrollWidth <= window.innerWidth"), (width, theme)
        assert browser.run("[...document.querySelectorAll('table th')].every(cell => cell.scope)")
        assert browser.run("document.querySelectorAll('tbody tr').length") == 7 + 2 * len(PEOPLE)
        assert (browser.trouble, browser.left) == ([], [])


def test_json_has_null_for_what_is_undefined(voted: RunFolder) -> None:
    ballot = load_ballot(voted)
    result = report_to_json(measure_agreement(ballot.forms, {}, resamples=50), {})
    assert result["questions"][0]["percent_agreement"] == {"value": None, "low": None, "high": None}
