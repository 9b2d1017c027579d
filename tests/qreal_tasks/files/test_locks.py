"""Locks between programs: refused or waited for, given back, and nothing left behind."""

from __future__ import annotations

import errno
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
