"""Keys, addresses and home folders put into every entrance of the benchmark's commands, and searched for in all that
they write: keys nowhere, addresses and folders in nothing that is made for others (``qreal_tasks.text.redaction``)."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from batch_server import BatchServer, Ending
from canaries import (
    FOLDER,
    HOST,
    IP,
    KEYS,
    PRIVATE,
    SERVERS_KEY,
    always,
    found,
    keys,
    logged,
    result,
    said_key,
    set_canaries,
)
from judging import manifest_for
from PIL import Image
from small_set import small_rows, write_hub_layout
from submitted import on, simulated, write_run
from tampering import change_manifest, change_samples
from typer.testing import CliRunner

from qreal_tasks.cli import app
from qreal_tasks.harness.eval_command import run as harness
from qreal_tasks.judge.batch import BatchJudge
from qreal_tasks.judge.manifest import JudgeManifest
from qreal_tasks.judge.pairs import Pair
from qreal_tasks.leaderboard.submission.references import load_references
from qreal_tasks.llm.batch.limits import BatchLimits
from qreal_tasks.llm.errors.retry import StoppedRun
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion, error
from qreal_tasks.models.requests import Request, Response
from qreal_tasks.models.server.engine import OpenAIEngine
from qreal_tasks.models.store import AnswerStore, answer_with_store
from qreal_tasks.records import JudgmentRecord, Record
from qreal_tasks.samples import ModelAnswer, SampleContext, judgment_record
from qreal_tasks.text.redaction import find_private

GIVEN = "canary/Given+seven"
"""A key that is an argument, and in no variable."""
KEY, TOKEN = KEYS["OPENAI_API_KEY"], KEYS["HF_TOKEN"]
CHOICES = ("Yes", "No")


@dataclass
class Made:
    """What the commands left behind: ``mine`` stays on the user's machine, ``others`` is for others."""

    mine: Path
    others: Path
    printed: dict[str, str]
    """By command."""
    reasons: list[str]
    """Of records, where they entered."""

    def qreal(self, *words: object, status: int = 0) -> None:
        """A command as typed, its words and output kept."""
        done = CliRunner().invoke(app, [str(word) for word in words])
        name = " ".join(str(word) for word in words[:2])
        self.printed[f"{name} ({len(self.printed)})"] = done.output + repr(done.exception)
        assert done.exit_code == status, done.output


def replies(text: str, echoed: str) -> list[Callable[[], Reply]]:
    """Every way in which a server repeats what it was sent.

    Args:
        echoed: the key, wherever a server puts one word.
    """
    words = said_key(echoed)  # an answer is kept as it is, but for the user's own keys
    hidden, hidden_words = ("".join(f"\\u{ord(letter):04x}" for letter in one) for one in (text, words))
    answer = completion(words, {words: 0.5, "No": 0.3}).body
    assert isinstance(answer, dict)
    return [
        lambda: completion(words, {words: 0.5, "Yes": 0.3}),
        lambda: completion("No", None, refusal=words),
        lambda: Reply({**answer, "model": words, "system_fingerprint": echoed, "id": echoed}),
        lambda: Reply(json.dumps(answer).replace(json.dumps(words), f'"{hidden_words}"')),
        lambda: Reply(f"no JSON: {text}"),
        lambda: Reply({"choices": [], "error": {"message": text, "code": echoed}}),
        lambda: error(400, text, code=echoed, param=echoed, retry_after=echoed, x_request_id=echoed),
        lambda: Reply(f'{{"error": {{"message": "{hidden}", "type": "{echoed}"}}}}', status=422),
        lambda: Reply(f"<html>{text}</html>", status=500, headers={"server": echoed}),
        lambda: error(429, text, retry_after=echoed),
        lambda: Reply({"detail": [{"loc": ["body", echoed], "msg": text, "input": echoed}]}, status=400),
        lambda: completion("Yes", {"Yes": 0.8, "No": 0.2}),
    ]


def in_turn(text: str, echoed: str) -> Callable[[Asked], Reply]:
    turns = itertools.cycle(replies(text, echoed))
    return lambda asked: next(turns)()


def ask(made: Made, home: Path) -> list[Response]:
    """Two requests for each way, stored; by a key of the environment, then by one that was given; then runs that a
    refusal ends."""
    picture = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
    requests = [Request(picture, f"real {n}?", CHOICES if n % 2 else ()) for n in range(2 * len(replies("", "")))]
    answered: list[Response] = []
    for given, key in ((None, KEY), (GIVEN, GIVEN)):
        with ScriptedServer(in_turn(result(home, key), key)) as server:
            settings: dict[str, Any] = {"concurrency": 1, "first_wait_s": 0.001, "max_retries": 0}
            engine = OpenAIEngine("m", base_url=server.url, api_key=given, **settings)
            with AnswerStore(made.mine / f"answers-{len(answered)}.sqlite") as store:
                by_place = dict(answer_with_store(engine, store, requests))
        answered += [by_place[place] for place in sorted(by_place)]
    ends = [error(status, result(home), code=KEY) for status in (401, 404)]
    for end in (*ends, Reply("", status=302, headers={"location": f"http://{HOST}:8000/{KEY}"})):
        with ScriptedServer(always(end)) as server:
            engine = OpenAIEngine("m", base_url=server.url, first_wait_s=0.001, max_retries=0)
            with pytest.raises(StoppedRun) as stopped:
                list(engine.run(requests[:2]))
        made.printed[f"stopped by {end.status}"] = str(stopped.value)
    made.printed["answers and reasons, as backends hand them on"] = "\n".join(map(repr, answered))
    return answered


def records_of(made: Made, responses: list[Response], data: Path) -> list[Record]:
    """Those of a simulated run, some of them with what the server answered in place of an answer."""
    references = load_references(str(data))
    records = on(simulated(references, judge=False), str(data))
    given = itertools.cycle(responses)

    def read(row: Mapping[str, Any], question: str, response: Response) -> JudgmentRecord:
        answer = ModelAnswer.from_response(response.text, response.beside())
        return judgment_record(dict(row), question, answer, SampleContext(str(data)))

    first = next(iter(references.entities.values()))
    reasons = (read(first, "realism_q1", response).reason for response in responses)
    made.reasons += [reason for reason in reasons if reason is not None]
    return [
        read(references.entities[record.entity_id], record.question, next(given))
        if isinstance(record, JudgmentRecord) and record.question != "realism_q2"
        else record
        for record in records
    ]


def with_old_reasons(record: Record, text: str) -> Record:
    """As an earlier release, or a backend of others, has written them."""
    if isinstance(record, JudgmentRecord) and record.question == "realism_q2" and record.entity_id.endswith("#0"):
        reason = f"request failed: {text}"[:300]
        return replace(record, reason=reason, raw="", answer=None, p_yes=None, mass=None)
    return record


def evaluate(made: Made, run: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`qreal eval` with a harness that prints its arguments, as the real one does, and a backend that stores errors."""
    folder = made.mine / "evaluated"
    script = """if True:
        import os, pathlib, shutil, sys
        source, target, text = sys.argv[1:]
        print({"token": os.environ["HF_TOKEN"]}, text)
        sys.stdout.flush()
        half = os.environ["OPENAI_API_KEY"]
        os.write(1, half[:7].encode()); os.write(1, half[7:].encode() + b"\\n")
        print(text, file=sys.stderr)
        for path in pathlib.Path(source).iterdir():
            content = path.read_text().replace('"doc_id": 0,', '"doc_id": 0, "resps": "' + text + '",')
            content = content.replace('"limit": ', '"token": "' + os.environ["HF_TOKEN"] + '", "limit": ')
            (pathlib.Path(target) / path.name).write_text(content)
    """
    text = result(home).replace(
        SERVERS_KEY, ""
    )  # a backend of others may log its server's key: only own ones are known
    command = [sys.executable, "-c", script, str(run), str(folder), text]
    monkeypatch.setattr(harness, "_command", lambda arguments: command)
    made.qreal("eval", "--model", "dummy", "--output_path", folder, status=1)  # some questions have no answer
    assert (folder / "harness.log").stat().st_size > 300
    return folder


def judge_in_batches(made: Made, home: Path) -> None:
    """Answers, errors and refusals of whole batches; what the server says of itself goes to the log."""
    pairs = [Pair(f"a dog {n}", "a cat") for n in range(2 * len(replies("", "")))]
    lines = ("no JSON: " + result(home), json.dumps({"custom_id": result(home)}), json.dumps({"error": KEY}))
    endings = [Ending(more_lines=lines), Ending("failed", errors=({"code": KEY, "message": result(home)},))]
    faults = iter([None, None, error(500, result(home), code=KEY), Reply(f"<html>{result(home)}", status=502)])
    for ending in endings:
        script = in_turn(result(home), KEY)
        with BatchServer(script, ending=always(ending), fault=lambda _: next(faults, None)) as server:
            settings: dict[str, Any] = {"limits": BatchLimits(0.001), "state": made.mine / "batches.json"}
            with BatchJudge(manifest_for(server.url), made.mine / "batched.sqlite", **settings) as judge:
                try:
                    made.printed[f"batch, {ending.status}"] = repr(judge.judge(pairs))
                except StoppedRun as stopped:
                    made.printed[f"batch, {ending.status}"] = str(stopped)
                made.printed[f"batch, {ending.status}, counted"] = repr((judge.counts, judge.examples, judge.usage))
            pairs = [replace(pair, reference="a cow") for pair in pairs]


def misuse(made: Made, run: Path, home: Path) -> None:
    """Keys where none belongs; the last one is nobody's, and known by what stands around it."""
    config, judge = made.mine / "eval.yaml", home / "judge.yaml"
    for text in (f"env: {{OPENAI_API_KEY: {KEY}}}\n]", f"{KEY}: [", f"model: dummy\nmodel_args: {KEY}", f"env: {KEY}"):
        config.write_text(text)
        made.qreal("eval", "--config", config, status=1)
        config.unlink()
    for given in (f"api_key={KEY}", f"token={TOKEN}", f"pretrained={KEY}", f"base_url=http://me:{KEY}@h/v1"):
        made.qreal("eval", "--model", "openai", "--model_args", given, status=1)
    made.qreal("eval", "--model", "qreal_openai", "--model_args", "model=m,base_url=http://me:hunter@h/v1", status=1)
    manifest = manifest_for("https://h/v1").model_dump(mode="json")
    for changes in ({"base_url": f"http://{KEY}@h/v1"}, {"api_key": KEY}, {"temperature": KEY}, {"name": f"a {KEY}"}):
        judge.write_text(yaml.safe_dump({**manifest, **changes}))
        made.qreal("judge", run, "--judge", judge, status=1)
    made.qreal("submit", "pack", run, made.mine / "no", "--name", KEY, "--data", os.environ["QREAL_DATA"], status=1)
    for words in (["score", made.mine / KEY], ["data", "check", KEY], ["submit", "check", made.mine / KEY]):
        made.qreal(*words, status=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """All commands, one after the other."""
    root = tmp_path_factory.mktemp("canaries")
    made = Made(root / "mine", root / "others", {}, [])
    data = root / FOLDER / "set"
    for folder in (made.mine, made.others, data.parent):
        folder.mkdir()
    write_hub_layout(data, small_rows())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("datasets.config.HF_DATASETS_CACHE", root / "cache")
        home = set_canaries(patch, root)
        patch.setenv("QREAL_DATA", str(data))
        patch.setenv("QREAL_JUDGE_CACHE", str(made.mine / "judgements.sqlite"))
        patch.chdir(made.mine)
        with logged(made.printed):
            _run_all(made, data, home, patch)
        yield made


def _run_all(made: Made, data: Path, home: Path, patch: pytest.MonkeyPatch) -> None:
    records = records_of(made, ask(made, home), data)
    arguments = f"pretrained={home}/model,adapter=/data/{FOLDER}/adapter,base_url=http://{HOST}:8000/v1,dtype=bfloat16"
    arguments += f",system_prompt=see {IP}"
    old = [with_old_reasons(record, result(home).replace(SERVERS_KEY, "")) for record in records]
    write_run(home / "written", old, model_args=arguments, judge=None)
    run = evaluate(made, home / "written", home, patch)
    manifest = made.mine / "judge.yaml"
    turns = [lambda: completion('{"score": 0.5}'), *replies(result(home), KEY)]
    answers = itertools.cycle(turns)
    with ScriptedServer(lambda asked: next(answers)()) as server:
        _write_judge(manifest, manifest_for(server.url, model=f"/data/{FOLDER}/judge"))
        made.qreal("judge", run, "--judge", manifest, "--concurrency", 1)
    judge_in_batches(made, home)
    misuse(made, run, home)
    for path in run.glob("*_samples_qreal_imageqa_*.jsonl"):
        for record in (json.loads(line)["records"] for line in path.read_text().splitlines()):
            made.reasons += [*record["unjudged"], *record["judge_said"].values()]
    made.qreal("score", run, "--html", made.others / "report.html", "--json", "--resamples", 20)
    gone = ("--data", f"/data/{FOLDER}/gone", "--html", made.others / "without-pictures.html")
    made.qreal("score", run, *gone, "--resamples", 20)
    made.qreal("compare", run, run, "--html", made.others / "compare.html", "--resamples", 20)
    made.qreal("submit", "pack", run, made.others / "submissions" / "one", "--name", "One", "--data", data)
    made.qreal("submit", "check", made.others / "submissions" / "one", "--data", data)
    exports = ["--hub-results", made.others / "hub", "--every-eval-ever", made.others / "eee"]
    exports += ["--model-card", made.others / "card.md", "--dataset", "org/set"]
    made.qreal("submit", "export", run, *exports)
    incoming = tampered(made.others / "submissions" / "one", home)
    build = ("leaderboard", "build", incoming, made.others / "site", "--data", data)
    made.qreal(*build, "--cache", made.mine / "checks", "--title", f"Board of {KEY}")


def tampered(submission: Path, home: Path) -> Path:
    """What a board takes in: an honest submission, and ones that nobody has packed, whose refusals quote them."""
    folder, text = home / "incoming", result(home).replace(KEY, "none")[:200]
    for name in ("one", "two", "three"):
        shutil.copytree(submission, folder / name)
    first = {"raw": "Yes", "answer": "Yes", "reason": text}
    change_samples(folder / "two", "qreal_objectqa_realism_q1", lambda samples: samples[0].update(first))
    change_manifest(folder / "three", lambda manifest: manifest["model"].update(name=7, revision=text, more=text))
    return folder


def _write_judge(path: Path, manifest: JudgeManifest) -> None:
    path.write_text(yaml.safe_dump(manifest.model_dump(mode="json")), encoding="utf-8")


@pytest.mark.slow
def test_keys_are_in_nothing_that_was_written_or_printed(made: Made) -> None:
    needles = [*keys(), GIVEN, "hunter"]
    leaks = found(made.mine, needles, made.printed) + found(made.others, needles)
    assert not leaks, "\n".join(leaks)


def test_addresses_and_folders_are_in_nothing_for_others(made: Made) -> None:
    leaks = found(made.others, [*PRIVATE, "127.0.0.1"])
    assert not leaks, "\n".join(leaks)


def test_reasons_are_clean_where_they_enter(made: Made) -> None:
    assert len(set(made.reasons)) > 5
    assert [reason for reason in made.reasons if find_private(reason)] == []


def test_what_was_said_came_through_without_them(made: Made) -> None:
    """Else the search has searched nothing."""
    assert len(list(made.others.rglob("*"))) > 20
    for needle in ("<key>", "<address>", "<path>"):
        assert found(made.others / "submissions", [needle]) != []
        assert found(made.others / "eee", [needle]) != []
    assert found(made.mine, ["<key>"]) != []
    assert any("<key>" in text for name, text in made.printed.items() if name.startswith("stopped by"))
    assert "<key>" in made.printed["the log"]
