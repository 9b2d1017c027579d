"""Comparisons in Python, and the sentence that they come to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import qreal_tasks as qreal
from qreal_tasks.api.comparisons import RunComparison
from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES
from qreal_tasks.pages.numbers import decimals
from qreal_tasks.results.conclusion import LEVEL

Runs = tuple[Path, Path]


@pytest.fixture(scope="module")
def compared(runs: Runs) -> RunComparison:
    return qreal.compare(qreal.load_run(runs[0]), runs[1], resamples=2_500)


@pytest.mark.parametrize(
    ("task", "metric", "names", "noun"),
    [("objectqa", "acc", QUESTION_NAMES, "6 questions"), ("imageqa", "f1_at_50", IMAGEQA_SETS, "3 sets")],
)
def test_the_sentence_counts_what_the_frame_shows(
    task: str, metric: str, names: tuple[str, ...], noun: str, compared: RunComparison
) -> None:
    frame = compared.to_pandas()
    rows = frame[(frame.task == task) & (frame.metric == metric) & frame.name.isin(names)]
    shown = rows[rows.p_corrected <= LEVEL].value
    better = shown[shown > 0]
    ends = f" (by {decimals(better.min())} to {decimals(better.max())})" if len(better) else ""
    assert (task == "objectqa") is (len(better) > 1), "the pretend runs are as they were: an end for each"
    sentence = f"is better on {len(better)} of {noun}{ends}, worse on {sum(shown < 0)}"
    assert f"{sentence}, not shown to differ on {len(rows) - len(shown)}" in compared.conclusion


def test_the_other_way_round_better_is_worse(runs: Runs, compared: RunComparison) -> None:
    turned = qreal.compare(runs[1], runs[0], resamples=2_500)
    assert turned.to_pandas().value.tolist() == pytest.approx((-compared.to_pandas().value).tolist(), nan_ok=True)
    assert "better on 0 of 6 questions, worse on" in turned.conclusion


def test_a_run_against_itself(runs: Runs) -> None:
    found = qreal.compare(runs[0], runs[0], resamples=200)
    assert "better on 0 of 6 questions, worse on 0, not shown to differ on 6" in found.conclusion


def test_too_few_resamples_are_said(runs: Runs) -> None:
    assert "100 resamples are too few to show any difference" in qreal.compare(*runs, resamples=100).conclusion


def test_plain_values_and_what_is_shown(compared: RunComparison) -> None:
    assert json.loads(json.dumps(compared.to_dict()))["baseline"] == "pretend (a)"
    assert repr(compared).startswith("pretend (b) against pretend (a): ")


def test_several_runs_have_a_sentence_each(runs: Runs) -> None:
    found = qreal.compare(runs[0], runs[1], runs[0], resamples=200)
    assert [f"pretend ({n}) against pretend (1): " in found.conclusion for n in (2, 3)] == [True, True]
    assert set(found.to_pandas().run) == {"pretend (2)", "pretend (3)"}


def test_runs_of_other_samples_are_refused(runs: Runs) -> None:
    rows = qreal.load_run(runs[0]).to_pandas("objectqa")
    part = qreal.score(rows[rows.question == "realism_q1"][1:], "mini", "part", only_answered=True)
    with pytest.raises(ValueError, match="realism_q1"):
        qreal.compare(runs[0], part)
