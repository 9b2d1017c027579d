"""Verification as it is done: Label Studio's servers, one person at the keyboard of a browser, two over the API."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from answering import random_answers, results
from chromium import Chromium
from datasets import load_dataset
from drafted_run import write_drafted_run
from verifying import Place, answer_all, call, log_in, raw, seat_of, tasks_of

from annotation.label_studio.environment import ENVIRONMENT
from annotation.label_studio.page import DROP_KEYS, NO_KEYS, YES_KEYS
from annotation.label_studio.push import order_forms, push_forms
from annotation.label_studio.tasks import read_stored_sizes
from annotation.label_studio.workplace import AnnotatorAccount, load_workplace
from annotation.merging.forms import load_forms
from annotation.merging.votes import VoteRecord
from qreal_tasks.benchmark import QUESTION_NAMES
from qreal_tasks.cli import app
from qreal_tasks.models.tiny import write_tiny_qwen2_5_vl

INSTALLED = Path(__file__).parents[3] / ".venv" / "label-studio" / "bin" / "label-studio"
SCENES = slice(8, 16)
"""Of the embedded set: seven portraits, and one with three entities, which have no body parts."""
DROPPED, EDITED = 3, 5
"""Of the entities in the order in which they are laid before people."""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def program() -> str:
    named = os.environ.get(ENVIRONMENT) or str(INSTALLED)
    if not Path(named).is_file():
        pytest.skip("Label Studio is not installed: `make test` puts it into .venv/label-studio where an index answers")
    return named


@pytest.fixture(scope="module")
def place(program: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(write_drafted_run(tmp_path_factory.mktemp("verified"), SCENES), program)
    made.start()
    yield made
    if made.is_started:
        made.stop()


def test_one_person_answers_by_keyboard(place: Place, tmp_path: Path) -> None:
    """All entities, among them a drop and a corrected description; nothing is answered before the person does."""
    tasks = tasks_of(place, "anna")
    assert len(tasks) == place.entities == 10
    assert {bool(task["data"]["parts"]) for task in tasks} == {False, True}
    with Chromium(1366, 768) as browser:
        log_in(browser, seat_of(place, "anna"))
        shown = None
        for number, task in enumerate(tasks):
            browser.wait(f"document.querySelector('.qreal-crop img').src != {json.dumps(shown)}")
            shown = browser.run("document.querySelector('.qreal-crop img').src")
            assert Path(shown).name in task["data"]["crop"]
            browser.wait("document.querySelectorAll('.qreal-question').length === 6")
            browser.wait(
                "document.querySelector('.qreal-whole canvas') && document.querySelector('.qreal-crop img').complete"
            )
            assert browser.run("document.querySelectorAll('.ant-radio-checked').length") == 0
            _answer_by_keys(browser, number, task)
            if number in (0, DROPPED, EDITED):
                browser.picture(tmp_path / f"page-{number}.png")
            browser.press("Enter", control=True)
        browser.wait("!document.querySelector('.qreal')")
        browser.picture(tmp_path / "end.png")
        assert browser.left == []
    result = place.qreal("verify", "pull", str(place.run.path))
    assert f"anna: {len(tasks)} answered, {len(tasks)} new" in result
    votes = place.votes()
    for number, task in enumerate(tasks):
        vote = votes["anna", task["data"]["entity_id"]]
        assert vote.answers == (None if number == DROPPED else random_answers(f"anna {number}"))
        assert vote.drop == ("unclear" if number == DROPPED else None)
        assert vote.bbox_px == tuple(task["data"]["shown"]["bbox_px"])
        drafted = task["data"]["shown"]["descriptions"]
        expected = drafted | ({"realism": f"Too smooth. {drafted['realism']}"} if number == EDITED else {})
        assert vote.descriptions == expected
        assert (vote.parts is None) == (not task["data"]["parts"])


def _answer_by_keys(browser: Chromium, number: int, task: dict[str, Any]) -> None:
    if number == DROPPED:
        browser.press(DROP_KEYS["unclear"])
        browser.wait("document.querySelectorAll('.ant-radio-checked').length === 1")
        return
    for count, (name, answer) in enumerate(random_answers(f"anna {number}").items(), start=1):
        browser.press((YES_KEYS if answer == "Yes" else NO_KEYS)[name])
        browser.wait(f"document.querySelectorAll('.qreal-question .ant-radio-checked').length === {count}", 10)
    if number == EDITED:
        tabs = 0
        while browser.run("document.activeElement.name") != "realism_description":
            browser.press("Tab")
            tabs += 1
            assert tabs <= 6  # round the page, from wherever the focus was
        browser.write("Too smooth. ")
        browser.press("Enter", shift=True)
        browser.wait("document.activeElement === document.body")


def test_the_others_answer_over_the_api_and_pulling_again_adds_nothing(place: Place) -> None:
    for name in ("ben", "cara"):
        account = seat_of(place, name)
        with account.client() as client:
            for number, task in enumerate(tasks_of(place, name)):
                drop = "unclear" if number == DROPPED and name == "ben" else None
                client.annotate(task["id"], results(task, random_answers(f"{name} {number}"), drop), 20.0 + number)
    first = place.qreal("verify", "pull", str(place.run.path))
    before = place.votes()
    again = place.qreal("verify", "pull", str(place.run.path))
    assert f"ben: {place.entities} answered, {place.entities} new" in first
    assert len(re.findall(f"{place.entities} answered, 0 new", again)) == 3
    assert place.votes() == before
    assert len(before) == 3 * place.entities


def test_nobody_sees_what_another_answered(place: Place) -> None:
    """Through the page, which asks for another account, and through the API with the own one; also after trying to
    become a member elsewhere, which Label Studio would let anybody do on a server that is shared."""
    anna, ben = seat_of(place, "anna"), seat_of(place, "ben")
    stranger = AnnotatorAccount(**{**vars(ben), "token": anna.token})
    task = tasks_of(place, "ben")[0]["id"]
    paths = [f"/api/projects/{ben.project_id}", f"/api/tasks?project={ben.project_id}", f"/api/tasks/{task}"]
    paths += [f"/api/tasks/{task}/annotations/", f"/api/projects/{ben.project_id}/export?exportType=JSON", "/api/users"]
    for path in paths:
        assert raw(stranger, "GET", path).status_code == 401, path
        assert raw(ben, "GET", path).status_code == 200, path
    me = raw(anna, "GET", "/api/current-user/whoami").json()
    raw(anna, "PATCH", f"/api/users/{me['id']}", json={"active_organization": 2})
    assert raw(stranger, "GET", paths[0]).status_code == 401
    raw(anna, "PATCH", f"/api/users/{me['id']}", json={"active_organization": me["active_organization"]})
    assert [user["email"] for user in raw(anna, "GET", "/api/users").json()] == [anna.email]
    with Chromium() as browser:
        log_in(browser, anna)
        browser.go(ben.link)
        browser.wait("document.querySelector('input[name=password]')")
        assert browser.run("document.querySelector('.qreal')") is None


def test_edits_and_deletions_lose_and_double_nothing(place: Place) -> None:
    ben = seat_of(place, "ben")
    changed, deleted = tasks_of(place, "ben")[:2]
    before = place.votes()
    annotation = changed["annotations"][0]["id"]
    new = results(changed, random_answers("another mind"))
    assert raw(ben, "PATCH", f"/api/annotations/{annotation}/", json={"result": new}).status_code == 200
    assert raw(ben, "DELETE", f"/api/annotations/{deleted['annotations'][0]['id']}/").status_code == 204
    result = place.qreal("verify", "pull", str(place.run.path))
    assert f"cara: {place.entities} answered, 0 new" in result
    after = place.votes()
    one, other = changed["data"]["entity_id"], deleted["data"]["entity_id"]
    assert after.keys() == before.keys() - {("ben", other)}
    assert after["ben", one].answers == random_answers("another mind")
    same = after.keys() - {("ben", one)}
    assert all(after[key] == before[key] for key in same)
    with seat_of(place, "ben").client() as client:
        client.annotate(deleted["id"], results(deleted, random_answers("again")), 9.0)
    assert f"ben: {place.entities} answered, 1 new" in place.qreal("verify", "pull", str(place.run.path))
    assert len(place.votes()) == 3 * place.entities
    status = place.qreal("verify", "status", str(place.run.path))
    for name in ("anna", "ben", "cara"):
        assert re.search(rf"{name} +│ +{place.entities} │ {place.entities} │", status), status


def test_half_an_answer_is_named_and_not_counted(place: Place) -> None:
    ben = seat_of(place, "ben")
    task = tasks_of(place, "ben")[2]
    annotation = task["annotations"][0]
    half = [one for one in annotation["result"] if one["from_name"] != "plausibility_q1"]
    raw(ben, "PATCH", f"/api/annotations/{annotation['id']}/", json={"result": half})
    result = place.qreal("verify", "pull", str(place.run.path))
    assert f"task {task['id']}, {task['data']['entity_id']}: plausibility_q1 not answered" in result
    assert ("ben", task["data"]["entity_id"]) not in place.votes()
    raw(ben, "PATCH", f"/api/annotations/{annotation['id']}/", json={"result": annotation["result"]})
    assert f"ben: {place.entities} answered, 1 new" in place.qreal("verify", "pull", str(place.run.path))


DAMAGES: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no x": (lambda box: box["value"].pop("x"), "value.x: Field required"),
    "percent times 100": (lambda box: box["value"].update(width=5000), "no percent of the picture"),
    "null": (lambda box: box["value"].update(x=None), "value.x: Input should be a valid number, found None"),
}


def test_a_damaged_box_is_one_line_and_the_other_answers_are_pulled(place: Place) -> None:
    """As a browser or a script may send them: Label Studio keeps whatever it is given."""
    before, ben, tasks = place.votes(), seat_of(place, "ben"), tasks_of(place, "ben")[3:]
    good = {task["id"]: task["annotations"][0] for task in tasks}
    for task, (damage, _) in zip(tasks, DAMAGES.values(), strict=False):
        result = json.loads(json.dumps(good[task["id"]]["result"]))
        damage(result[0])
        assert raw(ben, "PATCH", f"/api/annotations/{good[task['id']]['id']}/", json={"result": result}).is_success
    odd = tasks[len(DAMAGES)]
    pasted = json.loads(json.dumps(good[odd["id"]]["result"]))
    pasted[0] |= {"original_width": 30, "original_height": 20}
    assert raw(ben, "PATCH", f"/api/annotations/{good[odd['id']]['id']}/", json={"result": pasted}).is_success
    result = place.qreal("verify", "pull", str(place.run.path))
    for task, (_, reason) in zip(tasks, DAMAGES.values(), strict=False):
        (line,) = [one for one in result.splitlines() if one.startswith(f"  task {task['id']}, ")]
        assert reason in line
    assert f"task {odd['id']}, {odd['data']['entity_id']}: counted; its box names a picture of 30 x 20 px" in result
    after = place.votes()
    assert len(after) == len(before) - len(DAMAGES)
    assert after["ben", odd["data"]["entity_id"]].bbox_px == before["ben", odd["data"]["entity_id"]].bbox_px
    for task in [*tasks[: len(DAMAGES)], odd]:
        annotation = good[task["id"]]
        raw(ben, "PATCH", f"/api/annotations/{annotation['id']}/", json={"result": annotation["result"]})
    assert f"ben: {place.entities} answered, {len(DAMAGES) + 1} new" in place.qreal(
        "verify", "pull", str(place.run.path)
    )


def test_a_deleted_project_and_a_wrong_token_are_said_and_cost_no_vote(place: Place) -> None:
    before = place.votes()
    cara = seat_of(place, "cara")
    path = place.run.path / "verification" / "workplace.json"
    kept = path.read_text()
    path.write_text(kept.replace(seat_of(place, "ben").token, "0" * 40))
    assert "ben: " in (result := place.qreal("verify", "pull", str(place.run.path), status=1))
    assert "refuses the token of ben" in result
    path.write_text(kept)
    assert raw(cara, "DELETE", f"/api/projects/{cara.project_id}").status_code == 204
    result = place.qreal("verify", "pull", str(place.run.path), status=1)
    assert "cara: " in result
    assert "was the project deleted by hand?" in result
    assert "anna, ben pulled" in result
    place.kill()  # its servers go on; the next start ends them first
    place.start()
    assert seat_of(place, "cara").project_id != cara.project_id
    assert tasks_of(place, "cara") == []  # everything is answered already
    result = place.qreal("verify", "pull", str(place.run.path))
    for name in ("anna", "ben"):
        assert f"{name}: {place.entities} answered, 0 new" in result, "a restart loses and doubles nothing"
    assert place.votes() == before


def test_a_push_that_was_cut_off_puts_nothing_in_twice_and_brings_back_what_was_deleted(place: Place) -> None:
    workplace, run = load_workplace(place.run), place.run
    before = {task["data"]["entity_id"] for task in tasks_of(place, "ben")}
    assert "is at work" in place.qreal("verify", "push", str(run.path), status=1)
    ordered, ben = order_forms(load_forms(run)), seat_of(place, "ben")
    with VoteRecord(run.votes_path) as record:
        record.forget_tasks("ben")  # as if it was killed before it could note what the server took
        assert push_forms(ben, ordered, read_stored_sizes(run), workplace, record).new == 0
        assert len(tasks_of(place, "ben")) == len(record.assigned_forms()["ben"]) == place.entities
        task = tasks_of(place, "ben")[-1]
        assert raw(ben, "DELETE", f"/api/tasks/{task['id']}").status_code == 204
        assert push_forms(ben, ordered, read_stored_sizes(run), workplace, record).new == 1
    place.qreal("verify", "pull", str(run.path))
    assert {task["data"]["entity_id"] for task in tasks_of(place, "ben")} == before
    assert ("ben", task["data"]["entity_id"]) not in place.votes()  # it was answered, and waits again
    again = next(one for one in tasks_of(place, "ben") if one["data"]["entity_id"] == task["data"]["entity_id"])
    with ben.client() as client:
        client.annotate(again["id"], results(again, random_answers("once more")), 5.0)
    place.qreal("verify", "pull", str(run.path))
    assert len(place.votes()) == 3 * place.entities


def test_a_teams_servers_do_as_well(place: Place, tmp_path: Path) -> None:
    """One server for each person keeps them apart; one for all is used with a warning."""
    run = write_drafted_run(tmp_path, 3)
    accounts = load_workplace(place.run).accounts
    media = ["--media-url", "https://files.example.org/run"]
    each = [f"--url={one.name}={one.url}" for one in accounts] + [f"--token={one.name}={one.token}" for one in accounts]
    result = place.qreal("verify", "start", str(run.path), *each, *media)
    assert "Warning" not in result
    assert f"{accounts[1].url}/projects/" in result
    with load_workplace(run).accounts[1].client() as client:
        project = load_workplace(run).accounts[1].project_id
        assert project is not None
        assert {task["data"]["image"].rpartition("/")[0] for task in client.tasks(project)} == {media[1]}
    run = write_drafted_run(tmp_path / "other", 3)
    shared = [f"--url={accounts[0].url}", f"--token={accounts[0].token}", *media]
    result = place.qreal("verify", "start", str(run.path), *shared)
    assert "Warning: anna can open ben's project" in result
    assert "--token" in place.qreal("verify", "start", str(run.path), "--url", accounts[0].url, status=1)


def test_the_third_person_gets_only_what_two_disagree_on(place: Place, tmp_path: Path) -> None:
    run = write_drafted_run(tmp_path, 12)
    accounts = load_workplace(place.run).accounts
    each = [f"--url={one.name}={one.url}" for one in accounts] + [f"--token={one.name}={one.token}" for one in accounts]
    place.qreal("verify", "start", str(run.path), *each, "--media-url", "https://files.example.org", "--adaptive")
    entities = sorted(load_forms(run))
    disputed = set(entities[::3])

    def result(name: str) -> Callable[[str], dict[str, str]]:
        return lambda entity: random_answers(f"{name if entity in disputed else ''} {entity}")

    first = {account.name: answer_all(run, account.name, result(account.name)) for account in accounts}
    assert sum(map(len, first.values())) == 2 * len(entities)
    place.qreal("verify", "pull", str(run.path))
    place.qreal("verify", "push", str(run.path))
    second = {account.name: answer_all(run, account.name, result(account.name)) for account in accounts}
    assert sorted(entity for found in second.values() for entity in found) == sorted(disputed)
    assert all(not set(first[name]) & set(second[name]) for name in first)
    place.qreal("verify", "pull", str(run.path))
    merged = place.qreal("verify", "merge", str(run.path))
    assert f"{len(entities) - len(disputed)} votes saved: nobody else was asked" in merged
    assert f"{len(entities)} final" in merged


def test_an_adjudicator_settles_what_two_people_cannot(place: Place, tmp_path: Path) -> None:
    run = write_drafted_run(tmp_path, 4)
    accounts = load_workplace(place.run).accounts
    each = [f"--url={one.name}={one.url}" for one in accounts] + [f"--token={one.name}={one.token}" for one in accounts]
    people = ["--annotators", "anna,ben", "--adjudicator", "cara", "--media-url", "https://files.example.org"]
    place.qreal("verify", "start", str(run.path), *each, *people)
    tied = sorted(load_forms(run))[0]
    agreed = dict.fromkeys(QUESTION_NAMES, "Yes")
    for name in ("anna", "ben"):
        given = defaultdict(lambda: agreed, {tied: agreed | {"realism_q1": "No"}} if name == "ben" else {})
        answer_all(run, name, given.__getitem__)
    place.qreal("verify", "pull", str(run.path))
    assert f"{tied}: realism_q1" in place.qreal("verify", "merge", str(run.path))
    assert "cara: 1 new entities" in place.qreal("verify", "push", str(run.path))
    cara = load_workplace(run).adjudicator
    assert cara is not None
    assert cara.project_id is not None
    with cara.client() as client:
        (task,) = client.tasks(cara.project_id)
    assert "anna: Yes Yes" in task["data"]["votes"]
    assert "ben: No Yes" in task["data"]["votes"]
    assert answer_all(run, "cara", lambda entity: agreed) == [tied]
    place.qreal("verify", "pull", str(run.path))
    assert "0 conflict" in place.qreal("verify", "merge", str(run.path))


def test_a_project_with_tasks_of_another_run_is_refused(place: Place) -> None:
    cara = seat_of(place, "cara")
    assert cara.project_id is not None
    foreign = {"data": {**tasks_of(place, "anna")[0]["data"], "run": "other"}}
    with cara.client() as client:
        client.put_in(cara.project_id, [foreign])
        task = next(client.tasks(cara.project_id))
        client.annotate(task["id"], [], 1.0)
    result = place.qreal("verify", "pull", str(place.run.path), status=1)
    assert "cara's project holds task" in result
    assert "of another run" in result
    raw(cara, "DELETE", f"/api/tasks/{task['id']}")
    place.qreal("verify", "pull", str(place.run.path))


def test_who_stops_it_has_everything_that_was_answered(place: Place) -> None:
    """The last thing that the program does is to pull; what is restarted behind a kill is proved above."""
    before, ben = place.votes(), seat_of(place, "ben")
    changed = tasks_of(place, "ben")[0]
    new = results(changed, random_answers("the last mind"))
    path = f"/api/annotations/{changed['annotations'][0]['id']}/"
    assert raw(ben, "PATCH", path, json={"result": new}).status_code == 200
    assert "ben: " in (last := place.stop())
    assert "everything is pulled and kept" in last
    after, one = place.votes(), ("ben", changed["data"]["entity_id"])
    assert after[one].answers == random_answers("the last mind")
    assert {key: vote for key, vote in after.items() if key != one} == {
        key: vote for key, vote in before.items() if key != one
    }
    unreachable = place.qreal("verify", "pull", str(place.run.path), status=1)
    assert "does not answer" in unreachable
    assert "qreal annotate verify start" in unreachable


@pytest.mark.harness
def test_merged_and_published_it_is_a_dataset_that_models_are_evaluated_on(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way from votes to numbers, by the commands that a user gives."""
    run, folder = str(place.run.path), tmp_path / "dataset"
    assert f"{place.entities - 1} final" in place.qreal("verify", "merge", run)  # one was dropped by two
    assert "agreement.html" in place.qreal("verify", "report", run)
    place.qreal("publish", run, str(folder), "--test-images", "4")
    for split in ("train", "test"):
        rows = load_dataset(str(folder), "objectqa", split=split, cache_dir=str(tmp_path / "cache"))
        assert len(rows) > 0
    model = tmp_path / "model"
    write_tiny_qwen2_5_vl(model)
    monkeypatch.setenv("QREAL_DATA", str(folder))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    call(app, "data", "check")
    assert f"{(place.entities - 1) * 8 * 3}" in call(app, "data", "info")  # annotations, as the paper counts them
    given = f"pretrained={model},device=cpu,dtype=float32,min_pixels=3136"
    result = call(app, "eval", "--model", "qreal_hf", "--model_args", given, "--output_path", str(tmp_path / "results"))
    assert "plausibility_q4" in result
