"""``qreal judge probe`` as typed, against judges that a server plays."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from judging import asked_pair, manifest_for, scored
from scripted_openai import Asked, Reply, ScriptedServer
from typer.testing import CliRunner

from qreal_tasks.cli import app


def literal(asked: Asked) -> Reply:
    """A judge that knows only whether two texts are the same."""
    pair = asked_pair(asked)
    return scored(float(pair.predicted == pair.reference))


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


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["probe", "--judge", "gpt-9"], "gpt-9"),
        (["agree", "nowhere", "--judges", "gpt-4o"], "two or more judges"),
        (["agree", "nowhere", "--judges", "gpt-4o,gpt-4o"], "no two of them with the same hash"),
        (["nowhere"], "nowhere does not exist"),
    ],
)
def test_what_cannot_be_done_is_said(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QREAL_JUDGE_CACHE", str(tmp_path / "judgements.sqlite"))
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["judge", *arguments])
    assert done.exit_code == 1
    assert said in done.output
