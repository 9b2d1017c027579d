"""``qreal judge probe`` as typed, against judges that a server plays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from judging import asked_pair, manifest_for, scored
from typer.testing import CliRunner, Result
from written_run import write_run

from qreal_tasks.cli import app
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion, error
from qreal_tasks.records import GroundingRecord
from qreal_tasks.results.run_folder import find_results, read_run


def literal(asked: Asked) -> Reply:
    """A judge that knows only whether two texts are the same."""
    pair = asked_pair(asked)
    return scored(float(pair.predicted == pair.reference))


@pytest.mark.slow
def test_a_judge_that_fails_the_probe_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QREAL_JUDGE_CACHE", str(tmp_path / "judgements.sqlite"))
    with ScriptedServer(literal) as server:
        manifest = tmp_path / "judge.yaml"
        manifest.write_text(yaml.safe_dump(manifest_for(server.url).model_dump(mode="json")), encoding="utf-8")
        first = CliRunner().invoke(app, ["judge", "probe", "--judge", str(manifest)])
        calls = len(server.asked)
        again = CliRunner().invoke(app, ["judge", "probe", "--judge", str(manifest)])
    assert first.exit_code == 1, first.output
    assert "did not pass every check" in first.output
    assert "FAIL" in first.output
    assert "paraphrase" in first.output
    assert calls > 100
    assert len(server.asked) == calls, "a judgement was asked for twice"
    assert again.exit_code == 1


def fenced(asked: Asked) -> Reply:
    return completion('```json\n{"score": 0.75}\n```')


def prose(asked: Asked) -> Reply:
    return completion("I would say\nabout 0.75")


@pytest.fixture
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two images with a pair each; judgements go to a file of this test."""
    monkeypatch.setenv("QREAL_JUDGE_CACHE", str(tmp_path / "judgements.sqlite"))
    monkeypatch.setenv("COLUMNS", "200")
    return write_run(tmp_path / "run")


def judged_by(script: Callable[[Asked], Reply], name: str, run: Path, *command: str) -> Result:
    """``qreal judge RUN`` with a judge of this name, behind a server that answers like this."""
    with ScriptedServer(script) as server:
        return judged_at(server, name, run, *command)


def judged_at(server: ScriptedServer, name: str, run: Path, *command: str) -> Result:
    manifest = run.parent / f"{name}.yaml"
    result = manifest_for(server.url, name=name, model=name).model_dump(mode="json")
    manifest.write_text(yaml.safe_dump(result), encoding="utf-8")
    return CliRunner().invoke(app, ["judge", *command, str(run), "--judge", str(manifest)])


def scores_of(run: Path) -> list[tuple[float | None, ...] | None]:
    records = read_run(find_results(run)[-1]).tasks[1].records
    return [record.scores for record in records if isinstance(record, GroundingRecord)]


def test_a_judge_that_fences_its_json_scores(run_folder: Path) -> None:
    done = judged_by(fenced, "fencing", run_folder)
    assert done.exit_code == 0, done.output
    assert scores_of(run_folder) == [(0.75,), (), (0.75,)]


def test_a_judge_that_talks_leaves_its_words_in_the_run_and_in_every_report(run_folder: Path, tmp_path: Path) -> None:
    words = "for example: 'I would say about 0.75'"
    done = judged_by(prose, "talking", run_folder)
    assert done.exit_code == 1
    assert f'none of the 2 pairs: 2 pairs got a reply that is not one JSON object {{"score": …}} alone, {words}' in (
        done.output
    )
    page = tmp_path / "page.html"
    score = CliRunner().invoke(app, ["score", str(run_folder), "--html", str(page), "--gallery", "0"])
    assert score.exit_code == 0, score.output
    assert f'realism: 2 pairs got a reply that is not one JSON object {{"score": …}} alone, {words}' in (
        " ".join(score.output.split())
    )
    assert "no judge was asked" not in score.output
    assert "talking@" in score.output
    assert "I would say about 0.75" in page.read_text(encoding="utf-8")


def test_a_judge_that_talks_takes_no_scores_away(run_folder: Path) -> None:
    judged_by(fenced, "fencing", run_folder)
    done = judged_by(prose, "talking", run_folder)
    assert done.exit_code == 1
    assert "The run keeps the scores that it had" in done.output
    assert scores_of(run_folder) == [(0.75,), (), (0.75,)]


def test_another_judge_says_whose_scores_it_replaces_before_it_asks(run_folder: Path) -> None:
    with ScriptedServer(fenced) as server:
        for _ in ("first", "the same again"):
            done = judged_at(server, "fencing", run_folder)
            assert done.exit_code == 0, done.output
            assert "replaced" not in done.output
    title = read_run(find_results(run_folder)[-1]).judges[0]

    def refuse(asked: Asked) -> Reply:
        return error(401, "no such key")

    stopped = judged_by(refuse, "other", run_folder)
    assert stopped.exit_code == 1
    assert f"2 scores of {title} in this run are replaced by those of other@" in stopped.output
    assert scores_of(run_folder) == [(0.75,), (), (0.75,)]


def test_a_pair_without_a_score_is_shown_with_what_the_server_said(run_folder: Path) -> None:
    def odd(asked: Asked) -> Reply:
        return error(400, "context too long")

    done = judged_by(odd, "odd", run_folder)
    assert "2 pairs got no score: status 400, for example: '400: context too long'" in done.output


@pytest.mark.parametrize("command", [(), ("run", "--batch")])
def test_a_key_that_cannot_be_sent_is_said_and_never_shown(
    command: tuple[str, ...], run_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret1\nsk-secret2")
    done = judged_by(fenced, "fencing", run_folder, *command)
    assert done.exit_code == 1
    assert "the API key holds a line break" in done.output
    assert "secret" not in done.output + caplog.text + str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "result"),
    [
        (["probe", "--judge", "gpt-9"], "gpt-9"),
        (["agree", "nowhere", "--judges", "gpt-4o"], "two or more judges"),
        (["agree", "nowhere", "--judges", "gpt-4o,gpt-4o"], "no two of them with the same hash"),
        (["nowhere"], "nowhere does not exist"),
    ],
)
def test_what_cannot_be_done_is_said(
    arguments: list[str], result: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QREAL_JUDGE_CACHE", str(tmp_path / "judgements.sqlite"))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["judge", *arguments])
    assert done.exit_code == 1
    assert result in done.output
