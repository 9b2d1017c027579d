"""The harness's arguments as ``qreal eval`` must know them, from the command line and from ``--config``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qreal_tasks.benchmark import GROUPS, Style
from qreal_tasks.files.atomic import find_free_name
from qreal_tasks.files.yaml_files import read_yaml
from qreal_tasks.harness.judge import JUDGE_VARIABLE


class RunError(Exception):
    """A run that cannot start or did not finish; the message leads with the reason."""


@dataclass(frozen=True)
class Arguments:
    """What was given, with the defaults filled in."""

    given: tuple[str, ...]
    """The arguments as typed."""
    model: str
    model_args: Mapping[str, str]
    tasks: tuple[str, ...]
    tasks_named: bool
    """Whether the user named them."""
    output_path: Path
    batch_size: str | None = None
    judge: str | None = None
    """Value of ``--judge``, which is ours and not the harness's, or of ``QREAL_JUDGE``."""


def read_arguments(given: Sequence[str]) -> Arguments:
    """Pick out what must be known of the harness's arguments and fill in the defaults.

    Raises:
        RunError: no model is named, ``--model_args`` is no list of name=value, or the config file cannot be read.
    """
    config = _read_config(find_value(given, "--config"))
    model = find_value(given, "--model") or config.get("model")
    if not model:
        raise RunError(
            "no model named. Expected --model BACKEND --model_args pretrained=…; "
            "`lmms-eval models` lists the backends, for instance qwen2_5_vl or openai."
        )
    named = find_value(given, "--tasks") or config.get("tasks")
    tasks = named or GROUPS[Style.BENCHMARK]
    default_output = find_free_name(Path("runs") / f"{model}-{datetime.now(UTC):%Y%m%d-%H%M%S}")
    size = find_value(given, "--batch_size") or find_value(given, "-b") or config.get("batch_size")
    return Arguments(
        given=tuple(given),
        model=str(model),
        model_args=_pairs(find_value(given, "--model_args") or config.get("model_args") or ""),
        tasks=_tasks(tasks if isinstance(tasks, list) else str(tasks).split(",")),
        tasks_named=bool(named),
        output_path=Path(find_value(given, "--output_path") or config.get("output_path") or default_output),
        batch_size=None if size is None else str(size),
        judge=find_value(given, "--judge") or os.environ.get(JUDGE_VARIABLE) or None,
    )


def _tasks(names: Sequence[object]) -> tuple[str, ...]:
    """The harness takes names as they are between the commas, so a blank there would be part of a name."""
    found = tuple(str(name) for name in names if str(name).strip())
    if odd := [name for name in found if name != name.strip()]:
        raise RunError(f"--tasks has a blank around {odd[0].strip()!r}; write the names with commas alone between them")
    return found


def find_value(given: Sequence[str], option: str) -> str | None:
    """The value of ``option`` in ``--option value`` or ``--option=value`` form; the last one counts."""
    value = None
    for position, word in enumerate(given):
        if word == option and position + 1 < len(given):
            value = given[position + 1]
        elif word.startswith(f"{option}="):
            value = word.partition("=")[2]
    return value


def drop_option(given: Sequence[str], option: str) -> list[str]:
    """The arguments without ``option`` and its value."""
    kept, after_option = [], False
    for word in given:
        if not after_option and word != option and not word.startswith(f"{option}="):
            kept.append(word)
        after_option = word == option
    return kept


@contextmanager
def raise_as_run_error() -> Iterator[None]:
    """Turn a ValueError about a value into the reason for a run that cannot start."""
    try:
        yield
    except ValueError as error:
        raise RunError(str(error)) from None


def _pairs(given: object) -> dict[str, str]:
    if isinstance(given, Mapping):
        return {str(name): str(value) for name, value in given.items()}
    parts = split_pairs(str(given))
    for part in parts:
        if "=" not in part:
            raise RunError(f"--model_args: {part!r} has no =, expected name=value,name=value")
    return {name.strip(): value for name, _, value in (part.partition("=") for part in parts)}


def split_pairs(text: str) -> list[str]:
    """The parts between commas, but for those in quotes or brackets: as the harness splits ``--model_args``.

    >>> split_pairs('pretrained=org/name,limits={"image": 1,"video": 0},,note="a,b"')
    ['pretrained=org/name', 'limits={"image": 1,"video": 0}', 'note="a,b"']
    """
    parts, quote, depth = [""], "", 0
    for before, character in zip(" " + text, text, strict=False):
        if character in "\"'" and before != "\\" and quote in ("", character):
            quote = "" if quote else character
        elif not quote:
            depth += (character in "{[") - (character in "}]")
        if character == "," and not quote and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts if part.strip()]


def _read_config(path: str | None) -> Mapping[str, Any]:
    if path is None:
        return {}
    content = read_yaml(Path(path), f"--config {path}", RunError).content
    if not isinstance(content, dict):
        raise RunError(
            f"--config {path}: holds {type(content).__name__}, expected one mapping of lmms-eval's arguments "
            "(start a list of several runs with lmms-eval itself)"
        )
    for name in ("env", "model_args"):
        expected = (dict, type(None)) if name == "env" else (dict, str, type(None))
        if not isinstance(content.get(name), expected):
            found = type(content[name]).__name__
            raise RunError(f"--config {path}: {name} is a {found}, expected a mapping such as {name}: {{NAME: value}}")
    if "judge" in content:
        raise RunError(f"--config {path}: judge is no argument of lmms-eval; give --judge {content['judge']}")
    key = str((content.get("env") or {}).get("OPENAI_API_KEY", ""))
    if key != key.strip():  # which a backend would send as it is, and show when that fails
        raise RunError(f"--config {path}: OPENAI_API_KEY has blanks or a line break around it; write it without")
    # The harness applies `env` before it starts; what is checked here must be what it will see.
    os.environ.update({str(key): os.path.expandvars(str(value)) for key, value in (content.get("env") or {}).items()})
    return content
