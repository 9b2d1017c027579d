"""Runs of which nothing comes: they stop early, say why, and go on once they are mended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from annotating import answer, config_for, stage_of, write_pictures
from typer.testing import CliRunner

from annotation.commands import annotate_app
from annotation.execution.driver import RunOptions, Watcher, init_run, run_stages
from annotation.run.folder import RunFolder
from annotation.run.reasons import FailureReasons
from annotation.run.schemas import State
from annotation.trial import IN_A_ROW
from qreal_tasks.llm.errors.retry import StoppedRun
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion, error
from qreal_tasks.shards.executors import ExecutorOptions

EXPECTED = "Expected: JSON with entities (a list, each with name and is_person), and nothing else."
NO_TOKEN = {"prompt_tokens": 9, "completion_tokens": 0, "total_tokens": 9}

FAILING = {
    "a web page": (
        Reply("<html><body>It works!</body></html>"),
        "malformed answer. The server said: «'<html><body>It wo",
    ),
    "plain text": (
        completion("Sure: a dog."),
        "reply not as asked (no JSON: Expecting value). The server said: «Su",
    ),
    "empty content": (completion(""), "empty answer."),
    "no token": (
        completion("", usage=NO_TOKEN),
        "malformed answer. The server said: «an empty answer without a token»",
    ),
    "JSON of another form": (completion('{"objects": []}'), 'Field required). The server said: «{"objects": []}»'),
    "a list": (completion('["dog"]'), 'The server said: «["dog"]»'),
    "cut off": (completion('{"ent', finish_reason="length"), "cut off at 1000 tokens; raise max_tokens."),
    "each request rejected": (error(400, "no pictures"), "status 400. The server said: «no pictures»"),
    "broken": (error(500, "boom"), "status 500. The server said: «boom»"),
}
KEPT = {
    "refusals": (completion(None, refusal="I cannot help."), "refused. The server said: «I cannot help.»"),
    "filtered": (completion(None, finish_reason="content_filter"), "filtered: content filter."),
    "no entity": (completion('{"entities": []}'), "no entities: the language model named no entity"),
}


def call(*arguments: object) -> Any:
    return CliRunner(env={"COLUMNS": "200"}).invoke(annotate_app, [str(argument) for argument in arguments])


def states(run: RunFolder, stage: str = "entities") -> Counter[str]:
    done = [shard for shard in run.shard_numbers if run.is_done(stage, shard)]
    return Counter(row["state"] for shard in done for row in run.read(stage, shard))


class Server(ScriptedServer):
    """Says ``wrong`` while it is broken, to the stages named."""

    def __init__(self, wrong: Reply, *stages: str) -> None:
        self.wrong: Reply | None = wrong
        self.broken_in = stages
        super().__init__(self._say)

    def _say(self, asked: Asked) -> Reply:
        if self.wrong is not None and stage_of(asked) in self.broken_in:
            return self.wrong
        return answer(asked, lambda chance: ["man", *chance.sample(["dog", "car", "tree"], 2)])

    def times(self, stage: str) -> int:
        return sum(stage_of(one) == stage for one in self.asked)


@pytest.fixture
def begin(tmp_path: Path) -> Callable[..., RunFolder]:
    def make(url: str, images: int = 12, models: Path | None = None, **changes: Any) -> RunFolder:
        pictures = write_pictures(tmp_path / f"images{images}", images)
        model = {"max_retries": 1, "concurrency": 4, **changes.pop("language_model", {})}
        config = config_for(url, models, **{"images_per_shard": 4, "language_model": model, **changes})
        return init_run(str(pictures), tmp_path / "run", config, ExecutorOptions(), Watcher())

    return make


@pytest.mark.slow
@pytest.mark.parametrize("kind", FAILING)
def test_a_server_that_answers_nonsense_stops_the_run_within_the_first_shard(
    begin: Callable[..., RunFolder], kind: str
) -> None:
    reply, result = FAILING[kind]
    with Server(reply, "entities") as server:
        run = begin(server.url)
        stopped = call("run", run.path)
        assert stopped.exit_code == 1
        assert "every answer of the language model was unusable: 4 of 4 images. Commonest (4 times): " in stopped.output
        assert result in stopped.output
        assert EXPECTED in stopped.output
        assert f"Check `model` and `base_url` in {run.config_path}" in stopped.output
        assert "--retry-failed" in stopped.output
        assert "Traceback" not in stopped.output
        assert len(server.asked) <= 8  # four images, each repeated once at most
        server.wrong = None
        mended = call("run", run.path, "--stage", "entities")
        assert mended.exit_code == 0, mended.output
    assert states(run) == {State.DONE: 12}


@pytest.mark.slow
@pytest.mark.parametrize("kind", KEPT)
def test_answers_that_are_kept_stop_the_run_once_and_the_next_start_gets_behind_them(
    begin: Callable[..., RunFolder], kind: str
) -> None:
    reply, result = KEPT[kind]
    with Server(reply, "entities") as server:
        run = begin(server.url)
        stopped = call("run", run.path)
        assert stopped.exit_code == 1
        assert "unusable: 4 of 4 images" in stopped.output
        assert result in stopped.output
        assert "Kept and not asked for again: 4 answers (" in stopped.output
        assert len(server.asked) == 4
        server.wrong = None
        assert call("run", run.path, "--stage", "entities").exit_code == 0
        assert len(server.asked) == 12
    assert states(run)[State.DONE] == 8


@pytest.mark.parametrize(("kind", "asked_again"), [("plain text", 1), ("refusals", 0)])
def test_a_run_of_one_image(begin: Callable[..., RunFolder], kind: str, asked_again: int) -> None:
    reply, result = (FAILING | KEPT)[kind]
    with Server(reply, "entities") as server:
        run = begin(server.url, images=1)
        for start in (1, 2):
            stopped = call("run", run.path)
            assert stopped.exit_code == 1
            assert "unusable: 1 of 1 image. Commonest (1 time): " in stopped.output
            assert result in stopped.output
            assert len(server.asked) == 1 + asked_again * (start - 1)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["refusals", "plain text", "filtered", "no entity"])
def test_a_few_images_at_the_beginning_stop_nothing(begin: Callable[..., RunFolder], kind: str) -> None:
    """Fewer than FEW: it may be the images' own."""
    reply, _ = (FAILING | KEPT)[kind]
    with ScriptedServer(lambda asked: reply if asked.number < 3 else answer(asked)) as server:
        run = begin(server.url, images_per_shard=1, language_model={"concurrency": 1})
        found = call("run", run.path, "--stage", "entities")
        assert found.exit_code == 0, found.output
        assert len(server.asked) == 12
    assert states(run)[State.DONE] == 9
    assert sum(states(run).values()) == 12


def test_small_shards_are_counted_together(begin: Callable[..., RunFolder]) -> None:
    with Server(completion("no"), "entities") as server:
        run = begin(server.url, images_per_shard=1)
        with pytest.raises(StoppedRun, match="unusable: 4 of 4 images"):
            run_stages(run, RunOptions(), Watcher())
        assert len(server.asked) == 4
    assert states(run) == {}  # so that all of them are asked again


def test_a_large_first_shard_is_not_paid_for_to_its_end(begin: Callable[..., RunFolder]) -> None:
    with Server(completion("no"), "entities") as server:
        run = begin(server.url, images=60, images_per_shard=60)
        with pytest.raises(StoppedRun, match=f"unusable: {IN_A_ROW} of {IN_A_ROW} images"):
            run_stages(run, RunOptions(), Watcher())
        assert len(server.asked) <= IN_A_ROW + 8  # those that were under way


@pytest.mark.slow
def test_a_server_that_goes_bad_stops_a_run_that_had_gone_well(begin: Callable[..., RunFolder]) -> None:
    with Server(completion("no"), "entities") as server:
        run = begin(server.url, images=60)
        server.wrong = None
        run_stages(run, RunOptions(stages=("entities",), images=8), Watcher())
        server.wrong = completion("no")
        with pytest.raises(StoppedRun, match=f"the last {IN_A_ROW} images in a row got no usable answer"):
            run_stages(run, RunOptions(), Watcher())
        assert len(server.asked) <= 8 + IN_A_ROW + 8
        server.wrong = None
        assert call("run", run.path, "--stage", "entities", "--retry-failed").exit_code == 0
    assert states(run) == {State.DONE: 60}


def test_what_fails_again_and_again_does_not_stop_a_run_with_successes(begin: Callable[..., RunFolder]) -> None:
    """A resumed run that has only the hopeless images left."""
    hopeless: set[str] = set()

    def script(asked: Asked) -> Reply:
        if asked.number >= 2 and len(hopeless) < 6:
            hopeless.add(asked.image_url)
        return completion("no") if asked.image_url in hopeless else answer(asked)

    with ScriptedServer(script) as server:
        run = begin(server.url, images=8, language_model={"concurrency": 1})
        for again in ((), ("--retry-failed",), ("--retry-failed",)):
            found = call("run", run.path, "--stage", "entities", *again)
            assert found.exit_code == 0, found.output
            assert "entities: 6 images failed: reply not as asked" in found.output
            assert "--retry-failed" in found.output
        assert len(server.asked) == 8 + 6 + 6
    assert states(run) == {State.DONE: 2, State.FAILED: 6}


@pytest.mark.parametrize(
    ("stage", "changes", "expected"),
    [
        ("judgment", {}, "Expected: JSON with "),
        ("quality", {"quality": {"scorer": "api"}}, "Expected: one of the words Excellent, Good, Fair, Poor, Bad."),
        ("parts", {}, "Expected: JSON with head"),
    ],
)
def test_a_later_stage_of_which_nothing_comes(
    begin: Callable[..., RunFolder], models: Path, stage: str, changes: dict[str, Any], expected: str
) -> None:
    with Server(completion("Nonsense"), stage) as server:
        run = begin(server.url, models=models, **{"quality": {"scorer": "none"}, **changes})
        stopped = call("run", run.path)
        assert stopped.exit_code == 1
        assert f"{stage}: every answer of the language model was unusable: " in stopped.output
        assert "The server said: «Nonsense»" in stopped.output
        assert expected in stopped.output
        first = [row for row in run.read("detection", 0) if row["state"] == State.DONE]
        assert 4 <= server.times(stage) <= len(first)
        assert not run.is_done(stage, 0)


def test_two_people_whose_parts_are_refused_stop_nothing(begin: Callable[..., RunFolder], models: Path) -> None:
    """Records come out without them, and the end says so."""
    with Server(completion(None, refusal="No people."), "parts") as server:
        detection = {"max_boxes_per_phrase": 1, "threshold": 0.001, "duplicate_iou": 1.0, "min_area_px": 0}
        run = begin(server.url, images=2, models=models, detection=detection, quality={"scorer": "none"})
        found = call("run", run.path)
        assert found.exit_code == 0, found.output
        assert "2 images: 2 went through, with 6 entities; 0 did not." in found.output
        assert "parts: 2 people refused, for example «No people.»" in found.output


def test_a_detector_that_finds_nothing_anywhere(begin: Callable[..., RunFolder], models: Path) -> None:
    strict = {"threshold": 0.9, "min_area_px": 1e9}
    with Server(Reply(), "none") as server:
        run = begin(server.url, models=models, images_per_shard=6, detection=strict)
        stopped = call("run", run.path)
        assert stopped.exit_code == 1
        assert "dino found none of the named entities: 18 of 18 entities. Commonest (18 times): undetected: no box" in (
            stopped.output
        )
        assert "For example «" in stopped.output
        assert "Expected: boxes with a score of 0.9 or more (detection.threshold) and 1e+09 px" in stopped.output
        assert not run.is_done("detection", 1)
        again = call("run", run.path)  # unchanged, it goes on with the second half, and then nothing is left
        assert again.exit_code == 1
        assert run.is_done("detection", 1)
        last = call("run", run.path)
        assert last.exit_code == 1
        assert "36 of 36 entities" in last.output
        assert server.times("judgment") == 0


def test_a_scorer_that_gives_no_numbers(
    begin: Callable[..., RunFolder], models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As float16 can do to a model that was made for bfloat16."""
    from annotation.local_models.q_eval import QEvalScore

    monkeypatch.setattr(QEvalScore, "levels", lambda self, images: [[float("nan")] * 5 for _ in images])
    with Server(Reply(), "none") as server:
        run = begin(server.url, models=models)
        stopped = call("run", run.path)
    assert stopped.exit_code == 1
    assert "q_eval scored nothing: " in stopped.output
    assert "the scorer's levels are no numbers; try another quality.dtype" in stopped.output


def test_a_run_without_a_record_fails_with_its_reasons(begin: Callable[..., RunFolder], models: Path) -> None:
    """As runs of earlier versions are, which did not stop when nothing came of a stage."""
    with Server(completion(None, refusal="Not this one."), "none") as server:
        run = begin(server.url, images=1, models=models, quality={"scorer": "none"})
        assert call("run", run.path).exit_code == 0
        rows = [{**row, "state": "refused", "reason": "Not this one."} for row in run.read("judgment", 0)]
        run.write("judgment", 0, rows)
        for stage in ("drafts", "imageqa", "objectqa"):
            run.shard_path(stage, 0).unlink()
        last = [argument for stage in ("drafts", "imageqa", "objectqa") for argument in ("--stage", stage)]
        found = call("run", run.path, *last)
        assert found.exit_code == 1
        assert "1 image: 0 went through" in found.output
        assert f"judgment: {len(rows)} entities refused, for example «Not this one.»" in found.output
        assert "no image went through" in found.output
        whole = call("run", run.path)
        assert whole.exit_code == 1
        assert f"judgment: every answer of the language model was unusable: {len(rows)} of" in whole.output


def test_the_end_counts_what_went_through_and_what_did_not(begin: Callable[..., RunFolder], models: Path) -> None:
    replies = {0: completion(None, refusal="Not this one."), 1: completion("Sorry"), 2: completion("Sorry!")}

    def script(asked: Asked) -> Reply:
        wrong = replies.get(asked.number) if stage_of(asked) == "entities" else None
        return wrong or answer(asked, lambda chance: ["dog", "car"])

    with ScriptedServer(script) as server:
        detection = {"max_boxes_per_phrase": 1, "threshold": 0.001, "duplicate_iou": 1.0, "min_area_px": 0}
        run = begin(
            server.url,
            images=7,
            models=models,
            images_per_shard=7,
            detection=detection,
            quality={"scorer": "none"},
            language_model={"concurrency": 1},
        )
        found = call("run", run.path)
    assert found.exit_code == 0, found.output
    assert "7 images: 4 went through, with 8 entities; 3 did not." in found.output
    assert "entities: 1 image refused, for example «Not this one.»" in found.output
    assert (
        "entities: 2 images failed: reply not as asked (no JSON: Expecting value), for example «Sorry" in found.output
    )
    assert f"To ask again what failed: qreal annotate run {run.path} --retry-failed" in found.output
    for stage, done in {"entities": "7/7 images", "judgment": "8/8 entities", "parts": "0/0 people"}.items():
        line = next(line for line in found.output.splitlines() if f"{stage:<10}" in line)
        assert done in line
    status = call("status", run.path)
    assert "entities: 2 images failed: reply not as asked" in status.output


def test_a_server_that_is_not_there_is_one_line(begin: Callable[..., RunFolder]) -> None:
    found = call("run", begin("http://127.0.0.1:9/v1").path)
    assert found.exit_code == 1
    assert "no connection to http://127.0.0.1:9/v1" in found.output
    assert "Traceback" not in found.output


MISSING = {
    "a hub model that is not in the cache": (
        "detection",
        "IDEA-Research/grounding-dino-base",
        ["it is not in the cache of this machine", "`hf download IDEA-Research/grounding-dino-base`"],
    ),
    "a wrong id": ("detection", "nobody/no-such-detector", ["not in the cache", "hf download nobody/no-such-detector"]),
    "a folder that is not there": (
        "detection",
        "/no/such/folder",
        ["model folder '/no/such/folder' does not exist", "hf download IDEA-Research/grounding-dino-base"],
    ),
    "a folder without config": (
        "detection",
        "{tmp}",
        ["holds no config.json", "hf download IDEA-Research/grounding-dino-base"],
    ),
    "a model of another kind": ("detection", "{models}/q_eval", ["Unrecognized configuration class", "finds objects"]),
    "the scorer's weights": (
        "quality",
        "AGI-Eval-Official/Q-Eval-Score",
        ["it is not in the cache of this machine", "`hf download AGI-Eval-Official/Q-Eval-Score`"],
    ),
    "a detector as scorer": ("quality", "{models}/dino", ["no processor for pictures and text"]),
}


@pytest.mark.parametrize("missing", MISSING)
def test_a_missing_model_is_named_with_the_ways_to_have_it(
    begin: Callable[..., RunFolder], models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "empty"))
    section, model, texts = MISSING[missing]
    model = model.format(tmp=tmp_path, models=models)
    changes: dict[str, Any] = {section: {"model": model}}
    with Server(Reply(), "none") as server:
        run = begin(server.url, images=2, models=models, **changes)
        found = call("run", run.path)
    assert found.exit_code == 1
    for text in (f"{section}.model {model} cannot be loaded: ", f"{section}.model=FOLDER", *texts):
        assert text in found.output
    assert "Traceback" not in found.output
    assert isinstance(found.exception, SystemExit)  # and no error that would be a traceback


def test_reasons_are_counted_by_kind_with_an_example_each() -> None:
    reasons = FailureReasons()
    for state, reason in [
        (State.FAILED, "reply not as asked: «one»"),
        (State.FAILED, "reply not as asked: «two»"),
        (State.REFUSED, "I cannot: «help»"),
        (State.DONE, ""),
        (State.SKIPPED, "quality.scorer is none"),
    ]:
        reasons.add(state, reason)
    assert [(one.count, str(one)) for one in reasons.most_common()] == [
        (2, "failed: reply not as asked, for example «one»"),
        (1, "refused, for example «I cannot: «help»»"),
    ]
    assert reasons.total == 3
    assert reasons.count(State.FAILED) == 2
