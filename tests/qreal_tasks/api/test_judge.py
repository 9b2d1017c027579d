"""``Judge`` as people call it: by name or file, one pair or many, with its cache and its cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from judging import asked_pair, manifest_for, scored

import qreal_tasks as qreal
from qreal_tasks.judge.manifest import ManifestError, load_manifest
from qreal_tasks.judge.pairs import Judgement
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer
from qreal_tasks.records import GroundingRecord

SAID = ["six fingers", "no handle", ""]
TRUE = ["a finger too many", "a fifth leg", "flat fur"]


def by_length(asked: Asked) -> Reply:
    usage = {"prompt_tokens": 100, "completion_tokens": 10}
    return scored(min(1, len(asked_pair(asked).predicted) / 20), usage=usage)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QREAL_JUDGE_CACHE", str(tmp_path / "judgements.sqlite"))
    monkeypatch.setenv("OPENAI_API_KEY", "key")


def write_manifest(url: str, folder: Path) -> Path:
    path = folder / "judge.yaml"
    path.write_text(yaml.safe_dump(manifest_for(url).model_dump(mode="json")), encoding="utf-8")
    return path


def test_by_name() -> None:
    with qreal.Judge("gpt-4o") as judge:
        assert judge.manifest == load_manifest("gpt-4o")
        assert repr(judge) == f"Judge({judge.manifest.title}: nothing asked yet, $0.0000)"
    with pytest.raises(ManifestError, match="no judge is called 'gpt-5o', expected gpt-4o"):
        qreal.Judge("gpt-5o")


def test_one_pair_and_many_are_paid_once(tmp_path: Path) -> None:
    with ScriptedServer(by_length) as server:
        path = write_manifest(server.url, tmp_path)
        with qreal.Judge(str(path)) as judge:
            assert judge.score(SAID[0], TRUE[0]) == Judgement(11 / 20)
            assert judge.score(SAID, TRUE) == [Judgement(11 / 20), Judgement(9 / 20), Judgement(0.0)]
            assert judge.score(pd.Series(SAID), tuple(TRUE)) == judge.score(SAID, TRUE)
            assert judge.cost() == pytest.approx(2 * (100 * 2.5 + 10 * 10) / 1e6)
            assert "2 scored" in repr(judge)
        with qreal.Judge(path) as again:
            assert again.score(SAID, TRUE)[1].score == 9 / 20
            assert again.cost() == 0
        assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("predicted", "reference", "message"),
    [
        ("one", ["one"], "1 predicted, 1 reference: expected two texts, or as many of the one as of the other"),
        (["one"], ["one", "two"], "1 predicted, 2 reference: "),
        (["one", None], ["one", "two"], "predicted 1 is None, expected a text; leave out what has none"),
    ],
)
def test_what_is_no_pair(predicted: Any, reference: Any, message: str) -> None:
    with qreal.Judge("gpt-4o") as judge, pytest.raises(ValueError, match=message):
        judge.score(predicted, reference)


def test_a_run_is_judged_and_its_folder_stays(runs: tuple[Path, Path], tmp_path: Path) -> None:
    run = qreal.load_run(runs[0])
    with ScriptedServer(by_length) as server, qreal.Judge(manifest_for(server.url)) as judge:
        judged = run.judged(judge)
    grounded = [one for one in judged.records() if isinstance(one, GroundingRecord)]
    assert {one.judge for one in grounded} == {judge.manifest.title}
    assert all(score is not None for one in grounded for score in one.scores or ())
    assert [one.raw for one in judged.records()] == [one.raw for one in run.records()]
    assert judged.scores(resamples=0).objectqa == run.scores(resamples=0).objectqa
    assert qreal.load_run(runs[0]).run == run.run
