"""LLM-Score through the whole program: in the run, from its log, again, and with another judge."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from judging import manifest_for, scored
from typer.testing import CliRunner, Result

from qreal_tasks.cli import app
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion, error
from qreal_tasks.results.run_folder import Run, find_results, read_run
from qreal_tasks.results.score import find_differences, score_run

pytestmark = pytest.mark.harness


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def is_pair(asked: Asked) -> bool:
    return "<prediction>" in str(asked.body["messages"][-1]["content"])


def answer(asked: Asked) -> Reply:
    """The model that is evaluated and the judge, behind one address; every second judgement is fenced."""
    if is_pair(asked):
        result = digest(asked.body["messages"][-1]["content"])
        if result[0] < 25:
            return completion("I would rather not.")
        score = result[0] % 5 / 4
        return completion(f'```json\n{{"score": {score}}}\n```<|im_end|>') if result[1] % 2 else scored(score)
    result = digest(asked.text + asked.image_url)
    box = [result[1], result[2], result[1] + 600, result[2] + 600]
    return completion(json.dumps([{"bbox_2d": box, "label": "dog", "description": f"flaw {result[3]}"}]))


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer(answer) as server:
        yield server


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QREAL_JUDGE_CACHE", str(tmp_path / "judgements.sqlite"))
    monkeypatch.setenv("QREAL_ANSWERS", str(tmp_path / "answers.sqlite"))
    monkeypatch.setenv("OPENAI_API_KEY", "")
    monkeypatch.delenv("QREAL_JUDGE", raising=False)


def written_manifest(path: Path, server: ScriptedServer, **changes: object) -> Path:
    path.write_text(yaml.safe_dump(manifest_for(server.url, **changes).model_dump(mode="json")), encoding="utf-8")
    return path


def qreal(*arguments: object) -> Result:
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exit_code == 0, done.output[-6000:]
    return done


def reread(folder: Path) -> Run:
    return read_run(find_results(folder)[-1])


def test_judged_in_the_run_from_its_log_and_by_another_judge(tmp_path: Path, server: ScriptedServer) -> None:
    manifest = written_manifest(tmp_path / "judge.yaml", server)
    folder = tmp_path / "run"
    qreal(
        *("eval", "--model", "qreal_openai", "--model_args", f"model=scripted,base_url={server.url}"),
        *("--tasks", "qreal_imageqa", "--limit", "30", "--output_path", folder, "--judge", manifest),
    )
    run, calls = reread(folder), len(server.asked)
    title = manifest_for(server.url).title
    assert run.judges == (title,)
    assert json.loads(run.results_path.read_text())["qreal_judge"]["model"] == manifest_for(server.url).model
    live = {task.name: task.live for task in run.tasks}
    assert all(0 < live[name]["llm_score"] < 1 for name in live)
    assert any(live[name]["unjudged"] > 0 for name in live)
    assert find_differences(run, score_run(run, resamples=0)) == []
    tables = qreal("score", folder, "--resamples", "50")
    assert "alone, for example: 'I would rather not.'" in " ".join(tables.output.split())
    assert len(server.asked) == calls, "qreal score asked somebody"
    assert (folder / "harness.log").stat().st_mode & 0o077 == 0

    before = run.results_path.read_text()
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    again = qreal("judge", copy, "--judge", manifest)
    assert title in again.output
    # What the judge would not score is asked again; what it scored is not.
    asked_again = [asked for asked in server.asked[calls:] if is_pair(asked)]
    assert all(digest(asked.body["messages"][-1]["content"])[0] < 25 for asked in asked_again)
    assert json.loads(reread(copy).results_path.read_text())["results"] == json.loads(before)["results"]

    other = written_manifest(tmp_path / "other.yaml", server, seed=7)
    switched = qreal("judge", copy, "--judge", other)
    assert f"scores of {title} in this run are replaced by those of" in switched.output
    assert reread(copy).judges == (manifest_for(server.url, seed=7).title,)
    refused = CliRunner().invoke(app, ["compare", str(folder), str(copy), "--resamples", "50"])
    assert refused.exit_code == 1
    assert "--any-judge" in refused.output
    qreal("compare", folder, copy, "--resamples", "50", "--any-judge")
    agreed = qreal("judge", "agree", folder, copy, "--judges", f"{manifest},{other}")
    assert "Spearman" in agreed.output


def test_a_judge_that_refuses_the_key_costs_no_answer(
    tmp_path: Path, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model's answers are there, their scores are missing with a reason, and can be filled in."""

    def no_key(asked: Asked) -> Reply:
        return error(401, "no such key") if is_pair(asked) else answer(asked)

    with ScriptedServer(no_key) as refusing:
        manifest = written_manifest(tmp_path / "judge.yaml", refusing)
        folder = tmp_path / "run"
        qreal(
            *("eval", "--model", "qreal_openai", "--model_args", f"model=scripted,base_url={refusing.url}"),
            *("--tasks", "qreal_imageqa_realism", "--limit", "8", "--output_path", folder, "--judge", manifest),
        )
        assert sum(map(is_pair, refusing.asked)) <= 8
    run = reread(folder)
    assert run.tasks[0].live["unjudged"] == 1
    assert run.tasks[0].live["llm_score"] is None
    assert run.tasks[0].live["iou"] is not None
    assert "the judge cannot go on" in (folder / "harness.log").read_text(encoding="utf-8")
    tables = " ".join(qreal("score", folder, "--resamples", "50").output.split())
    assert "got no reply, because the judge had stopped, for example: '" in tables
    assert "refuses the key (401: no such key)" in tables
    assert "no judge was asked" not in tables
    qreal("judge", folder, "--judge", written_manifest(tmp_path / "good.yaml", server))
    assert reread(folder).tasks[0].live["unjudged"] < 1


def test_an_unknown_judge_is_refused_before_anything_runs(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["eval", "--model", "dummy", "--judge", "gpt-5", "--output_path", str(tmp_path)])
    assert done.exit_code == 1
    assert "gpt-5" in done.output
