"""``qreal eval``: start lmms-eval on our tasks, and say truthfully how it ended.

The harness ends with status 0 on every failure and buries the reason in its log; so the data and the arguments are
checked before it starts, its log is kept, and a run counts as done only when its results are there.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO

from qreal_tasks.console.terminal import OutputRelay, echo
from qreal_tasks.files.locks import hold_lock
from qreal_tasks.files.system_errors import describe_os_error
from qreal_tasks.files.user_cache import NoHomeError, require_hub_cache
from qreal_tasks.harness.eval_command.argument_checks import check_arguments, check_options, read_sendable_key
from qreal_tasks.harness.eval_command.arguments import (
    Arguments,
    RunError,
    drop_option,
    find_value,
    raise_as_run_error,
    read_arguments,
)
from qreal_tasks.harness.eval_command.cleaning import KeyFilter, clean_files
from qreal_tasks.harness.eval_command.data_checks import locate_data
from qreal_tasks.harness.eval_command.outcome import LOG_NAME, check_results, list_changed, record_states
from qreal_tasks.harness.judge import JUDGE_VARIABLE
from qreal_tasks.judge.judge import cache_path
from qreal_tasks.judge.manifest import JudgeManifest, ManifestError, load_manifest
from qreal_tasks.mini import MINI_NOTICE

_SECONDS_TO_END = 30.0
"""For a harness that the user stops; one that takes longer is ended."""


@contextmanager
def _explain_os_errors() -> Iterator[None]:
    """Turn what a disk or a folder refuses into the reason for a run that failed."""
    try:
        yield
    except OSError as error:
        raise RunError(describe_os_error(error)) from error


@_explain_os_errors()
def evaluate(given: Sequence[str], *, quiet: bool = False) -> Path:
    """Run lmms-eval with ``given`` arguments passed through, and return its file of results; samples lie beside it.

    Args:
        quiet: what the harness writes goes to its log alone.

    Raises:
        RunError: before anything is loaded, when the arguments or the data are wrong, or nothing can be written;
            afterwards, when the harness left no results.
    """
    check_options(given)
    arguments = read_arguments(given)
    check_arguments(arguments)
    from qreal_tasks.harness.box_space import (  # imports a client, half a second
        ASSUMED_NOTICE,
        BOX_SPACE_VARIABLE,
        choose_space,
    )

    manifest, key = _manifest(arguments.judge), read_sendable_key()
    _require_caches(judged=manifest is not None)
    source, tasks = locate_data(arguments)
    if tasks != arguments.tasks:
        _say(f"no portrait of {source.name} has body-part descriptions, so human plausibility is left out")
        arguments = replace(arguments, tasks=tasks)
    with raise_as_run_error():
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
    environment = {**os.environ, **key, **({} if choice.assumed else {BOX_SPACE_VARIABLE: str(choice.space)})}
    if manifest is not None:
        environment[JUDGE_VARIABLE] = arguments.judge or ""
    folder = arguments.output_path
    taken = RunError(
        f"another program writes its results into {folder}; let it end first, or give another --output_path. The "
        "harness of a `qreal eval` that was killed goes on until it ends"
    )
    with hold_lock(folder / ".lock", taken) as lock:
        before = record_states(folder)
        _say("loading lmms-eval, which takes about 15 seconds")
        try:
            status = _run(_command(arguments), environment, folder / LOG_NAME, quiet, lock)
        finally:
            clean_files(list_changed(folder, before))
        results = check_results(folder, before, status)
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
    command = [sys.executable, "-m", "lmms_eval", *drop_option(arguments.given, "--judge")]
    if not find_value(arguments.given, "--tasks"):
        command += ["--tasks", ",".join(arguments.tasks)]
    if not find_value(arguments.given, "--output_path"):
        command += ["--output_path", str(arguments.output_path)]
    if not find_value(arguments.given, "--timezone"):
        command += ["--timezone", "UTC"]
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


def _run(
    command: Sequence[str], environment: Mapping[str, str], log: Path, quiet: bool = False, lock: int | None = None
) -> int:
    """Run the harness, its output shown as it comes unless ``quiet``, and kept, for nobody else to read: a server's
    words are in it.

    It holds the folder's ``lock`` too: where this process is killed, the harness still writes there until it ends.
    A log that cannot be written ends the run: the results would go to the same place, hours later.
    """
    log.unlink(missing_ok=True)
    spelling = {
        "PYTHONIOENCODING": "utf-8:backslashreplace"
    }  # a locale of ASCII would end it at the first other letter
    with (
        os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", buffering=0) as file,
        subprocess.Popen(
            command,
            env={**environment, **spelling},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=() if lock is None else (lock,),
        ) as process,
    ):
        assert process.stdout is not None
        try:
            _tee(process.stdout, file, log, quiet)
        except OSError:
            process.terminate()
            raise
        except KeyboardInterrupt:
            _wait_for_end(process)
            raise
        return process.wait()


def _wait_for_end(process: subprocess.Popen[bytes]) -> None:
    """Wait for a harness that the keyboard has stopped too; the lock is for as long as anything is written there."""
    assert process.stdout is not None
    process.stdout.close()  # nobody reads it any more, and it must not wait for that
    try:
        process.wait(_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait()


def _tee(source: IO[bytes], file: IO[bytes], log: Path, quiet: bool) -> None:
    without_keys, shown = KeyFilter(), OutputRelay(sys.stdout)
    while True:
        chunk = os.read(source.fileno(), 65536)
        clean = without_keys(chunk)
        try:
            file.write(clean)
        except OSError as error:
            raise OSError(error.errno, f"{error.strerror}; the run was stopped", str(log)) from error
        if not quiet:
            shown.write(clean, final=not chunk)
        if not chunk:
            return


def _say(text: str) -> None:
    echo(f"qreal eval: {text}")
