"""What a run was asked with is said beside its numbers; a folder with both styles is read as one of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from judging import manifest_for, scored
from submitted import JUDGE, simulated, small_references, write_run
from two_styles import asked_with_other, mixed_run
from typer.testing import CliRunner, Result

from qreal_tasks.benchmark import LEAVES, Style, frame_of, imageqa_prompt, objectqa_prompt
from qreal_tasks.boxes import Space
from qreal_tasks.cli import app
from qreal_tasks.judge import similarity
from qreal_tasks.leaderboard.submission.references import References
from qreal_tasks.llm.scripted_server import ScriptedServer
from qreal_tasks.records import GroundingRecord, JudgmentRecord
from qreal_tasks.report.tables import print_scores
from qreal_tasks.results.asked import OtherPrompt, describe_prompts, find_other_prompts, render_prompt
from qreal_tasks.results.lints import find_lints
from qreal_tasks.results.rejudge import rejudge
from qreal_tasks.results.run_folder import BothStylesError, Run, RunFolderError, find_results, read_run
from qreal_tasks.results.score import score_run

SAID = "say which with --prompts benchmark or --prompts paper"


@pytest.fixture(scope="module")
def references() -> References:
    return small_references(2)


@pytest.fixture(scope="module")
def mixed(references: References, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mixed_run(tmp_path_factory.mktemp("mixed"), references)


def qreal(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def _run(folder: Path, references: References, style: Style, about: str = "", **words: str) -> Run:
    records = asked_with_other(simulated(references, style=style), about, **words)
    return read_run(write_run(folder, records, style=style))


@pytest.mark.parametrize("style", Style)
def test_prompts_are_those_of_the_style(style: Style, references: References, tmp_path: Path) -> None:
    run = _run(tmp_path, references, style)
    assert run.style is style
    assert (
        describe_prompts(run)
        == {
            Style.BENCHMARK: "the benchmark's prompts (qreal), version 2",
            Style.PAPER: "the paper's bare queries (qreal_paper), version 2",
        }[style]
    )
    assert find_other_prompts(run.tasks) == []
    for task in run.tasks:
        frame = frame_of(style, task.name)
        for record in task.records:
            expected = (
                objectqa_prompt(task.name, frame)
                if isinstance(record, JudgmentRecord)
                else imageqa_prompt(task.name, Space.PIXELS, record.width, record.height, frame)
            )
            assert render_prompt(record) == expected


@pytest.mark.parametrize(
    ("one", "printed"),
    [
        (
            OtherPrompt("post_prompt", "", "\nAnswer.", ("a",), 3),
            r"post_prompt is '' in 3 samples of a, expected '\nAnswer.'",
        ),
        (
            OtherPrompt("pre_prompt", "x", "", ("a", "b", "c"), 12345),
            "pre_prompt is 'x' in 12,345 samples of a and 2 other tasks, expected ''",
        ),
        (  # long and alike at first: what differs is shown
            OtherPrompt("post_prompt", "a" * 300 + "b" * 150, "a" * 300, ("a",), 1),
            f"post_prompt is '…{'a' * 20}{'b' * 80}…' in 1 samples of a, expected '…{'a' * 20}'",
        ),
    ],
)
def test_other_words_are_shown_where_they_differ(one: OtherPrompt, printed: str) -> None:
    assert str(one) == printed


@pytest.mark.slow
def test_a_report_says_that_other_words_were_used(
    references: References, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = _run(tmp_path / "run", references, Style.PAPER, "realism_q2", post_prompt="\nYes or no, <b>please</b>?")
    scores = score_run(run, resamples=0)
    (lint,) = [lint for lint in find_lints(scores) if lint.title == "Asked with other words."]
    printed = (
        r"post_prompt is '\nYes or no, <b>please</b>?' in 12 samples of qreal_paper_objectqa_realism_q2, expected ''; "
        "a run with another post_prompt is comparable only with its like."
    )
    assert lint.text == printed
    print_scores(scores)
    shown = " ".join(capsys.readouterr().out.split())
    assert f"Warning: Asked with other words. {printed}" in shown
    assert "ObjectQA with the paper's bare queries: one question about one entity" in shown
    done = qreal("score", tmp_path / "run", "--resamples", 0, "--gallery", 0, "--html", tmp_path / "page.html")
    assert done.exit_code == 0, done.output
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "the paper&#39;s bare queries (qreal_paper), version 2" in page
    assert "please&lt;/b&gt;?&#39; (12 samples)" in page
    assert "resemble those in the real world?\nYes or no, &lt;b&gt;please&lt;/b&gt;?" in page
    assert "<b>please" not in page


@pytest.mark.slow
def test_all_runs_of_a_comparison_may_have_the_same_other_words(references: References, tmp_path: Path) -> None:
    words = {"pre_prompt": "Look. "}
    for seed in (1, 2):
        records = asked_with_other(simulated(references, seed=seed), "", **words)
        write_run(tmp_path / str(seed), records)
    write_run(tmp_path / "own", simulated(references))
    alike = ("compare", tmp_path / "1", tmp_path / "2", "--resamples", 20)
    done = qreal(*alike, "--html", tmp_path / "page.html")
    assert done.exit_code == 0, done.output
    assert "prompts: the benchmark's prompts (qreal), version 2" in done.output
    assert "All runs were asked with other words: pre_prompt is 'Look. ' in" in done.output
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "asked with the benchmark&#39;s prompts (qreal), version 2" in page
    assert "All runs were asked with other words" in page
    assert json.loads(qreal(*alike, "--json").stdout)["prompts"] == "benchmark"
    refused = qreal("compare", tmp_path / "1", tmp_path / "own", "--resamples", 20)
    assert refused.exit_code == 1
    assert (
        "pre_prompt is 'Look. ' in run model (1), '' in run model (own); only runs that were asked alike"
        in refused.output
    )


def _judge_files(folder: Path, url: str) -> list[Path]:
    """Two judges behind one server."""
    found = []
    for number, name in enumerate(("mine", "other")):
        manifest = manifest_for(url, name=name, temperature=float(number))
        found.append(folder / f"{name}.yaml")
        found[-1].write_text(yaml.safe_dump(manifest.model_dump(mode="json")), encoding="utf-8")
    return found


COMMANDS: dict[str, tuple[Any, ...]] = {
    "score": ("score", "{run}", "--resamples", 0),
    "compare": ("compare", "{run}", "{run}", "--resamples", 10),
    "judge": ("judge", "{run}", "--judge", "{judge}"),
    "judge agree": ("judge", "agree", "{run}", "--judges", "{judge},{other}"),
    "judge similarity": ("judge", "similarity", "{run}"),
    "submit pack": ("submit", "pack", "{run}", "{out}/packed", "--name", "A", "--data", "nowhere"),
    "submit export": ("submit", "export", "{run}", "--model-card", "{out}/card.md"),
}


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_a_run_of_both_styles_is_read_as_the_one_that_is_named(
    command: str, mixed: Path, references: References, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QREAL_JUDGE_CACHE", str(tmp_path / "judgements.sqlite"))
    monkeypatch.setattr(similarity, "load_encoder", lambda model: lambda texts: np.ones((len(texts), 2)))
    run = mixed_run(tmp_path / "run", references)  # of its own: `judge` writes into it
    with ScriptedServer(lambda asked: scored(0.75)) as server:
        judge, other = _judge_files(tmp_path, server.url)
        paths = {"run": run, "out": tmp_path, "judge": judge, "other": other}
        arguments = [str(word).format(**paths) for word in COMMANDS[command]]
        refused = qreal(*arguments)
        assert refused.exit_code == 1, refused.output
        assert SAID in " ".join(refused.output.split()), refused.output
        assert server.asked == []
        done = {style: qreal(*arguments, "--prompts", style) for style in Style if command != "submit pack"}
        if command == "submit pack":
            done = {Style.PAPER: qreal(*arguments, "--prompts", "paper")}
    for style, result in done.items():
        assert result.exit_code == 0, (style, result.output, result.exception)
    if command in ("score", "compare"):
        for style, result in done.items():
            assert f"prompts: {describe_prompts(read_run(find_results(mixed)[-1], style))}" in result.output
    if command == "submit pack":
        manifest = json.loads((tmp_path / "packed" / "manifest.json").read_text(encoding="utf-8"))
        assert manifest["prompts"] == "paper"
        assert all(LEAVES[task][0] is Style.PAPER for task in manifest["task_versions"])
        assert "prompts paper" in done[Style.PAPER].output
    if command == "submit export":
        assert "the paper's bare queries (qreal_paper)" in (tmp_path / "card.md").read_text(encoding="utf-8")


def test_numbers_are_those_of_the_style_that_is_named(mixed: Path, references: References, tmp_path: Path) -> None:
    write_run(tmp_path, simulated(references, 0.6, seed=2, style=Style.PAPER), style=Style.PAPER)
    alone = json.loads(qreal("score", tmp_path, "--resamples", 0, "--json").stdout)
    named = json.loads(qreal("score", mixed, "--resamples", 0, "--json", "--prompts", "paper").stdout)
    assert alone == named
    assert named["prompts"] == "paper"
    other = json.loads(qreal("score", mixed, "--resamples", 0, "--json", "--prompts", "benchmark").stdout)
    assert other["objectqa"]["overall"]["metrics"]["acc"] > named["objectqa"]["overall"]["metrics"]["acc"]


def test_the_first_run_of_a_comparison_decides(mixed: Path, references: References, tmp_path: Path) -> None:
    for style in Style:
        write_run(tmp_path / style, simulated(references, seed=7, style=style), style=style)
        done = qreal("compare", tmp_path / style, mixed, "--resamples", 10, "--json")
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["prompts"] == style
    undecided = qreal("compare", mixed, tmp_path / "paper", "--resamples", 10)
    assert undecided.exit_code == 1
    assert SAID in undecided.output
    both = qreal("compare", tmp_path / "benchmark", tmp_path / "paper", "--resamples", 10)
    assert both.exit_code == 1
    assert (
        "run model (benchmark) is of qreal, run model (paper) of qreal_paper: other words around the questions"
        in both.output
    )
    named = qreal("compare", mixed, tmp_path / "benchmark", "--resamples", 10, "--prompts", "paper")
    assert named.exit_code == 1
    assert "no task of qreal_paper in it" in named.output


@pytest.mark.parametrize("style", Style)
def test_a_style_that_did_not_run_is_said(style: Style, references: References, tmp_path: Path) -> None:
    other = next(one for one in Style if one is not style)
    results = write_run(tmp_path, simulated(references, style=other), style=other, only="realism_q1")
    with pytest.raises(RunFolderError, match=r"no task of qreal\w* in it; found qreal"):
        read_run(results, style)
    assert qreal("score", tmp_path, "--prompts", "both").exit_code == 2


def test_a_judge_of_one_style_leaves_the_other_alone(references: References, tmp_path: Path) -> None:
    results = find_results(mixed_run(tmp_path, references))[-1]
    with pytest.raises(BothStylesError):
        read_run(results)
    before = read_run(results, Style.BENCHMARK)
    count = rejudge(
        read_run(results, Style.PAPER),
        lambda records: [
            replace(r, scores=tuple(0.5 for _ in r.scores or ()), unjudged={}, judge="mine@1") for r in records
        ],
        {"name": "mine"},
    )
    assert count == sum(isinstance(r, GroundingRecord) for task in before.tasks for r in task.records)
    assert read_run(results, Style.BENCHMARK) == before
    assert read_run(results, Style.PAPER).judges == ("mine@1",)
    assert before.judges == (JUDGE.title,)


def test_judges_rank_runs_that_were_asked_alike(
    references: References, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QREAL_JUDGE_CACHE", str(tmp_path / "judgements.sqlite"))
    for number, style in enumerate((Style.BENCHMARK, Style.PAPER, Style.PAPER)):
        write_run(tmp_path / f"run{number}", simulated(references, seed=number, style=style), style=style)
    with ScriptedServer(lambda asked: scored(0.5)) as server:
        judge, other = _judge_files(tmp_path, server.url)
        runs = [tmp_path / f"run{number}" for number in range(3)]
        done = qreal("judge", "agree", *runs, "--judges", f"{judge},{other}")
    assert done.exit_code == 0, done.output
    _, ranked = done.output.split("Rank by LLM-Score")
    assert "run0" not in ranked
    assert "run1" in ranked
    assert "run2" in ranked
