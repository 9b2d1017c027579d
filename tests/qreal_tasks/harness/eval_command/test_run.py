"""``qreal eval`` up to the point where the harness starts, and what it makes of the harness's log."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import IO

import pytest

from qreal_tasks.files.locks import hold_lock
from qreal_tasks.harness.eval_command import outcome, run
from qreal_tasks.harness.eval_command.arguments import RunError

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("given", "added"),
    [
        (["--model", "dummy"], ["--tasks", "--output_path", "--timezone", "--log_samples"]),
        (["--model=dummy", "--tasks", "qreal_imageqa", "--log_samples"], ["--output_path", "--timezone"]),
        (
            ["--model", "dummy", "--output_path", "{tmp}/out", "--batch_size", "4", "--timezone=Asia/Tokyo"],
            ["--tasks", "--log_samples"],
        ),
    ],
)
def test_arguments_pass_through_and_defaults_are_added(
    given: list[str],
    added: list[str],
    no_harness: list[list[str]],
    small_dataset: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("QREAL_DATA", str(small_dataset()))
    monkeypatch.chdir(tmp_path)
    given = [word.format(tmp=tmp_path) for word in given]
    results = run.evaluate(given)
    command = no_harness[0]
    assert command[3 : 3 + len(given)] == given
    assert [word for word in command[3 + len(given) :] if word.startswith("--")] == added
    assert results.name == "x_results.json"
    assert results.is_file()


def test_missing_dataset_is_refused_before_the_harness_starts(
    no_harness: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QREAL_DATA", "/no/dataset")
    with pytest.raises(RunError, match="no such folder"):
        run.evaluate(["--model", "dummy"])
    assert no_harness == []


def test_damaged_dataset_is_refused_before_the_harness_starts(
    no_harness: list[list[str]], small_dataset: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = small_dataset(lambda rows: rows["imageqa"]["test"][0].update(image={"bytes": b"x", "path": None}))
    monkeypatch.setenv("QREAL_DATA", str(folder))
    with pytest.raises(RunError, match=r"1 problems in its test split(.|\n)*img2: image cannot be decoded"):
        run.evaluate(["--model", "dummy"])
    assert no_harness == []


def test_env_of_a_config_file_counts_for_the_checks(
    no_harness: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QREAL_DATA", "mini")
    config = tmp_path / "run.yaml"
    config.write_text("model: dummy\nenv: {QREAL_DATA: /no/dataset}\n")
    with pytest.raises(RunError, match="/no/dataset"):
        run.evaluate(["--config", str(config)])
    assert no_harness == []


def test_a_set_without_portraits_is_refused_only_for_the_task_that_needs_them(
    no_harness: list[list[str]], small_dataset: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = small_dataset(lambda rows: [e.update(parts=None) for e in rows["imageqa"]["test"][1]["entities"]])
    monkeypatch.setenv("QREAL_DATA", str(folder))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="no portrait with body-part descriptions"):
        run.evaluate(["--model", "dummy", "--tasks", "qreal"])
    assert no_harness == []
    run.evaluate(["--model", "dummy", "--tasks", "qreal_objectqa"])
    assert len(no_harness) == 1


def test_without_named_tasks_a_set_without_portraits_is_asked_the_others(
    no_harness: list[list[str]],
    small_dataset: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = small_dataset(lambda rows: [e.update(parts=None) for e in rows["imageqa"]["test"][1]["entities"]])
    monkeypatch.setenv("QREAL_DATA", str(folder))
    monkeypatch.chdir(tmp_path)
    run.evaluate(["--model", "dummy"])
    asked = no_harness[0][no_harness[0].index("--tasks") + 1]
    assert asked == "qreal_objectqa,qreal_imageqa_realism,qreal_imageqa_plausibility"
    assert "human plausibility is left out" in capsys.readouterr().out


def test_no_results_is_a_failure_with_the_reason_first(
    small_dataset: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(command: list[str], environment: object, log: Path, quiet: bool, lock: int) -> int:
        log.write_text("Traceback (most recent call last):\nKeyError: 'realism'\n", encoding="utf-8")
        return 0

    monkeypatch.setattr(run, "_run", fail)
    monkeypatch.setenv("QREAL_DATA", str(small_dataset()))
    with pytest.raises(RunError) as caught:
        run.evaluate(["--model", "dummy", "--output_path", str(tmp_path / "out")])
    assert str(caught.value).startswith("KeyError: 'realism'\n")


def leaving(files: dict[str, str]) -> Callable[[list[str], object, Path, bool, int], int]:
    """A harness that ends with status 0 and leaves these files."""

    def start(command: list[str], environment: object, log: Path, quiet: bool, lock: int) -> int:
        for name, text in files.items():
            (log.parent / name).write_text(text, encoding="utf-8")
        return 0

    return start


@pytest.mark.parametrize(
    ("files", "cut"),
    [
        ({"x_results.json": '{"a": {"b": 1}', "x_samples_t.jsonl": "{}\n"}, "x_results.json"),
        ({"x_results.json": "{}", "x_samples_s.jsonl": "{}\n", "x_samples_t.jsonl": '{}\n{"a'}, "x_samples_t.jsonl"),
        ({"x_results.json": "{}", "x_samples_t.jsonl": ""}, "x_samples_t.jsonl"),
    ],
)
def test_results_that_are_cut_off_are_a_failure(
    files: dict[str, str],
    cut: str,
    small_dataset: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run, "_run", leaving(files))
    monkeypatch.setenv("QREAL_DATA", str(small_dataset()))
    with pytest.raises(RunError, match=f"{cut} is cut off: the disk may be full"):
        run.evaluate(["--model", "dummy", "--output_path", str(tmp_path / "out")])


@pytest.mark.parametrize("clock", [0, 4_000_000_000])
def test_results_are_found_whatever_the_clock_says(
    clock: int, small_dataset: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be set while a run is under way, and the results of an earlier run lie in the same folder."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "20990101_000000_results.json").write_text("{}", encoding="utf-8")

    def start(command: list[str], environment: object, log: Path, quiet: bool, lock: int) -> int:
        (out / "19700101_000000_results.json").write_text("{}", encoding="utf-8")
        os.utime(out / "19700101_000000_results.json", (clock, clock))
        return 0

    monkeypatch.setattr(run, "_run", start)
    monkeypatch.setenv("QREAL_DATA", str(small_dataset()))
    found = run.evaluate(["--model", "dummy", "--output_path", str(out)])
    assert found == out / "19700101_000000_results.json"
    monkeypatch.setattr(run, "_run", leaving({"harness.log": "KeyError: 'realism'"}))
    with pytest.raises(RunError, match="left no results"):
        run.evaluate(["--model", "dummy", "--output_path", str(out)])


def test_a_second_program_in_one_folder_is_refused(
    no_harness: list[list[str]], small_dataset: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QREAL_DATA", str(small_dataset()))
    (tmp_path / "out").mkdir()
    with (
        hold_lock(tmp_path / "out" / ".lock"),
        pytest.raises(RunError, match=r"another program writes its results into .*out; let it end first"),
    ):
        run.evaluate(["--model", "dummy", "--output_path", str(tmp_path / "out")])
    assert no_harness == []


def test_the_harness_holds_the_folder_too(tmp_path: Path) -> None:
    with hold_lock(tmp_path / ".lock") as lock:
        command = [sys.executable, "-c", f"import os; os.fstat({lock})"]
        assert run._run(command, os.environ, tmp_path / "log", True, lock) == 0


def test_runs_that_start_at_one_time_by_the_clock_have_folders_of_their_own(
    no_harness: list[list[str]], small_dataset: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(datetime):
        @classmethod
        def now(cls, tz: object = None) -> Stopped:
            return cls(2026, 1, 1)

    monkeypatch.setattr("qreal_tasks.harness.eval_command.arguments.datetime", Stopped)
    monkeypatch.setenv("QREAL_DATA", str(small_dataset()))
    monkeypatch.chdir(tmp_path)
    folders = [run.evaluate(["--model", "dummy"]).parent.name for _ in range(2)]
    assert folders == ["dummy-20260101-000000", "dummy-20260101-000000-2"]


def test_a_log_that_cannot_be_written_stops_the_harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a full disk; the harness would go on for hours and leave nothing."""

    tee = run._tee

    def on_a_full_disk(source: IO[bytes], file: IO[bytes], log: Path, quiet: bool) -> None:
        with Path("/dev/full").open("wb", buffering=0) as full:
            tee(source, full, log, quiet)

    monkeypatch.setattr(run, "_tee", on_a_full_disk)
    command = [sys.executable, "-c", "import time; print('at work', flush=True); time.sleep(60)"]
    output = r"harness.log: No space left on device; the run was stopped; free some space"
    with pytest.raises(RunError, match=output), run._explain_os_errors():
        run._run(command, os.environ, tmp_path / "harness.log")


@pytest.mark.parametrize(("patience", "ends_by_itself"), [(30.0, True), (0.5, False)])
def test_when_the_user_stops_it_nothing_is_written_afterwards(
    patience: float, ends_by_itself: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is free for others then."""

    def stop(source: IO[bytes], *_: object) -> None:
        source.readline()
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "_tee", stop)
    monkeypatch.setattr(run, "_SECONDS_TO_END", patience)
    program = f"""
import time
from pathlib import Path
print("at work", flush=True)
time.sleep(1 if {ends_by_itself} else 60)
Path({str(tmp_path / "written")!r}).touch()
"""
    with pytest.raises(KeyboardInterrupt):
        run._run([sys.executable, "-c", program], os.environ, tmp_path / "harness.log")
    assert (tmp_path / "written").exists() is ends_by_itself


def test_the_log_is_for_its_owner_alone(tmp_path: Path) -> None:
    log = tmp_path / "harness.log"
    log.write_text("of an earlier run, and long")
    log.chmod(0o644)
    assert run._run([sys.executable, "-c", "print('said')"], os.environ, log) == 0
    assert log.read_text() == "said\n"
    assert log.stat().st_mode & 0o777 == 0o600


def test_the_harness_says_every_letter_in_any_locale_and_no_control(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = "'模型 \\ud83d \\x1b[2J'"
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    assert run._run([sys.executable, "-c", f"print({output})"], environment, tmp_path / "harness.log") == 0
    assert capsys.readouterr().out == "模型 \\ud83d \\x1b[2J\n"
    assert "模型" in (tmp_path / "harness.log").read_text(encoding="utf-8"), "the log is kept as it came"


@pytest.mark.parametrize("caches", [True, False])
def test_an_account_without_a_home_is_told_so(
    caches: bool, no_harness: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HF_HOME", raising=False)
    if caches:
        monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    if caches:
        run._require_caches()
        return
    with pytest.raises(RunError, match="HOME is not set"):
        run.evaluate(["--model", "dummy", "--output_path", str(tmp_path / "out")])
    assert no_harness == []


LOGS: dict[str, tuple[str, str]] = {
    "root cause of a chain": (
        "Traceback (most recent call last):\n  File x\nFileNotFoundError: no data\n\n"
        "The above exception was the direct cause of the following exception:\n\n"
        "Traceback (most recent call last):\ntenacity.RetryError: RetryError[<Future>]\n"
        "| ERROR | Error during evaluation: RetryError[<Future>]. Please set `--verbosity=DEBUG` to get more.\n",
        "FileNotFoundError: no data",
    ),
    "last chain counts": (
        "ValueError: an early warning\nnext\nnext\nnext\nnext\nRuntimeError: the end\n",
        "RuntimeError: the end",
    ),
    "qualified type": ("torch.cuda.OutOfMemoryError: full\n", "OutOfMemoryError: full"),
    "error line alone": (
        "\x1b[31mERROR\x1b[0m | Error during evaluation: Tasks not found: x. Please set `--verbosity=DEBUG` to get\n",
        "Tasks not found: x",
    ),
    "last words": ("loading\nKilled\n\n", "Killed"),
    "nothing": ("", "the harness said nothing"),
}


@pytest.mark.parametrize("case", LOGS)
def test_failure_reason(case: str) -> None:
    log, reason = LOGS[case]
    assert outcome.find_failure_reason(log) == reason


@pytest.mark.parametrize(
    ("model", "tasks", "output", "in_environment"),
    [
        ("judge", "qreal_imageqa", True, None),
        ("judge", "qreal_objectqa,qreal_objectqa_realism_q1", False, None),
        ("gemini-2.5-pro", "qreal_imageqa", False, "norm1000_yx"),
    ],
)
def test_an_assumed_space_is_said_first_and_left_undeclared(
    model: str,
    tasks: str,
    output: bool,
    in_environment: str | None,
    small_dataset: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The harness's process knows by the variable whether the space is anybody's declaration."""
    seen: list[str | None] = []

    def start(command: list[str], environment: dict[str, str], log: Path, quiet: bool, lock: int) -> int:
        seen.append(environment.get("QREAL_BOX_SPACE"))
        (log.parent / "x_results.json").write_text("{}", encoding="utf-8")
        return 0

    monkeypatch.setattr(run, "_run", start)
    monkeypatch.setenv("QREAL_DATA", str(small_dataset()))
    arguments = f"model={model},base_url=http://127.0.0.1:9/v1"
    given = ["--model", "qreal_openai", "--model_args", arguments, "--tasks", tasks]
    run.evaluate([*given, "--output_path", str(tmp_path / "out")])
    assert seen == [in_environment]
    assert ("boxes are ASSUMED to be written in norm1000" in capsys.readouterr().out) is output


def test_a_family_that_nobody_knows_is_refused_before_the_harness_starts(
    no_harness: list[list[str]], small_dataset: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QREAL_DATA", str(small_dataset()))
    with pytest.raises(RunError, match="family=qwen9 is not known, expected one of qwen2_vl"):
        run.evaluate(["--model", "qreal_openai", "--model_args", "model=judge,family=qwen9"])
    assert no_harness == []
