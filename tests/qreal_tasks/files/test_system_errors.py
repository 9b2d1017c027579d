"""What the system refuses, whichever library ran into it, as one line."""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from PIL import Image
from refusing import no_room
from safetensors.numpy import save_file

from qreal_tasks.cli import main
from qreal_tasks.console.command_line import fail
from qreal_tasks.files.sqlite_file import StoreError
from qreal_tasks.files.system_errors import describe_os_error, explain_refusal
from qreal_tasks.models.store import AnswerStore

WORDS = {
    errno.ENOSPC: "disk full while writing",
    errno.EDQUOT: "quota used up while writing",
    errno.EFBIG: "file too large while writing",
    errno.EROFS: "read-only disk at",
    errno.EACCES: "no permission for",
    errno.EPERM: "no permission for",
    errno.EMFILE: "too many open files at",
    errno.EIO: "disk fails at",
}


@pytest.mark.parametrize("number", WORDS)
def test_what_where_why_and_what_to_do(number: int) -> None:
    own = os.strerror(number)
    output = explain_refusal(OSError(number, own, "runs/a"))
    assert output is not None
    assert output.startswith(f"{WORDS[number]} runs/a: {own}; ")
    assert output == describe_os_error(OSError(number, own, "runs/a"))
    behind = ValueError("it did not work")
    behind.__cause__ = OSError(number, own, "runs/a")
    assert explain_refusal(behind) == output


def _chained(outer: Exception, inner: Exception) -> Exception:
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    ("error", "output"),
    [
        (sqlite3.OperationalError("database or disk is full"), "disk full while writing X"),
        (sqlite3.OperationalError("attempt to write a readonly database"), "no permission for X"),
        (sqlite3.OperationalError("disk I/O error"), "disk fails at X"),
        (OSError("Not enough disk space. Needed: 3 GiB"), "disk full while writing X"),
        (RuntimeError("[enforce fail at inline_container.cc:671] . unexpected pos 576 vs 534"), "disk fails at X"),
        (RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed"), "disk fails at X"),
        (RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"), "disk full while"),
        (OSError(28, "Error writing bytes to file. Detail: [errno 28] No space left"), "disk full while writing X: No"),
        (_chained(RuntimeError("generating failed"), OSError(28, "No space left on device")), "disk full while"),
        (ValueError("the judge's server says no"), None),
        (KeyError("realism"), None),
        (StoreError("x cannot be read: Permission denied"), None),  # of ours: it says itself what to do
        (FileNotFoundError(2, "No such file or directory", "a"), None),
    ],
)
def test_in_the_words_of_libraries(error: Exception, output: str | None) -> None:
    found = explain_refusal(error, "X")
    assert found is None if output is None else (found or "").startswith(output)


WRITERS: dict[str, Callable[[Path], Any]] = {
    "parquet": lambda path: pq.write_table(pa.table({"a": np.arange(9)}), path),
    "a picture": lambda path: Image.new("RGB", (9, 9)).save(path, "PNG"),
    "safetensors": lambda path: save_file({"a": np.zeros(9)}, path),
    "text": lambda path: path.write_text("x"),
}


@pytest.mark.parametrize("writer", WRITERS)
def test_as_libraries_really_raise_it(writer: str, tmp_path: Path) -> None:
    with no_room(), pytest.raises(Exception, match="File too large") as refused:
        WRITERS[writer](tmp_path / "file")
    assert (explain_refusal(refused.value, "X") or "").startswith("file too large while writing X")


def test_sqlite_that_is_full_says_so_and_keeps_what_it_has(tmp_path: Path) -> None:
    from qreal_tasks.models.requests import Response

    with AnswerStore(tmp_path / "a.sqlite") as store:
        store.put("kept", Response("Yes"))
        with store.use() as db:
            db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').fetchone()[0]}")
        with pytest.raises(StoreError, match=r"^disk full while writing .*a\.sqlite: No space left on device; free"):
            store.put("lost", Response("x" * 100_000))
        assert store.get_many(["kept", "lost"]) == {"kept": Response("Yes")}


def test_a_command_says_it_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    for error, output in (
        (OSError(28, "No space left on device", "a.html"), "disk full while writing a.html: No space left on device;"),
        (FileNotFoundError(2, "No such file or directory", "a.html"), "a.html: No such file or directory\n"),
        (FileExistsError("a is not empty; give another"), "a is not empty; give another\n"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), "Broken pipe\n"),
    ):
        with pytest.raises(typer.Exit):
            fail("score", error)
        assert capsys.readouterr().err.startswith(f"qreal score: {output}")


@pytest.mark.parametrize(
    ("raised", "output"),
    [
        (OSError(errno.EMFILE, "Too many open files", "a"), "qreal: too many open files at a: Too many open files; "),
        (_chained(RuntimeError("lost"), PermissionError(13, "Permission denied", "b")), "qreal: no permission for b: "),
        (OSError(28, "No space left on device"), "qreal: disk full: No space left on device; "),  # standard output
    ],
)
def test_what_no_command_has_said_is_said_at_the_end(
    raised: Exception, output: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(_: Any) -> None:
        raise raised

    monkeypatch.setattr("qreal_tasks.dataset.source.locate", refused)
    monkeypatch.setattr(sys, "argv", ["qreal", "data", "info"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(output)
    assert err.count("\n") == 1


def test_mistakes_of_ours_keep_their_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("qreal_tasks.dataset.source.locate", lambda _: dict[str, str]()["realism"])
    monkeypatch.setattr(sys, "argv", ["qreal", "data", "info"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith("Traceback (most recent call last):")
