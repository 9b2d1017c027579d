"""``qreal score`` on a results folder as the harness leaves it, whole and damaged."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result
from written_run import PREFIX, write_run

from qreal_tasks.cli import app


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    return write_run(tmp_path)


def score(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["score", *arguments])


def test_numbers_are_those_of_the_live_run(run_folder: Path) -> None:
    done = score(str(run_folder), "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    question = found["objectqa"]["realism_q1"]
    assert question["metrics"]["acc"] == 2 / 5
    assert question["metrics"]["auc"] == 4 / 6
    assert question["baselines"]["always Yes"]["f1"] == pytest.approx(4 / 7)
    assert question["intervals"]["acc"]["low"] < 2 / 5 < question["intervals"]["acc"]["high"]
    assert found["imageqa"]["realism"]["metrics"]["iou"] == 0.75
    assert found["imageqa"]["realism"]["metrics"]["recall_at_50"] == pytest.approx(1 / 3)
    assert found["drawn"] is True


def test_tables_name_the_reasons_and_the_set(run_folder: Path) -> None:
    done = score(str(run_folder), "--resamples", "200")
    assert done.exit_code == 0, done.output
    for piece in (
        "realism_q1",
        ".400",
        '"taken in the real world" (`realism_q1`): 1 answer held nothing to read',
        "These numbers are on `mini`",
        "no judge was asked",
    ):
        assert piece in done.output


def _edit_result(folder: Path, key: str, value: object, remove: bool = False) -> None:
    path = folder / f"{PREFIX}_results.json"
    results = json.loads(path.read_text(encoding="utf-8"))
    row = results["results"]["qreal_objectqa_realism_q1"]
    row[key] = value
    if remove:
        del row[key]
    path.write_text(json.dumps(results), encoding="utf-8")


def _edit_limit(limit: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / f"{PREFIX}_results.json"
        path.write_text(path.read_text(encoding="utf-8").replace('"limit": null', f'"limit": {limit}'), "utf-8")

    return edit


def _edit_box(folder: Path) -> None:
    """A predicted region that its own text does not give, without any effect on the numbers."""
    path = folder / f"{PREFIX}_samples_qreal_imageqa_realism.jsonl"
    first, *rest = path.read_text(encoding="utf-8").splitlines()
    sample = json.loads(first)
    sample["records"]["predicted"][0]["label"] = "cat"
    path.write_text("\n".join([json.dumps(sample), *rest]) + "\n", encoding="utf-8")


def _edit_lines(folder: Path, change: Callable[[list[str]], list[str]]) -> None:
    path = folder / f"{PREFIX}_samples_qreal_objectqa_realism_q1.jsonl"
    path.write_text("\n".join(change(path.read_text(encoding="utf-8").splitlines())) + "\n", encoding="utf-8")


def _edit_answer(line: str) -> str:
    sample = json.loads(line)
    sample["records"]["answer"] = "No"
    return json.dumps(sample)


def _drop_records(line: str) -> str:
    sample = json.loads(line)
    del sample["records"]
    return json.dumps(sample)


def test_a_metric_of_a_later_version_is_computed_and_not_missed(run_folder: Path) -> None:
    _edit_result(run_folder, "mcc,none", 0, remove=True)
    assert "qreal_objectqa_realism_q1 mcc: not in the results" in score(str(run_folder)).output
    path = run_folder / f"{PREFIX}_results.json"
    results = json.loads(path.read_text(encoding="utf-8"))
    results["versions"]["qreal_objectqa_realism_q1"] = "1.9"
    path.write_text(json.dumps(results), encoding="utf-8")
    done = score(str(run_folder), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["objectqa"]["realism_q1"]["metrics"]["mcc"] is not None


DEEP = "[" * 100_000 + "]" * 100_000

DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "number edited": (
        lambda f: _edit_result(f, "acc,none", 0.9),
        "qreal_objectqa_realism_q1 acc: live 0.9, recomputed 0.4",
    ),
    "answer edited": (
        lambda f: _edit_lines(f, lambda lines: [_edit_answer(lines[0]), *lines[1:]]),
        "acc: live 0.4, recomputed 0.2",
    ),
    "text edited": (
        lambda f: _edit_lines(f, lambda lines: [lines[0].replace('"raw": "Yes"', '"raw": "No"'), *lines[1:]]),
        "i0#0: answer Yes, its text reads No",
    ),
    "reasoning marks edited": (
        lambda f: _edit_lines(
            f, lambda lines: [x.replace('"reasoning_marks": []', '"reasoning_marks": [["Y", "s"]]') for x in lines]
        ),
        "i0#0: answer Yes, its text reads None",
    ),
    "boxes edited": (_edit_box, "i0: 1 boxes that are not those of its text"),
    "metric removed": (lambda f: _edit_result(f, "acc,none", None, remove=True), "acc: not in the results, recomputed"),
    "number as text": (lambda f: _edit_result(f, "acc,none", "0.4"), "acc: live '0.4', recomputed 0.4"),
    "number that fits no float": (lambda f: _edit_result(f, "acc,none", 10**400), "acc: live 1000"),
    "records of another set": (
        lambda f: _edit_lines(f, lambda lines: [x.replace('"realism_q1"', '"realism_q2"') for x in lines]),
        "line 1: a record of realism_q2, expected realism_q1",
    ),
    "record is no object": (
        lambda f: _edit_lines(f, lambda lines: ['{"records": null}', *lines[1:]]),
        "line 1: record is None, expected an object",
    ),
    "samples not text": (
        lambda f: (f / f"{PREFIX}_samples_qreal_objectqa_realism_q1.jsonl").write_bytes(b"\xff\xfe\x00"),
        "realism_q1.jsonl line 1: ",
    ),
    "config is null": (
        lambda f: (f / f"{PREFIX}_results.json").write_text('{"config": null, "results": {}}', encoding="utf-8"),
        "not a results file of lmms-eval",
    ),
    "limit is text": (_edit_limit('"10"'), "config.limit is '10', expected a number or null"),
    "limit is true": (_edit_limit("true"), "config.limit is True, expected a number or null"),
    "limit is no number": (_edit_limit("NaN"), "config.limit is nan, expected a number or null"),
    "limit fits no float": (_edit_limit("1" + "0" * 400), "config.limit is 1000"),
    "results too deep": (_edit_limit(DEEP), "not a results file of lmms-eval: DeepJsonError"),
    "sample too deep": (
        lambda f: _edit_lines(f, lambda lines: [f'{{"records": {DEEP}}}', *lines[1:]]),
        "line 1: it is nested deeper than 64 levels",
    ),
    "sample missing": (lambda f: _edit_lines(f, lambda lines: lines[:-1]), "records: live 5, recomputed 4"),
    "sample twice": (lambda f: _edit_lines(f, lambda lines: [*lines, lines[0]]), "i0#0: occurs twice"),
    "line cut off": (lambda f: _edit_lines(f, lambda lines: [*lines[:-1], lines[-1][:40]]), "line 5: "),
    "no records": (
        lambda f: _edit_lines(f, lambda lines: [_drop_records(lines[0]), *lines[1:]]),
        "line 1: no `records`",
    ),
    "samples missing": (
        lambda f: (f / f"{PREFIX}_samples_qreal_imageqa_realism.jsonl").unlink(),
        "No such file or directory; run with --log_samples",
    ),
    "results not JSON": (
        lambda f: (f / f"{PREFIX}_results.json").write_text("{", encoding="utf-8"),
        "not a results file of lmms-eval",
    ),
    "no task of ours": (
        lambda f: (f / f"{PREFIX}_results.json").write_text('{"config": {}, "results": {"mme": {}}}', encoding="utf-8"),
        "no qreal task in it; found mme",
    ),
    "no results": (lambda f: (f / f"{PREFIX}_results.json").unlink(), "the run did not finish"),
}


@pytest.mark.slow
@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_an_error_that_names_it(case: str, run_folder: Path) -> None:
    damage, message = DAMAGE[case]
    damage(run_folder)
    done = score(str(run_folder), "--resamples", "0")
    assert done.exit_code == 1
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert message in done.output


def test_brackets_in_a_model_argument_are_no_markup(run_folder: Path) -> None:
    path = run_folder / f"{PREFIX}_results.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"model_args": ""', '"model_args": "a[/b]c"'))
    done = score(str(run_folder), "--resamples", "0")
    assert done.exit_code == 0
    assert "a[/b]c" in done.output


def test_missing_folder_is_an_error() -> None:
    done = score("/no/such/run")
    assert done.exit_code == 1
    assert "/no/such/run does not exist" in done.output


def test_the_newest_of_several_runs_is_taken_and_said(run_folder: Path) -> None:
    for path in list(run_folder.iterdir()):
        path.with_name(path.name.replace(PREFIX, "20250101_000000")).write_bytes(path.read_bytes())
    newest = run_folder / f"{PREFIX}_results.json"
    newest.touch()
    done = score(str(run_folder), "--resamples", "0")
    assert done.exit_code == 0
    assert f"2 runs in {run_folder}, taking the newest: {newest}" in done.output
