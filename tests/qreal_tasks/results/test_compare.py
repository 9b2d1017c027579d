"""``qreal compare``: what may be compared, and with which numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pretend_run import write_pretend_run
from typer.testing import CliRunner
from written_run import groundings, write_run

from qreal_tasks.cli import app
from qreal_tasks.metrics.bootstrap import Difference
from qreal_tasks.metrics.significance import holm
from qreal_tasks.records import GroundingRecord
from qreal_tasks.report.compare_tables import comparison_json, write_notes
from qreal_tasks.results.comparable import CompareError
from qreal_tasks.results.compare import compare_runs
from qreal_tasks.results.run_folder import Run, find_results, read_run
from qreal_tasks.results.score import score_run


def scored(score: float | None, judge: str) -> list[GroundingRecord]:
    """The three images, two of which have one matched pair each."""
    return [
        replace(record, scores=(score,) * min(len(record.predicted), len(record.reference)), judge=judge)
        for record in groundings()
    ]


def run_of(folder: Path, records: list[GroundingRecord]) -> Run:
    return read_run(find_results(write_run(folder, records))[-1])


def findings(a: Run, b: Run, resamples: int = 50) -> dict[str, Difference]:
    """B minus A, on the realism set."""
    (pair,) = compare_runs([a, b], resamples=resamples).pairs
    return {metric: finding.difference for metric, finding in pair.imageqa["realism"].items()}


def test_the_difference_of_two_runs_of_one_judge(tmp_path: Path) -> None:
    a, b = run_of(tmp_path / "a", scored(0.5, "j 1")), run_of(tmp_path / "b", scored(0.75, "j 1"))
    rows = findings(a, b, resamples=200)
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


def test_two_judges_are_found_behind_a_run_without_one(tmp_path: Path) -> None:
    records = {"a": groundings(), "b": scored(0.5, "j@1"), "c": scored(0.5, "j@2")}
    runs = [run_of(tmp_path / name, found) for name, found in records.items()]
    with pytest.raises(CompareError, match=r"run dummy \(b\) were judged by j@1, those of run dummy \(c\) by j@2"):
        compare_runs(runs, resamples=50)


def test_a_run_without_a_judge_is_compared_in_the_rest(tmp_path: Path) -> None:
    rows = findings(run_of(tmp_path / "a", scored(0.5, "j")), run_of(tmp_path / "b", groundings()))
    assert rows["llm_score"].value is None
    assert rows["iou"].value == 0


@pytest.mark.parametrize(
    ("change", "result"),
    [
        (lambda record: replace(record, prompt_version="9"), "9"),
        (
            lambda record: replace(record, post_prompt="\nAnswer."),
            r"post_prompt is '.* in run dummy \(.\), '\\nAnswer.' in run",
        ),
        (
            lambda r: replace(r, post_prompt=r.post_prompt + " Now."),
            r"is '…[^']*\[\]\.' in run dummy \(.\), '…[^']* Now\.' in run",
        ),
        (lambda record: replace(record, pre_prompt="Look. "), r"pre_prompt is '' in run dummy \(.\), 'Look. ' in run"),
        (lambda record: replace(record, image_id=record.image_id + "x"), r"i0 is only in run dummy \([a1]\)"),
        (lambda record: replace(record, generator="h"), r"i0: generator is 'g' in run dummy \(.\), 'h' in run"),
        (lambda record: replace(record, is_portrait=True), r"i0: is_portrait is False in run dummy \(.\), True in run"),
        (lambda record: replace(record, width=21), r"i0: width is 20 in run dummy \(.\), 21 in run"),
        (lambda record: replace(record, height=21), r"i0: height is 20 in run dummy \(.\), 21 in run"),
        (lambda record: replace(record, reference=(), data="org/other"), "i0: reference is .* on org/other"),
    ],
)
def test_runs_that_mean_different_things_are_refused(
    tmp_path: Path, change: Callable[[GroundingRecord], GroundingRecord], result: str
) -> None:
    a = run_of(tmp_path / "a", groundings())
    b = run_of(tmp_path / "b", [change(record) for record in groundings()])
    a, b = (replace(run, tasks=run.tasks[1:]) for run in (a, b))
    with pytest.raises(ValueError, match=result):
        compare_runs([a, b], resamples=50)
    with pytest.raises(ValueError, match=result):
        compare_runs([a, a, b], resamples=50)
    assert issubclass(CompareError, ValueError)


def test_a_run_of_a_part_of_the_samples_is_named(tmp_path: Path) -> None:
    whole = run_of(tmp_path / "a", groundings())
    task = whole.tasks[0]
    part = replace(whole, limit=1.0, tasks=(replace(task, records=task.records[:1]), *whole.tasks[1:]))
    with pytest.raises(
        CompareError, match=r"run dummy \(2\) was started with --limit 1; compare runs of the same samples"
    ):
        compare_runs([whole, part])


@pytest.mark.parametrize("change", [{"label": "cat"}, {"generator": "h"}, {"reference": "No"}, {"image_id": "i9"}])
def test_entities_of_another_dataset_are_refused(tmp_path: Path, change: dict[str, str]) -> None:
    a = run_of(tmp_path / "a", groundings())
    task = a.tasks[0]
    changed = replace(task, records=(replace(task.records[0], **change), *task.records[1:]))  # type: ignore[arg-type]
    (field, value), *_ = change.items()
    with pytest.raises(
        CompareError, match=rf"realism_q1: i0#0: {field} is .* in run dummy \(1\), '{value}' in run dummy \(2\)"
    ):
        compare_runs([a, replace(a, tasks=(changed, *a.tasks[1:]))], resamples=50)


@pytest.mark.slow
def test_a_copy_of_the_dataset_in_another_place_is_the_same_dataset(tmp_path: Path) -> None:
    folders = [write_pretend_run(tmp_path / name, seed, data=name) for seed, name in enumerate(("mini", "org/copy"))]
    done = CliRunner().invoke(app, ["compare", *map(str, folders), "--resamples", "50"])
    assert done.exit_code == 0, done.output
    assert "data: pretend (mini): mini, pretend (copy): org/copy" in done.output
    comparison = compare_runs([read_run(find_results(folder)[-1]) for folder in reversed(folders)], resamples=50)
    assert comparison.data == "pretend (copy): org/copy, pretend (mini): mini"
    assert comparison.is_drawn


def half_judged(tmp_path: Path, last: tuple[float | None, ...] | None) -> list[Run]:
    """Two runs with the same score on i0; on i2 the first has a score, and the second has ``last``."""
    full = [replace(r, scores=(s,) * len(r.predicted)) for r, s in zip(scored(0.5, "j@1"), (0.5, 0, 1), strict=True)]
    return [run_of(tmp_path / "a", full), run_of(tmp_path / "b", [*full[:2], replace(full[2], scores=last)])]


@pytest.mark.parametrize("missing", [None, (None,)])
def test_llm_scores_are_over_images_that_both_runs_have_scores_for(tmp_path: Path, missing: tuple[None] | None) -> None:
    comparison = compare_runs(half_judged(tmp_path, missing), resamples=50)
    rows = comparison.pairs[0].imageqa["realism"]
    # Of run A alone: LLM-Score (.5 + 1) / 2, of run B .5; over the shared image i0 both are .5.
    assert [one.imageqa["realism"].metrics["llm_score"] for one in comparison.runs] == [0.5, 0.5]
    assert (rows["llm_score"].difference.value, rows["joint_score"].difference.value) == (0, 0)
    assert rows["iou"].difference.value == 0
    assert comparison.unscored == {"realism": 1}
    assert any("lacks a score of: realism 1." in note for note in write_notes(comparison))
    assert comparison_json(comparison)["unscored"] == {"realism": 1}


def test_whole_and_unjudged_runs_leave_no_image_out(tmp_path: Path) -> None:
    whole = half_judged(tmp_path, (0.25,))
    comparison = compare_runs([*whole, run_of(tmp_path / "c", groundings())], resamples=50)
    assert comparison.unscored == {}
    assert comparison.pairs[0].imageqa["realism"]["llm_score"].difference.value == pytest.approx(-0.375)


def test_another_task_version_and_a_single_run_are_refused(tmp_path: Path) -> None:
    a = run_of(tmp_path / "a", groundings())
    newer = replace(a, tasks=tuple(replace(task, version="9.0") for task in a.tasks))
    with pytest.raises(CompareError, match=r"2\.0 / 1 in run dummy \(1\), 9\.0 / 1 in run dummy \(2\)"):
        compare_runs([a, newer], resamples=50)
    with pytest.raises(CompareError, match="1 run given"):
        compare_runs([a], resamples=50)
    with pytest.raises(CompareError, match="no task in common"):
        compare_runs([replace(a, tasks=a.tasks[:1]), replace(a, tasks=a.tasks[1:])], resamples=50)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("three")
    skills = {"a": 1.0, "b": 1.8, "c": 0.2}
    return [write_pretend_run(folder / n, seed, skills[n], n) for seed, n in enumerate(skills)]


@pytest.mark.slow
def test_a_dimension_and_the_set_of_its_name_are_two_rows(three: list[Path]) -> None:
    runs = [read_run(find_results(path)[-1]) for path in three[:2]]
    (pair,) = compare_runs(runs, resamples=50).pairs
    scores = [score_run(run, resamples=0) for run in runs]
    for rows, groups in ((pair.objectqa, "objectqa"), (pair.imageqa, "imageqa")):
        b, a = (getattr(one, groups)["realism"].metrics["auc"] for one in reversed(scores))
        assert rows["realism"]["auc"].difference.value == pytest.approx(b - a)


@pytest.mark.slow
def test_every_run_against_the_baseline_then_the_other_pairs(three: list[Path]) -> None:
    done = CliRunner().invoke(app, ["compare", *map(str, three), "--baseline", "2", "--resamples", "300", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["baseline"] == "b"
    assert list(found["runs"]) == ["a", "b", "c"]
    assert found["conclusion"].startswith("a against b: answers are ")
    assert [(pair["run"], pair["against"]) for pair in found["pairs"]] == [("a", "b"), ("c", "b"), ("c", "a")]
    ab, cb, ca = (pair["objectqa"]["overall"]["acc"] for pair in found["pairs"])
    assert cb["value"] - ab["value"] == pytest.approx(ca["value"])
    assert ca["value"] == pytest.approx(ca["run"] - ca["against"])
    assert cb["high"] < 0
    assert cb["power"]["images_needed"] < 60 < ab["n"] * 10
    family = [
        (cell["p_value"], cell["p_corrected"])
        for pair in found["pairs"][:2]
        for table in ("objectqa", "imageqa")
        for row in pair[table].values()
        for metric, cell in row.items()
        if metric in found["family"][table]
    ]
    assert found["family"]["tests"] == len(family) == sum(p is not None for p, _ in family)
    assert [corrected for _, corrected in family] == pytest.approx(holm([p for p, _ in family]))
    beyond = found["pairs"][0]["objectqa"]["realism_q1"]["mcc"]
    assert beyond["p_value"] is not None
    assert beyond["p_corrected"] is None


@pytest.mark.slow
def test_the_table_says_what_the_numbers_rest_on(three: list[Path]) -> None:
    done = CliRunner().invoke(app, ["compare", *map(str, three), "--resamples", "50"])
    assert done.exit_code == 0, done.output
    for piece in ("a, the baseline: a", "b minus a", "c minus a", "Holm", "McNemar", "Detectable", "raise --resamples"):
        assert piece in done.output
    assert done.output.startswith("b against a: answers are "), "the conclusion comes first"
    wrong = CliRunner().invoke(app, ["compare", *map(str, three), "--baseline", "4"])
    assert wrong.exit_code == 1
    assert "--baseline is 4" in wrong.output


def test_a_run_against_itself_differs_in_nothing(three: list[Path]) -> None:
    run = read_run(find_results(three[0])[-1])
    (pair,) = compare_runs([run, run], resamples=50).pairs
    for rows in (*pair.objectqa.values(), *pair.imageqa.values()):
        for metric, finding in rows.items():
            assert finding.difference.value in (0, None), metric
            assert finding.difference.p_value in (1, None), metric
    assert all(not found.lost and not found.won and found.p_value is None for found in pair.flips.values())
    assert all((found.better, found.worse) == (0, 0) for found in pair.movements.values())


@pytest.mark.slow
def test_tasks_that_only_some_have_are_left_out_and_named(tmp_path: Path, three: list[Path]) -> None:
    runs = [read_run(find_results(path)[-1]) for path in three[:2]]
    fewer = replace(runs[1], tasks=runs[1].tasks[1:])
    comparison = compare_runs([runs[0], fewer], resamples=50)
    assert comparison.left_out == ("qreal_objectqa_realism_q1",)
    assert "realism_q1" not in comparison.pairs[0].flips
