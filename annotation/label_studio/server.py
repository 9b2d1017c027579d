"""A run's own Label Studio servers: one for each annotator.

One server for all would not do. In its Community edition every account may make itself a member of any organisation
(``PATCH /api/users/ID`` takes ``active_organization``) and read all that is in it, so independence would rest on
people's word. Separate servers have nothing of one another.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from annotation.errors import AnnotationError
from annotation.label_studio.workplace import AnnotatorAccount
from qreal_tasks.files.atomic import replaced, write_whole
from qreal_tasks.files.regular import read_text
from qreal_tasks.text.redaction import own_keys, without_key

LOOPBACK = "127.0.0.1"
EVERYWHERE = ("0.0.0.0", "::")
"""Hosts that stand for all addresses of this machine."""
_WAIT_S = 300.0
"""A start takes 8 s on an idle core, a multiple of that on a busy machine."""
_PROBE_S = 5.0
_END_S = 15.0
_DATABASE = "label_studio.sqlite3"
_PID = "server.pid"
_QUIET = {
    "COLLECT_ANALYTICS": "false",
    "LATEST_VERSION_CHECK": "false",
    "SENTRY_DSN": "",
    "FRONTEND_SENTRY_DSN": "",
    "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
    "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
}


def new_account(name: str, port: int, adjudicates: bool = False) -> AnnotatorAccount:
    """Make up an account, which its server creates when it starts first."""
    return AnnotatorAccount(
        name=name,
        url=server_url(port),
        token=secrets.token_hex(20),
        email=f"{name}@qreal.local",
        password=secrets.token_urlsafe(9),
        adjudicates=adjudicates,
    )


def server_url(port: int) -> str:
    """The address of a server on this machine, for programs on this machine."""
    return f"http://{LOOPBACK}:{port}"


@contextmanager
def run_servers(
    program: Path, accounts: Sequence[AnnotatorAccount], folder: Path, media: Path, host: str
) -> Iterator[None]:
    """Run the servers of all accounts while the block lasts. What a killed program has left running is ended first.

    Args:
        folder: each server's own folder is in it, with its database and log.
        media: the only files that they may show.

    Raises:
        AnnotationError: a port is taken by something else, or a server does not come up.
    """
    media.mkdir(parents=True, exist_ok=True)
    _make_databases(program, [folder / account.name for account in accounts], folder / ".blank")
    started: list[tuple[AnnotatorAccount, subprocess.Popen[bytes]]] = []
    try:
        for account in accounts:
            _end_leftover(folder / account.name)
            started.append((account, _start(program, account, folder / account.name, media, host)))
        end = time.monotonic() + _WAIT_S
        for account, process in started:
            _wait(account, process, folder / account.name, end)
        yield
    finally:
        _stop([process for _, process in started])


def _make_databases(program: Path, folders: Sequence[Path], blank: Path) -> None:
    """Make an empty database for every server that has none: once, since it takes most of a first start, and copied."""
    new = [folder for folder in folders if not (folder / _DATABASE).exists()]
    if not new:
        return
    blank.mkdir(parents=True, exist_ok=True)
    with _log(blank) as log:
        command = [str(program), "version", "--data-dir", str(blank)]
        done = subprocess.run(command, env=_environment(), **_streams(log), check=False)
    if done.returncode or not (blank / _DATABASE).is_file():
        raise AnnotationError(f"Label Studio cannot make its database: {_last_words(blank, [])}")
    for folder in new:
        folder.mkdir(parents=True, exist_ok=True)
        with replaced(folder / _DATABASE) as beside:
            shutil.copyfile(blank / _DATABASE, beside)
    shutil.rmtree(blank)


def _start(program: Path, account: AnnotatorAccount, folder: Path, media: Path, host: str) -> subprocess.Popen[bytes]:
    port = int(account.url.rpartition(":")[2])
    if _is_taken(port):
        raise AnnotationError(
            f"port {port}, which {account.name}'s links name, is in use by another program; end it, or give others: "
            "--port"
        )
    environment = {
        **_environment(),
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(media),
        "LABEL_STUDIO_USERNAME": str(account.email),
        "LABEL_STUDIO_PASSWORD": str(account.password),
        "LABEL_STUDIO_USER_TOKEN": account.token,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
    }
    command = [str(program), "start", "--no-browser", "--internal-host", host, "--port", str(port)]
    command += ["--data-dir", str(folder), "--enable-legacy-api-token"]
    with _log(folder) as log:
        # In a session of its own: Ctrl-C is for this program, which pulls once more before it ends the servers.
        process = subprocess.Popen(command, env=environment, cwd=folder, **_streams(log), start_new_session=True)
    try:
        write_whole(folder / _PID, str(process.pid))
    except BaseException:  # a server that nobody could end
        _stop([process])
        raise
    return process


def _end_leftover(folder: Path) -> None:
    """End a server whose program was killed. Another program may have its process id now, so the command is looked
    at."""
    try:
        number = int(read_text(folder / _PID, encoding="ascii"))
        command = subprocess.run(
            ["ps", "-ww", "-o", "command=", "-p", str(number)], capture_output=True, text=True, check=False
        ).stdout
        if str(folder) in command:
            os.kill(number, signal.SIGTERM)
            end = time.monotonic() + _END_S
            while _is_alive(number) and time.monotonic() < end:
                time.sleep(0.1)
    except (OSError, ValueError):
        pass
    (folder / _PID).unlink(missing_ok=True)


def _is_alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


def _environment() -> dict[str, str]:
    """The environment of this program, without what others may have set for a Label Studio of theirs."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("LABEL_STUDIO_", "DJANGO_"))}
    return {**inherited, **_QUIET}


def _streams(log: IO[bytes]) -> dict[str, Any]:
    return {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}


def _log(folder: Path) -> IO[bytes]:
    return (folder / "server.log").open("ab")


def _wait(account: AnnotatorAccount, process: subprocess.Popen[bytes], folder: Path, end: float) -> None:
    while not _is_up(account):
        if process.poll() is not None or time.monotonic() > end:
            state = "ended" if process.poll() is not None else f"does not answer after {_WAIT_S:.0f} s"
            secrets_of_account = [account.token, account.password or ""]
            raise AnnotationError(f"Label Studio of {account.name} {state}: {_last_words(folder, secrets_of_account)}")
        time.sleep(0.3)


def _last_words(folder: Path, keys: Sequence[str]) -> str:
    log = folder / "server.log"
    lines = read_text(log, errors="replace").strip().splitlines()[-5:]
    return f"{log} ends with: " + " | ".join(without_key(lines, *own_keys(*keys)))


def _is_up(account: AnnotatorAccount) -> bool:
    """Whether the account's own server answers: its token is known there."""
    try:
        with account.client(_PROBE_S) as client:
            return bool(client.who_am_i().get("email") == account.email)
    except AnnotationError:
        return False


def _is_taken(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    end = time.monotonic() + _END_S
    for process in processes:
        try:
            process.wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
