"""``qreal screen calibrate`` on the embedded set, with a run whose probabilities are made up from its labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from screened import ASKED, make_refused, make_screened, write_screened
from typer.testing import CliRunner

from qreal_tasks.benchmark import Dimension
from qreal_tasks.dataset.loading import load_split
from qreal_tasks.dataset.source import locate
from qreal_tasks.images import pixels_digest
from qreal_tasks.screening.calibration import fit
from qreal_tasks.screening.calibration.command import calibrate_command, read_goals
from qreal_tasks.screening.calibration.labels import label_rows
from qreal_tasks.screening.calibration.record import load_calibration
from qreal_tasks.screening.rows import ScreeningRow, read_rows

pytestmark = pytest.mark.slow  # opens the embedded set


@pytest.fixture(scope="module")
def labelled() -> list[dict[str, Any]]:
    return list(load_split(locate("mini"), "imageqa", "train").remove_columns("image"))


def _rows(labelled: list[dict[str, Any]], name: str = "{}", noise: float = 1.0) -> Iterator[ScreeningRow]:
    rng = np.random.default_rng(0)
    for row in labelled:
        p: dict[str, Any] = {}
        for one in Dimension:
            flawed = any(entity[f"{one}_flawed"] for entity in row["entities"])
            p[f"p_{one}"] = float(1 / (1 + np.exp(-(4 * flawed - 2 + noise * rng.normal()))))
        yield make_screened(name.format(row["image_id"]), width=row["width"], height=row["height"], **p)


def _run(*arguments: object) -> Any:
    app = typer.Typer()
    app.command()(calibrate_command)
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_a_file_is_written_and_the_numbers_are_shown(
    labelled: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "FEWEST_OF_EACH", 10)
    out = write_screened(tmp_path / "run", [*_rows(labelled, "a/{}.png"), make_refused("broken.png", "damaged")])
    to = tmp_path / "c.json"
    common = (out, "--data", "mini", "--split", "train", "--to", to, "--resamples", 200)
    found = _run(*common, "--precision", ".9", "--recall", "plausibility=.8")
    assert found.exit_code == 0, found.output
    calibration = load_calibration(to)
    assert calibration.model == ASKED
    assert (calibration.data.name, calibration.data.split, calibration.data.is_drawn) == ("mini", "train", True)
    assert calibration.data.images == len(labelled)
    assert calibration.dimensions[Dimension.REALISM].goal == "precision"
    assert calibration.dimensions[Dimension.PLAUSIBILITY].goal == "recall"
    assert calibration.dimensions[Dimension.PLAUSIBILITY].recall.value >= 0.8
    assert "reliability, ECE" in found.output
    assert "drawn by this project" in found.output


def test_a_goal_out_of_reach_writes_nothing_and_says_what_is_in_reach(
    labelled: list[dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fit, "FEWEST_OF_EACH", 10)
    out = write_screened(tmp_path / "run", _rows(labelled, noise=6.0))
    to = tmp_path / "c.json"
    found = _run(out, "--data", "mini", "--split", "train", "--to", to, "--resamples", 100, "--precision", "1")
    assert found.exit_code == 1
    assert "no threshold reaches a precision of 1.000: the highest is " in found.output
    assert not to.exists()


def test_few_labels_write_nothing(labelled: list[dict[str, Any]], tmp_path: Path) -> None:
    out, to = write_screened(tmp_path / "run", _rows(labelled)), tmp_path / "c.json"
    found = _run(out, "--data", "mini", "--split", "train", "--to", to, "--resamples", 100, "--precision", ".9")
    assert found.exit_code == 1
    assert "plausibility: 77 flawed and 13 clean images, expected at least 20 of each" in found.output
    assert not to.exists()


def test_images_under_other_names_are_found_by_their_pixels(tmp_path: Path) -> None:
    data = load_split(locate("mini"), "imageqa", "train")
    rows = []
    for number in range(4):
        row = data[number]
        pixels = pixels_digest(row["image"].convert("RGB"))
        rows.append(make_screened(f"other/{number}.png", width=row["width"], height=row["height"], pixels=pixels))
    rows.append(make_screened(data[5]["image_id"], width=9, height=9))  # the name alone is not enough
    found = label_rows(read_rows(write_screened(tmp_path / "run", rows)), locate("mini"), "train")
    assert (found.n_matched, found.n_rows, found.n_labels) == (4, 5, len(data))


def test_another_dataset_is_refused(tmp_path: Path) -> None:
    out = write_screened(tmp_path / "run", [make_screened("somewhere/else.png")])
    found = _run(out, "--data", "mini", "--to", tmp_path / "c.json", "--precision", ".9")
    assert found.exit_code == 1
    assert "none of the 1 judged images" in found.output
    assert "somewhere/else.png" in found.output


@pytest.mark.parametrize(
    ("precision", "recall", "message"),
    [
        ([], [], "no goal for realism and plausibility"),
        (["realism=.9"], [], "no goal for plausibility"),
        ([".9"], [".9"], "two goals"),
        (["beauty=.9"], [], "no dimension 'beauty'"),
        (["90"], [], "found '90', expected a number above 0 and up to 1"),
        (["nan"], [], "found 'nan'"),
        (["realism=.9"], ["realism=.8"], "realism has two goals"),
    ],
)
def test_goals_that_mean_nothing_are_refused(precision: list[str], recall: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_goals(precision, recall)
