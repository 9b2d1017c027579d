"""What a bar says of the time left, by a clock that the test moves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from rich.console import Console
from rich.progress import Progress

from qreal_tasks.console import progress_bar as bars
from qreal_tasks.console.progress_bar import ProgressBar


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shown(clock: Clock) -> Iterator[Progress]:
    with bars.show_progress(clock) as progress:
        yield progress


def line(progress: Progress) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(progress.get_renderable())
    return capture.get().strip()


def test_what_was_there_before_says_nothing_of_the_pace(shown: Progress, clock: Clock) -> None:
    """A run that is resumed half way: 50 of 100 before, 20 more from a record, then 10 in 100 seconds."""
    bar = ProgressBar(shown, "entities", "images", 100, 50)
    assert "50/100 images -:--:--" in line(shown)
    clock.now = 1
    bar.add(20, anew=False)
    assert "70/100 images -:--:--" in line(shown)
    clock.now = 100
    bar.add(10)
    assert "80/100 images 0:03:20" in line(shown)  # 20 left at 10 s each
    assert bar.rate == pytest.approx(0.1)
    bar.add(20)
    assert line(shown).endswith("100/100 images")


def test_steps_that_are_far_apart_still_tell_the_time_left(shown: Progress, clock: Clock) -> None:
    """A shard of 64 images every ten minutes."""
    bar = ProgressBar(shown, "detection", "images", 192)
    for step in (1, 2):
        clock.now = 600 * step
        bar.add(64)
        assert f"{64 * step}/192 images {'0:20:00' if step == 1 else '0:10:00'}" in line(shown)


def test_what_others_have_done_is_shown_and_not_counted_twice(shown: Progress) -> None:
    """Answers of a batch: the server counts them first, then the run reads them."""
    bar = ProgressBar(shown, "entities", "images", 10, 2)
    bar.foresee(5)
    assert "7/10 images" in line(shown)
    for expected in (7, 7, 7, 7, 7, 8):
        bar.add(anew=False)
        assert f"{expected}/10 images" in line(shown)


def test_a_total_that_is_not_known(shown: Progress) -> None:
    bar = ProgressBar(shown, "Pairs", "pairs", None)
    bar.beside("none to wait for")
    assert "0/? pairs -:--:-- none to wait for" in line(shown)
    bar.foresee(3, 4)
    assert "3/4 pairs" in line(shown)
