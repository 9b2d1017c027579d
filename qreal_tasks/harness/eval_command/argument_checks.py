"""Checks of the arguments of ``qreal eval``: they take a second, where the harness would take many."""

from __future__ import annotations

import fnmatch
import inspect
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qreal_tasks.benchmark import GROUPS, TASK_NAMES, Style
from qreal_tasks.harness.backend_arguments import ARGUMENTS, parse_arguments, parse_batch_size, resolve_store_path
from qreal_tasks.harness.eval_command.arguments import Arguments, RunError, drop_option, find_value, raise_as_run_error
from qreal_tasks.harness.eval_command.installed_harness import build_parser, read_backend_names
from qreal_tasks.harness.named_models import check_models
from qreal_tasks.text.redaction import Private, redact
from qreal_tasks.text.suggestions import suggest


def check_options(given: Sequence[str]) -> None:
    """Hold the options as typed against those of lmms-eval and our own.

    Raises:
        RunError: one is unknown, lacks its value, or has one of another kind.
    """
    harness = build_parser()
    if harness is None:
        return
    try:
        unknown = harness.parse_known_args(drop_option(given, "--judge"))[1]
    except ValueError as error:
        raise RunError(f"{error}; `lmms-eval eval --help` has all options") from None
    limit = find_value(given, "--limit")
    if limit is not None and not (float(limit) > 0 or float(limit) == -1):
        raise RunError(f"--limit is {limit}, expected how many samples of each task, or -1 for all")
    options = [word.partition("=")[0] for word in unknown if word.startswith("-")]
    if options:
        known = [*(name for action in harness._actions for name in action.option_strings), "--judge"]
        raise RunError(
            f"unknown option {options[0]}{suggest(options[0], known)} `qreal eval --help` lists the usual ones, "
            "`lmms-eval eval --help` all others"
        )
    if unknown:
        raise RunError(f"{unknown[0]!r} belongs to no option; a value with blanks in it needs quotes around it")


def check_arguments(arguments: Arguments) -> None:
    """Look at everything that can be told before the harness is loaded.

    Raises:
        RunError: a task, a backend, an argument of one of ours, its value or a folder is none that can be; or a key
            would be printed.
    """
    _check_tasks(arguments.tasks)
    _check_no_secret(arguments.model_args)
    _check_backend(arguments.model)
    with raise_as_run_error():
        check_models(arguments.model, arguments.model_args, arguments.tasks)
        if arguments.model in ARGUMENTS:
            _check_model_args(arguments)


def read_sendable_key() -> dict[str, str]:
    """``OPENAI_API_KEY`` as a backend of lmms-eval may send it, which would show one with a line break in its error.

    Raises:
        RunError: it cannot be sent.
    """
    if not os.environ.get("OPENAI_API_KEY", "").strip():
        return {}
    from qreal_tasks.llm.arguments import api_key_for
    from qreal_tasks.llm.errors.retry import StoppedRun

    try:
        return {"OPENAI_API_KEY": api_key_for(None, "")}
    except StoppedRun as error:
        raise RunError(str(error)) from None


PLACEHOLDERS = ("", "none", "empty")
"""What stands for a key where a stock backend wants one and its server does not."""


def _check_tasks(tasks: Sequence[str]) -> None:
    """Only our own names are checked here: the index of all others takes the harness seconds to read."""
    for task in tasks:
        if task.startswith("qreal") and "*" not in task and task not in TASK_NAMES:
            raise RunError(f"unknown task {task}{suggest(task, TASK_NAMES)} Expected one of {', '.join(TASK_NAMES)}")
    styles = {style for style in Style if any(_asks(task, style) for task in tasks)}
    if len(styles) > 1:
        raise RunError(
            f"--tasks {','.join(tasks)}: tasks of {' and of '.join(GROUPS.values())}, whose numbers are never put "
            "together; run one after the other, each with an --output_path of its own"
        )


def _asks(task: str, style: Style) -> bool:
    """Whether a name or pattern of ``--tasks`` is about tasks of that style; a bare ``qreal*`` is of both."""
    mine = [name for name in TASK_NAMES if name.startswith(GROUPS[Style.PAPER]) is (style is Style.PAPER)]
    return any(fnmatch.fnmatch(name, task) for name in mine)


def _check_no_secret(model_args: Mapping[str, str]) -> None:
    """Placeholders for a server without keys are no secret."""
    if model_args.get("api_key", "").strip("'\"").lower() not in PLACEHOLDERS:
        raise RunError(
            "--model_args has an api_key: set OPENAI_API_KEY instead; the harness prints and stores --model_args"
        )
    for name, value in model_args.items():
        pair = f"{name}={value}"
        if name != "api_key" and redact(pair, [Private.KEY]) != pair:
            raise RunError(
                f"--model_args: {name} holds what looks like a key: set the environment variable that the backend "
                "reads it from instead; the harness prints and stores --model_args"
            )


def _check_backend(name: str) -> None:
    known = read_backend_names()
    if known is not None and name not in known:
        raise RunError(
            f"unknown --model {name}{suggest(name, known)} Expected {', '.join(ARGUMENTS)}, or a backend of "
            "lmms-eval (`lmms-eval models` lists them); which weights it runs is said in --model_args"
        )


def _check_model_args(arguments: Arguments) -> None:
    """The names and values of one of our backends.

    Raises:
        ValueError: one is wrong.
        OSError: there can be no folder for the answers.
    """
    options = parse_arguments(arguments.model_args, *ARGUMENTS[arguments.model])
    resolve_store_path(options.get("store")).parent.mkdir(parents=True, exist_ok=True)
    if arguments.model == "qreal_openai":
        _check_server(options)
    else:
        parse_batch_size(arguments.batch_size)


def _check_server(options: Mapping[str, Any]) -> None:
    """Let the engine look at its arguments, which opens no connection.

    Raises:
        ValueError: one is out of range, or there is no key.
    """
    from qreal_tasks.llm.errors.retry import StoppedRun
    from qreal_tasks.models.server.engine import OpenAIEngine

    prices = options.get("prices")
    if prices is not None and not Path(prices).expanduser().is_file():
        raise ValueError(f"prices={prices}: there is no such file (looked for {Path(prices).expanduser().absolute()})")
    # Sizes of pictures depend on what the server says is behind the name: ``choose_space`` looks at them.
    own = inspect.signature(OpenAIEngine).parameters.keys() - {"prices", "min_pixels", "max_pixels"}
    try:
        OpenAIEngine(**{name: value for name, value in options.items() if name in own})
    except StoppedRun as error:
        raise ValueError(str(error)) from None
