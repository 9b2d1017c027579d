"""Pulling from servers whose tasks, or whose answers, are not what they should be: one stops nothing else."""

from __future__ import annotations

import copy
import functools
import math
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from answering import random_answers, results
from drafted_run import write_drafted_run
from labelling_server import ACCOUNT, LabellingServer
from typer.testing import CliRunner
from voting import form

from annotation.errors import AnnotationError
from annotation.label_studio import commands
from annotation.label_studio.pull import PullResult, pull_account
from annotation.label_studio.push import push_forms
from annotation.label_studio.submissions import Submission, read_task
from annotation.label_studio.tasks import StoredSize, build_task, read_stored_sizes
from annotation.label_studio.workplace import AnnotatorAccount, Workplace, save_workplace
from annotation.merging.votes import VoteRecord
from annotation.run.folder import RunFolder

pytestmark = pytest.mark.slow

TASKS = 2_000
Json = dict[str, Any]
Damage = Callable[[Json], object]
"""What is done to a task, or what stands in its place."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return write_drafted_run(tmp_path_factory.mktemp("pulled"), 2)


@functools.cache
def first_picture(path: Path) -> tuple[str, StoredSize]:
    return next(iter(read_stored_sizes(RunFolder(path)).items()))


def answered(run: RunFolder, number: int) -> Json:
    """A task that is answered; every task of a run is about another entity of its first picture."""
    image_id, size = first_picture(run.path)
    made = build_task(form(f"{image_id}#{number}"), size, run.run_id, "/media/")
    printed = results(made, random_answers(number))
    at = f"2026-11-25T08:{number // 60 % 60:02d}:{number % 60:02d}.000000Z"
    annotation = {"id": 5000 + number, "result": printed, "updated_at": at, "lead_time": 30.0, "completed_by": ACCOUNT}
    return {**made, "id": number, "updated_at": at, "annotations": [annotation | {"was_cancelled": False}]}


def workplace_of(run: RunFolder, *servers: LabellingServer) -> Workplace:
    accounts = [
        AnnotatorAccount(name, server.url, server.token, project_id=1)
        for name, server in zip(("anna", "ben", "cara"), servers, strict=False)
    ]
    made = Workplace(run.run_id, False, "/media/", False, tuple(accounts))
    save_workplace(run, made)
    return made


def pulled(run: RunFolder, status: int = 0) -> str:
    done = CliRunner().invoke(commands.verify_app, ["pull", str(run.path)])
    assert done.exit_code == status, done.output
    return done.output


@pytest.fixture(autouse=True)
def _no_votes_of_another_test(run: RunFolder) -> Iterator[None]:
    yield
    for path in run.votes_path.parent.glob("votes.sqlite*"):
        path.unlink()


def votes_of(run: RunFolder, annotator: str) -> int:
    with VoteRecord(run.votes_path) as record:
        return len(record.latest(annotator))


def box_of(task: Json) -> Json:
    found: Json = task["annotations"][0]["result"][0]
    return found


TEN_DAMAGES: dict[str, tuple[Damage, str]] = {
    "a box without a value": (lambda task: box_of(task).pop("value"), "value: Field required"),
    "x is null": (lambda task: box_of(task)["value"].update(x=None), "value.x: Input should be a valid number"),
    "a width that is no number": (lambda task: box_of(task)["value"].update(width=math.nan), "finite number"),
    "percent times 100": (lambda task: box_of(task)["value"].update(x=2000, width=4000), "no percent of the picture"),
    "a rotated box": (lambda task: box_of(task)["value"].update(rotation=12), "rotated by 12 degrees"),
    "results that are an object": (lambda task: task["annotations"][0].update(result={"x": 1}), "a valid list"),
    "an annotation that is null": (lambda task: task.update(annotations=[None]), "cannot be read"),
    "a time that is none": (lambda task: task["annotations"][0].update(updated_at="soon"), "expected a time"),
    "a task that lost what was shown": (lambda task: task["data"].pop("shown"), "data.shown: Field required"),
    "a task of another run": (lambda task: task["data"].update(run="other"), "is no task of this run"),
}
ODDITIES: list[Damage] = [
    lambda task: box_of(task).pop("original_width"),
    lambda task: box_of(task).update(original_width=None, original_height="x"),
    lambda task: box_of(task)["value"].update(rotation=360),
    lambda task: task["annotations"][0].update(lead_time=None),
    lambda task: task["annotations"].append({"was_cancelled": True}),
]


def test_ten_damaged_tasks_of_two_thousand_are_ten_lines_and_the_rest_are_votes(run: RunFolder) -> None:
    tasks = [answered(run, number) for number in range(1, TASKS + 1)]
    damaged = {199 * (n + 1): case for n, case in enumerate(TEN_DAMAGES)}
    for number, case in damaged.items():
        TEN_DAMAGES[case][0](tasks[number - 1])
    for number, odd in enumerate(ODDITIES):
        odd(tasks[number])
    box_of(tasks[20]).update(original_width=10, original_height=10)
    with LabellingServer(tasks) as first, LabellingServer([answered(run, 1)]) as second:
        workplace_of(run, first, second)
        printed = pulled(run).splitlines()
        again = pulled(run)
    lines = [line for line in printed if "not counted until it is mended" in line]
    assert [line.split(":")[0].split(",")[0].strip() for line in lines] == [f"task {number}" for number in damaged]
    for line, case in zip(lines, damaged.values(), strict=True):
        assert TEN_DAMAGES[case][1] in line
    assert printed[0] == "anna: 1990 answered, 1990 new"
    assert [line for line in printed if "counted; its box names a picture of 10 x 10 px" in line] == [printed[-2]]
    assert printed[-1] == "ben: 1 answered, 1 new"
    assert votes_of(run, "anna") == 1_990
    assert "anna: 1990 answered, 0 new" in again
    assert "names a picture" not in again


@pytest.mark.parametrize("instead", [None, "x", 3, [], {}, {"id": 3}], ids=repr)
def test_something_else_in_place_of_a_task_is_one_line(run: RunFolder, instead: object) -> None:
    with LabellingServer([answered(run, 1), instead, answered(run, 2)]) as server:
        workplace_of(run, server)
        printed = pulled(run)
    assert "anna: 2 answered, 2 new" in printed
    assert printed.count("not counted until it is mended") == 1


def test_a_damaged_answer_takes_back_the_vote_before_it_until_it_is_mended(run: RunFolder) -> None:
    tasks = [answered(run, 1), answered(run, 2)]
    with LabellingServer(tasks) as server:
        workplace_of(run, server)
        pulled(run)
        good = copy.deepcopy(tasks[0])
        box_of(tasks[0])["value"]["x"] = None
        for changed in tasks[0], tasks[0]["annotations"][0]:
            changed["updated_at"] = "2026-11-25T09:00:00.000000Z"
        assert "anna: 1 answered, 0 new, 1 withdrawn" in pulled(run)
        tasks[0] = good
        for changed in tasks[0], tasks[0]["annotations"][0]:
            changed["updated_at"] = "2026-11-25T09:01:00.000000Z"
        assert "anna: 2 answered, 1 new" in pulled(run)


@pytest.mark.parametrize("at", [None, 5, "soon", "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+09:00"])
def test_a_time_that_is_wrong_hides_nothing_that_is_answered_later(run: RunFolder, at: object) -> None:
    tasks = [answered(run, 1) | {"updated_at": at}, answered(run, 2)]
    with LabellingServer(tasks) as server:
        workplace_of(run, server)
        pulled(run)
        before = votes_of(run, "anna")
        late = answered(run, 3) | {"updated_at": "2999-01-01T00:00:00.000000Z"}
        tasks.append(late)
        pulled(run)
    assert votes_of(run, "anna") == before + 1


def _at(task: Json, hour: int) -> Json:
    """The task as it is when it was answered at an hour of the day."""
    at = f"2026-11-25T{hour:02d}:00:00.000000Z"
    return {**task, "updated_at": at, "annotations": [{**task["annotations"][0], "updated_at": at}]}


def _pulled_between(run: RunFolder, server: LabellingServer) -> PullResult:
    """As `verify start` pulls while people work: what was changed, as far as clocks and counts can be trusted."""
    account = AnnotatorAccount("anna", server.url, server.token, project_id=1)
    with VoteRecord(run.votes_path) as record:
        return pull_account(account, run.run_id, record, read_stored_sizes(run), everything=False)


def _pages(server: LabellingServer) -> int:
    return server.asked.count("/api/tasks")


def _clock(hour: int) -> Callable[[], float]:
    return lambda: datetime(2026, 11, 25, hour, tzinfo=UTC).timestamp()


def test_between_pulls_only_what_was_changed_is_read(run: RunFolder) -> None:
    with LabellingServer([_at(answered(run, 1), 8), _at(answered(run, 2), 9)]) as server:
        server.time = _clock(10)
        assert _pulled_between(run, server).new == 2
        server.tasks.append(_at(answered(run, 3), 11))
        server.time = _clock(12)
        assert _pulled_between(run, server).new == 1
        assert _pages(server) == 2


def test_a_clock_that_was_put_back_loses_nothing(run: RunFolder) -> None:
    with LabellingServer([_at(answered(run, 1), 8), _at(answered(run, 2), 9)]) as server:
        server.time = _clock(10)
        _pulled_between(run, server)
        corrected = _at(answered(run, 2), 6)
        corrected["annotations"][0]["result"] = results(corrected, random_answers(77))
        server.tasks[1:] = [corrected, _at(answered(run, 3), 7)]
        server.time = _clock(7)
        found = _pulled_between(run, server)
        assert (found.new, found.answered, found.withdrawn) == (2, 3, 0)
        with VoteRecord(run.votes_path) as record:
            counts = {vote.entity_id: vote.updated_at for vote in record.latest("anna")}
        assert counts[corrected["data"]["entity_id"]].startswith("2026-11-25T06")
        assert _pulled_between(run, server).new == 0

        server.tasks[0] = {**server.tasks[0], "updated_at": "2026-11-25T07:00:00Z", "annotations": []}
        found = _pulled_between(run, server)
        assert (found.new, found.answered, found.withdrawn) == (0, 2, 1)


def test_a_vote_that_the_clock_hides_is_found_by_its_count(run: RunFolder) -> None:
    with LabellingServer([_at(answered(run, 1), 8), _at(answered(run, 2), 9)]) as server:
        server.time = _clock(10)
        _pulled_between(run, server)
        server.tasks.append(_at(answered(run, 3), 7))
        found = _pulled_between(run, server)
        assert (found.new, found.answered) == (1, 3)


def test_a_correction_that_the_clock_hides_is_found_by_the_next_whole_pull(run: RunFolder) -> None:
    with LabellingServer([_at(answered(run, 1), 8)]) as server:
        workplace_of(run, server)
        pulled(run)
        server.tasks[0] = _at(answered(run, 1), 7)
        assert "anna: 1 answered, 1 new" in pulled(run)


def test_an_older_answer_counts_again_when_the_newer_one_is_deleted(run: RunFolder) -> None:
    older, newer = _at(answered(run, 1), 8), _at(answered(run, 1), 9)
    newer["annotations"] += older["annotations"]
    newer["annotations"][0]["id"] += 1
    with LabellingServer([newer]) as server:
        workplace_of(run, server)
        pulled(run)
        server.tasks[0] = {**older, "updated_at": "2026-11-25T10:00:00Z"}
        assert "anna: 1 answered, 1 new" in pulled(run)
        with VoteRecord(run.votes_path) as record:
            assert [vote.annotation_id for vote in record.latest("anna")] == [older["annotations"][0]["id"]]


ANSWERS_OF_SERVERS = {
    "tasks are an object": (
        "/api/tasks",
        (200, {"tasks": {}, "total": 1}),
        "answers with {} as tasks, expected a list",
    ),
    "no total": ("/api/tasks", (200, {"tasks": []}), "answers with None as total, expected a number"),
    "a list of tasks": ("/api/tasks", (200, []), "answers with [], expected a JSON object: is it Label Studio"),
    "an account without a number": ("/api/current-user/whoami", (200, {}), "answers with None as id"),
    "a project that is text": ("/api/projects/1", (200, "x"), "answers with 'x', expected a JSON object"),
    "failing": ("/api/tasks", (500, {}), "status 500"),
}


@pytest.mark.parametrize("case", ANSWERS_OF_SERVERS)
def test_a_server_that_answers_otherwise_keeps_no_other_persons_votes(run: RunFolder, case: str) -> None:
    path, instead, message = ANSWERS_OF_SERVERS[case]
    good = [answered(run, 1)]
    with LabellingServer(good, "1") as first, LabellingServer(good, "2") as second, LabellingServer(good, "3") as third:
        second.instead = lambda asked: instead if asked == path else None
        workplace_of(run, first, second, third)
        printed = pulled(run, status=1)
    assert printed.index("anna: 1 answered, 1 new") < printed.index("cara: 1 answered, 1 new") < printed.index("ben: ")
    assert [line for line in printed.splitlines() if "anna, cara pulled, 2 new" in line]
    assert message in printed


def test_an_error_that_nobody_foresaw_keeps_no_other_persons_votes(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    from annotation.label_studio import pull as pulling

    def failing(task: Any, annotator: str, *rest: Any) -> Submission:
        if annotator == "anna":
            raise KeyError("surprise")
        return read_task(task, annotator, *rest)

    monkeypatch.setattr(pulling, "read_task", failing)
    with LabellingServer([answered(run, 1)]) as first, LabellingServer([answered(run, 1)]) as second:
        workplace_of(run, first, second)
        printed = pulled(run, status=1)
    assert "ben: 1 answered, 1 new" in printed
    assert "anna: KeyError: 'surprise'" in printed


def test_a_project_with_nothing_of_this_run_is_refused(run: RunFolder) -> None:
    foreign = [answered(run, number) for number in (1, 2)]
    for task in foreign:
        task["data"]["run"] = "other"
    with LabellingServer(foreign) as server:
        workplace = workplace_of(run, server)
        assert "anna's project holds task 1 of another run" in pulled(run, status=1)
        with (
            VoteRecord(run.votes_path) as record,
            pytest.raises(AnnotationError, match="anna's project holds tasks of another run"),
        ):
            push_forms(workplace.accounts[0], [], {}, workplace, record)


def test_a_push_lays_a_damaged_task_before_its_person_once_more_and_leaves_a_foreign_one(run: RunFolder) -> None:
    image_id, size = first_picture(run.path)
    tasks = [answered(run, number) for number in (1, 2, 3)]
    del tasks[0]["data"]["shown"]
    tasks[1]["data"]["run"] = "other"
    forms = [form(f"{image_id}#{number}") for number in (1, 3)]
    with LabellingServer(tasks) as server:
        workplace = workplace_of(run, server)
        with VoteRecord(run.votes_path) as record:
            for new in (1, 0):
                assert push_forms(workplace.accounts[0], forms, {image_id: size}, workplace, record).new == new
    assert [task["data"]["entity_id"] for task in tasks[3:]] == [f"{image_id}#1"]


def test_pulling_goes_on_after_any_error_until_it_is_stopped(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each pull of the loop meets another error, and the servers that ``verify start`` keeps outlive them all."""
    tasks = [answered(run, 1)]
    errors = iter([KeyError("original_width"), OSError(28, "No space left on device"), RecursionError("deep"), None])

    def sizes(_: RunFolder) -> dict[str, StoredSize]:
        error = next(errors, None)
        if error is not None:
            raise error
        if len(pushed) >= 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return read_stored_sizes(run)

    pushed: list[int] = []
    monkeypatch.setattr("annotation.label_studio.tasks.read_stored_sizes", sizes)
    monkeypatch.setattr(commands, "_push", lambda *_: pushed.append(1))
    with LabellingServer(tasks) as server:
        workplace = workplace_of(run, server)
        with VoteRecord(run.votes_path) as record:
            assert commands._pull_until_stopped(run, workplace, record, 0.01)
    printed = capsys.readouterr()
    for error in ("KeyError: 'original_width'", "OSError: [Errno 28] No space left", "RecursionError: deep"):
        assert f"qreal annotate verify start: {error}" in printed.err
    assert "anna: 1 answered, 1 new" in printed.out
    assert len(pushed) >= 3


def test_the_last_pull_that_fails_is_told(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    with LabellingServer([answered(run, 1)]) as server:
        workplace = workplace_of(run, server)
        wrong = replace(workplace, accounts=(replace(workplace.accounts[0], token="other"),))
        with VoteRecord(run.votes_path) as record:
            assert not commands._pull_and_push(run, wrong, record, everything=True)
    assert "anna: " in capsys.readouterr().err
