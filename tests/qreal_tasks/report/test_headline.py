"""The numbers at the top of a report are those of its tables, in words for a newcomer."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean

import pytest
from pretend_run import write_pretend_run
from written_run import write_run

from qreal_tasks.benchmark import QUESTION_NAMES
from qreal_tasks.report.headline import Headline, list_headlines
from qreal_tasks.results.run_folder import find_results, read_run
from qreal_tasks.results.score import RunScores, score_run


def scores_of(folder: Path, resamples: int = 0) -> RunScores:
    return score_run(read_run(find_results(folder)[-1]), resamples=resamples)


def by_label(scores: RunScores) -> dict[str, Headline]:
    return {one.label: one for one in list_headlines(scores)}


@pytest.mark.slow
def test_they_are_the_numbers_of_the_tables(tmp_path: Path) -> None:
    scores = scores_of(write_pretend_run(tmp_path / "run"), resamples=20)
    found = by_label(scores)
    overall = scores.objectqa["overall"]
    trivial = fmean(max(row["acc"] or 0 for row in scores.objectqa[name].baselines.values()) for name in QUESTION_NAMES)
    accuracy = found["Accuracy above the best trivial answer"]
    assert accuracy.value == f"{100 * ((overall.metrics['acc'] or 0) - trivial):+.1f} points"
    assert f"Right answers: {overall.metrics['acc']:.3f} (".replace("0.", ".") in accuracy.about
    assert found["AUC"].value == f"{overall.metrics['auc']:.3f}"[1:]
    for name in ("realism", "plausibility"):
        metrics, ends = scores.imageqa[name].metrics, scores.imageqa[name].intervals["recall_at_50"]
        assert found[f"Flawed entities found, {name}"].value == f"{100 * (metrics['recall_at_50'] or 0):.1f} %"
        assert (
            found[f"Flawed entities found, {name}"].interval
            == f"{100 * (ends.low or 0):.1f}–{100 * (ends.high or 0):.1f} %"
        )
        assert found[f"False alarms, {name}"].value == f"{100 * (metrics['false_alarm'] or 0):.1f} %"
    assert len(found) == 6


def test_what_was_not_asked_is_left_out_and_what_is_undefined_is_no_number(tmp_path: Path) -> None:
    found = by_label(scores_of(write_run(tmp_path / "run")))
    # Two of five right, and three of five references are No.
    assert found["Accuracy above the best trivial answer"].value == "-20.0 points"
    assert "Right answers: .400." in found["Accuracy above the best trivial answer"].about
    assert "better: .600." in found["Accuracy above the best trivial answer"].about
    assert found["False alarms, realism"].value == "N/A"
    assert "0 clean images" in found["False alarms, realism"].about
    assert "3 flawed images" in found["Flawed entities found, realism"].about
    assert not any("plausibility" in label for label in found)
