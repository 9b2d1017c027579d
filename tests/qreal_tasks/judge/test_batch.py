"""``BatchJudge`` against a Batch API that is really served over HTTP."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from batch_server import BatchServer, Ending
from judging import asked_pair, manifest_for, scored
from typed import present
from typer.testing import CliRunner
from written_run import write_run

from qreal_tasks.files.sqlite_file import StoreError
from qreal_tasks.judge import commands
from qreal_tasks.judge.batch import BatchJudge
from qreal_tasks.judge.judge import Judge
from qreal_tasks.judge.pairs import Judgement, Pair
from qreal_tasks.llm.batch import api as batch_api
from qreal_tasks.llm.batch.harvester import BatchProgress
from qreal_tasks.llm.batch.limits import BatchLimits
from qreal_tasks.llm.batch.state import opened
from qreal_tasks.llm.errors.retry import StoppedRun
from qreal_tasks.llm.scripted_server import Asked, Reply, completion, error

pytestmark = pytest.mark.slow

GOOD = [Pair(f"flaw {n}", "flaw") for n in range(12)]
BAD = Pair("bad", "flaw")
HALF = [Judgement(0.5)] * 12


def half(_: Asked) -> Reply:
    return scored(0.5)


def by_number(asked: Asked) -> Reply:
    return scored(int(asked_pair(asked).predicted.split()[1]) / 12)


def judge_at(server: BatchServer, folder: Path, **settings: Any) -> BatchJudge:
    sizes = {name: settings.pop(name) for name in ("max_requests", "max_bytes") if name in settings}
    settings = {"limits": BatchLimits(0.001, **sizes), "api_key": "key", **settings}
    return BatchJudge(manifest_for(server.url), folder / "judged", **settings)


def submitted(server: BatchServer) -> Counter[Pair]:
    return Counter(map(asked_pair, server.asked))


def state_files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("judged.batches-*") if path.suffix != ".lock"]


class Killed(BaseException):
    """Stands for ``kill -9``: nothing in the program catches it."""


@pytest.mark.parametrize(
    ("limits", "sizes"),
    [
        pytest.param({}, [13], id="one batch"),
        pytest.param({"max_requests": 5}, [5, 5, 3], id="several by count"),
        pytest.param({"max_bytes": 13_000}, [5, 5, 3], id="several by bytes"),
    ],
)
def test_the_same_requests_and_judgements_as_live(tmp_path: Path, limits: dict[str, int], sizes: list[int]) -> None:
    pairs = [*GOOD, Pair("", "flaw"), GOOD[3], Pair("flaw", ""), Pair('"<\ud83d', "剪\u2028刀 12")]

    def script(asked: Asked) -> Reply:
        return scored(len(asked_pair(asked).predicted) / 20)

    with BatchServer(script) as server:
        with Judge(manifest_for(server.url), tmp_path / "live") as live:
            expected = live.judge(pairs)
        with judge_at(server, tmp_path, **limits) as judge:
            assert judge.judge(pairs) == expected
            assert judge.counts == live.counts
            assert judge.cost() == pytest.approx(present(live.cost()) / 2)
        assert sorted(json.dumps(one.body) for one in server.asked) == sorted(
            json.dumps(one.body) for one in server.live
        )
        assert [n for n, _ in server.batch_sizes] == sizes
        assert all(n_bytes <= limits.get("max_bytes", 10**9) for _, n_bytes in server.batch_sizes)
    assert state_files(tmp_path) == []


def test_the_second_run_submits_nothing_and_needs_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with BatchServer(by_number) as server:
        expected = [Judgement(n / 12) for n in range(12)]
        for outcome in ("scored", "from cache"):
            with judge_at(server, tmp_path, api_key=None) as judge:
                assert judge.judge(GOOD) == expected
                assert judge.counts == {outcome: 12}
        assert len(server.batch_sizes) == 1


def test_an_unusable_answer_is_submitted_once_by_a_judge_and_again_by_the_next(tmp_path: Path) -> None:
    with BatchServer(lambda _: completion('{"score": 80}')) as server:
        for commands in (1, 2):
            with judge_at(server, tmp_path) as judge:
                assert judge.judge([BAD, BAD]) == judge.judge([BAD, BAD]) == [Judgement(None, "out of range")] * 2
                assert judge.counts == {"out of range": 4}
            assert submitted(server) == {BAD: commands}


def test_each_call_is_logged_with_half_the_price(tmp_path: Path) -> None:
    with BatchServer(half) as server, judge_at(server, tmp_path) as judge:
        judge.judge(GOOD)
    rows = sqlite3.connect(tmp_path / "judged").execute("SELECT prompt_tokens, cost_usd FROM calls").fetchall()
    assert rows == [(100, pytest.approx((100 * 2.5 + 1 * 10) / 2e6))] * 12


def test_a_pair_larger_than_a_batch_is_named_before_anything_is_submitted(tmp_path: Path) -> None:
    large = Pair("a very long story " * 1000, "flaw")
    with BatchServer(half) as server, judge_at(server, tmp_path, max_bytes=10_000) as judge:
        with pytest.raises(ValueError, match=r"'a very long story .* takes \d+ bytes, expected at most 10000"):
            judge.judge([*GOOD, large])
        assert (server.uploads, server.asked) == (0, [])


@pytest.mark.parametrize(
    ("fault", "reason", "kept"),
    [
        pytest.param(error(429), "status 429", False, id="429"),
        pytest.param(error(500), "status 500", False, id="500"),
        pytest.param(error(400, "odd request"), "status 400", False, id="rejected"),
        pytest.param(scored(0.7, finish_reason="network_error"), "malformed answer", False, id="broken off"),
        pytest.param(Reply({"error": {"code": 500, "message": "x"}}), "status 500", False, id="500 inside a 200"),
        pytest.param(error(400, code="data_inspection_failed"), "content filter", True, id="filtered by DashScope"),
        pytest.param(error(400, code="content_filter"), "content filter", True, id="filtered question"),
        pytest.param(completion(None, finish_reason="content_filter"), "content filter", True, id="filtered answer"),
        pytest.param(completion(None, refusal="I cannot."), "refused", True, id="refusal"),
        pytest.param(completion('{"score": 0.', finish_reason="length"), "truncated", False, id="truncated"),
        pytest.param(completion("about a half"), "malformed JSON", False, id="malformed JSON"),
        pytest.param(Reply("text"), "malformed answer", False, id="no completion"),
        pytest.param(Reply({"choices": []}), "malformed answer", False, id="no choice"),
    ],
)
def test_a_fault_costs_its_pair_alone(tmp_path: Path, fault: Reply, reason: str, kept: bool) -> None:
    def script(asked: Asked) -> Reply:
        return fault if asked_pair(asked) == BAD else scored(0.5)

    expected = [*HALF, Judgement(None, reason)]
    with BatchServer(script) as server:
        with judge_at(server, tmp_path) as judge:
            assert judge.judge([*GOOD, BAD]) == expected
            assert judge.counts == {"scored": 12, reason: 1}
        with judge_at(server, tmp_path) as again:
            assert again.judge([*GOOD, BAD]) == expected
        assert submitted(server) == Counter(GOOD) + Counter({BAD: 1 if kept else 2})


@pytest.mark.parametrize("status", ["expired", "cancelled"])
def test_what_a_batch_left_is_submitted_again_by_the_next_start(tmp_path: Path, status: str) -> None:
    with BatchServer(half, ending=lambda number: Ending(status, 5) if number == 0 else Ending()) as server:
        with judge_at(server, tmp_path) as judge:
            assert judge.judge(GOOD) == HALF[:5] + [Judgement(None, f"batch {status}")] * 7
            assert judge.usage.failures == {f"batch {status}": 7}
        with judge_at(server, tmp_path) as again:
            assert again.judge(GOOD) == HALF
            assert again.counts == {"from cache": 5, "scored": 7}
        assert [n for n, _ in server.batch_sizes] == [12, 7]


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        (Ending("completed", 5), "no answer in batch"),
        (Ending("failed", 5), "batch failed"),
    ],
)
def test_a_pair_without_a_line_is_unjudged(tmp_path: Path, ending: Ending, reason: str) -> None:
    with BatchServer(half, ending=lambda number: ending) as server, judge_at(server, tmp_path) as judge:
        assert judge.judge(GOOD) == HALF[:5] + [Judgement(None, reason)] * 7


def test_unreadable_lines_and_unknown_ids_cost_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    odd = ("{not json", "[]", '{"custom_id": 7}', '{"custom_id": "elsewhere", "response": {"status_code": 200}}')
    with BatchServer(half, ending=lambda number: Ending(more_lines=odd)) as server, judge_at(server, tmp_path) as judge:
        assert judge.judge(GOOD) == HALF
    result = [record.message for record in caplog.records if record.name.startswith("qreal_tasks")]
    assert ["cannot be read" in line for line in result] == [True, True, True, False]
    assert "elsewhere, which was not asked" in result[3]


def test_a_refused_batch_stops_when_the_others_are_collected(tmp_path: Path) -> None:
    refusal = Ending("failed", 0, errors=({"code": "token_limit_exceeded", "message": "Enqueued token limit"},))
    with BatchServer(half, ending=lambda number: refusal if number == 0 else Ending()) as server:
        with (
            judge_at(server, tmp_path, max_requests=6) as judge,
            pytest.raises(StoppedRun, match=r"batch_0 was refused \(token_limit_exceeded Enqueued"),
        ):
            judge.judge(GOOD)
        with judge_at(server, tmp_path) as again:
            assert again.judge(GOOD) == HALF
            assert again.counts == {"from cache": 6, "scored": 6}


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (error(401), "refuses the key"),
        (error(404), "does not know the model"),
        (error(429, code="insufficient_quota"), "quota"),
        (error(400, "max_tokens is not supported, use max_completion_tokens instead"), "run without --batch"),
    ],
)
def test_what_fails_every_request_stops(tmp_path: Path, reply: Reply, message: str) -> None:
    with BatchServer(lambda _: reply) as server:
        judge = judge_at(server, tmp_path)
        with judge, pytest.raises(StoppedRun, match=message):
            judge.judge(GOOD)


@pytest.mark.parametrize("step", ["POST /files", "POST /batches", "GET /batches/batch_0", "GET /files/file-1/content"])
@pytest.mark.parametrize("fault", [error(500), error(429), Reply(drop=True)], ids=["500", "429", "dropped"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_passing_fault_of_a_step(tmp_path: Path, step: str, fault: Reply, when: str) -> None:
    """Also when the server did what was asked and only the answer was lost."""
    left = [1]

    def once(what: str) -> Reply | None:
        if what != step or not left:
            return None
        left.pop()
        return fault

    chosen: dict[str, Any] = {"fault": once} if when == "before" else {"after": once}
    with BatchServer(half, **chosen) as server:
        client = openai.OpenAI(base_url=server.url, api_key="key", max_retries=0)
        with judge_at(server, tmp_path, client=client) as judge:
            assert judge.judge(GOOD) == HALF
        assert submitted(server) == Counter(GOOD)


@pytest.mark.parametrize(
    ("status", "message"),
    [(401, "refuses the key"), (404, "has no Batch API; go on without --batch"), (400, "says 400: no")],
)
def test_a_hopeless_step_stops(tmp_path: Path, status: int, message: str) -> None:
    with BatchServer(half, fault=lambda what: error(status) if what == "POST /batches" else None) as server:
        with judge_at(server, tmp_path) as judge, pytest.raises(StoppedRun, match=message):
            judge.judge(GOOD)
        server.fault = lambda what: None
        with judge_at(server, tmp_path) as again:
            assert again.judge(GOOD) == HALF
        assert submitted(server) == Counter(GOOD)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("step", ["POST /files", "POST /batches", "GET /batches/", "GET /files/"])
def test_redirects_are_not_followed(tmp_path: Path, step: str, status: int) -> None:
    """The key and the descriptions would go to another host."""
    with BatchServer(half) as elsewhere:
        address = elsewhere.url.replace("127.0.0.1", "localhost")
        reply = Reply("", status=status, headers={"Location": address})
        with (
            BatchServer(half, fault=lambda what: reply if what.startswith(step) else None) as server,
            judge_at(server, tmp_path) as judge,
            pytest.raises(StoppedRun, match="the server redirects to localhost"),
        ):
            judge.judge(GOOD)
        assert (elsewhere.asked, elsewhere.uploads) == ([], 0)


def test_a_file_of_answers_without_end_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with BatchServer(half) as server:
        monkeypatch.setattr(batch_api, "MOST_BYTES", 100)
        with (
            judge_at(server, tmp_path) as judge,
            pytest.raises(StoppedRun, match="longer than 100 bytes; no batch has"),
        ):
            judge.judge(GOOD)
        monkeypatch.undo()
        with judge_at(server, tmp_path) as again:
            assert again.judge(GOOD) == HALF
        assert submitted(server) == Counter(GOOD)


def test_patience_ends_and_the_next_start_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_api, "PATIENCE", 3)
    with BatchServer(half, fault=lambda what: error(500) if what.startswith("GET /batches/") else None) as server:
        client = openai.OpenAI(base_url=server.url, api_key="key", max_retries=0)
        with judge_at(server, tmp_path, client=client) as judge, pytest.raises(StoppedRun, match="3 attempts"):
            judge.judge(GOOD)
        server.fault = lambda what: None
        with judge_at(server, tmp_path) as again:
            assert again.judge(GOOD) == HALF
        assert submitted(server) == Counter(GOOD)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    client = openai.OpenAI(base_url="http://127.0.0.1:9/v1", api_key="key", max_retries=0)
    judge = BatchJudge(manifest_for("http://127.0.0.1:9/v1"), tmp_path / "judged", client=client)
    with judge, pytest.raises(StoppedRun, match=r"no connection to http://127.0.0.1:9/v1 "):
        judge.judge(GOOD)


def places() -> list[tuple[str, int]]:
    """Every step of two batches of six, before and after it is done."""
    steps = ("upload", "create", "retrieve", "lines", "save", "put")
    counts = {"upload": 2, "create": 2, "retrieve": 4, "lines": 2, "save": 9, "put": 12}
    return [(step, number) for step in steps for number in range(counts[step])]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("step", "number"), places())
def test_killed_at_any_step_and_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, number: int, when: str
) -> None:
    owner = {"save": "qreal_tasks.llm.batch.state.BatchState", "put": "qreal_tasks.judge.cache.JudgeCache"}
    target = f"{owner.get(step, 'qreal_tasks.llm.batch.api.BatchApi')}.{step}"
    with BatchServer(half) as server:
        with monkeypatch.context() as patch, judge_at(server, tmp_path, max_requests=6) as judge:
            patch.setattr(target, dying(target, number, when))
            with pytest.raises(Killed):
                judge.judge(GOOD)
        with judge_at(server, tmp_path, max_requests=6) as again:
            assert again.judge([*GOOD, BAD]) == [*HALF, Judgement(0.5)]
        assert submitted(server) == Counter([*GOOD, BAD])
        assert len(sqlite3.connect(tmp_path / "judged").execute("SELECT key FROM calls").fetchall()) == 13
    assert state_files(tmp_path) == []


def dying(target: str, number: int, when: str) -> Callable[..., Any]:
    """The method that raises at its call ``number``, counted from 0, before or after its work."""
    module, owner, name = target.rsplit(".", 2)
    real, calls = getattr(getattr(__import__(module, fromlist=[owner]), owner), name), [0]

    def method(*args: Any, **settings: Any) -> Any:
        now, calls[0] = calls[0], calls[0] + 1
        if now == number and when == "before":
            raise Killed
        found = real(*args, **settings)
        if now == number:
            raise Killed
        return found

    return method


def test_a_start_with_other_pairs_keeps_what_was_paid_for(tmp_path: Path) -> None:
    def killed(progress: BatchProgress) -> None:
        raise Killed

    with BatchServer(half) as server:
        with judge_at(server, tmp_path, watch=killed) as judge, pytest.raises(Killed):
            judge.judge(GOOD[:6])
        with judge_at(server, tmp_path) as other:
            assert other.judge(GOOD[4:]) == HALF[4:]
        with Judge(manifest_for(server.url), tmp_path / "judged") as live:
            assert live.judge(GOOD) == HALF
            assert live.counts == {"from cache": 12}
        assert [n for n, _ in server.batch_sizes] == [6, 6]


def test_one_program_at_a_time(tmp_path: Path) -> None:
    with BatchServer(half) as server, judge_at(server, tmp_path, state=tmp_path / "state") as judge:
        with (
            opened(tmp_path / "state", judge.manifest.hash),
            pytest.raises(StoppedRun, match="another program waits"),
        ):
            judge.judge(GOOD)
        assert judge.judge(GOOD) == HALF


@pytest.mark.parametrize("text", ["{", "[]", '{"owner": "other", "shards": []}', '{"shards": 1}'])
def test_a_damaged_state_is_not_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "state").write_text(text)
    with BatchServer(half) as server, judge_at(server, tmp_path, state=tmp_path / "state") as judge:
        with pytest.raises(StoreError, match="may still be under way"):
            judge.judge(GOOD)
        assert server.uploads == 0


def test_what_the_watcher_is_told(tmp_path: Path) -> None:
    told: list[BatchProgress] = []
    with BatchServer(half, polls=2) as server, judge_at(server, tmp_path, watch=told.append, max_requests=6) as judge:
        judge.judge(GOOD)
    assert [one.submitted_requests for one in told[:2]] == [6, 12]
    assert told[1].submitted_bytes == sum(size for _, size in server.batch_sizes)
    assert [(one.answered, one.open_batches) for one in told[2:]] == [(0, 2), (0, 2), (12, 0)]


@pytest.fixture
def at_server(monkeypatch: pytest.MonkeyPatch) -> Callable[[BatchServer], None]:
    def use(server: BatchServer) -> None:
        monkeypatch.setattr("qreal_tasks.judge.manifest.load_manifest", lambda name: manifest_for(server.url))

    return use


def test_the_command(tmp_path: Path, at_server: Callable[[BatchServer], None]) -> None:
    run = write_run(tmp_path / "run")
    arguments = [str(run), "--batch", "--cache", str(tmp_path / "c"), "--poll", "1"]
    with BatchServer(half, polls=0) as server:
        at_server(server)
        first = CliRunner().invoke(commands.judge_app, ["run", *arguments])
        second = CliRunner().invoke(commands.judge_app, ["run", *arguments])
    assert first.exit_code == second.exit_code == 0, first.output
    assert "submitted 1 pairs in 1 batches (0.0 MB)" in first.output
    assert "submitted" not in second.output
    assert [n for n, _ in server.batch_sizes] == [1]


def test_the_command_is_stopped_and_started_again(
    tmp_path: Path, at_server: Callable[[BatchServer], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: float) -> None:
        raise KeyboardInterrupt

    run = write_run(tmp_path / "run")
    arguments = ["run", str(run), "--batch", "--cache", str(tmp_path / "c"), "--poll", "1"]
    with BatchServer(half, polls=1) as server:
        at_server(server)
        with monkeypatch.context() as patch:
            patch.setattr("qreal_tasks.llm.batch.harvester.time.sleep", stop)
            stopped = CliRunner().invoke(commands.judge_app, arguments)
        assert stopped.exit_code == 130
        assert "Start the same command again to go on" in stopped.output
        again = CliRunner().invoke(commands.judge_app, arguments)
        assert again.exit_code == 0, again.output
        assert len(server.batch_sizes) == 1


def test_a_copied_key_is_stripped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """httpx refuses a line break in a header, and names the whole header in its error."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-0123456789\n")
    with BatchServer(half) as server, judge_at(server, tmp_path, api_key=None) as judge:
        assert judge.judge(GOOD) == HALF


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(error(401, "Incorrect API key provided: sk-0123456789."), id="refused"),
        pytest.param(error(500, "no sk-0123456789 here"), id="passes"),
        pytest.param(error(404, "who is sk-0123456789"), id="unknown"),
    ],
)
def test_a_key_that_the_server_repeats_is_not_shown(
    fault: Reply, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("openai._base_client.INITIAL_RETRY_DELAY", 0)
    with BatchServer(half, fault=lambda what: fault) as server:
        judge = judge_at(server, tmp_path, api_key="sk-0123456789")
        with pytest.raises(StoppedRun, match="<key>") as raised:
            judge.judge(GOOD)
    assert "0123456789" not in str(raised.value) + caplog.text


def test_a_key_in_the_lines_of_a_batch_is_not_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    odd = ("{sk-0123456789", '{"custom_id": "sk-0123456789"}')
    refusal = Ending("completed", 5, more_lines=odd)

    def script(asked: Asked) -> Reply:
        return completion("the key is sk-0123456789")

    with (
        BatchServer(script, ending=lambda number: refusal) as server,
        judge_at(server, tmp_path, api_key="sk-0123456789") as judge,
    ):
        result = {judgement.text for judgement in judge.judge(GOOD)}
    assert result == {"the key is <key>", ""}
    assert "0123456789" not in caplog.text
