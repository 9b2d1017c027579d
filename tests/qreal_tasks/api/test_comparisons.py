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
    ("task", "metric", "names", "better_than", "noun", "name"),
    [
        ("objectqa", "acc", QUESTION_NAMES, "answers are right more often", "6 questions", "accuracy"),
        ("imageqa", "f1_at_50", IMAGEQA_SETS, "boxes are better", "3 sets", "F1 at .5"),
    ],
)
def test_the_sentence_counts_what_the_frame_shows(
    task: str, metric: str, names: tuple[str, ...], better_than: str, noun: str, name: str, compared: RunComparison
) -> None:
    frame = compared.to_pandas()
    rows = frame[(frame.task == task) & (frame.metric == metric) & frame.name.isin(names)]
    shown = rows[rows.p_corrected <= LEVEL].value
    better = shown[shown > 0]
    assert len(better) == len(shown), "none is worse, which is then not said"
    assert (task == "objectqa") is (len(better) > 1), "the pretend runs are as they were: a part that is said for each"
    ends = f"{decimals(better.min())} to {decimals(better.max())}" if len(better) else ""
    told = (
        f"{better_than} on {len(better)} of {noun} ({name} by {ends}), not shown to differ on {len(rows) - len(shown)}"
    )
    assert (told if len(better) else f"boxes are not shown to differ on {len(rows)} of {noun}") in compared.conclusion


def test_the_other_way_round_better_is_worse(runs: Runs, compared: RunComparison) -> None:
    turned = qreal.compare(runs[1], runs[0], resamples=2_500)
    assert turned.to_pandas().value.tolist() == pytest.approx((-compared.to_pandas().value).tolist(), nan_ok=True)
    assert "answers are right less often on 2 of 6 questions (accuracy by " in turned.conclusion


def test_a_run_against_itself(runs: Runs) -> None:
    found = qreal.compare(runs[0], runs[0], resamples=200)
    assert "answers are not shown to differ on 6 of 6 questions; boxes are not shown to differ on 3" in found.conclusion


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
