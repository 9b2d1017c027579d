"""Files that the release before ``qreal_tasks/llm`` wrote are read, and go on, as they are."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import openai
import pytest
from annotating import config_for, write_pictures
from batch_server import BatchServer

from annotation.execution.driver import RunOptions, Watcher, init_run, run_stages
from annotation.llm.calls import CallRecord, Spent
from annotation.run.folder import RunFolder
from annotation.run.schemas import State
from qreal_tasks.llm.batch.limits import BatchLimits
from qreal_tasks.llm.client import openai_client
from qreal_tasks.llm.scripted_server import completion
from qreal_tasks.shards.executors import ExecutorOptions

WRITTEN = Path(__file__).parent / "written_before"


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    images = write_pictures(tmp_path / "images", 2)
    return init_run(
        str(images), tmp_path / "run", config_for("https://annotator.example/v1"), ExecutorOptions(), Watcher()
    )


def states(run: RunFolder) -> Counter[str]:
    return Counter(row["state"] for shard in run.shard_numbers for row in run.read("entities", shard))


def test_the_record_of_calls(run: RunFolder) -> None:
    """Nothing is asked: there is no such server."""
    shutil.copy(WRITTEN / "calls.sqlite", run.calls_path)
    run_stages(run, RunOptions(stages=("entities",)), Watcher())
    assert states(run) == {State.DONE: 1, State.REFUSED: 1}
    with CallRecord(run.calls_path) as calls:
        spent = calls.spent()
        assert len(calls) == 2
    assert spent.keys() == {"entities"}
    assert spent["entities"] == Spent(2, 876, 58, pytest.approx(0.00277))  # type: ignore[arg-type]


def test_the_state_of_batches(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    state = Path(shutil.copy(WRITTEN / "batches.json", run.path))
    (shard,) = json.loads(state.read_text())["shards"]
    lines = [
        json.dumps({"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": {}})
        for key in shard["items"]
    ]
    with BatchServer(lambda _: completion('{"entities": [{"name": "dog", "is_person": false}]}')) as server:
        client = openai.OpenAI(base_url=server.url, api_key="key")
        file = client.files.create(file=("lines.jsonl", "\n".join(lines).encode()), purpose="batch")
        batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
        assert (file.id, batch.id) == (shard["input_file_id"], shard["batch_id"])
        monkeypatch.setattr("annotation.llm.batches.openai_client", lambda url, key: openai_client(server.url, key))
        run_stages(run, RunOptions(stages=("entities",), batch=BatchLimits(0.001), api_key="key"), Watcher())
        assert len(server.batch_sizes) == 1
    assert states(run) == {State.DONE: 2}
    assert not state.exists()
