"""A results folder of the harness: find a run in it and read its records."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from qreal_tasks.answers import MOST_OF_A_REASON
from qreal_tasks.benchmark import GROUPS, LEAVES, Style
from qreal_tasks.console.terminal import echo
from qreal_tasks.dataset.drawn import is_drawn_id
from qreal_tasks.files.regular import read_bytes, read_text
from qreal_tasks.records import GroundingRecord, JudgmentRecord, Record, RecordError, record_from_json, record_to_json
from qreal_tasks.results.predicted import PredictionsOrigin, read_origin
from qreal_tasks.results.start_time import read_start_of
from qreal_tasks.text.json_text import load_json
from qreal_tasks.text.redaction import own_keys, redact, redact_keys, spellings

RESULTS_SUFFIX = "_results.json"

_HIGHEST_LIMIT = 10**9
"""Keeps out what is no number and what fits no float."""


class RunFolderError(Exception):
    """A folder that holds no readable run; the message names the file."""


class BothStylesError(RunFolderError):
    """A run with tasks of both prompt styles, of which one must be named."""


@dataclass(frozen=True)
class TaskRun:
    """One leaf task of a run: what the harness printed, and the records it can be recomputed from."""

    task: str
    version: str
    live: Mapping[str, Any]
    """Metric name to what the results file says, which anyone may have edited."""
    records: tuple[Record, ...]

    @property
    def name(self) -> str:
        """The question or the ImageQA set."""
        return LEAVES[self.task][1]


@dataclass(frozen=True)
class Run:
    """One run of the harness on our tasks."""

    results_path: Path
    model: str
    model_args: str
    limit: float | None
    """As given on the command line: a run with one is partial."""
    tasks: tuple[TaskRun, ...]
    origin: PredictionsOrigin | None = None
    """Where the answers came from, when a file brought them."""

    @property
    def style(self) -> Style:
        """What stood around the queries of all its tasks."""
        return LEAVES[self.tasks[0].task][0]

    @property
    def data(self) -> str:
        """Where the dataset was."""
        return next((record.data for record in self.records), "unknown")

    @property
    def records(self) -> list[Record]:
        """The records of all tasks."""
        return [record for task in self.tasks for record in task.records]

    def judgments(self, question: str | None = None) -> list[JudgmentRecord]:
        """The records of one question, or of all."""
        return [r for r in self.records if isinstance(r, JudgmentRecord) and question in (None, r.question)]

    def groundings(self, set_name: str | None = None) -> list[GroundingRecord]:
        """The records of one ImageQA set, or of all."""
        return [r for r in self.records if isinstance(r, GroundingRecord) and set_name in (None, r.set_name)]

    @property
    def judges(self) -> tuple[str, ...]:
        """Name and manifest hash of every judge that scored a description."""
        return tuple(dict.fromkeys(record.judge for record in self.groundings() if record.judge is not None))

    @functools.cached_property
    def is_drawn(self) -> bool:
        """Whether it was on the embedded set, or on pictures of ``qreal mini``, all or some, wherever they lay."""
        return any(record.data == "mini" or is_drawn_id(record.image_id) for record in self.records)


def find_results(path: Path) -> list[Path]:
    """The results files at or below ``path``, newest last.

    Raises:
        RunFolderError: there is none.
    """
    if path.is_file() and path.name.endswith(RESULTS_SUFFIX):
        return [path]
    if not path.exists():
        raise RunFolderError(f"{path} does not exist; expected the output folder of a run, or its *{RESULTS_SUFFIX}")
    found = list(path.rglob(f"*{RESULTS_SUFFIX}"))
    if len(found) > 1:  # by the date in them, not by that in their names, whose time zones differ
        found.sort(key=lambda one: (read_start_of(one), one.name, one.stat().st_mtime))
    if not found:
        raise RunFolderError(
            f"{path}: no *{RESULTS_SUFFIX} in it or below; the run did not finish, or was started without --output_path"
        )
    return found


def newest_results(path: Path) -> Path:
    """The last of ``find_results``. Where there are several it says which: newest is what the dates in them say, and a
    clock may have been set back.

    Raises:
        RunFolderError: there is none.
    """
    found = find_results(path)
    if len(found) > 1:
        echo(f"{len(found)} runs in {path}, taking the newest: {found[-1]}", err=True)
    return found[-1]


def read_run(results_path: Path, style: Style | None = None) -> Run:
    """Read a results file and the samples beside it, without what is private in their reasons (``clean_records``).

    Args:
        style: whose tasks are read; needed where the harness ran those of both.

    Raises:
        RunFolderError: a file is missing or damaged, a record cannot be read, or there is no task of ours.
        BothStylesError: there are tasks of both styles, and none was named.
    """
    try:
        results = load_json(read_text(results_path))
        config, numbers = dict(results["config"]), dict(results["results"])
        versions = dict(results.get("versions") or {})
        names = [task for task, (its, _) in LEAVES.items() if task in numbers and style in (None, its)]
        live = {task: _live_numbers(dict(numbers[task])) for task in names}
        origin = read_origin(results)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFolderError(
            f"{results_path}: not a results file of lmms-eval: {type(error).__name__}: {error}"
        ) from None
    if not names:
        wanted = "qreal task" if style is None else f"task of {GROUPS[style]}"
        raise RunFolderError(f"{results_path}: no {wanted} in it; found {', '.join(numbers) or 'no task at all'}")
    if len({LEAVES[task][0] for task in names}) > 1:
        raise BothStylesError(
            f"{results_path}: tasks of {' and of '.join(GROUPS.values())}, whose numbers are never put together; say "
            f"which with --prompts {' or --prompts '.join(GROUPS)}"
        )
    return Run(
        results_path=results_path,
        model=str(config.get("model")),
        model_args=str(config.get("model_args") or ""),
        limit=_limit(results_path, config.get("limit")),
        tasks=tuple(
            TaskRun(task, str(versions.get(task)), live[task], tuple(clean_records(_read_samples(results_path, task))))
            for task in names
        ),
        origin=origin,
    )


def samples_path(results_path: Path, task: str) -> Path:
    """The sample log of a task, beside the results."""
    prefix = results_path.name.removesuffix(RESULTS_SUFFIX)
    return results_path.with_name(f"{prefix}_samples_{task}.jsonl")


def _limit(results_path: Path, found: object) -> float | None:
    """Images, or a share of them below 1; anything else is not what the harness writes."""
    if found is None or found == -1:  # which is how the harness takes "all", too
        return None
    if isinstance(found, int | float) and not isinstance(found, bool) and abs(found) < _HIGHEST_LIMIT:
        return found
    raise RunFolderError(
        f"{results_path}: config.limit is {found!r:.80}, expected a number or null, as --limit of the run gave it; put "
        "the file back as the harness wrote it"
    )


def describe_limit(run: Run) -> str:
    """Why a run with a ``limit`` is partial, behind "the run was"."""
    if run.origin is not None:
        return f"scored on {run.limit:.1%} of the samples, those with a prediction"
    return f"started with --limit {run.limit:g}"


def _live_numbers(numbers: Mapping[str, Any]) -> dict[str, Any]:
    """``{"acc,none": .5}`` as ``{"acc": .5}``, without the harness's own standard errors."""
    split = ((key.partition(","), value) for key, value in numbers.items())
    return {metric: value for (metric, comma, _), value in split if comma and "_stderr" not in metric}


def _read_samples(results_path: Path, task: str) -> Iterator[Record]:
    path = samples_path(results_path, task)
    try:
        lines = read_bytes(path).splitlines()
    except OSError as error:
        raise RunFolderError(
            f"{path}: {error.strerror}; run with --log_samples, and keep the files of a run together"
        ) from None
    for number, line in enumerate(lines, start=1):
        try:
            record = record_from_json(load_json(line)["records"])
        except KeyError:
            raise RunFolderError(f"{path} line {number}: no `records`; written by another version") from None
        except (RecordError, ValueError, TypeError) as error:
            raise RunFolderError(f"{path} line {number}: {error}") from None
        if record.subject != LEAVES[task][1]:
            raise RunFolderError(f"{path} line {number}: a record of {record.subject}, expected {LEAVES[task][1]}")
        yield record


def clean_records(records: Iterable[Record]) -> Iterator[Record]:
    """Remove what is private, whoever wrote it: the user's keys, and in reasons also addresses and paths."""
    keys = own_keys()
    spelled = [one for key in keys for one in spellings(key)]
    clean = functools.cache(_clean_reason)  # most of many reasons are the same few
    for record in records:
        may_repeat = any(one in record.raw for one in spelled)
        yield _with_reasons(
            record_from_json(redact_keys(record_to_json(record), *keys)) if may_repeat else record, clean
        )


def _clean_reason(reason: str) -> str:
    """What stands for an address may be longer than the address was, and a submission takes no longer reason."""
    return redact(reason)[:MOST_OF_A_REASON]


def _with_reasons(record: Record, clean: Callable[[str], str]) -> Record:
    reason = record.reason and clean(record.reason)
    if isinstance(record, JudgmentRecord):
        return record if reason == record.reason else replace(record, reason=reason)
    unjudged: Counter[str] = Counter()
    for why, count in record.unjudged.items():
        unjudged[clean(why)] += count
    replies = {clean(why): clean(reply) for why, reply in record.judge_said.items()}
    return replace(record, reason=reason, unjudged=dict(unjudged), judge_said=replies)
