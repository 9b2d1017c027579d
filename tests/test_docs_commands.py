"""Every command of the README and the documentation exists as it stands there; cheap ones are run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from configparser import ConfigParser
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from documented import PAGES, ROOT, Documented, find_commands, find_mentions
from typer.main import get_command
from typer.testing import CliRunner

from qreal_tasks import cli
from qreal_tasks.benchmark import TASK_NAMES
from qreal_tasks.harness.backend_arguments import ARGUMENTS, parse_arguments
from qreal_tasks.harness.eval_command.argument_checks import check_options
from qreal_tasks.harness.eval_command.arguments import read_arguments

COMMANDS, MENTIONS = tuple(find_commands("qreal")), tuple(find_mentions("qreal"))


def read_entry_points() -> list[EntryPoint]:
    """Those of setup.cfg, whatever is installed."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options.entry_points"][cli.ENTRY_POINTS].strip().splitlines()
    pairs = [line.split(" = ") for line in lines if line.strip() and not line.startswith("#")]
    return [EntryPoint(name.strip(), value.strip(), cli.ENTRY_POINTS) for name, value in pairs]


@pytest.fixture(autouse=True)
def _as_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli, "entry_points", lambda group: read_entry_points())


def parse(words: Sequence[str]) -> None:
    """Parse as the program does, without running anything."""
    command: Any = get_command(cli.app)
    context = command.make_context("qreal", list(words))
    path = []
    while hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        context = command.make_context(name, rest, parent=context)
        path.append(name)
    if path == ["eval"]:
        check_eval(context.args)


def check_eval(given: list[str]) -> None:
    """Hold what is passed on against lmms-eval's own options, our tasks, and the arguments of our backends."""
    check_options(given)
    found = read_arguments(given)
    assert set(found.tasks) <= set(TASK_NAMES)
    if found.model in ARGUMENTS:
        parse_arguments(found.model_args, *ARGUMENTS[found.model])


def test_commands_were_found() -> None:
    assert len(COMMANDS) > 80
    assert len(MENTIONS) > 50
    assert {"README.md", "docs/start.md", "docs/evaluating.md"} <= {one.page for one in COMMANDS}


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_command_is_taken_as_it_stands(command: Documented) -> None:
    parse(command.words)


@pytest.mark.parametrize("words", [("score", "RUN", "--htm", "a"), ("scoer", "RUN"), ("judge", "run")], ids=" ".join)
def test_a_wrong_command_is_found(words: tuple[str, ...]) -> None:
    with pytest.raises((Exception, SystemExit)):
        parse(words)


@pytest.mark.parametrize("command", MENTIONS, ids=str)
def test_what_a_sentence_mentions_exists(command: Documented) -> None:
    """Its commands, and the options that they are given; the rest may be left out or stand for something."""
    one: Any = get_command(cli.app)
    words = list(command.words)
    context = one.make_context("qreal", ["--version"], resilient_parsing=True)
    while words and hasattr(one, "resolve_command") and (found := one.get_command(context, words[0])):
        one = found
        words.pop(0)
    assert one.name != "qreal" or not words, f"no command {words[0]}"
    options = {option for each in one.params for option in (*each.opts, *each.secondary_opts)}
    if hasattr(one, "resolve_command") and (run := one.get_command(context, "run")):  # which need not be typed
        options |= {option for each in run.params for option in (*each.opts, *each.secondary_opts)}
    given = [match[0] for word in words if (match := re.match(r"--[\w-]+", word.strip("[]")))]
    if one.name == "eval":  # the others are lmms-eval's
        check_options([part for option in given if option != "--help" for part in (option, "1")])
        return
    assert set(given) <= options | {"--help"}


CHEAP = ("tasks-path", "mini", "data check", "data info", "data prompts")
_RUN = tuple(
    one
    for one in COMMANDS
    if any(one.words[: len(start.split())] == tuple(start.split()) for start in CHEAP)
    and one.words[1:2] != ("my-copy",)
)


@pytest.fixture(scope="module")
def small_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from qreal_tasks.mini.write import draw_mini

    folder = tmp_path_factory.mktemp("drawn") / "my-set"
    draw_mini(folder, images=20, seed=3)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("command", _RUN, ids=str)
def test_a_cheap_command_runs(
    command: Documented, small_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("QREAL_DATA", str(small_set))
    draws = command.words[0] == "mini"
    here = {"org/name": str(small_set), "DIR": str(small_set), "500": "20", "60": "20", "300": "20"}
    here |= {} if draws else {"my-set": str(small_set)}
    result = CliRunner().invoke(cli.app, [here.get(word, word) for word in command.words])
    assert result.exit_code == 0, result.output


def test_targets_of_make_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for one in (*find_commands("make"), *find_mentions("make")):
        assert {word for word in one.words if re.fullmatch(r"[a-z-]+", word)} <= targets, str(one)


_PATH = re.compile(
    r"(?<![\w./~-])(?:configs|docs|tools|tests|qreal_tasks|training|annotation)/[\w./-]+\.(?:py|yaml|md|json|txt)\b"
)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_of_the_project_that_a_page_names_are_there(page: Path) -> None:
    for name in _PATH.findall(page.read_text(encoding="utf-8")):
        if "NAME" in name:
            continue
        assert (ROOT / name).is_file() or (ROOT / "tests" / name).is_file(), f"{page.name} names {name}"
