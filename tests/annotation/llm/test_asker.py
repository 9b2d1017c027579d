"""Answers from the server and from the record: money, faults, and stopping."""

from __future__ import annotations

import re
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from annotating import answer, config_for, item_digest, stage_of, write_pictures

from annotation.errors import AnnotationError
from annotation.execution.driver import RunOptions, Watcher, init_run, run_stages
from annotation.llm.calls import CallRecord
from annotation.run.folder import RunFolder
from annotation.run.schemas import State
from qreal_tasks.llm.errors.retry import StoppedRun
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion, error
from qreal_tasks.shards.executors import ExecutorOptions

ENTITIES = RunOptions(stages=("entities",))


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("asked") / "images", 24)


@pytest.fixture
def begin(tmp_path: Path, images: Path) -> Callable[..., RunFolder]:
    def make(url: str, **changes: Any) -> RunFolder:
        return init_run(str(images), tmp_path / "run", config_for(url, **changes), ExecutorOptions(), Watcher())

    return make


def states(run: RunFolder) -> Counter[str]:
    return Counter(row["state"] for shard in run.shard_numbers for row in run.read("entities", shard))


def kept(run: RunFolder) -> int:
    with sqlite3.connect(run.calls_path) as db:
        return int(db.execute("SELECT count(*) FROM calls WHERE kept").fetchone()[0])


def test_every_seventh_429_and_some_lost_connections(begin: Callable[..., RunFolder]) -> None:
    def script(asked: Asked) -> Reply:
        if asked.number % 7 == 6:
            return error(429, "slow down")
        return Reply(drop=True) if asked.number % 11 == 10 else answer(asked)

    with ScriptedServer(script) as server:
        run = begin(server.url)
        run_stages(run, ENTITIES, Watcher())
    assert states(run) == {State.DONE: 24}
    assert kept(run) == 24


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reply", "message"),
    [
        pytest.param(error(401, "Incorrect API key"), "refuses the key", id="bad key"),
        pytest.param(error(429, code="insufficient_quota"), "quota .* is used up", id="quota"),
        pytest.param(error(404, code="model_not_found"), "does not know the model 'scripted'", id="model gone"),
    ],
)
@pytest.mark.parametrize("after", [0, 10])
def test_what_no_retry_mends_stops_at_once_and_keeps_what_was_answered(
    begin: Callable[..., RunFolder], reply: Reply, message: str, after: int
) -> None:
    broken = [True]

    def script(asked: Asked) -> Reply:
        return reply if broken[0] and asked.number >= after else answer(asked)

    with ScriptedServer(script) as server:
        run = begin(server.url, language_model={"concurrency": 2})
        start = time.monotonic()
        with pytest.raises(StoppedRun, match=message):
            run_stages(run, ENTITIES, Watcher())
        assert time.monotonic() - start < 10
        assert len(server.asked) <= after + 4  # those that were under way
        assert kept(run) == after
        broken[0] = False
        run_stages(run, ENTITIES, Watcher())
        assert states(run) == {State.DONE: 24}
        answered = Counter(item_digest(one) for one in server.asked[:after])
        assert not answered & Counter(item_digest(one) for one in server.asked[after:])


def test_a_server_that_is_not_there(begin: Callable[..., RunFolder]) -> None:
    run = begin("http://127.0.0.1:9/v1")
    with pytest.raises(StoppedRun, match=r"no connection to http://127.0.0.1:9/v1 .* Start the server"):
        run_stages(run, ENTITIES, Watcher())


def test_openai_itself_needs_a_key(begin: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    run = begin("http://127.0.0.1:9/v1", language_model={"base_url": None})
    with pytest.raises(StoppedRun, match="set OPENAI_API_KEY"):
        run_stages(run, ENTITIES, Watcher())


@pytest.mark.slow
def test_answers_under_way_when_a_run_stops_are_kept(begin: Callable[..., RunFolder]) -> None:
    """They are paid for: a refused key in one request does not throw away the answer to another."""

    def script(asked: Asked) -> Reply:
        return error(401, "revoked") if asked.number == 3 else completion_late(asked)

    def completion_late(asked: Asked) -> Reply:
        reply = answer(asked)
        return Reply(reply.body, delay_s=0.5)

    with ScriptedServer(script) as server:
        run = begin(server.url, language_model={"concurrency": 8})
        with pytest.raises(StoppedRun, match="refuses the key"):
            run_stages(run, ENTITIES, Watcher())
        assert kept(run) == len(server.asked) - 1 >= 7


def test_the_limit_on_cost_is_kept_and_the_run_goes_on_with_a_higher_one(begin: Callable[..., RunFolder]) -> None:
    with ScriptedServer(answer) as server:
        run = begin(server.url, entities={"max_tokens": 300}, language_model={"concurrency": 4})
        with pytest.raises(StoppedRun, match=r"--max-cost 0.03 is reached: \$0\.0\d+ spent"):
            run_stages(run, RunOptions(stages=("entities",), max_cost_usd=0.03), Watcher())
        first = len(server.asked)
        assert 3 <= first < 24
        assert kept(run) == first
        with CallRecord(run.calls_path) as calls:
            spent = calls.spent()["entities"].cost_usd
        assert 0.03 - 0.006 < spent <= 0.03  # a call takes 0.0027, with the longest answer 0.0055
        with pytest.raises(StoppedRun, match=r"--max-cost 0\.03"):  # of the whole run, not of this start
            run_stages(run, RunOptions(stages=("entities",), max_cost_usd=0.03), Watcher())
        assert len(server.asked) == first
        run_stages(run, RunOptions(stages=("entities",), max_cost_usd=1), Watcher())
        assert len(server.asked) == 24
    assert states(run) == {State.DONE: 24}


def test_the_limit_on_cost_holds_with_a_server_that_counts_no_tokens(begin: Callable[..., RunFolder]) -> None:
    """What each call may have cost at most is taken."""

    def uncounted(asked: Asked) -> Reply:
        result = answer(asked)
        assert isinstance(result.body, Mapping)
        return replace(result, body={name: held for name, held in result.body.items() if name != "usage"})

    with ScriptedServer(uncounted) as server:
        run = begin(server.url, entities={"max_tokens": 300}, language_model={"concurrency": 4})
        with pytest.raises(StoppedRun, match=r"--max-cost 0.03 is reached: \$0\.0\d+ spent"):
            run_stages(run, RunOptions(stages=("entities",), max_cost_usd=0.03), Watcher())
        assert 3 <= kept(run) < 24
    with CallRecord(run.calls_path) as calls:
        assert 0.03 - 0.006 < calls.spent()["entities"].cost_usd <= 0.03


def test_a_limit_needs_prices(begin: Callable[..., RunFolder]) -> None:
    run = begin("http://127.0.0.1:9/v1", language_model={"prices": None})
    with pytest.raises(AnnotationError, match=r"--max-cost needs prices.*language_model"):
        run_stages(run, RunOptions(max_cost_usd=1), Watcher())


def test_what_the_record_holds_needs_no_server_and_no_key(
    begin: Callable[..., RunFolder], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedServer(answer) as server:
        run = begin(server.url)
        run_stages(run, ENTITIES, Watcher())
    before = [run.shard_path("entities", shard).read_bytes() for shard in run.shard_numbers]
    for shard in run.shard_numbers:
        run.shard_path("entities", shard).unlink()
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    run_stages(run, ENTITIES, Watcher())  # the server is gone
    assert [run.shard_path("entities", shard).read_bytes() for shard in run.shard_numbers] == before


def test_the_record_says_what_each_call_was_and_cost(begin: Callable[..., RunFolder]) -> None:
    with ScriptedServer(answer) as server:
        run = begin(server.url)
        run_stages(run, ENTITIES, Watcher())
        result: list[dict[str, int]] = [cast(dict[str, Any], answer(one).body)["usage"] for one in server.asked]
    with CallRecord(run.calls_path) as calls:
        spent = calls.spent()["entities"]
    assert (spent.calls, spent.prompt_tokens) == (24, sum(one["prompt_tokens"] for one in result))
    cost = sum(one["prompt_tokens"] * 2.5 + one["completion_tokens"] * 10 for one in result) / 1e6
    assert spent.cost_usd == pytest.approx(cost)


@pytest.mark.parametrize("name", ["temperature", "seed"])
def test_a_setting_that_an_answer_is_kept_under_is_never_dropped(begin: Callable[..., RunFolder], name: str) -> None:
    def script(asked: Asked) -> Reply:
        if name in asked.body:
            return error(400, f"Unsupported parameter: '{name}' is not supported with this model", param=name)
        return answer(asked)

    with ScriptedServer(script) as server:
        run = begin(server.url)
        with pytest.raises(StoppedRun, match=rf"rejects `{name}`; write `{name}: null` under language_model"):
            run_stages(run, ENTITIES, Watcher())


def test_a_server_without_structured_output_is_asked_for_json(begin: Callable[..., RunFolder]) -> None:
    def script(asked: Asked) -> Reply:
        if asked.body.get("response_format", {}).get("type") == "json_schema":
            return error(400, "response_format json_schema is not supported", param="response_format")
        return completion('```json\n{"entities": [{"name": "dog", "is_person": false}]}\n```')

    with ScriptedServer(script) as server:
        run = begin(server.url)
        run_stages(run, ENTITIES, Watcher())
    assert states(run) == {State.DONE: 24}


def test_concurrency_is_bounded(begin: Callable[..., RunFolder]) -> None:
    """By the server's own count of requests that it holds at once; over several shards."""
    lock, now, most = threading.Lock(), [0], [0]

    class Counting(ScriptedServer):
        async def _answer(self, request: Any) -> Any:
            with lock:
                now[0] += 1
                most[0] = max(most[0], now[0])
            try:
                return await super()._answer(request)
            finally:
                with lock:
                    now[0] -= 1

    with Counting(lambda asked: Reply(answer(asked).body, delay_s=0.05)) as server:
        run = begin(server.url, language_model={"concurrency": 5})
        run_stages(run, ENTITIES, Watcher())
    assert most[0] == 5


def test_the_prompt_and_the_picture_are_shown(begin: Callable[..., RunFolder]) -> None:
    with ScriptedServer(answer) as server:
        run = begin(server.url)
        run_stages(run, ENTITIES, Watcher())
    asked = server.asked[0]
    assert stage_of(asked) == "entities"
    assert asked.image.size == (224, 224)
    prompts = {picture.prompt for shard in run.shard_numbers for picture in run.pictures(shard)}
    result = re.search(r'a JSON string \(empty when it is not known\): "(.*)"', asked.text)
    assert result
    assert result[1] in prompts


def test_quality_by_the_language_model(tmp_path: Path, models: Path, begin: Callable[..., RunFolder]) -> None:
    """Scored over the five levels at the first token, or by the word where the server gives no probabilities."""

    def script(asked: Asked) -> Reply:
        if stage_of(asked) == "quality":
            return (
                completion("Poor", {"Poor": 0.6, "Fair": 0.2, "Bad": 0.2}) if asked.number % 2 else completion("Good.")
            )
        return answer(asked)

    with ScriptedServer(script) as server:
        detection = {"model": str(models / "dino"), "device": "cpu"}
        run = begin(server.url, detection=detection, quality={"scorer": "api"})
        run_stages(run, RunOptions(stages=("entities", "detection", "quality")), Watcher())
    rows = [row for shard in run.shard_numbers for row in run.read("quality", shard)]
    assert {row["state"] for row in rows} == {State.DONE}
    assert {round(row["quality_score"], 4) for row in rows} == {0.25, 0.75}
    assert {row["quality_prompt"].partition("@")[0] for row in rows} == {"quality"}
