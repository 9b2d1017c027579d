"""Stages through a Batch API that is really served over HTTP."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from annotating import all_bytes, answer, config_for, item_digest, write_pictures
from batch_server import BatchServer, Ending

from annotation.execution.driver import RunOptions, Watcher, init_run, run_stages
from annotation.llm.budget import Budget
from annotation.llm.calls import CallRecord
from annotation.run.folder import RunFolder
from annotation.run.schemas import State
from qreal_tasks.llm.batch.limits import BatchLimits
from qreal_tasks.llm.errors.retry import StoppedRun
from qreal_tasks.llm.scripted_server import Asked, Reply, completion, error
from qreal_tasks.llm.usage import Prices
from qreal_tasks.shards.executors import ExecutorOptions

QUICK = BatchLimits(poll_s=0.001)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("batched") / "images", 16)


@pytest.fixture
def begin(tmp_path: Path, images: Path, models: Path) -> Callable[..., RunFolder]:
    def make(url: str, name: str = "run", **changes: Any) -> RunFolder:
        detector = {"model": str(models / "dino"), "device": "cpu", "max_boxes_per_phrase": 1}
        config = config_for(url, detection=detector, **changes)
        return init_run(str(images), tmp_path / name, config, ExecutorOptions(), Watcher())

    return make


def states(run: RunFolder) -> Counter[str]:
    return Counter(row["state"] for shard in run.shard_numbers for row in run.read("entities", shard))


def test_every_stage_gives_the_bytes_of_live_calls_at_half_the_price(begin: Callable[..., RunFolder]) -> None:
    with BatchServer(answer) as server:
        live, batched = begin(server.url, "live"), begin(server.url, "batched")
        run_stages(live, RunOptions(), Watcher())
        told, totals = Counter[str](), dict[str, int]()

        def counted(stage: str, count: int, anew: bool) -> None:
            told[stage] += count

        watcher = Watcher(stage=lambda stage, done, total: totals.update({stage: total}), items=counted)
        run_stages(batched, RunOptions(batch=QUICK), watcher)
        assert told == totals
        assert totals["entities"] == 16
        assert all_bytes(live) == all_bytes(batched)
        assert Counter(map(item_digest, server.asked)) == Counter(map(item_digest, server.live))
        assert len(server.batch_sizes) == 4  # entities, judgment, parts, merge
    with CallRecord(live.calls_path) as one, CallRecord(batched.calls_path) as other:
        for stage, spent in one.spent().items():
            assert other.spent()[stage].cost_usd == pytest.approx(spent.cost_usd / 2)
            assert other.spent()[stage].calls == spent.calls
    assert not (batched.path / "batches.json").exists()


@pytest.mark.parametrize(("limits", "least"), [({"max_requests": 5}, 4), ({"max_bytes": 300_000}, 2)])
def test_batches_are_cut_by_count_and_by_bytes(
    begin: Callable[..., RunFolder], limits: dict[str, int], least: int
) -> None:
    with BatchServer(answer) as server:
        run = begin(server.url)
        run_stages(run, RunOptions(stages=("entities",), batch=BatchLimits(poll_s=0.001, **limits)), Watcher())
        assert len(server.batch_sizes) >= least
        assert all(count <= limits.get("max_requests", 99) for count, _ in server.batch_sizes)
        assert all(size <= limits.get("max_bytes", 10**9) for _, size in server.batch_sizes)
    assert states(run) == {State.DONE: 16}


class Killed(BaseException):
    pass


@pytest.mark.parametrize("moment", ["submitted", "looked at"])
def test_a_stop_of_days_submits_nothing_twice(begin: Callable[..., RunFolder], moment: str) -> None:
    told: list[Any] = []

    def stop(progress: Any) -> None:
        told.append(progress)
        if (moment == "submitted") == (len(told) == 2) and len(told) >= 2:
            raise Killed

    with BatchServer(answer, polls=3) as server:
        run = begin(server.url)
        options = RunOptions(stages=("entities",), batch=BatchLimits(poll_s=0.001, max_requests=8))
        with pytest.raises(Killed):
            run_stages(run, options, Watcher(batch=stop))
        assert (run.path / "batches.json").exists()
        run_stages(run, options, Watcher())
        assert Counter(map(item_digest, server.asked)).most_common(1)[0][1] == 1
        assert len(server.asked) == 16
    assert states(run) == {State.DONE: 16}


@pytest.mark.parametrize("status", ["expired", "cancelled"])
def test_what_a_batch_left_stays_pending_and_is_submitted_again(begin: Callable[..., RunFolder], status: str) -> None:
    with BatchServer(answer, ending=lambda number: Ending(status, 5) if number == 0 else Ending()) as server:
        run = begin(server.url)
        options = RunOptions(stages=("entities",), batch=QUICK)
        with pytest.raises(StoppedRun, match=r"entities: batches left 11 requests without an answer"):
            run_stages(run, options, Watcher())
        run_stages(run, options, Watcher())
        assert [count for count, _ in server.batch_sizes] == [16, 11]
    assert states(run) == {State.DONE: 16}


FAULTS = {
    "filtered question": (error(400, code="content_filter"), State.FILTERED),
    "refused": (completion(None, refusal="No."), State.REFUSED),
    "another form": (completion("{}"), State.FAILED),
    "rejected": (error(400, "odd request"), State.FAILED),
    "filtered by Zhipu": (completion(None, finish_reason="sensitive"), State.FILTERED),
    "rejected inside a 200": (Reply({"error": {"code": 400, "message": "odd request"}}), State.FAILED),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_costs_its_item_alone(begin: Callable[..., RunFolder], fault: str) -> None:
    reply, state = FAULTS[fault]
    wrong: list[str] = []

    def script(asked: Asked) -> Reply:
        wrong[:] = wrong or [item_digest(asked)]
        return reply if item_digest(asked) == wrong[0] else answer(asked)

    with BatchServer(script) as server:
        run = begin(server.url)
        run_stages(run, RunOptions(stages=("entities",), batch=QUICK), Watcher())
    assert states(run) == {State.DONE: 15, state: 1}


@pytest.mark.parametrize("reply", [completion("Sure!"), completion(None, refusal="No.")], ids=["nonsense", "refusals"])
def test_a_stage_of_which_nothing_comes_stops_the_run(begin: Callable[..., RunFolder], reply: Reply) -> None:
    with BatchServer(lambda _: reply) as server:
        run = begin(server.url)
        with pytest.raises(StoppedRun, match="every answer of the language model was unusable: "):
            run_stages(run, RunOptions(batch=QUICK), Watcher())
        assert len(server.asked) == 16
    assert not run.is_done("detection", 0)


def test_what_fails_every_request_stops(begin: Callable[..., RunFolder]) -> None:
    with BatchServer(lambda _: error(429, code="insufficient_quota")) as server:
        run = begin(server.url)
        with pytest.raises(StoppedRun, match=r"quota .* What was answered is kept"):
            run_stages(run, RunOptions(stages=("entities",), batch=QUICK), Watcher())
    assert not run.is_done("entities", 0)


def test_the_limit_on_cost_counts_what_is_under_way(begin: Callable[..., RunFolder]) -> None:
    with BatchServer(answer) as server:
        run = begin(server.url, entities={"max_tokens": 300})
        options = RunOptions(stages=("entities",), batch=QUICK, max_cost_usd=0.02)
        with pytest.raises(StoppedRun, match=r"--max-cost 0\.02 is reached"):
            run_stages(run, options, Watcher())
        first = len(server.asked)
        assert 3 <= first < 16
        run_stages(run, RunOptions(stages=("entities",), batch=QUICK), Watcher())
        assert len(server.asked) == 16
    with sqlite3.connect(run.calls_path) as db:
        assert db.execute("SELECT count(*), count(DISTINCT key) FROM calls").fetchone() == (16, 16)


def test_batches_of_an_earlier_program_count_whatever_the_limit_is_now() -> None:
    budget = Budget(5.0, Prices(1, 1), spent_usd=0.0)
    budget.add_under_way(8.0)
    assert not budget.reserve(0.5), "more is under way than may be spent"
    budget.settle(8.0, 4.0)
    assert (budget.spent_usd, budget.calls_under_way) == (4.0, 0)
    assert not budget.reserve(1.5)
    assert budget.reserve(0.5)


@pytest.mark.parametrize("batch", [None, QUICK])
def test_a_key_that_cannot_be_sent_is_said_and_never_shown(
    batch: BatchLimits | None, begin: Callable[..., RunFolder], caplog: pytest.LogCaptureFixture
) -> None:
    with BatchServer(answer) as server:
        run = begin(server.url)
        with pytest.raises(StoppedRun, match="the API key holds a line break") as raised:
            run_stages(run, RunOptions(stages=("entities",), batch=batch, api_key="sk-secret1\nsk-secret2"), Watcher())
    assert "secret" not in str(raised.value) + caplog.text
