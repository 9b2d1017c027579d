"""``qreal eval`` on a set of the hub, as a user starts it whose cache is empty."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hub_server import OWNER_TOKEN, SIGNATURE, HubServer
from hub_user import HubUser

from qreal_tasks.benchmark import QUESTION_NAMES
from qreal_tasks.dataset.loading import load_split
from qreal_tasks.dataset.source import locate
from qreal_tasks.mini import MINI_NOTICE
from qreal_tasks.mini.write import draw_mini
from qreal_tasks.results.run_folder import find_results, read_run
from qreal_tasks.results.score import find_differences, score_run

pytestmark = pytest.mark.harness

QREAL = str(Path(sys.executable).with_name("qreal"))


@pytest.mark.console  # the hub's libraries read their environment when they are imported
def test_a_private_set_by_its_tag_and_then_without_a_network(tmp_path: Path) -> None:
    folder = draw_mini(tmp_path / "drawn", 20, seed=7).folder
    expected = load_split(locate(str(folder)), "objectqa", "test")["entity_id"]
    with HubServer() as hub:
        HubUser(hub.url, tmp_path / "owner", OWNER_TOKEN).push(folder, "org/drawn", "--private", "--tag", "v1")
        user = HubUser(hub.url, tmp_path / "home", OWNER_TOKEN)
        environment = {**user.environment, "QREAL_DATA": "org/drawn@v1"}
        hub.asked.clear()

        def qreal(*words: str, **changed: str) -> str:
            done = subprocess.run(
                [QREAL, *words],
                env={**environment, **changed},
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
            return done.stdout + done.stderr

        out = tmp_path / "run"
        run = ("eval", "--model", "dummy", "--model_args", "response=Yes", "--tasks", "qreal_objectqa")
        output = qreal(*run, "--output_path", str(out))
        assert MINI_NOTICE in output
        assert hub.unknown == []
        assert len([asked for asked in hub.asked if asked.at_storage]) == 4
        assert {"Authorization" in asked.headers for asked in hub.asked if asked.at_storage} == {False}

    read = read_run(find_results(out)[-1])
    assert {record.data for record in read.records} == {"org/drawn@v1"}
    for task in read.tasks:
        assert [record.entity_id for record in read.judgments(task.name)] == expected
    assert {task.name for task in read.tasks} == set(QUESTION_NAMES)
    assert find_differences(read, score_run(read, resamples=0)) == []

    output += qreal("data", "check", HF_HUB_OFFLINE="1")
    assert "org/drawn@v1: no problem found" in output
    written = b"".join(path.read_bytes() for path in out.rglob("*") if path.is_file())
    for secret in (OWNER_TOKEN, SIGNATURE):
        assert secret not in output
        assert secret.encode() not in written
