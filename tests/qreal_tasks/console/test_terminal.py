"""Terminals get no control characters of others, from any command."""

from __future__ import annotations

import ast
import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.table import Table

import annotation
import qreal_tasks
import training
from qreal_tasks.console import terminal
from qreal_tasks.console.progress_bar import ProgressBar, show_progress
from qreal_tasks.console.terminal import OutputRelay, console, echo, prepare_output
from qreal_tasks.harness.plugin import _spell_out

HOSTILE = {
    "clears the screen": ("a\x1b[2Jb", "a\\x1b[2Jb"),
    "sets the title": ("a\x1b]0;title\x07b", "a\\x1b]0;title\\x07b"),
    "overwrites the line": ("refused\raccepted", "refused\\raccepted"),
    "goes back": ("no\x08\x08ok", "no\\x08\\x08ok"),
    "an escape in one byte": ("a\x9b2Jb", "a\\x9b2Jb"),
    "writes from the right": ("a\u202eb", "a\\u202eb"),
    "half a surrogate pair": ("a\ud83db", "a?b"),
    "a tag": ("a\U000e0041b", "a\\U000e0041b"),
    "colours of rich": ("[red]a[/red] [/] [link=https://x.example]b", "[red]a[/red] [/] [link=https://x.example]b"),
    "an emoji of rich": (":warning: a", ":warning: a"),
}


OTHER_WAYS = {
    *("print", "typer.echo", "typer.secho", "click.echo", "click.secho"),
    *("Console", "rich.print", "rich.print_json", "rich.get_console"),
    *(f"sys.{stream}{part}.write" for stream in ("stdout", "stderr") for part in ("", ".buffer")),
}


@pytest.fixture
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What ``prepare`` changes is as before afterwards."""
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(logging, "lastResort", logging.StreamHandler())
    return iter(())


@pytest.mark.parametrize(("text", "shown"), HOSTILE.values(), ids=HOSTILE)
class TestSpelledOut:
    def test_by_echo(self, text: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
        echo(f"file {text}\nnext")
        echo(text, err=True, colour="red")
        output = capsys.readouterr()
        assert output.out == f"file {shown}\nnext\n"
        assert shown in output.err

    def test_in_tables(self, text: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
        table = Table(text, title=text)
        table.add_row(text)
        out = console(width=200)
        out.print(table)
        out.print(text, style="yellow")
        assert capsys.readouterr().out.count(shown) == 4

    def test_beside_bars(self, text: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
        with show_progress() as bars:
            bar = ProgressBar(bars, text, "images", 1)
            bar.beside(text)
            bar.add()
            bars.console.width = 300
            bars.console.print(text)
        assert capsys.readouterr().out.count(shown) == 3

    def test_in_logs_and_warnings(self, text: str, shown: str, restored: None) -> None:
        prepare_output()
        record = logging.LogRecord("n", logging.WARNING, "p", 1, "%s", (text,), None)
        assert logging.lastResort is not None
        assert logging.lastResort.format(record) == shown
        assert shown in warnings.formatwarning(text, UserWarning, "f.py", 1)

    def test_in_logs_of_a_run(self, text: str, shown: str) -> None:
        """Under the harness, whose own logs are left as they are."""
        ours, others = ({"name": name, "message": text} for name in ("qreal_tasks.harness.hooks", "lmms_eval.api"))
        _spell_out(ours)
        _spell_out(others)
        assert (ours["message"], others["message"]) == (shown, text)

    def test_from_a_program_that_was_started(self, text: str, shown: str) -> None:
        """Bars go back to the begin of the line, so that stays."""
        stream = io.StringIO()
        passed = OutputRelay(stream)
        for byte in text.encode("utf-8", "replace"):  # in pieces as small as they can come
            passed.write(bytes([byte]))
        passed.write(b"", final=True)
        assert stream.getvalue() == shown.replace("\\r", "\r")


def test_bars_and_colours_of_a_program_that_was_started_stay() -> None:
    stream = io.StringIO()
    passed = OutputRelay(stream)
    output = "\x1b[32mINFO\x1b[0m über\r 50%|###\x1b[A\n\r\x1b[K\ttab"
    for byte in output.encode():
        passed.write(bytes([byte]))
    passed.write(b"\x1b[3", final=True)
    assert stream.getvalue() == f"{output}\\x1b[3"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_what_cannot_be_encoded_is_spelled_out(encoding: str, monkeypatch: pytest.MonkeyPatch, restored: None) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    prepare_output()
    echo("模型 … ü")
    table = Table("模型")
    table.add_row(".1–.2 → …")
    console(width=40).print(table)
    stream.flush()
    assert b"\\u6a21\\u578b" in raw.getvalue()
    if encoding != "cp1252":  # which has some of them
        assert b".1-.2 -> ..." in raw.getvalue()
    OutputRelay(stream).write("\r 50%|██▌  | 1/2".encode(), final=True)
    assert raw.getvalue().endswith(b"\r 50%|###  | 1/2")


@pytest.mark.parametrize("text", [f"a{character}b" for character in "\x00\x1b\x7f\x9b\u200d\u202e\U000e0041\ud83d"])
def test_json_is_read_by_others_as_it_was_and_holds_no_control(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    echo(json.dumps({text: [text, None, 0.1]}, indent=2))
    output = capsys.readouterr().out
    assert json.loads(output) == {text: [text, None, 0.1]}
    assert output.isascii()
    assert output.replace("\n", "").isprintable()


def test_a_narrow_terminal_breaks_no_number(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("what")
    for name in ("one", "two", "three"):
        table.add_column(name, justify="right", overflow="fold")
    table.add_row("words that may stand in several lines", "1,234,567", ".123–1.000", "98,765")
    out = console()
    out.width = 20
    out.print(table)
    output = capsys.readouterr().out
    assert all(number in output for number in ("1,234,567", ".123–1.000", "98,765", "several"))
    assert max(map(len, output.splitlines())) < 60, "words need not be in one line"


@pytest.mark.parametrize(("no_color", "escapes"), [("", 2), ("1", 0)])
def test_no_color(no_color: str, escapes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("NO_COLOR", no_color)
    monkeypatch.setattr(sys, "stdout", shown := Terminal())
    echo("a", colour="red")
    assert shown.getvalue().count("\x1b") == escapes


@pytest.mark.slow
def test_nothing_else_writes_on_a_terminal() -> None:
    """No module calls print, typer's or click's echo, or makes a console of rich of its own."""
    packages = [Path(str(package.__file__)).parent for package in (qreal_tasks, training, annotation)]
    found = [
        f"{path.relative_to(package.parent)}:{call.lineno} {name}"
        for package in packages
        for path in sorted(package.rglob("*.py"))
        if path != Path(terminal.__file__)
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call) and (name := ast.unparse(call.func)) in OTHER_WAYS
    ]
    assert found == []
