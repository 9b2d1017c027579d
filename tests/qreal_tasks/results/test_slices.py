"""Parts of a run are scored as runs of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from pretend_run import write_pretend_run

from qreal_tasks.metrics.grounding import score_grounding
from qreal_tasks.metrics.judgment import score_judgment
from qreal_tasks.results.run_folder import Run, find_results, read_run
from qreal_tasks.results.score import score_run
from qreal_tasks.results.slices import build_heatmap, score_portraits_apart, select_records


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder: Path = write_pretend_run(tmp_path_factory.mktemp("run"))
    return read_run(find_results(folder)[-1])


@pytest.mark.slow
def test_cells_are_the_metrics_of_the_generator_alone(run: Run) -> None:
    scores = score_run(run, resamples=0)
    heatmap = build_heatmap(scores)
    assert len(heatmap.columns) == 9
    assert len(heatmap.rows) == 10
    assert sum(heatmap.images.values()) == 60
    cells = dict(zip(heatmap.columns, heatmap.rows["pretend-elm"], strict=True))
    mine = [r for r in run.judgments("plausibility_q2") if r.generator == "pretend-elm"]
    accuracy = score_judgment(mine)["acc"]
    whole = scores.objectqa["plausibility_q2"].metrics["acc"]
    assert accuracy is not None
    assert whole is not None
    assert cells["plausibility_q2"].value == accuracy
    assert cells["plausibility_q2"].n == len(mine)
    assert cells["plausibility_q2"].lead == pytest.approx(accuracy - whole)
    boxes = [r for r in run.groundings("realism") if r.generator == "pretend-elm"]
    assert cells["realism"].value == score_grounding(boxes)["f1_at_50"]


def test_counts_of_generators_add_up(run: Run) -> None:
    heatmap = build_heatmap(score_run(run, resamples=0))
    for place, name in enumerate(heatmap.columns[:6]):
        assert sum(cells[place].n for cells in heatmap.rows.values()) == len(run.judgments(name))


def test_portraits_and_the_rest_share_out_the_samples(run: Run) -> None:
    parts = score_portraits_apart(run, resamples=50)
    asked = [len(part.run.judgments("realism_q1")) for part in parts.values()]
    assert sum(asked) == len(run.judgments("realism_q1"))
    portraits = [r for r in run.judgments("realism_q1") if r.is_portrait]
    assert parts["portraits"].objectqa["realism_q1"].metrics["acc"] == score_judgment(portraits)["acc"]
    assert parts["portraits"].objectqa["realism_q1"].intervals["acc"].low is not None
    assert "human_plausibility" not in parts["other images"].imageqa


def test_only_portraits_need_no_table_of_their_own(run: Run) -> None:
    assert score_portraits_apart(select_records(run, lambda record: record.is_portrait), resamples=0) == {}
