"""Steps that are done once, go on after a kill, and say what failed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from qreal_tasks.steps.records import StepRecords
from qreal_tasks.steps.runner import StepError, choose_steps, run_steps
from qreal_tasks.steps.step import GoingOn, Step, StepCommand


def script(code: str, *arguments: object, **environment: str) -> StepCommand:
    variables = tuple(environment.items())
    return StepCommand((sys.executable, "-c", code), "python -c …", tuple(map(str, arguments)), variables)


ADD = "import sys; open(sys.argv[1], 'a').write(sys.argv[2])"
"""A word at the end of a file: a step that is done twice would show."""


def adding(folder: Path, name: str, word: str = "x", after: tuple[str, ...] = ()) -> Step:
    """A step that writes ``made-<name>``, and says in ``times-<name>``, which nobody removes, that it ran."""
    commands = (script(ADD, folder / f"times-{name}", "."), script(ADD, folder / f"made-{name}", word))
    return Step(name, f"Make {name}.", commands, (folder / f"made-{name}",), after)


def ran(folder: Path, name: str) -> int:
    path = folder / f"times-{name}"
    return len(path.read_text()) if path.exists() else 0


def test_a_step_that_is_done_is_not_done_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = [adding(tmp_path, "a"), adding(tmp_path, "b", after=("a",))]
    run_steps(steps, tmp_path, "tour")
    run_steps(steps, tmp_path, "tour")
    assert (ran(tmp_path, "a"), ran(tmp_path, "b")) == (1, 1)
    assert "[1/2] a: Make a." in (out := capsys.readouterr().out)
    assert "[2/2] b: done already, in 0 s" in out
    assert not list((tmp_path / "steps").glob("*.lock"))


@pytest.mark.parametrize("change", ["result gone", "record gone", "other command", "made anew"])
def test_what_makes_a_step_be_done_again_and_all_that_use_it(tmp_path: Path, change: str) -> None:
    steps = [adding(tmp_path, "a"), adding(tmp_path, "b", after=("a",)), adding(tmp_path, "c")]
    run_steps(steps, tmp_path, "tour")
    if change == "result gone":
        (tmp_path / "made-a").unlink()
    elif change == "record gone":
        StepRecords(tmp_path).path("a").unlink()
    elif change == "other command":
        steps[0] = adding(tmp_path, "a", "y")
    else:
        StepRecords(tmp_path).write(steps[0], 1)
    run_steps(steps, tmp_path, "tour")
    assert ran(tmp_path, "a") == (1 if change == "made anew" else 2)
    assert (ran(tmp_path, "b"), ran(tmp_path, "c")) == (2, 1)
    assert (tmp_path / "made-b").read_text() == "x", "what was left is removed before a step is done again"


def test_a_folder_that_was_moved_is_done(tmp_path: Path) -> None:
    before, now = tmp_path / "before", tmp_path / "now"
    before.mkdir()
    run_steps([adding(before, "a")], before, "tour")
    before.rename(now)
    run_steps([adding(now, "a")], now, "tour")
    assert ran(now, "a") == 1


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("import sys; print('first'); print('no space left'); sys.exit(3)", "ended with status 3: no space left"),
        ("import os; os.kill(os.getpid(), 9)", "ended with status 137"),
        ("print('all well')", "ended well and left no"),
    ],
    ids=["status", "signal", "nothing made"],
)
def test_a_step_that_fails_ends_the_run_with_its_reason_and_log(tmp_path: Path, code: str, told: str) -> None:
    failing = Step("bad", "Fail.", (script(code),), (tmp_path / "never",))
    steps = [adding(tmp_path, "a"), failing, adding(tmp_path, "z")]
    with pytest.raises(StepError) as caught:
        run_steps(steps, tmp_path, "tour")
    assert f"step bad {told}" in str(caught.value)
    log = tmp_path / "logs" / "bad.log"
    assert f"Its log: {log}" in str(caught.value)
    assert log.read_text().startswith("$ python -c")
    assert (ran(tmp_path, "a"), ran(tmp_path, "z")) == (1, 0)
    steps[1] = adding(tmp_path, "bad")
    run_steps(steps, tmp_path, "tour")
    assert (ran(tmp_path, "a"), ran(tmp_path, "z")) == (1, 1)


def test_only_some_steps(tmp_path: Path) -> None:
    steps = [adding(tmp_path, "train-a"), adding(tmp_path, "train-b"), adding(tmp_path, "table", after=("train-a",))]
    with pytest.raises(StepError, match=r"uses train-a, which is not done in .*qreal tour --only train-a$"):
        run_steps(steps, tmp_path, "tour", only=["table"])
    run_steps(steps, tmp_path, "tour", only=["train-a", "table"])
    assert [ran(tmp_path, name) for name in ("train-a", "train-b", "table")] == [1, 0, 1]
    assert [step.name for step in choose_steps(steps, ["train-*"])] == ["train-a", "train-b"]
    with pytest.raises(StepError, match="--only tabel: no step of that name; did you mean table"):
        choose_steps(steps, ["tabel"])


def test_variables_of_a_step_and_of_all(tmp_path: Path) -> None:
    code = "import os, sys; open(sys.argv[1], 'w').write(os.environ['ONE'] + os.environ['TWO'])"
    step = Step("a", "Write.", (script(code, tmp_path / "made", ONE="1"),), (tmp_path / "made",))
    run_steps([step], tmp_path, "tour", environment={"ONE": "0", "TWO": "2"})
    assert (tmp_path / "made").read_text() == "12"


SLOW = """
import sys, time, pathlib
folder = pathlib.Path(sys.argv[1])
(folder / "part").mkdir(exist_ok=True)
(folder / "halves").write_text("half")
(folder / "started").write_text("")
while not (folder / "go").exists():
    time.sleep(0.02)
(folder / "halves").write_text((folder / "halves").read_text() + "whole")
"""
RUNNER = """
import sys
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from test_runner import slow_steps
from qreal_tasks.steps.runner import run_steps
run_steps(slow_steps(Path(sys.argv[1])), Path(sys.argv[1]), "tour")
"""


def slow_steps(folder: Path) -> list[Step]:
    going_on = GoingOn(folder / "part", "checkpoint-*", (script(ADD, folder / "halves", "went on"),))
    slow = Step("slow", "Take long.", (script(SLOW, folder),), (folder / "part", folder / "halves"), ("a",), going_on)
    return [adding(folder, "a"), slow]


def start_runner(folder: Path) -> subprocess.Popen[bytes]:
    """Until its slow step has begun."""
    program = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(folder), str(Path(__file__).parent)],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    until = time.monotonic() + 30
    while not (folder / "started").exists():
        assert time.monotonic() < until
        assert program.poll() is None
        time.sleep(0.02)
    return program


@pytest.mark.slow
def test_a_run_that_is_told_to_end_leaves_no_process_and_goes_on(tmp_path: Path) -> None:
    program = start_runner(tmp_path)
    program.send_signal(signal.SIGTERM)
    assert program.wait(30) == 128 + signal.SIGTERM
    (tmp_path / "go").touch()
    time.sleep(0.2)
    assert (tmp_path / "halves").read_text() == "half", "the step's program ended with it"
    run_steps(slow_steps(tmp_path), tmp_path, "tour")
    assert (tmp_path / "halves").read_text() == "halfwhole", "it was done again whole"
    assert ran(tmp_path, "a") == 1


@pytest.mark.slow
def test_after_a_kill_the_program_that_is_left_is_waited_for_and_the_step_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = start_runner(tmp_path)
    program.kill()
    program.wait(30)
    (tmp_path / "part" / "checkpoint-1").touch()
    (tmp_path / "go").touch()
    run_steps(slow_steps(tmp_path), tmp_path, "tour")
    assert (tmp_path / "halves").read_text() == "went on", "one after the other, by the commands for that"
    assert (tmp_path / "part" / "checkpoint-1").exists()
    assert "slow: Take long." in capsys.readouterr().out


MEET = """
import sys, time, pathlib
folder, own, other = pathlib.Path(sys.argv[1]), sys.argv[2], sys.argv[3]
(folder / own).touch()
until = time.monotonic() + 20
while not (folder / other).exists():
    assert time.monotonic() < until, "alone"
    time.sleep(0.02)
"""


def meeting(folder: Path, own: str, other: str) -> Step:
    """A step that ends once the other has begun."""
    return Step(own, "Meet.", (script(MEET, folder, own, other),), (folder / own,))


def test_several_at_a_time_and_what_uses_them_afterwards(tmp_path: Path) -> None:
    steps = [meeting(tmp_path, "a", "b"), meeting(tmp_path, "b", "a"), adding(tmp_path, "c", after=("a", "b"))]
    run_steps(steps, tmp_path, "tour", jobs=2)
    assert ran(tmp_path, "c") == 1


def test_a_failure_ends_what_runs_beside_it(tmp_path: Path) -> None:
    failing = Step("bad", "Fail.", (script("raise SystemExit(2)"),), (tmp_path / "never",))
    steps = [meeting(tmp_path, "a", "nobody"), failing, adding(tmp_path, "c", after=("a",))]
    begun = time.monotonic()
    with pytest.raises(StepError, match="step bad ended with status 2"):
        run_steps(steps, tmp_path, "tour", jobs=2)
    assert time.monotonic() - begun < 15
    assert ran(tmp_path, "c") == 0
    assert StepRecords(tmp_path).read("a") is None


def test_a_step_writes_only_below_the_folder(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("precious")
    step = Step("a", "Write.", (script(ADD, outside, "x"),), (outside,))
    with pytest.raises(ValueError, match="is not below"):
        run_steps([step], tmp_path / "runs", "tour")
    assert outside.read_text() == "precious"


@pytest.mark.parametrize("names", [("a", "a"), ("b", "a")], ids=["twice", "before what it uses"])
def test_a_list_in_the_wrong_order_is_refused(tmp_path: Path, names: tuple[str, str]) -> None:
    steps = [adding(tmp_path, name, after=("a",) if name == "b" else ()) for name in names]
    with pytest.raises(ValueError, match="step"):
        run_steps(steps, tmp_path, "tour")
