"""A process that has lmms-eval imported and forks a child for each program that tests start.

Importing the harness takes 15 seconds of processor time, and the tests start it dozens of times. ``Popen`` stands in
for ``subprocess.Popen``: a console script of this environment and ``python`` with ``-m``, ``-c`` or a file begin in a
fork of the one process that has everything imported, with their own arguments, environment, folder and standard
files; so do the programs that they start. Its pid, its signals and its status are those of the program. Other files
(``pass_fds``) are not handed on. Whatever else is started, and all of it where the system has no ``pidfd_open``, starts
as ever.

The process is started by the first that needs it, is shared by the workers of pytest-xdist, and ends with pytest. When
all tests are run, the workers themselves are forks of it: what they collect imports as much as the harness.
"""

from __future__ import annotations

import atexit
import copy
import gc
import importlib
import inspect
import json
import os
import runpy
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, NoReturn

OWNER = "QREAL_TESTS_OWNER"
"""The variable with the process id of pytest, which its workers and their children inherit."""

PRELOADED = (
    "lmms_eval.__main__",
    "lmms_eval.cli.dispatch",
    "lmms_eval.models.simple.dummy",
    "lmms_eval.models.chat.qwen2_5_vl",
    "lmms_eval.models.chat.openai",
    "qreal_tasks.cli",
    "qreal_tasks.harness.hooks",
    "qreal_tasks.harness.agent_backend",
    "qreal_tasks.harness.backends",
    "qreal_tasks.harness.eval_command.run",
    "transformers.models.auto.modeling_auto",
    "transformers.models.grounding_dino.modeling_grounding_dino",
    "transformers.models.grounding_dino.processing_grounding_dino",
    "transformers.models.internvl.modeling_internvl",
    "transformers.models.internvl.processing_internvl",
    "transformers.models.llava_next.modeling_llava_next",
    "transformers.models.llava_next.processing_llava_next",
    "transformers.models.qwen2.modeling_qwen2",
    "transformers.models.qwen2_5_vl.modeling_qwen2_5_vl",
    "transformers.models.qwen2_vl.image_processing_qwen2_vl",
    "transformers.models.qwen3_vl.modeling_qwen3_vl",
    "transformers.models.qwen3_vl.processing_qwen3_vl",
    "nltk",
    "pytablewriter",
    "torch.distributed.run",
    "trl",
    "trl.trainer.sft_trainer",
    "training.export.export",
    "training.run.held_out",
    "training.run.progress",
    "training.run.sft",
    "training.run.trainer",
)
PACKAGES = ("qreal_tasks", "training", "annotation")
"""All modules of these are imported for workers, since collecting tests imports them."""
SCRIPTS = ("qreal", "lmms-eval", "torchrun", "transformers")

READ_AT_IMPORT = ("HF_", "TRANSFORMERS_", "OMP_", "LMMS_EVAL_", "PYTHONPATH", "HOME", "XDG_CACHE_HOME")
"""How variables begin that libraries read while they are imported: a program with others than ours starts as ever."""

WORKER = "QREAL_TESTS_WORKER"
"""A variable that says to a fork that it becomes a worker of pytest-xdist, whose programs start as ever."""

WORKERS = "--for-workers"

CHECKOUT = str(Path(__file__).parents[2])
"""What is imported comes from here, whether ``PYTHONPATH`` names it or not."""

_REAL = subprocess.Popen
_NUMBER = struct.Struct("!i")


class Request(NamedTuple):
    """A program to run in a fork, with the process group that it belongs to, or 0 for a session of its own."""

    args: list[str]
    env: dict[str, str]
    cwd: str
    group: int


class Popen(subprocess.Popen):  # type: ignore[type-arg]
    """``subprocess.Popen`` whose program begins in a fork of the process that has the harness imported."""

    _served: socket.socket | None = None

    def _execute_child(self, *given: Any) -> None:
        """The one place where a program is started; its parameters are those of the standard library."""
        real = _REAL._execute_child  # type: ignore[attr-defined]
        named = inspect.signature(real).bind(self, *given).arguments
        env = dict(os.environ if named["env"] is None else named["env"])
        if isinstance(named["args"], str | bytes | os.PathLike) or not _can_fork(named["args"], env):
            real(self, *given)
            return
        group = 0 if named["start_new_session"] else os.getpgid(0)
        cwd = os.fspath(named["cwd"] or os.getcwd())
        request = Request([os.fspath(word) for word in named["args"]], env, cwd, group)
        ends = [named[name] for name in ("p2cread", "c2pwrite", "errwrite")]
        self._served = _connect()
        text = json.dumps(request).encode()
        socket.send_fds(
            self._served, [_NUMBER.pack(len(text))], [n if end == -1 else end for n, end in enumerate(ends)]
        )
        self._served.sendall(text)
        (self.pid,) = _NUMBER.unpack(_receive(self._served, _NUMBER.size))
        self._child_created = True
        self._close_pipe_fds(  # type: ignore[attr-defined]
            *(named[name] for name in ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite"))
        )

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        """As ``os.waitpid``, whose answer comes from the program's real parent."""
        if self._served is None:
            return super()._try_wait(wait_flags)  # type: ignore[misc, no-any-return]
        with selectors.DefaultSelector() as selector:
            selector.register(self._served, selectors.EVENT_READ)
            if not selector.select(0 if wait_flags & os.WNOHANG else None):
                return 0, 0
        (status,) = _NUMBER.unpack(_receive(self._served, _NUMBER.size))
        self._served.close()
        return self.pid, status

    def _internal_poll(self, *given: Any, **named: Any) -> int | None:
        if self._served is None:
            return super()._internal_poll(*given, **named)  # type: ignore[misc, no-any-return]
        if self.returncode is None and self._waitpid_lock.acquire(False):  # type: ignore[attr-defined]
            try:
                pid, status = (0, 0) if self.returncode is not None else self._try_wait(os.WNOHANG)
                if pid:
                    self._handle_exitstatus(status)  # type: ignore[attr-defined]
            finally:
                self._waitpid_lock.release()  # type: ignore[attr-defined]
        return self.returncode


def _can_fork(args: Sequence[str | os.PathLike[str]], env: Mapping[str, str]) -> bool:
    program, first = os.fspath(args[0]), os.fspath(args[1]) if len(args) > 1 else ""
    known = (program == sys.executable and (first in ("-c", "-m", "-u", "-P") or first.endswith(".py"))) or (
        program in {str(Path(sys.executable).parent / name) for name in SCRIPTS}
    )
    return known and hasattr(os, "pidfd_open") and OWNER in os.environ and _read_at_import(env) == _OURS


def _read_at_import(env: Mapping[str, str]) -> dict[str, str]:
    found = {name: value for name, value in env.items() if name.startswith(READ_AT_IMPORT)}
    folders = [one for one in found.pop("PYTHONPATH", "").split(os.pathsep) if one not in ("", CHECKOUT)]
    return found | ({"PYTHONPATH": os.pathsep.join(folders)} if folders else {})


_ENVIRONMENT = dict(os.environ)
_OURS = _read_at_import(_ENVIRONMENT)


def _name() -> str:
    """An address in the abstract namespace: no file is left of it, and only one process can have it."""
    return f"\0qreal-tests-{os.environ[OWNER]}"


def _connect() -> socket.socket:
    """A connection to the process, which is started if there is none; of two that are started at once one ends."""
    started = None
    while True:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(_name())
            return connection
        except ConnectionRefusedError:
            connection.close()
        if started is None:
            command = [sys.executable, __file__, *([WORKERS] if WORKER in os.environ else [])]
            started = _REAL(command, env=_ENVIRONMENT, stdin=subprocess.DEVNULL, process_group=0)
        time.sleep(0.05)
        if started.poll():
            raise RuntimeError(f"the process that has lmms-eval imported ended with status {started.returncode}")


def stop() -> None:
    """End the process, if there is one, and wait until it is over."""
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(_name())
        except ConnectionRefusedError:
            return
        ended = os.pidfd_open(_peer(connection).pid)
    with selectors.DefaultSelector() as selector:
        selector.register(ended, selectors.EVENT_READ)
        selector.select(60)
    os.close(ended)


class _Peer(NamedTuple):
    pid: int
    user: int
    group: int


def _peer(connection: socket.socket) -> _Peer:
    return _Peer(*struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)))


def _receive(connection: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        part = connection.recv(size - len(found))
        if not part:
            raise RuntimeError("the process that has lmms-eval imported is gone")
        found += part
    return found


def _serve(listener: socket.socket, owner: int) -> tuple[Request, list[int]] | None:
    """Fork a child for each request until pytest ends: there the request, with its three files; here None."""
    running: dict[int, tuple[int, socket.socket]] = {}
    with selectors.DefaultSelector() as selector, listener:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(owner, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == owner:
                    _kill(running)
                    return None
                if key.fd in running:
                    selector.unregister(key.fd)
                    pid, connection = running.pop(key.fd)
                    os.close(key.fd)
                    with connection, suppress(OSError):  # a test may be over before its program is
                        connection.sendall(_NUMBER.pack(os.waitpid(pid, 0)[1]))
                    continue
                connection = listener.accept()[0]
                if _peer(connection).user != os.getuid():
                    connection.close()
                    continue
                length, files, _, _ = socket.recv_fds(connection, _NUMBER.size, 3)
                if not length:  # pytest ends
                    _kill(running)
                    return None
                request = Request(*json.loads(_receive(connection, _NUMBER.unpack(length)[0])))
                pid = os.fork()
                if not pid:
                    for child, other in running.items():
                        os.close(child)
                        other[1].close()
                    connection.close()
                    return request, files
                for file in files:
                    os.close(file)
                child = os.pidfd_open(pid)
                running[child] = pid, connection
                selector.register(child, selectors.EVENT_READ)
                with suppress(OSError):
                    connection.sendall(_NUMBER.pack(pid))


def _kill(running: Mapping[int, tuple[int, socket.socket]]) -> None:
    for pid, _ in running.values():
        os.kill(pid, signal.SIGKILL)


def _become(request: Request, files: list[int]) -> None:
    """Run the program of ``request`` in this process, as it would be in one that has just begun."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    with suppress(OSError):  # pytest's worker may be gone
        if request.group:
            os.setpgid(0, request.group)
        else:
            os.setsid()
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update(request.env)
    if os.environ.pop(WORKER, ""):
        subprocess.Popen = _REAL  # type: ignore[misc]
    tempfile.tempdir = None
    signal.signal(signal.SIGINT, signal.default_int_handler)
    encoding, _, errors = request.env.get("PYTHONIOENCODING", "").partition(":")
    sys.stdout = os.fdopen(1, "w", encoding=encoding or None, errors=errors or None, closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, encoding=encoding or None, errors="backslashreplace", closefd=False)
    warnings.filterwarnings("ignore", message=".* found in sys.modules after import of package")
    words = request.args[1:] if request.args[0] == sys.executable else request.args
    here = [request.cwd]
    while words[0] in ("-u", "-P"):
        if words[0] == "-u":
            sys.stdout.reconfigure(write_through=True)
        else:
            here = []
        words = words[1:]
    if words[0] == "-m":
        sys.argv, sys.path[:1] = words[1:], here
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    elif words[0] == "-c":
        sys.argv, sys.path[:1] = ["-c", *words[2:]], here
        sys.modules["__main__"] = own = ModuleType("__main__")
        exec(compile(words[1], "<string>", "exec"), vars(own))
    else:
        sys.argv, sys.path[:1] = words, here and [str(Path(words[0]).resolve().parent)]
        runpy.run_path(words[0], run_name="__main__")


def _run_to_its_end(request: Request, files: list[int]) -> NoReturn:
    """``_become``, and the end of the process as Python ends it, but for two seconds of freeing what all imported."""
    status, interrupted = 0, False
    try:
        _become(request, files)
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        status, interrupted = 1, isinstance(error, KeyboardInterrupt)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    if interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    os._exit(status & 0xFF)


def _modules() -> Iterator[str]:
    """Names of all modules of this project but those that are programs."""
    for package in PACKAGES:
        for path in sorted(Path(CHECKOUT, package).rglob("*.py")):
            if path.stem not in ("__init__", "__main__"):
                yield ".".join(path.relative_to(CHECKOUT).with_suffix("").parts)


def _index_once() -> None:
    """Read the harness's own 1,600 task files, which takes ten seconds in every run, for all runs; ours are theirs."""
    from lmms_eval.tasks import TaskManager

    read = TaskManager._get_task_and_group
    folder = f"{Path(inspect.getfile(TaskManager)).parent}/"
    index = read(TaskManager(include_defaults=False), folder)
    TaskManager._get_task_and_group = lambda self, given: copy.deepcopy(index) if given == folder else read(self, given)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(_name())
    except OSError:  # the other one has it
        return
    listener.listen(64)
    owner = os.pidfd_open(int(os.environ[OWNER]))
    subprocess.Popen = Popen  # type: ignore[misc]  # before a library takes it by name
    for name in (*PRELOADED, *(_modules() if WORKERS in sys.argv else ())):
        importlib.import_module(name)
    _index_once()
    assert threading.active_count() == 1, threading.enumerate()
    gc.collect()
    gc.freeze()  # a collection in a fork passes over what all forks have in common
    if (served := _serve(listener, owner)) is not None:
        os.close(owner)
        _run_to_its_end(*served)
    gc.unfreeze()  # or libraries would complain of what is left at the end


if __name__ == "__main__":
    main()
