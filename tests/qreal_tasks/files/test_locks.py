"""Locks between programs: refused or waited for, given back, and nothing left behind."""

from __future__ import annotations

import errno
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from qreal_tasks.files.locks import hold_lock


def test_a_second_one_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with hold_lock(path):
        for _ in range(2):
            with pytest.raises(ValueError, match="taken"), hold_lock(path, ValueError("taken")):
                pytest.fail("two at once")
    with hold_lock(path, ValueError("taken")):
        assert path.exists()
    assert list(tmp_path.iterdir()) == []


def test_the_others_wait_and_are_never_two(tmp_path: Path) -> None:
    inside, most = 0, 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with hold_lock(tmp_path / ".lock"):
                inside += 1
                most = max(most, inside)
                time.sleep(0)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert list(tmp_path.iterdir()) == []


def test_a_child_holds_it_on_when_its_parent_is_killed(tmp_path: Path) -> None:
    child = "import sys; print(flush=True); sys.stdin.read()"
    parent = f"""
import subprocess, sys, time
from pathlib import Path
from qreal_tasks.files.locks import hold_lock
with hold_lock(Path({str(tmp_path / ".lock")!r})) as lock:
    subprocess.Popen([sys.executable, "-c", {child!r}], pass_fds=(lock,))
    time.sleep(60)
"""
    with subprocess.Popen([sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as killed:
        assert killed.stdin is not None
        assert killed.stdout is not None
        killed.stdout.readline()  # the child has begun
        killed.kill()
        killed.wait()
        with pytest.raises(ValueError, match="taken"), hold_lock(tmp_path / ".lock", ValueError("taken")):
            pytest.fail("two at once")
        killed.stdin.close()  # lets the child end
        assert killed.stdout.read() == b""
    with hold_lock(tmp_path / ".lock", ValueError("taken")):
        pass


def test_a_file_system_without_locks_keeps_nobody_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", unknown)
    with hold_lock(tmp_path / ".lock", ValueError("taken")):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), hold_lock(tmp_path / "no" / ".lock"):
        pytest.fail("there is none")
