"""What all commands share."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from qreal_tasks.console.command_line import as_folder, end_on_interrupt, exit_on_error, fail, fail_on


def test_a_typed_folder_is_the_folder_and_the_rest_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "org" / "name").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert as_folder("org/name") == str(tmp_path / "org" / "name")
    assert [as_folder(one) for one in ("org/other", "", None)] == ["org/other", "", None]


def test_a_failure_is_one_message_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as stopped:
        fail("judge run", ValueError("no such judge"))
    assert stopped.value.exit_code == 1
    out, err = capsys.readouterr()
    assert (out, err.strip()) == ("", "qreal judge run: no such judge")


def test_a_command_fails_on_the_errors_it_names(capsys: pytest.CaptureFixture[str]) -> None:
    for error in (KeyError("score"), FileNotFoundError(2, "No such file or directory", "runs/a")):
        with pytest.raises(typer.Exit), fail_on("score", LookupError, OSError):
            raise error
    assert capsys.readouterr().err == "qreal score: 'score'\nqreal score: runs/a: No such file or directory\n"
    with pytest.raises(ValueError, match="a mistake"), fail_on("score", LookupError):
        raise ValueError("a mistake")


def test_a_command_that_is_stopped_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, end_on_interrupt("eval"):
        raise KeyboardInterrupt
    assert ended.value.exit_code == 130
    assert capsys.readouterr().err == "qreal eval: stopped. Start the same command again to go on.\n"


def test_a_missing_home_is_said_and_other_errors_are_not_hidden(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit), exit_on_error():
        raise RuntimeError("a mistake")
    assert capsys.readouterr().err.endswith("RuntimeError: a mistake\n")
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    with pytest.raises(SystemExit) as stopped, exit_on_error():
        Path("~/x").expanduser()
    assert stopped.value.code == 1
    assert "HOME is not set" in capsys.readouterr().err


def test_an_unexpected_error_is_shown_as_python_does_but_for_keys_and_controls(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary-key-of-7")
    with pytest.raises(SystemExit) as stopped, exit_on_error():
        raise LookupError("no canary-key-of-7\x1b[2J here")
    assert stopped.value.code == 1
    output = capsys.readouterr().err
    assert output.startswith("Traceback (most recent call last):")
    assert output.endswith("LookupError: no <key>\\x1b[2J here\n")
