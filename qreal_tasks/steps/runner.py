"""Does the steps of a list that are not done yet.

    run_steps(steps, Path("runs/tour"), "tour")

A folder holds ``steps/<name>.json`` for every step that is done, ``logs/<name>.log``, and what the steps make. A step
that was killed is done again whole, or goes on by its own commands where it can.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from qreal_tasks.console.terminal import echo
from qreal_tasks.files.locks import acquire
from qreal_tasks.steps.processes import RunningPrograms, read_last_line
from qreal_tasks.steps.records import StepRecord, StepRecords
from qreal_tasks.steps.step import Step, StepCommand, require_order
from qreal_tasks.text.one_line import printable
from qreal_tasks.text.suggestions import suggest


class StepError(RuntimeError):
    """A step cannot be done, or a name is of none."""


def choose_steps(steps: Sequence[Step], only: Sequence[str]) -> list[Step]:
    """The steps whose names are given, or match a pattern such as ``train-*``; all where none are given.

    Raises:
        StepError: a name or pattern is of no step.
    """
    names = [step.name for step in steps]
    for one in only:
        if not fnmatch.filter(names, one):
            raise StepError(f"--only {one}: no step of that name{suggest(one, names)} --dry-run lists them")
    return [step for step in steps if not only or any(fnmatch.fnmatchcase(step.name, one) for one in only)]


def run_steps(
    steps: Sequence[Step],
    folder: Path,
    program: str,
    *,
    only: Sequence[str] = (),
    jobs: int = 1,
    environment: Mapping[str, str] = {},
) -> None:
    """Do every step that is not done, or those of ``only``, and say so on the terminal.

    Args:
        folder: of all steps; is made.
        program: what the user typed behind ``qreal``, for messages.
        only: names of steps, or patterns; what they use has to be done.
        jobs: so many at a time, of those that do not use each other.
        environment: variables for all commands, over those of this program.

    Raises:
        StepError: a command failed, left nothing, or uses a step that is not done; says where the log is.
        OSError: the folder cannot be written.
    """
    require_order(steps)
    chosen = choose_steps(steps, only)
    records = StepRecords(folder)
    for place in (folder, records.path("").parent, records.log("").parent):
        place.mkdir(parents=True, exist_ok=True)
    waiting = [(f"[{number}/{len(chosen)}]", step) for number, step in enumerate(chosen, 1)]
    running: dict[Future[None], str] = {}
    # The programs end before the threads are waited for.
    with ThreadPoolExecutor(jobs) as pool, RunningPrograms() as programs:
        doing = _Doing(steps, records, program, {**os.environ, **environment}, programs)
        while waiting or running:
            unfinished = {*running.values(), *(step.name for _, step in waiting)}
            free = [one for one in waiting if not unfinished & {*one[1].after}][: jobs - len(running)]
            waiting = [one for one in waiting if one not in free]
            running.update({pool.submit(doing.do, step, where): step.name for where, step in free})
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                del running[future]
                future.result()


def describe_time(seconds: float) -> str:
    """Seconds as people write them.

    >>> describe_time(4.2), describe_time(95), describe_time(7300)
    ('4 s', '1:35 min', '2:01 h')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    hours, minutes, rest = str(timedelta(seconds=whole % 86400)).split(":")
    hours = str(int(hours) + 24 * (whole // 86400))
    return f"{hours}:{minutes} h" if hours != "0" else f"{int(minutes)}:{rest} min"


@dataclass(frozen=True)
class _Doing:
    """What every step needs."""

    steps: Sequence[Step]
    records: StepRecords
    program: str
    environment: Mapping[str, str]
    programs: RunningPrograms

    def do(self, step: Step, where: str) -> None:
        """Do a step unless it is done."""
        records, log = self.records, self.records.log(step.name)
        with _step_lock(records, step, where) as held:
            done = records.find_done(self.steps)
            if step.name in done:
                echo(f"{where} {step.name}: done already, in {describe_time(done[step.name].seconds)}")
                return
            _require_used(step, done, records.folder, self.program)
            echo(f"{where} {step.name}: {step.about}")
            begun = time.monotonic()
            for command in _prepare(step, records):
                if status := self.programs.run(command, log, self.environment, held):
                    reason = printable(read_last_line(log))[:300]
                    raise StepError(f"step {step.name} ended with status {status}: {reason}\nIts log: {log}")
            if missing := [str(path) for path in step.makes if not path.exists()]:
                raise StepError(f"step {step.name} ended well and left no {', '.join(missing)}\nIts log: {log}")
            records.write(step, time.monotonic() - begun)
            echo(f"{where} {step.name}: {describe_time(time.monotonic() - begun)}")


def _require_used(step: Step, done: Mapping[str, StepRecord], folder: Path, program: str) -> None:
    if missing := [name for name in step.after if name not in done]:
        raise StepError(
            f"step {step.name} uses {', '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not done in "
            f"{folder}; do that first: qreal {program} {' '.join(f'--only {name}' for name in missing)}"
        )


def _prepare(step: Step, records: StepRecords) -> Sequence[StepCommand]:
    """Make room for a step that was stopped; returns its commands, or those by which it goes on."""
    records.path(step.name).unlink(missing_ok=True)
    further = step.going_on
    if further is not None and next(further.keeps.glob(further.once), None) is None:
        further = None
    if further is None:
        records.log(step.name).unlink(missing_ok=True)
    for path in step.makes:
        if records.folder.resolve() not in path.resolve().parents:
            raise ValueError(f"step {step.name} makes {path}, which is not below {records.folder}")
        if further is None or path != further.keeps:
            _remove(path)
        path.parent.mkdir(parents=True, exist_ok=True)
    return step.commands if further is None else further.commands


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


@contextmanager
def _step_lock(records: StepRecords, step: Step, where: str) -> Iterator[int]:
    """A descriptor that no other program holds; waits for one that is at the same step."""
    path = records.path(step.name).with_suffix(".lock")
    try:
        held = acquire(path, wait=False)
    except BlockingIOError:
        echo(f"{where} {step.name}: another program is at it; waiting for its end")
        held = acquire(path, wait=True)
    try:
        yield held
    finally:
        path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            os.close(held)
