"""``qreal eval`` against servers that answer oddly, die, and come back: numbers, stored answers, status, message."""

from __future__ import annotations

import hashlib
import json
import math
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from sklearn.metrics import accuracy_score, roc_auc_score

from qreal_tasks.benchmark import QUESTION_NAMES
from qreal_tasks.dataset.loading import load_split
from qreal_tasks.dataset.source import locate
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion, error, token
from qreal_tasks.records import JudgmentRecord
from qreal_tasks.results.run_folder import Run, find_results, read_run
from qreal_tasks.results.score import find_differences, score_run

pytestmark = pytest.mark.harness

ROWS = 26
QUESTIONS = len(QUESTION_NAMES)
KEY = "sk-proj-0123456789"


def digest(image: Image.Image) -> str:
    return hashlib.sha256(image.convert("RGB").tobytes() + str(image.size).encode()).hexdigest()


@dataclass(frozen=True)
class Expected:
    """What a record has to hold for every question about one picture."""

    answer: str | None
    p_yes: float | None
    mass: float | None = None
    reason: str | None = None


def result(content: str, *entries: dict[str, Any], reason: str | None = "stop", **message: Any) -> Reply:
    choice = {
        "message": {"content": content, **message},
        "finish_reason": reason,
        "logprobs": {"content": list(entries)},
    }
    return Reply({"choices": [choice], "usage": {"prompt_tokens": 9, "completion_tokens": len(entries)}})


def verdict(answer: str, p_yes: float) -> dict[str, Any]:
    """A token whose list gives this P(Yes), with a mass of .9."""
    return token(answer, 0.9 * (p_yes if answer == "Yes" else 1 - p_yes), {"Yes": 0.9 * p_yes, "No": 0.9 * (1 - p_yes)})


def other(text: str) -> dict[str, Any]:
    return token(text, 0.9, {text: 0.9, "Yes": 0.05, "No": 0.01})


def once(first: Reply) -> Callable[[Asked, bool, Reply], Reply]:
    """What comes before the good answer to every request."""
    return lambda asked, is_first, good: first if is_first else good


MINUTE = [
    {
        "error": {
            "code": 429,
            "message": "You exceeded your current quota, please check your plan. Please retry in 0.2s.",
            "status": "RESOURCE_EXHAUSTED",
            "details": [{"violations": [{"quotaId": "GenerateRequestsPerMinute"}]}, {"retryDelay": "0.2s"}],
        }
    }
]
DASHSCOPE = error(400, "Input data may contain inappropriate content.", code="data_inspection_failed")
ZHIPU = result("", reason="sensitive")

Kind = Callable[[str, float], tuple[Callable[[Asked, bool, Reply], Reply] | None, Reply, Expected]]
"""From an answer and a P(Yes) to what is replied first, what in the end, and what must come of it."""


def fine(answer: str, p: float) -> Expected:
    return Expected(answer, p, 0.9)


def not_listed(answer: str, p: float) -> tuple[None, Reply, Expected]:
    entry = verdict(answer, p)
    kept = [one for one in entry["top_logprobs"] if one["token"] != answer]
    return None, result(answer, {**entry, "top_logprobs": kept}), fine(answer, p)


def apart(answer: str, p: float) -> tuple[None, Reply, Expected]:
    reply = result(answer, other("Okay"), other(", yes?"), verdict(answer, p), reasoning_content="Okay, yes?")
    return None, reply, fine(answer, p)


def marked(answer: str, p: float) -> tuple[None, Reply, Expected]:
    return None, result(f"**{answer}**", other("**"), verdict(answer, p), other("**")), fine(answer, p)


def labelled(answer: str, p: float) -> tuple[None, Reply, Expected]:
    return None, result(f"Answer: {answer}", other("Answer"), other(":"), verdict(answer, p)), fine(answer, p)


def started(answer: str, p: float) -> tuple[None, Reply, Expected]:
    return None, result(answer, token("", 1.0, {"": 1.0}), verdict(answer, p)), fine(answer, p)


def no_number(answer: str, p: float) -> tuple[None, Reply, Expected]:
    return None, result(answer, {**verdict(answer, p), "logprob": math.nan}), Expected(answer, None)


def filtered(answer: str, p: float) -> tuple[None, Reply, Expected]:
    return None, DASHSCOPE, Expected(None, None, None, "content filter")


def sensitive(answer: str, p: float) -> tuple[None, Reply, Expected]:
    return None, ZHIPU, Expected(None, None, None, "content filter")


def after(first: Reply) -> Kind:
    return lambda answer, p: (once(first), result(f"{answer}.", verdict(answer, p), other(".")), fine(answer, p))


KINDS: list[Kind] = [
    not_listed,
    apart,
    marked,
    labelled,
    started,
    no_number,
    filtered,
    sensitive,
    after(result("Yes", verdict("Yes", 0.5), reason="network_error")),
    after(
        Reply({"choices": [{"message": {"content": ""}, "finish_reason": "stop"}], "usage": {"completion_tokens": 0}})
    ),
    after(Reply({"error": {"message": "slow down", "code": 429}})),
    after(Reply(MINUTE, status=429)),
    lambda answer, p: (None, result(answer, verdict(answer, p)), fine(answer, p)),
]


def pictures() -> list[str]:
    return [digest(row["image"]) for row in load_split(locate("mini"), "objectqa", "test").select(range(ROWS))]


def plan() -> dict[str, tuple[Callable[[Asked, bool, Reply], Reply] | None, Reply, Expected]]:
    found = {}
    for at, picture in enumerate(pictures()):
        p = int(picture[:4], 16) / 2**16
        found[picture] = KINDS[at % len(KINDS)]("Yes" if p > 0.5 else "No", p)
    return found


@dataclass
class Ended:
    status: int
    output: str
    folder: Path

    def run(self) -> Run:
        run = read_run(find_results(self.folder)[-1])
        assert find_differences(run, score_run(run, resamples=0)) == []
        return run

    def records(self) -> dict[str, list[JudgmentRecord]]:
        return {t.name: [r for r in t.records if isinstance(r, JudgmentRecord)] for t in self.run().tasks}


def evaluate(folder: Path, url: str, **more: Any) -> Ended:
    """``qreal eval`` of ObjectQA on the first rows of the embedded set, all questions about a picture."""
    settings = {"model": "odd", "base_url": url, "concurrency": 4, "first_wait_s": 0.05, **more}
    settings["store"] = folder / "answers.sqlite"
    arguments = ",".join(f"{name}={value}" for name, value in settings.items())
    done = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "qreal"), "eval", "--model", "qreal_openai", "--model_args", arguments),
            *("--tasks", "qreal_objectqa", "--limit", str(ROWS), "--output_path", str(folder)),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "OPENAI_API_KEY": KEY},
    )
    return Ended(done.returncode, done.stdout + done.stderr, folder)


def stored(folder: Path) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(folder / "answers.sqlite")) as db:
        return [json.loads(text) for (text,) in db.execute("SELECT response FROM answers")]


def test_odd_replies_give_the_numbers_that_they_mean(tmp_path: Path) -> None:
    """The temperature is refused in words of its own, ten log-probabilities are the most, and every kind of reply comes
    for some pictures; the numbers are computed here from what was scripted, with scikit-learn."""
    replies, seen, lock = plan(), Counter[str](), threading.Lock()

    def script(asked: Asked) -> Reply:
        if "temperature" in asked.body:
            return error(400, "`temperature` is deprecated for this model.")
        if asked.body["top_logprobs"] > 10:
            wanted = asked.body["top_logprobs"]
            return error(400, f"Requested sample logprobs of {wanted}, which is greater than max allowed: 10")
        first, good, _ = replies[digest(asked.image)]
        with lock:
            seen[asked.text + asked.image_url] += 1
            is_first = seen[asked.text + asked.image_url] == 1
        return good if first is None else first(asked, is_first, good)

    with ScriptedServer(script) as server:
        ended = evaluate(tmp_path, server.url)
    assert ended.status == 0, ended.output[-4000:]
    rows = load_split(locate("mini"), "objectqa", "test").select(range(ROWS))
    wanted = [replies[digest(row["image"])][2] for row in rows]
    for name, records in ended.records().items():
        place = {row["entity_id"]: at for at, row in enumerate(rows)}
        for record in records:
            expected = wanted[place[record.entity_id]]
            assert (record.answer, record.reason) == (expected.answer, expected.reason)
            assert record.p_yes == (None if expected.p_yes is None else pytest.approx(expected.p_yes, abs=1e-9))
            assert record.mass == (None if expected.mass is None else pytest.approx(expected.mass, abs=1e-9))
        truth = [("No", "Yes")[row[name]] for row in rows]
        live = next(task.live for task in ended.run().tasks if task.name == name)
        unread = sum(one.answer is None for one in wanted)
        assert live["acc"] == pytest.approx(accuracy_score(truth, [one.answer or "" for one in wanted]), abs=1e-9)
        assert live["unparsed"] == pytest.approx(unread / ROWS, abs=1e-9)
        assert live["mass"] == pytest.approx(0.9, abs=1e-9)
        assert live["off_choice"] == 0
        scored = [(t == "Yes", one.p_yes) for t, one in zip(truth, wanted, strict=True) if one.p_yes is not None]
        both = len({t for t, _ in scored}) == 2
        auc = pytest.approx(roc_auc_score(*zip(*scored, strict=True)), abs=1e-9) if both else None
        assert live["auc"] == auc
    assert len(stored(tmp_path)) == ROWS * QUESTIONS
    assert Counter(one["unanswered"] for one in stored(tmp_path)) == {
        None: 22 * QUESTIONS,
        "content filter": 4 * QUESTIONS,
    }
    notices = [line for line in ended.output.splitlines() if " rejects " in line]
    assert len(notices) == 2, notices
    assert "is asked for 10" in ended.output
    assert "answers without P (" in ended.output


def refuses_logprobs(asked: Asked) -> Reply:
    if "logprobs" in asked.body:
        return error(403, "You are not allowed to request logprobs from this model")
    return completion("Yes.", delay_s=0.01)


def test_a_server_that_dies_in_the_middle_and_returns_costs_no_answer(tmp_path: Path) -> None:
    """It refuses log-probabilities with the status of a refused key, too: said once, and the run goes on without."""
    first = ScriptedServer(lambda asked: refuses_logprobs(asked) if asked.number < 60 else Reply(drop=True))
    done = threading.Event()

    def replace() -> None:
        while len(first.asked) < 60:
            time.sleep(0.01)
        first.__exit__()
        time.sleep(3)
        with ScriptedServer(refuses_logprobs, port=first.port):
            done.wait(timeout=300)

    with first:
        thread = threading.Thread(target=replace)
        thread.start()
        ended = evaluate(tmp_path, first.url)
        done.set()
        thread.join(timeout=30)
    assert ended.status == 0, ended.output[-4000:]
    assert {r.answer for records in ended.records().values() for r in records} == {"Yes"}
    assert {task.live["auc"] for task in ended.run().tasks} == {None}
    assert len(stored(tmp_path)) == ROWS * QUESTIONS
    assert ended.output.count("rejects `logprobs`") == 1
    assert "is gone (connection lost" in ended.output
    assert "is back after" in ended.output


def test_a_server_that_is_gone_for_good_and_a_run_that_stays_incomplete(tmp_path: Path) -> None:
    """Three starts of one command: the server dies; it is back but fails on one picture; it is well."""
    answered = 50

    def dies(asked: Asked) -> Reply:
        return completion("No.") if asked.number < answered else Reply("<html>bad gateway</html>", status=502)

    with ScriptedServer(dies) as server:
        gone = evaluate(tmp_path, server.url, outage_s=1)
    assert gone.status == 1
    last = gone.output.strip().splitlines()
    assert any("has been gone for" in line and "run the same command again" in line for line in last[-4:]), last[-6:]
    assert not list(tmp_path.rglob("*_results.json"))
    assert len(stored(tmp_path)) == answered

    bad = pictures()[-1]

    def fails_on_one(asked: Asked) -> Reply:
        return error(500, f"out of memory, {KEY}") if digest(asked.image) == bad else completion("No.")

    with ScriptedServer(fails_on_one, port=server.port) as server:
        incomplete = evaluate(tmp_path, server.url, outage_s=1, max_retries=1)
    assert incomplete.status == 1
    told = incomplete.output.strip().splitlines()[-1]
    assert f"incomplete: {QUESTIONS} of {ROWS * QUESTIONS} questions have no answer" in told
    assert "request failed: 500: out of memory, <key>" in told
    assert "run the same command again" in told
    assert len(stored(tmp_path)) == (ROWS - 1) * QUESTIONS
    assert KEY not in incomplete.output
    assert not any(KEY.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

    with ScriptedServer(lambda _: completion("No."), port=server.port) as server:
        well = evaluate(tmp_path, server.url, outage_s=1)
        assert len(server.asked) == QUESTIONS
    assert well.status == 0, well.output[-4000:]
    assert {r.answer for records in well.records().values() for r in records} == {"No"}
