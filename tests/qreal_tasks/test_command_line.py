"""What all commands share."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from qreal_tasks.command_line import as_folder, fail


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
