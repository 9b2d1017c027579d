"""An account without a home folder is told, at every command that wants one, what replaces it."""

from __future__ import annotations

import os
import pwd
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from annotation.label_studio.environment import default_environment as label_studio_folder
from qreal_tasks import cli
from qreal_tasks.console import command_line
from qreal_tasks.dataset.loading import open_split
from qreal_tasks.dataset.source import locate
from qreal_tasks.files.user_cache import NoHomeError, require_hub_cache
from qreal_tasks.harness.backend_arguments import resolve_store_path
from qreal_tasks.judge.judge import cache_path as judgements
from qreal_tasks.leaderboard.board.cache import default_folder as board_cache

PLACES: dict[str, tuple[Callable[[], object], str, str]] = {
    # what wants a home folder, the variable that replaces it (or none), what the message names
    "answers": (lambda: resolve_store_path(None), "QREAL_ANSWERS", "store= or QREAL_ANSWERS, or XDG_CACHE_HOME"),
    "judgements": (judgements, "QREAL_JUDGE_CACHE", "--cache or QREAL_JUDGE_CACHE, or XDG_CACHE_HOME"),
    "checks of a board": (board_cache, "", "--cache, or XDG_CACHE_HOME"),
    "Label Studio": (label_studio_folder, "", "QREAL_LABEL_STUDIO, or XDG_CACHE_HOME"),
    "what the hub's libraries load": (require_hub_cache, "HF_HOME", "HF_HOME or XDG_CACHE_HOME"),
    "a dataset": (lambda: open_split(locate("mini"), "objectqa", "test"), "HF_HOME", "HF_HOME or XDG_CACHE_HOME"),
}


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with ``env -i`` and no entry for the user."""

    def no_entry(uid: int) -> object:
        raise KeyError(uid)

    for name in ("HOME", "XDG_CACHE_HOME", "HF_HOME", "QREAL_ANSWERS", "QREAL_JUDGE_CACHE", "QREAL_LABEL_STUDIO"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", no_entry)
    assert os.path.expanduser("~") == "~"


@pytest.mark.parametrize(("wants", "variable", "named"), PLACES.values(), ids=PLACES)
def test_what_replaces_a_home_is_named_and_does(
    wants: Callable[[], object],
    variable: str,
    named: str,
    homeless: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    with pytest.raises(NoHomeError) as raised:
        wants()
    assert "HOME is not set" in str(raised.value)
    assert str(raised.value).endswith(f"with {named}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    wants()
    if variable:
        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.setenv(variable, str(tmp_path / "x"))
        wants()
    monkeypatch.delenv(variable or "XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    wants()


COMMANDS = {
    "data check": (["data", "check", "mini"], "HF_HOME"),
    "data info": (["data", "info", "mini"], "HF_HOME"),
    "eval": (["eval", "--model", "qreal_openai", "--model_args", "model=m"], "store= or QREAL_ANSWERS"),
    "eval of another backend": (["eval", "--model", "dummy"], "HF_HOME"),
    "submit check": (["submit", "check", ".", "--data", "mini"], "HF_HOME"),
    "leaderboard build": (["leaderboard", "build", "submissions", "site", "--data", "mini"], "HF_HOME"),
    "train": (["train", "run", "recipe.yaml"], "HF_HOME"),
    "a path below the home": (["data", "info", "~/set"], "write the whole path"),
}


@pytest.mark.parametrize(("arguments", "named"), COMMANDS.values(), ids=COMMANDS)
def test_every_command_says_it_on_one_line(
    arguments: list[str],
    named: str,
    homeless: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["qreal", *arguments])
    monkeypatch.setattr(command_line, "prepare_output", lambda: None)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 1
    output = capsys.readouterr().err
    assert "HOME is not set" in output
    assert named in output
    assert "Traceback" not in output
    assert not (tmp_path / "~").exists()


@pytest.mark.slow
def test_a_local_model_needs_no_home_and_one_of_the_hub_does(homeless: None, tmp_path: Path) -> None:
    from qreal_tasks.models.local.weights.devices import explain_model_errors  # loads torch

    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    with explain_model_errors("detection.model", str(tmp_path), "org/model", "a detector"):
        pass
    with (
        pytest.raises(NoHomeError, match="HF_HOME"),
        explain_model_errors("detection.model", "org/model", "org/model", "one"),
    ):
        pass


def test_other_commands_need_no_home(
    homeless: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["qreal", "tasks-path"])
    monkeypatch.setattr(command_line, "prepare_output", lambda: None)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    assert stopped.value.code == 0
    assert capsys.readouterr().out.strip().endswith("tasks")
