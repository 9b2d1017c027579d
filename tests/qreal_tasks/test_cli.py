"""The ``qreal`` command is put together from the entry points of what is installed."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from qreal_tasks import __version__, cli

COMMANDS = [
    *("eval", "score", "compare", "mini", "mini-model", "demo", "tour", "convert-internvl", "tasks-path", "data"),
    *("judge", "screen", "serve", "submit", "leaderboard", "train", "reproduce", "annotate"),
]


def run(*words: str) -> Result:
    return CliRunner(env={"COLUMNS": "150"}).invoke(cli.app, words)


def install(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    """Let these be all entry points, by command."""
    found = EntryPoints(EntryPoint(name, value, cli.ENTRY_POINTS) for name, value in values.items())
    monkeypatch.setattr(cli, "entry_points", lambda group: found)


def test_every_command_is_registered_and_the_help_page_has_its_order() -> None:
    assert sorted(one.name for one in entry_points(group=cli.ENTRY_POINTS)) == sorted(COMMANDS)
    lines = [line.strip("│ ").split("  ")[0] for line in run("--help").output.splitlines() if line.startswith("│")]
    assert [line for line in lines if line in COMMANDS] == COMMANDS


def test_a_broken_import_is_an_error_that_names_the_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, score="qreal_tasks.report.commands:score_command", train="training.commands:no_app")
    for words in (["train"], ["--help"]):
        done = run(*words)
        assert done.exit_code == 1
        assert "qreal train: entry point qreal.commands: train = training.commands:no_app cannot be" in done.output
        assert "AttributeError" in done.output
    assert run("score", "--help").exit_code == 0, "the others work"


def test_commands_of_other_packages_come_last(monkeypatch: pytest.MonkeyPatch) -> None:
    value = "qreal_tasks.report.commands:score_command"
    install(monkeypatch, zoo=value, annotate=value, also=value, eval=value)
    words = [word for word in run("--help").output.split() if word in ("zoo", "annotate", "also", "eval")]
    assert words == ["eval", "annotate", "also", "zoo"]


def test_what_is_not_installed_and_what_is_mistyped(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No such command 'scor'. Did you mean 'score', 'screen'?" in run("scor").output
    install(monkeypatch)
    done = run("score")
    assert (done.exit_code, done.output.strip()) == (
        1,
        "qreal: no commands are installed (entry points qreal.commands); install qreal-bench again",
    )


@pytest.mark.parametrize(
    "code",
    [
        "import qreal_tasks, training, annotation",
        "import sys; sys.argv = ['qreal', '--help']\nfrom qreal_tasks.cli import main\n"
        "try: main()\nexcept SystemExit as end: assert not end.code",
    ],
    ids=["packages", "help"],
)
def test_nothing_heavy_is_imported_before_it_is_needed(code: str) -> None:
    heavy = {"torch", "transformers", "datasets", "pyarrow", "lmms_eval", "openai", "ray", "numpy", "pydantic"}
    check = f"{code}\nimport sys; found = {heavy} & set(sys.modules)\nassert not found, found"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_help_costs_little_more_than_the_library_that_prints_it(tmp_path: Path) -> None:
    """Processor time against that of the same interpreter with the library alone, in turns."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(tmp_path)}  # modules compiled once, as installed ones are
    environment.pop("PYTHONDONTWRITEBYTECODE", None)

    def seconds(code: str) -> float:
        before = os.times()
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=environment)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    ours = "import sys; sys.argv = ['qreal', '--help']\nfrom qreal_tasks.cli import main\nmain()"
    library = "import typer.rich_utils, rich.traceback"
    taken = [(seconds(ours), seconds(library)) for _ in range(4)][1:]
    print(taken)
    assert min(one for one, _ in taken) < 2.5 * min(other for _, other in taken), taken


def test_the_module_is_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["qreal", "--version"])
    monkeypatch.delitem(sys.modules, "qreal_tasks.cli")
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("qreal_tasks.cli", run_name="__main__")
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"{__version__}\n"
