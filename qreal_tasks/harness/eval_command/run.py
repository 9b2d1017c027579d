"""``qreal eval``: start lmms-eval on our tasks, and say truthfully how it ended.

The harness ends with status 0 on every failure and buries the reason in its log; so the data and the arguments are
checked before it starts, its log is kept, and a run counts as done only when its results are there.
"""

from __future__ import annotations

import fnmatch
import glob
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from qreal_tasks.benchmark import GROUPS, task_of
from qreal_tasks.console.terminal import PassedOn, echo
from qreal_tasks.files.locks import locked
from qreal_tasks.files.regular import read_bytes, read_text
from qreal_tasks.files.system_errors import describe_os_error
from qreal_tasks.files.user_cache import NoHomeError, require_hub_cache
from qreal_tasks.harness.eval_command.argument_checks import check_arguments, check_options, sendable_key
from qreal_tasks.harness.eval_command.arguments import Arguments, RunError, read_arguments, refused, value_of, without
from qreal_tasks.harness.eval_command.cleaning import KeyFilter, clean_files
from qreal_tasks.harness.judge import ENVIRONMENT as JUDGE
from qreal_tasks.judge.judge import cache_path
from qreal_tasks.judge.manifest import JudgeManifest, ManifestError, load_manifest
from qreal_tasks.mini import MINI_NOTICE
from qreal_tasks.results.run_folder import RESULTS_SUFFIX

if TYPE_CHECKING:  # its library takes seconds, and what is wrong with the arguments is said before
    from qreal_tasks.dataset.source import Source

LOG_NAME = "harness.log"

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_HARNESS_ERROR = re.compile(r"Error during evaluation: (?P<reason>.*?)(\. Please set `--verbosity=DEBUG`.*)?$")
_EXCEPTION = re.compile(r"^(?P<type>[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit|Warning|Failure)): (?P<message>.+)$")
_CHAINED = ("The above exception was the direct cause", "During handling of the above exception")


@contextmanager
def _explained() -> Iterator[None]:
    """What a disk or a folder refuses, as the reason for a run that failed."""
    try:
        yield
    except OSError as error:
        raise RunError(describe_os_error(error)) from error


@_explained()
def evaluate(given: Sequence[str]) -> Path:
    """Run lmms-eval with ``given`` arguments passed through, and return its file of results; samples lie beside it.

    Raises:
        RunError: before anything is loaded, when the arguments or the data are wrong, or nothing can be written;
            afterwards, when the harness left no results.
    """
    check_options(given)
    arguments = read_arguments(given)
    check_arguments(arguments)
    from qreal_tasks.harness.box_space import ASSUMED_NOTICE, choose_space  # imports a client, half a second
    from qreal_tasks.harness.box_space import ENVIRONMENT as BOX_SPACE

    manifest, key = _manifest(arguments.judge), sendable_key()
    _require_caches(judged=manifest is not None)
    source = _checked_data(arguments.tasks)
    with refused():
        choice = choose_space(arguments.model, arguments.model_args)
    _say(f"dataset {source.name}; boxes are asked for in {choice.space} ({choice.reason})")
    if choice.assumed and any("objectqa" not in task for task in arguments.tasks):
        _say(ASSUMED_NOTICE)
    if source.is_drawn:
        _say(MINI_NOTICE)
    try:
        arguments.output_path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise RunError(f"--output_path {arguments.output_path}: cannot be made: there is a file of that name") from None
    # An assumed space is left to the default, which is how the run knows that it is one.
    environment = {**os.environ, **key, **({} if choice.assumed else {BOX_SPACE: str(choice.space)})}
    if manifest is not None:
        environment[JUDGE] = arguments.judge or ""
    folder = arguments.output_path
    taken = RunError(
        f"another program writes its results into {folder}; let it end first, or give another --output_path"
    )
    with locked(folder / ".lock", taken):
        before = _states(folder)
        _say("loading lmms-eval, which takes about 15 seconds")
        try:
            status = _run(_command(arguments), environment, folder / LOG_NAME)
        finally:
            clean_files(_changed(folder, before))
        results = _check_results(folder, before, status)
        if manifest is not None:
            from qreal_tasks.results.rejudge import record_judge

            record_judge(results, manifest.model_dump(mode="json"))
    return results


def _require_caches(judged: bool = False) -> None:
    """Whether the harness has places to keep things in, before it is loaded."""
    try:
        require_hub_cache()
        if judged:
            cache_path()
    except NoHomeError as error:
        raise RunError(str(error)) from None


def _command(arguments: Arguments) -> list[str]:
    command = [sys.executable, "-m", "lmms_eval", *without(arguments.given, "--judge")]
    if not value_of(arguments.given, "--tasks"):
        command += ["--tasks", ",".join(arguments.tasks)]
    if not value_of(arguments.given, "--output_path"):
        command += ["--output_path", str(arguments.output_path)]
    if "--log_samples" not in arguments.given:
        command += ["--log_samples"]
    return command


def _manifest(judge: str | None) -> JudgeManifest | None:
    """The judge's manifest, checked before a model is loaded."""
    if judge is None:
        return None
    try:
        return load_manifest(judge)
    except ManifestError as error:
        raise RunError(f"--judge {judge}: {error}") from None


def _checked_data(tasks: Sequence[str]) -> Source:
    """The dataset, when it has what the tasks need."""
    from qreal_tasks.dataset.source import DatasetError, locate

    try:
        source = locate()
        _check_data(source, tasks)
    except DatasetError as error:
        raise RunError(str(error)) from None
    return source


def _check_data(source: Source, tasks: Sequence[str]) -> None:
    from qreal_tasks.dataset.check import check, info

    problems = check(source, splits=("test",))
    if problems:
        shown = "\n".join(f"  {problem}" for problem in problems[:5])
        more = f"\n  … and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise RunError(
            f"dataset {source.name} has {len(problems)} problems in its test split; "
            f"`qreal data check {source.name}` lists all:\n{shown}{more}"
        )
    for style, group in GROUPS.items():
        portraits = task_of(style, "human_plausibility")
        needing = (group, f"{group}_imageqa", portraits)
        wanting = [task for task in tasks if any(fnmatch.fnmatch(name, task) for name in needing)]
        if wanting and not info(source, "test").with_parts:
            others = f"{group}_objectqa,{task_of(style, 'realism')},{task_of(style, 'plausibility')}"
            raise RunError(
                f"dataset {source.name} has no portrait with body-part descriptions in its test split, which "
                f"{wanting[0]} needs for {portraits}. Name the other tasks: --tasks {others}"
            )


def _run(command: Sequence[str], environment: Mapping[str, str], log: Path) -> int:
    """Run the harness, its output both shown as it comes and kept, for nobody else to read: a server's words are in it.

    A log that cannot be written ends the run: the results would go to the same place, hours later.
    """
    log.unlink(missing_ok=True)
    spelling = {
        "PYTHONIOENCODING": "utf-8:backslashreplace"
    }  # a locale of ASCII would end it at the first other letter
    with (
        os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0) as file,
        subprocess.Popen(
            command, env={**environment, **spelling}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process,
    ):
        assert process.stdout is not None
        try:
            _tee(process.stdout, file, log)
        except OSError:
            process.terminate()
            raise
        return process.wait()


def _tee(source: IO[bytes], file: IO[bytes], log: Path) -> None:
    without_keys, shown = KeyFilter(), PassedOn(sys.stdout)
    while True:
        chunk = os.read(source.fileno(), 65536)
        clean = without_keys(chunk)
        try:
            file.write(clean)
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror}; the run was stopped", str(log)) from error
        shown.write(clean, final=not chunk)
        if not chunk:
            return


def _states(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """The files of results and samples, and what tells whether they are still the same; no order of times does, since a
    clock may be set back."""
    return {
        path: (state.st_ino, state.st_size, state.st_mtime_ns)
        for path in (*folder.rglob(f"*{RESULTS_SUFFIX}"), *folder.rglob("*.jsonl"))
        if path.is_file() and (state := path.stat())
    }


def _changed(folder: Path, before: Mapping[Path, object]) -> list[Path]:
    return sorted(path for path, state in _states(folder).items() if before.get(path) != state)


def _check_results(folder: Path, before: Mapping[Path, object], status: int) -> Path:
    """The results file: a run is done when it left one that was not there before, and all of it."""
    log = folder / LOG_NAME
    left = [path for path in _changed(folder, before) if path.name.endswith(RESULTS_SUFFIX)]
    if status == 0 and left:
        results = max(left, key=lambda path: path.stat().st_mtime)
        _require_whole(results)
        return results
    reason = failure_reason(read_text(log, errors="replace"))
    what = f"left results in {left[0]}" if left else "left no results"
    raise RunError(f"{reason}\n  the harness ended with status {status} and {what}; its log: {log}")


def _require_whole(results: Path) -> None:
    """The harness ends with status 0 on a full disk too."""
    prefix = results.name.removesuffix(RESULTS_SUFFIX)
    samples = sorted(results.parent.glob(f"{glob.escape(prefix)}_samples_*.jsonl"))
    cut = [path for path in samples if not read_bytes(path).endswith(b"\n")]
    try:
        json.loads(read_bytes(results))
    except ValueError:
        cut = [results, *cut]
    if cut:
        raise RunError(f"{cut[0]} is cut off: the disk may be full. Free some space and run the same command again")


def failure_reason(log: str) -> str:
    """The root cause in a log of the harness: the first exception of the last chain, or the last error line."""
    lines = [_ANSI.sub("", line).rstrip() for line in log.replace("\r", "\n").splitlines()]
    chain: list[str] = []
    last_chain: list[str] = []
    for number, line in enumerate(lines):
        if exception := _EXCEPTION.match(line):
            chain.append(f"{exception['type'].rpartition('.')[2]}: {exception['message']}")
            last_chain = chain
            following = " ".join(lines[number + 1 : number + 4])
            if not any(mark in following for mark in _CHAINED):
                chain = []
    if last_chain:
        return last_chain[0]
    errors = [match["reason"] for line in lines if (match := _HARNESS_ERROR.search(line))]
    if errors:
        return errors[-1]
    said = [line for line in lines if line.strip()]
    return said[-1] if said else "the harness said nothing"


def _say(text: str) -> None:
    echo(f"qreal eval: {text}")
