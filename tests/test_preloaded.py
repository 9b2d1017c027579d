"""Programs that tests of the harness start in forks are what they would be if they were started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.harness

ABOUT = """
import os, sys
print(os.getcwd(), sys.argv[1:], os.environ.get("ANSWER"), os.environ.get("QUESTION"), sys.stdin.read())
print("lmms_eval" in sys.modules, file=sys.stderr)
sys.exit(3)
"""


def test_a_program_has_its_own_arguments_environment_folder_files_and_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUESTION", "not handed on")
    environment = {name: value for name, value in os.environ.items() if name != "QUESTION"} | {"ANSWER": "42"}
    command, given = [sys.executable, "-c", ABOUT, "a", "b c"], {"capture_output": True, "text": True, "cwd": tmp_path}
    done = subprocess.run(command, env=environment, input="in", **given)  # type: ignore[call-overload]
    assert (done.returncode, done.stdout, done.stderr) == (3, f"{tmp_path} ['a', 'b c'] 42 None in\n", "True\n")
    # What libraries read while they are imported cannot be changed afterwards.
    other = subprocess.run(command, env={**environment, "HF_HOME": "/else"}, input="in", **given)  # type: ignore[call-overload]
    assert (other.returncode, other.stdout, other.stderr) == (3, done.stdout, "False\n")


def test_a_signal_reaches_the_program_and_no_other() -> None:
    command = [sys.executable, "-c", "import os; print(os.getpid(), flush=True); input()"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    killed, kept = (subprocess.Popen(command, **pipes) for _ in range(2))  # type: ignore[call-overload]
    assert [int(one.stdout.readline()) for one in (killed, kept)] == [killed.pid, kept.pid]
    with pytest.raises(subprocess.TimeoutExpired):
        killed.wait(timeout=0.05)
    killed.kill()
    assert killed.wait(timeout=60) == -signal.SIGKILL
    assert kept.poll() is None
    kept.communicate("\n", timeout=60)
    assert kept.returncode == 0


@pytest.mark.parametrize(("flags", "imports"), [((), "own"), (("-u", "-P"), "None")])
def test_a_program_imports_from_its_folder_unless_told_not_to(
    flags: tuple[str, ...], imports: str, tmp_path: Path
) -> None:
    (tmp_path / "only_here.py").write_text("")
    about = "import importlib.util, sys; spec = importlib.util.find_spec('only_here')\n"
    about += "print('own' if spec else spec, 'lmms_eval' in sys.modules)"
    root = str(Path(__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    given = {"capture_output": True, "text": True, "cwd": tmp_path, "env": environment}
    done = subprocess.run([sys.executable, *flags, "-c", about], **given)  # type: ignore[call-overload]
    assert done.stdout == f"{imports} True\n", done.stderr
