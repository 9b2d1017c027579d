"""``qreal demo``: the shipped model beside answers that need no model."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from qreal_tasks.benchmark import QUESTION_NAMES
from qreal_tasks.cli import app
from qreal_tasks.results.run_folder import newest_results, read_run
from qreal_tasks.results.score import score_run

pytestmark = pytest.mark.slow


def test_the_demonstration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QREAL_DATA", "mini")
    folder = tmp_path / "demo"
    done = CliRunner(env={"COLUMNS": "100"}).invoke(app, ["demo", "--folder", str(folder)])
    assert done.exit_code == 0, done.output
    assert "qreal_objectqa_realism_q1 " not in done.output, "the table of the harness"
    assert "mini against always Yes: answers are right more often on 6 of 6 questions" in " ".join(done.output.split())
    assert f"qreal compare {folder / 'always-Yes'}" in done.output
    assert (folder / "report.html").stat().st_size > 100_000
    model, trivial = (
        score_run(read_run(newest_results(folder / name)), resamples=0) for name in ("mini", "always-Yes")
    )
    assert len(model.rows) == 9
    for name in QUESTION_NAMES:
        assert model.objectqa[name].metrics["auc"] is not None
        assert trivial.objectqa[name].metrics["recall"] == 1
    again = CliRunner().invoke(app, ["demo", "--folder", str(folder)])
    assert again.exit_code == 0, again.output
