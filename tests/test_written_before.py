"""Folders that an earlier version of this project wrote are read, and go on, as they are.

Calls, judgements and batches have tests of their own beside the code that reads them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from submitted import small_references
from typer.testing import CliRunner

from annotation.commands import annotate_app
from annotation.execution.driver import RunOptions, Watcher, run_stages
from annotation.merging.merged_file import merged_path
from annotation.run.folder import RunFolder
from qreal_tasks.leaderboard.submission.check import check_submission
from qreal_tasks.results.run_folder import find_results, read_run
from qreal_tasks.results.score import find_differences, score_run
from qreal_tasks.shards.parquet_files import read_recipe, read_table

WRITTEN = Path(__file__).parent / "written_before"
ROOT = Path(__file__).parents[1]


def test_a_results_folder() -> None:
    """Read in place: every number that its run reported comes out again."""
    run = read_run(find_results(WRITTEN / "results")[-1])
    assert len(run.tasks) == 9
    assert all(len(task.records) == 2 for task in run.tasks)
    assert find_differences(run, score_run(run, resamples=0)) == []


def test_a_submission() -> None:
    found = check_submission(WRITTEN / "submission", small_references(), resamples=200)
    assert found.problems == ()


def test_an_annotation_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stages that are made anew ask nothing, since there is no such server, and hold the same; so do merged votes."""
    monkeypatch.chdir(ROOT)  # the config names the detector by a path of the repository
    run = RunFolder(Path(shutil.copytree(WRITTEN / "annotation", tmp_path / "run")))
    detected = (run.path / "shards/detection/000000.parquet").stat().st_mtime_ns
    made_anew = ("entities", "quality", "judgment", "parts", "merge", "drafts", "imageqa", "objectqa")
    for stage in made_anew:
        shutil.rmtree(run.path / "shards" / stage)
    run_stages(run, RunOptions(), Watcher())
    assert (run.path / "shards/detection/000000.parquet").stat().st_mtime_ns == detected
    merged_path(run).unlink()
    done = CliRunner().invoke(annotate_app, ["verify", "merge", str(run.path)])
    assert done.exit_code == 0, done.output
    for name in (*(f"shards/{stage}/000000.parquet" for stage in made_anew), "verification/merged.parquet"):
        now, before = run.path / name, WRITTEN / "annotation" / name
        assert read_table(now).equals(read_table(before)), name
        assert read_recipe(now) == read_recipe(before), name


@pytest.mark.harness
def test_stored_answers(tmp_path: Path) -> None:
    """A run that has all its answers asks nothing: there is no such server."""
    store = shutil.copy(WRITTEN / "answers.sqlite", tmp_path)
    arguments = f"model=scripted,base_url=http://127.0.0.1:34945/v1,store={store}"
    before = read_run(find_results(WRITTEN / "results")[-1])
    command = [str(Path(sys.executable).parent / "qreal"), "eval", "--model", "qreal_openai", "--model_args", arguments]
    done = subprocess.run(
        [*command, "--limit", "2", "--output_path", str(tmp_path / "results")],
        env={**os.environ, "QREAL_BOX_SPACE": "norm1000"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    now = read_run(find_results(tmp_path / "results")[-1])
    assert [task.records for task in now.tasks] == [task.records for task in before.tasks]
