"""A run that is verified on Label Studio servers of its own, and its people."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import httpx2
from answering import free_ports, results
from chromium import Chromium
from typer import Typer
from typer.testing import CliRunner

from annotation.commands import annotate_app
from annotation.label_studio.environment import ENVIRONMENT
from annotation.label_studio.workplace import AnnotatorAccount, Workplace, load_workplace
from annotation.merging.forms import load_forms
from annotation.merging.votes import Vote, VoteRecord
from annotation.run.folder import RunFolder

QREAL = [sys.executable, "-c", "from qreal_tasks.cli import main; main()"]


def call(command: Typer, *arguments: str, status: int = 0) -> str:
    """Run a command in this process; there what it prints."""
    done = CliRunner().invoke(command, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    assert done.exit_code == status, done.output
    return done.output


class Place:
    """``qreal annotate verify start`` on a run, a program of its own, to be stopped and started again."""

    def __init__(self, run: RunFolder, program: str) -> None:
        self.run, self._program, self._port = run, program, free_ports(3)
        self.entities = len(load_forms(run))
        self._process: subprocess.Popen[str] | None = None
        self.printed = ""

    def qreal(self, *arguments: str, status: int = 0) -> str:
        """What a command of ``qreal annotate`` says."""
        return call(annotate_app, *arguments, status=status)

    def start(self) -> Workplace:
        arguments = ["verify", "start", str(self.run.path), "--port", str(self._port), "--pull-every", "600"]
        command = [*QREAL, "annotate", *arguments]
        self._process = subprocess.Popen(
            command,
            env={**os.environ, ENVIRONMENT: self._program, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.printed += line
            if line.startswith("Pulling every"):
                return load_workplace(self.run)
        raise AssertionError(self.printed)

    def stop(self) -> str:
        """As Ctrl-C does in a terminal: the whole group of processes gets the signal."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGINT)
        process, self._process = self._process, None
        result, _ = process.communicate(timeout=300)  # a bound for a hang; machines may be busy
        assert process.returncode == 0, result
        return result

    @property
    def is_started(self) -> bool:
        return self._process is not None

    def kill(self) -> None:
        """Nothing is left to end the servers."""
        assert self._process is not None
        self._process.kill()
        self._process.communicate()

    def votes(self) -> dict[tuple[str, str], Vote]:
        with VoteRecord(self.run.votes_path) as record:
            return {(vote.annotator, vote.entity_id): vote for vote in record.latest()}


def seat_of(place: Place, name: str) -> AnnotatorAccount:
    return next(account for account in load_workplace(place.run).accounts if account.name == name)


def tasks_of(place: Place, name: str) -> list[dict[str, Any]]:
    account = seat_of(place, name)
    assert account.project_id is not None
    with account.client() as client:
        return list(client.tasks(account.project_id))


def raw(account: AnnotatorAccount, method: str, path: str, **result: Any) -> httpx2.Response:
    """A request of somebody's own account."""
    headers = {"Authorization": f"Token {account.token}"}
    return httpx2.request(method, account.url + path, headers=headers, timeout=60, **result)


def log_in(browser: Chromium, account: AnnotatorAccount) -> None:
    browser.go(account.link)
    filled = "".join(
        f"document.querySelector('input[name={name}]').value = {json.dumps(value)};"
        for name, value in (("email", account.email), ("password", account.password))
    )
    browser.run(filled + "document.querySelector('form').submit()")
    browser.wait("location.pathname.startsWith('/projects/') && document.readyState === 'complete'")


def answer_all(run: RunFolder, name: str, answers: Callable[[str], dict[str, str]]) -> list[str]:
    """Answer everything that is open for somebody; returns the entities."""
    account = next(account for account in load_workplace(run).accounts if account.name == name)
    assert account.project_id is not None
    with account.client() as client:
        open_ones = [task for task in client.tasks(account.project_id) if not task["annotations"]]
        for task in open_ones:
            client.annotate(task["id"], results(task, answers(task["data"]["entity_id"])), 15.0)
    return [task["data"]["entity_id"] for task in open_ones]
