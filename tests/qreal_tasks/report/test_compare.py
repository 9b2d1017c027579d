"""``qreal compare``: what may be compared, and with which numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner
from written_run import groundings, write_run

from qreal_tasks.cli import app
from qreal_tasks.records import GroundingRecord
from qreal_tasks.report.compare import CompareError, compare_runs
from qreal_tasks.report.run_folder import Run, find_results, read_run


def scored(score: float | None, judge: str) -> list[GroundingRecord]:
    """The three images, two of which have one matched pair each."""
    return [
        replace(record, scores=(score,) * min(len(record.predicted), len(record.reference)), judge=judge)
        for record in groundings()
    ]


def run_of(folder: Path, records: list[GroundingRecord]) -> Run:
    return read_run(find_results(write_run(folder, records))[-1])


def test_the_difference_of_two_runs_of_one_judge(tmp_path: Path) -> None:
    a, b = run_of(tmp_path / "a", scored(0.75, "j 1")), run_of(tmp_path / "b", scored(0.5, "j 1"))
    rows = compare_runs(a, b, resamples=200).differences["realism"]
    assert rows["llm_score"].value == pytest.approx(0.25)
    # joint_score: the pair with IoU 1 counts, the one with IoU .5 does not: (.75 - .5) / 3 regions
    assert rows["joint_score"].value == pytest.approx(0.25 / 3)
    assert rows["iou"].value == 0


def test_different_judges_are_refused_unless_told(tmp_path: Path) -> None:
    folders = [write_run(tmp_path / name, scored(0.5, f"{name} 0123")) for name in ("a", "b")]
    arguments = ["compare", *map(str, folders), "--resamples", "50"]
    refused = CliRunner().invoke(app, arguments)
    assert refused.exit_code == 1
    assert "a 0123" in refused.output
    assert "b 0123" in refused.output
    assert "--any-judge" in refused.output
    allowed = CliRunner().invoke(app, [*arguments, "--any-judge"])
    assert allowed.exit_code == 0, allowed.output
    assert "LLM-Score" in allowed.output


def test_a_run_without_a_judge_is_compared_in_the_rest(tmp_path: Path) -> None:
    a, b = run_of(tmp_path / "a", scored(0.5, "j")), run_of(tmp_path / "b", groundings())
    rows = compare_runs(a, b, resamples=50).differences["realism"]
    assert rows["llm_score"].value is None
    assert rows["iou"].value == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda record: replace(record, data="org/other"), "org/other"),
        (lambda record: replace(record, prompt_version="9"), "9"),
        (lambda record: replace(record, image_id=record.image_id + "x"), "i0"),
    ],
)
def test_runs_that_mean_different_things_are_refused(
    tmp_path: Path, change: Callable[[GroundingRecord], GroundingRecord], said: str
) -> None:
    a = run_of(tmp_path / "a", groundings())
    b = run_of(tmp_path / "b", [change(record) for record in groundings()])
    a, b = (replace(run, tasks=run.tasks[1:]) for run in (a, b))
    with pytest.raises(ValueError, match=said):
        compare_runs(a, b, resamples=50)
    assert issubclass(CompareError, ValueError)
