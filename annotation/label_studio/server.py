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
from typing import IO

from annotation.errors import AnnotationError
from annotation.label_studio.workplace import Seat
from qreal_tasks.files.atomic import replace_file, write_whole
from qreal_tasks.files.regular import read_text
from qreal_tasks.text.redaction import own_keys, redact_keys

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


def new_seat(name: str, port: int, adjudicates: bool = False) -> Seat:
    """An account that the server makes when it starts first."""
    return Seat(
        name=name,
        url=address(port),
        token=secrets.token_hex(20),
        email=f"{name}@qreal.local",
        password=secrets.token_urlsafe(9),
        adjudicates=adjudicates,
    )


def address(port: int) -> str:
    """Of a server on this machine, for programs on this machine."""
    return f"http://{LOOPBACK}:{port}"


@contextmanager
def serving(program: Path, seats: Sequence[Seat], folder: Path, media: Path, host: str) -> Iterator[None]:
    """The servers of all seats, ready to be used. What a killed program has left running is ended first.

    Args:
        folder: each server's own folder is in it, with its database and log.
        media: the only files that they may show.

    Raises:
        AnnotationError: a port is taken by something else, or a server does not come up.
    """
    media.mkdir(parents=True, exist_ok=True)
    _make_databases(program, [folder / seat.name for seat in seats], folder / ".blank")
    started: list[tuple[Seat, subprocess.Popen[bytes]]] = []
    try:
        for seat in seats:
            _end_leftover(folder / seat.name)
            started.append((seat, _start(program, seat, folder / seat.name, media, host)))
        end = time.monotonic() + _WAIT_S
        for seat, process in started:
            _wait(seat, process, folder / seat.name, end)
        yield
    finally:
        _stop([process for _, process in started])


def _make_databases(program: Path, folders: Sequence[Path], blank: Path) -> None:
    """An empty database for every server that has none. Setting one up takes most of a first start, so it is done once
    and copied."""
    new = [folder for folder in folders if not (folder / _DATABASE).exists()]
    if not new:
        return
    blank.mkdir(parents=True, exist_ok=True)
    with _log(blank) as log:
        command = [str(program), "version", "--data-dir", str(blank)]
        done = subprocess.run(
            command, env=_environment(), stdout=log, stderr=log, stdin=subprocess.DEVNULL, check=False
        )
    if done.returncode or not (blank / _DATABASE).is_file():
        raise AnnotationError(f"Label Studio cannot make its database: {_last_words(blank, [])}")
    for folder in new:
        folder.mkdir(parents=True, exist_ok=True)
        with replace_file(folder / _DATABASE) as beside:
            shutil.copyfile(blank / _DATABASE, beside)
    shutil.rmtree(blank)


def _start(program: Path, seat: Seat, folder: Path, media: Path, host: str) -> subprocess.Popen[bytes]:
    port = int(seat.url.rpartition(":")[2])
    if _is_taken(port):
        raise AnnotationError(
            f"port {port}, which {seat.name}'s links name, is in use by another program; end it, or give others: --port"
        )
    environment = {
        **_environment(),
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(media),
        "LABEL_STUDIO_USERNAME": str(seat.email),
        "LABEL_STUDIO_PASSWORD": str(seat.password),
        "LABEL_STUDIO_USER_TOKEN": seat.token,
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
    }
    command = [str(program), "start", "--no-browser", "--internal-host", host, "--port", str(port)]
    command += ["--data-dir", str(folder), "--enable-legacy-api-token"]
    with _log(folder) as log:
        # In a session of its own: Ctrl-C is for this program, which pulls once more before it ends the servers.
        process = subprocess.Popen(
            command,
            env=environment,
            cwd=folder,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        write_whole(folder / _PID, str(process.pid))
    except BaseException:  # a server that nobody could end
        _stop([process])
        raise
    return process


def _end_leftover(folder: Path) -> None:
    """A server on this folder whose program was killed. Its process id may have gone to another program since, so
    its command is looked at."""
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
    """Of this program, but for what others may have set for a Label Studio of theirs."""
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("LABEL_STUDIO_", "DJANGO_"))}
    return {**inherited, **_QUIET}


def _log(folder: Path) -> IO[bytes]:
    return (folder / "server.log").open("ab")


def _wait(seat: Seat, process: subprocess.Popen[bytes], folder: Path, end: float) -> None:
    while not _is_up(seat):
        if process.poll() is not None or time.monotonic() > end:
            state = "ended" if process.poll() is not None else f"does not answer after {_WAIT_S:.0f} s"
            secrets_of_seat = [seat.token, seat.password or ""]
            raise AnnotationError(f"Label Studio of {seat.name} {state}: {_last_words(folder, secrets_of_seat)}")
        time.sleep(0.3)


def _last_words(folder: Path, keys: Sequence[str]) -> str:
    log = folder / "server.log"
    said = read_text(log, errors="replace").strip().splitlines()[-5:]
    return f"{log} ends with: " + " | ".join(redact_keys(said, *own_keys(*keys)))


def _is_up(seat: Seat) -> bool:
    """Whether the seat's own server answers: its token is known there."""
    try:
        with seat.client(_PROBE_S) as client:
            return bool(client.who_am_i().get("email") == seat.email)
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
