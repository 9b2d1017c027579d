"""``qreal eval``: start lmms-eval on our tasks, and say truthfully how it ended.

The harness ends with status 0 on every failure and buries the reason in its log; so the data and the arguments are
checked before it starts, its log is kept, and a run counts as done only when its results are there.
"""

from __future__ import annotations

import fnmatch
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

import yaml

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES
from qreal_tasks.dataset import Source, locate
from qreal_tasks.dataset_check import check, info
from qreal_tasks.harness.box_space import ENVIRONMENT as BOX_SPACE
from qreal_tasks.harness.box_space import choose_space
from qreal_tasks.harness.judge import ENVIRONMENT as JUDGE
from qreal_tasks.harness.named_models import box_writer, check_models
from qreal_tasks.judge.manifest import Manifest, ManifestError, load_manifest
from qreal_tasks.mini import MINI_NOTICE
from qreal_tasks.report.rejudge import record_judge

TASK_NAMES = (
    "qreal",
    "qreal_objectqa",
    *(f"qreal_objectqa_{name}" for name in QUESTION_NAMES),
    "qreal_imageqa",
    *(f"qreal_imageqa_{name}" for name in IMAGEQA_SETS),
)

LOG_NAME = "harness.log"

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_HARNESS_ERROR = re.compile(r"Error during evaluation: (?P<reason>.*?)(\. Please set `--verbosity=DEBUG`.*)?$")
_EXCEPTION = re.compile(r"^(?P<type>[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit|Warning|Failure)): (?P<message>.+)$")
_CHAINED = ("The above exception was the direct cause", "During handling of the above exception")


class RunError(Exception):
    """A run that cannot start or did not finish; the message leads with the reason."""


@dataclass(frozen=True)
class Arguments:
    """The harness's arguments as far as this module must know them, from the command line and from ``--config``."""

    given: tuple[str, ...]
    """As typed."""
    model: str | None
    model_args: Mapping[str, str]
    tasks: tuple[str, ...]
    output_path: Path
    judge: str | None = None
    """Of ``--judge``, which is ours and not the harness's, or of ``QREAL_JUDGE``."""


def evaluate(given: Sequence[str]) -> Path:
    """Run lmms-eval with ``given`` arguments passed through, and return the folder that holds the results.

    Raises:
        RunError: before anything is loaded, when the arguments or the data are wrong; afterwards, when the harness
            left no results.
        DatasetError: the dataset is missing or not what the schema says.
    """
    arguments = read_arguments(given)
    _check_tasks(arguments.tasks)
    _check_no_secret(arguments.model_args)
    backend = arguments.model or ""
    with _refused():
        check_models(backend, arguments.model_args, arguments.tasks)
    manifest = _manifest(arguments.judge)
    source = locate()
    _check_data(source, arguments.tasks)
    with _refused():
        choice = choose_space(backend, box_writer(backend, arguments.model_args))
    _say(f"dataset {source.name}; boxes are asked for in {choice.space} ({choice.reason})")
    if source.is_mini:
        _say(MINI_NOTICE)
    try:
        arguments.output_path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"--output_path {arguments.output_path}: cannot be made: {error}") from None
    log = arguments.output_path / LOG_NAME
    environment = {**os.environ, BOX_SPACE: str(choice.space)}
    if manifest is not None:
        environment[JUDGE] = arguments.judge or ""
    started = time.time()
    status = _run(_command(arguments), environment, log)
    results = _check_results(arguments.output_path, started, status, log)
    if manifest is not None:
        record_judge(results, manifest.model_dump(mode="json"))
    return arguments.output_path


def read_arguments(given: Sequence[str]) -> Arguments:
    """Pick out what must be known of the harness's arguments and fill in the defaults.

    Raises:
        RunError: no model is named, or the config file cannot be read.
    """
    config = _read_config(_value_of(given, "--config"))
    model = _value_of(given, "--model") or config.get("model")
    if not model:
        raise RunError(
            "no model named. Expected --model BACKEND --model_args pretrained=…; "
            "`lmms-eval models` lists the backends, for instance qwen2_5_vl or openai."
        )
    tasks = _value_of(given, "--tasks") or config.get("tasks") or "qreal"
    default_output = Path("runs") / f"{model}-{datetime.now():%Y%m%d-%H%M%S}"
    return Arguments(
        given=tuple(given),
        model=str(model),
        model_args=_pairs(_value_of(given, "--model_args") or config.get("model_args") or ""),
        tasks=tuple(t for t in (tasks if isinstance(tasks, list) else str(tasks).split(",")) if t),
        output_path=Path(_value_of(given, "--output_path") or config.get("output_path") or default_output),
        judge=_value_of(given, "--judge") or os.environ.get(JUDGE) or None,
    )


@contextmanager
def _refused() -> Iterator[None]:
    """What is wrong with a value, as the reason for a run that cannot start."""
    try:
        yield
    except ValueError as error:
        raise RunError(str(error)) from None


def _command(arguments: Arguments) -> list[str]:
    command = [sys.executable, "-m", "lmms_eval", *_without(arguments.given, "--judge")]
    if not _value_of(arguments.given, "--tasks"):
        command += ["--tasks", ",".join(arguments.tasks)]
    if not _value_of(arguments.given, "--output_path"):
        command += ["--output_path", str(arguments.output_path)]
    if "--log_samples" not in arguments.given:
        command += ["--log_samples"]
    return command


def _value_of(given: Sequence[str], option: str) -> str | None:
    """The value of ``option`` in ``--option value`` or ``--option=value`` form; the last one counts."""
    value = None
    for position, word in enumerate(given):
        if word == option and position + 1 < len(given):
            value = given[position + 1]
        elif word.startswith(f"{option}="):
            value = word.partition("=")[2]
    return value


def _without(given: Sequence[str], option: str) -> list[str]:
    """The arguments without ``option`` and its value."""
    kept, after_option = [], False
    for word in given:
        if not after_option and word != option and not word.startswith(f"{option}="):
            kept.append(word)
        after_option = word == option
    return kept


def _manifest(judge: str | None) -> Manifest | None:
    """The judge's manifest, checked before a model is loaded."""
    if judge is None:
        return None
    try:
        return load_manifest(judge)
    except ManifestError as error:
        raise RunError(f"--judge {judge}: {error}") from None


def _pairs(given: object) -> dict[str, str]:
    if isinstance(given, Mapping):
        return {str(name): str(value) for name, value in given.items()}
    return dict(part.strip().split("=", 1) for part in str(given).split(",") if "=" in part)


def _read_config(path: str | None) -> Mapping[str, Any]:
    if path is None:
        return {}
    try:
        content = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise RunError(f"--config {path}: cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise RunError(
            f"--config {path}: holds {type(content).__name__}, expected one mapping of lmms-eval's arguments "
            "(start a list of several runs with lmms-eval itself)"
        )
    # The harness applies `env` before it starts; what is checked here must be what it will see.
    os.environ.update({str(key): os.path.expandvars(str(value)) for key, value in (content.get("env") or {}).items()})
    return content


def _check_tasks(tasks: Sequence[str]) -> None:
    """Only our own names are checked here: the index of all others takes the harness seconds to read."""
    for task in tasks:
        if task.startswith("qreal") and "*" not in task and task not in TASK_NAMES:
            raise RunError(f"unknown task {task}, expected one of {', '.join(TASK_NAMES)}")


def _check_no_secret(model_args: Mapping[str, str]) -> None:
    """Placeholders for a server without keys are no secret."""
    if model_args.get("api_key", "").strip("'\"").lower() not in ("", "none", "empty"):
        raise RunError(
            "--model_args has an api_key: set OPENAI_API_KEY instead; the harness prints and stores --model_args"
        )


def _check_data(source: Source, tasks: Sequence[str]) -> None:
    problems = check(source, splits=("test",))
    if problems:
        shown = "\n".join(f"  {problem}" for problem in problems[:5])
        more = f"\n  … and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise RunError(
            f"dataset {source.name} has {len(problems)} problems in its test split; "
            f"`qreal data check {source.name}` lists all:\n{shown}{more}"
        )
    portraits = ("qreal", "qreal_imageqa", "qreal_imageqa_human_plausibility")
    wanting = [task for task in tasks if any(fnmatch.fnmatch(name, task) for name in portraits)]
    if wanting and not info(source, "test").with_parts:
        raise RunError(
            f"dataset {source.name} has no portrait with body-part descriptions in its test split, which {wanting[0]} "
            "needs for qreal_imageqa_human_plausibility. Name the other tasks: --tasks "
            "qreal_objectqa,qreal_imageqa_realism,qreal_imageqa_plausibility"
        )


def _run(command: Sequence[str], environment: Mapping[str, str], log: Path) -> int:
    """Run the harness, its output both shown as it comes and kept."""
    with (
        log.open("wb") as file,
        subprocess.Popen(command, env=dict(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process,
    ):
        assert process.stdout is not None
        _tee(process.stdout, file)
        return process.wait()


def _tee(source: IO[bytes], file: IO[bytes]) -> None:
    while chunk := os.read(source.fileno(), 65536):
        file.write(chunk)
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()


def _check_results(folder: Path, started: float, status: int, log: Path) -> Path:
    """The results file: a run is done when it left one newer than its start."""
    left = [path for path in folder.rglob("*_results.json") if path.stat().st_mtime >= started - 1]
    if status == 0 and left:
        return max(left, key=lambda path: path.stat().st_mtime)
    reason = failure_reason(log.read_text(encoding="utf-8", errors="replace"))
    what = f"left results in {left[0]}" if left else "left no results"
    raise RunError(f"{reason}\n  the harness ended with status {status} and {what}; its log: {log}")


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
    print(f"qreal eval: {text}", flush=True)
