"""Progress bars of commands that go through many items: how many are done, the time left, and a remark beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from time import monotonic

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from qreal_tasks.console.terminal import console
from qreal_tasks.text.one_line import printable


class ProgressBar:
    """One progress bar, with a remark at its end.

    Args:
        done: items that were done before.
        total: None while it is not known.
    """

    def __init__(self, progress: Progress, name: str, unit: str, total: float | None, done: int = 0) -> None:
        self._progress, self._done, self._shown, self._anew = progress, done, done, 0
        self._id: TaskID = progress.add_task(printable(name), total=total, completed=done, unit=unit, anew=0, beside="")

    def add(self, count: int = 1, anew: bool = True) -> None:
        """So many more items are done; ``anew`` when this program had to work for them."""
        self._done += count
        self._anew += count * anew
        self._shown = max(self._shown, self._done)
        self._progress.update(self._id, completed=self._shown, anew=self._anew)

    def foresee(self, count: int, total: float | None = None) -> None:
        """Show that so many more are done elsewhere, which will be added later."""
        self._shown = max(self._shown, self._done + count)
        self._progress.update(self._id, completed=self._shown, total=total)

    @property
    def rate(self) -> float:
        """Items a second, of those done anew."""
        elapsed = next(task.elapsed for task in self._progress.tasks if task.id == self._id)
        return self._anew / elapsed if elapsed else 0.0

    def beside(self, remark: str) -> None:
        """Set the remark at the end of the line."""
        self._progress.update(self._id, beside=printable(remark))


@contextmanager
def show_progress(get_time: Callable[[], float] = monotonic) -> Iterator[Progress]:
    """Show bars while the block lasts; where there is no terminal they are printed once, at its end."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        _Count(),
        _TimeLeft(),
        TextColumn("{task.fields[beside]}", markup=False),
    )
    with Progress(*columns, get_time=get_time, console=console()) as shown:
        yield shown


class _Count(ProgressColumn):
    """How many are done, of how many, and what they are."""

    def render(self, task: Task) -> Text:
        total = "?" if task.total is None else f"{task.total:,.0f}"
        return Text(f"{task.completed:,.0f}/{total} {task.fields['unit']}")


class _TimeLeft(ProgressColumn):
    """At the mean pace since the bar began. What was there before, or came from a record, says nothing of the pace."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        anew = task.fields["anew"]
        if task.remaining == 0:
            return Text("")
        if not anew or task.elapsed is None or task.remaining is None:
            return Text("-:--:--")
        return Text(str(timedelta(seconds=round(task.elapsed / anew * task.remaining))))
