"""Keys, addresses and home folders put into every entrance of `qreal annotate`, and searched for in all that it writes:
keys nowhere, addresses and folders in nothing that is made for others (``qreal_tasks.text.redaction``)."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import huggingface_hub
import pytest
from annotating import answer, config_for, mini_pictures, write_pictures
from answering import random_answers, results
from batch_server import BatchServer, Ending
from canaries import FOLDER, HOST, KEYS, PRIVATE, always, found, keys, logged, result, said_key, set_canaries
from drafted_run import write_drafted_run
from huggingface_hub.errors import HfHubHTTPError
from labelling_server import ACCOUNT, LabellingServer
from typer.testing import CliRunner
from verified_run import cast, merge_run

from annotation.commands import annotate_app
from annotation.execution.driver import RunOptions, Watcher, init_run, run_stages
from annotation.label_studio.server import _last_words
from annotation.label_studio.tasks import build_task, read_stored_sizes
from annotation.label_studio.workplace import AnnotatorAccount, Workplace, save_workplace
from annotation.merging.combine import describe_combiner
from annotation.merging.forms import load_forms
from annotation.run.folder import RunFolder
from qreal_tasks.llm.batch.limits import BatchLimits
from qreal_tasks.llm.errors.retry import StoppedRun
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion, error
from qreal_tasks.shards.executors import ExecutorOptions
from qreal_tasks.text.redaction import find_private

KEY, TOKEN, LABELS = KEYS["OPENAI_API_KEY"], KEYS["HF_TOKEN"], KEYS["LABEL_STUDIO_API_KEY"]
SEAT_TOKEN = "canaryseat7"
"""Of one person, so that it is in the workplace and in no variable."""


class Made:
    """What the commands left behind: ``mine`` stays on the user's machine, ``others`` is for others."""

    def __init__(self, root: Path) -> None:
        self.mine, self.others = root / "mine", root / "others"
        self.printed: dict[str, str] = {}
        for folder in (self.mine, self.others):
            folder.mkdir()

    def annotate(self, *words: object, status: int | None = 0) -> None:
        """A command as typed, its words and output kept; any exit status where none is given."""
        done = CliRunner().invoke(annotate_app, [str(word) for word in words])
        self.printed[f"{words[0]} ({len(self.printed)})"] = done.output + repr(done.exception)
        assert status in (None, done.exit_code), done.output


def replies(text: str) -> list[Reply]:
    """Answers and failures that repeat what was sent."""
    answer = completion(json.dumps({"entities": []})).body
    assert isinstance(answer, dict)
    return [
        completion(said_key(KEY)),
        completion(None, refusal=text),
        Reply({**answer, "model": f"/data/{FOLDER}/{KEY}", "system_fingerprint": KEY}),
        error(400, text, code=KEY),
        error(500, text, retry_after=KEY),
        Reply(f"no JSON {text}"),
        Reply({"choices": [], "error": {"message": text, "code": KEY}}),
        completion(f'{{"entities": "{said_key(KEY)}"}}', finish_reason="length"),
    ]


def ask_live_and_in_batches(made: Made, home: Path) -> None:
    """The stage `entities`, which needs no local model; then what shows it."""
    text, pictures = result(home), mini_pictures(16)
    images = write_pictures(home / "images", len(pictures))
    turns, numbers = itertools.cycle(replies(text)), itertools.count()

    def script(asked: Asked) -> Reply:
        return next(turns) if next(numbers) % 3 else answer(asked)  # where nothing succeeds the stage ends

    model = {"first_wait_s": 0.001, "max_retries": 0, "concurrency": 1, "model": f"/data/{FOLDER}/vlm"}
    with ScriptedServer(script) as server:
        run = init_run(
            str(images), made.mine / "live", config_for(server.url, language_model=model), ExecutorOptions(), Watcher()
        )
        made.annotate("run", run.path, "--dry-run")
        made.annotate("run", run.path, "--stage", "entities", status=None)
    made.annotate("status", run.path)
    made.annotate("preview", run.path, "--out", made.others / "preview.html")
    shutil.copytree(run.path, home / "old")
    old = RunFolder(home / "old")
    for shard in old.shard_numbers:  # as an earlier release has written them
        rows = [{**row, "state": "failed", "reason": text} for row in old.read("entities", shard)]
        old.write("entities", shard, rows)
    made.annotate("preview", old.path, "--out", made.others / "preview-old.html")
    with BatchServer(script, ending=lambda _: Ending(more_lines=(text,))) as batches:
        run = init_run(
            str(images),
            made.mine / "batched",
            config_for(batches.url, language_model=model),
            ExecutorOptions(),
            Watcher(),
        )
        for again in range(4):  # what was no answer is asked again
            try:
                run_stages(run, RunOptions(stages=("entities",), batch=BatchLimits(poll_s=0.001)), Watcher())
            except StoppedRun as stopped:
                made.printed[f"batches stopped ({again})"] = str(stopped)
    made.annotate("status", run.path)
    for status in (401, 404):
        with ScriptedServer(always(error(status, text, code=KEY))) as server:
            config = config_for(server.url, language_model=model)
            run = init_run(str(images), made.mine / f"refused-{status}", config, ExecutorOptions(), Watcher())
            made.annotate("run", run.path, "--stage", "entities", status=1)


def mistype(made: Made, home: Path) -> None:
    """Keys where a config has none."""
    images, config = write_pictures(home / "more", 1), home / "config.yaml"
    for text in (
        f"language_model: {{model: m, api_key: {KEY}}}",
        f"language_model: {{model: m, base_url: 'http://me:{KEY}@h/v1'}}",
        f"language_model: [{KEY}]",
        f"{KEY}: [",
    ):
        config.write_text(text)
        made.annotate("init", images, made.mine / "none", "--config", config, status=1)


def verify(made: Made, home: Path, run: RunFolder) -> None:
    """People's answers, and every failure, from a server that repeats the token."""
    forms, sizes = list(load_forms(run).values()), read_stored_sizes(run)
    tasks = []
    for number, form in enumerate(forms):
        task = build_task(form, sizes[form.image_id], run.run_id, "/media/")
        answer = results(task, random_answers(number), label=f"dog {SEAT_TOKEN} {LABELS}")
        at = f"2026-11-25T08:00:{number % 60:02d}.000000Z"
        one = {"id": number, "result": answer, "updated_at": at, "lead_time": 3.0, "completed_by": ACCOUNT}
        tasks.append({**task, "id": number, "updated_at": at, "annotations": [{**one, "was_cancelled": False}]})
    text = result(home, SEAT_TOKEN)
    bodies = [
        (500, f"<html>{text}"),
        (500, {"detail": text}),
        (400, {"detail": SEAT_TOKEN}),
        (200, [SEAT_TOKEN]),
        (200, {"id": SEAT_TOKEN, "tasks": SEAT_TOKEN, "total": SEAT_TOKEN}),
        (404, {}),
        (403, {"detail": text}),
    ]
    with LabellingServer(tasks, SEAT_TOKEN) as server:
        accounts = (AnnotatorAccount("anna", server.url, SEAT_TOKEN, project_id=1),)
        save_workplace(run, Workplace(run.run_id, False, "/media/", False, accounts))
        made.annotate("verify", "pull", run.path)
        for path, (status, body) in itertools.product(("/api/tasks", "/api/projects/1"), bodies):
            server.instead = {path: (status, body)}.get
            made.annotate("verify", "pull", run.path, status=None)
    made.annotate("verify", "pull", run.path, status=1)  # nobody answers
    made.annotate("verify", "status", run.path)
    (home / "server.log").write_text(f"started with {SEAT_TOKEN}, {LABELS} and password canarypassword7\n")
    kept = made.mine / "verification"
    shutil.copytree(run.verification_path, kept)
    (kept / "workplace.json").unlink()  # made to hold tokens
    made.printed["last words"] = _last_words(home, [SEAT_TOKEN, "canarypassword7"])


def publish(made: Made, home: Path, patch: pytest.MonkeyPatch) -> None:
    """Drafts as an earlier release has written them, published, and refused by the hub."""
    run = write_drafted_run(home / "drafted", 10)
    for shard in run.shard_numbers:
        rows = run.read("drafts", shard)
        text = result(home).replace(KEY, "none")
        more = {"reason": f"failed: {text}", "notes": text, "judgment_model": f"/data/{FOLDER}/vlm", "detector": HOST}
        run.write("drafts", shard, [{**row, **more} for row in rows])
    verify(made, home, run)
    cast(run, lambda place, drafted, who: dict(drafted.answers))
    merge_run(run)
    (home / "publish.yaml").write_text(f"description: 'made with {KEY}'")
    made.annotate("publish", run.path, made.others / "set", "--config", home / "publish.yaml")
    token_file = home / ".cache" / "huggingface" / "token"
    token_file.parent.mkdir(parents=True)
    token_file.write_text("canaryofafile7")
    patch.setattr("huggingface_hub.get_token", lambda: token_file.read_text())
    for failure in (_refusal(result(home, "canaryofafile7")), OSError(result(home, TOKEN))):
        patch.setattr(huggingface_hub, "HfApi", lambda failure=failure: _Hub(failure))
        made.annotate("push", made.others / "set", "org/name", status=1)


def _refusal(text: str) -> HfHubHTTPError:
    request = httpx2.Request("POST", f"https://{HOST}/api")
    return HfHubHTTPError(text, response=httpx2.Response(403, text=text, request=request))


class _Hub:
    def __init__(self, failure: Exception) -> None:
        self._failure = failure

    def create_repo(self, *_: Any, **__: Any) -> None:
        raise self._failure


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """All commands, one after the other."""
    root = tmp_path_factory.mktemp("canaries")
    made = Made(root)
    with pytest.MonkeyPatch.context() as patch:
        home = set_canaries(patch, root)
        patch.chdir(made.mine)
        with logged(made.printed):
            ask_live_and_in_batches(made, home)
            mistype(made, home)
            publish(made, home, patch)
        yield made


@pytest.mark.slow
def test_keys_are_in_nothing_that_was_written_or_printed(made: Made) -> None:
    needles = [*keys(), "canaryseat7", "canarypassword7", "canaryofafile7"]
    leaks = found(made.mine, needles, made.printed) + found(made.others, needles)
    assert not leaks, "\n".join(leaks)


def test_addresses_and_folders_are_in_nothing_for_others(made: Made) -> None:
    leaks = found(made.others, [*PRIVATE, "127.0.0.1"])
    assert not leaks, "\n".join(leaks)


def test_the_card_names_the_model_that_combined_texts_without_its_folder(made: Made) -> None:
    assert describe_combiner(RunFolder(made.mine / "live")).startswith("vlm; ")


@pytest.mark.parametrize("name", ["live", "batched"])
def test_reasons_are_clean_where_they_enter(name: str, made: Made) -> None:
    run = RunFolder(made.mine / name)
    reasons = [row["reason"] for shard in run.shard_numbers for row in run.read("entities", shard, ["reason"])]
    assert len(set(reasons)) > 3
    assert [reason for reason in reasons if find_private(reason)] == []


def test_what_was_said_came_through_without_them(made: Made) -> None:
    """Else the search has searched nothing."""
    for needle in ("<key>", "<address>", "<path>"):
        assert found(made.others / "set", [needle]) != []
        assert found(made.mine / "live", [needle]) != []
        assert found(made.mine / "batched", [needle]) != []
    assert found(made.others, ["<key>"], {}) != []
    assert sum("<key>" in text for text in made.printed.values()) > 10
