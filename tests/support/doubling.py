"""Whether a reader takes twice as long for twice as much, and not four times."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from typing import TypeVar

Given = TypeVar("Given")

MOST = 2.5
_ATTEMPTS = 40
_SHORT_S = 0.05
"""What is over so soon cannot be measured; of a text of 20,000 characters hardly anything quadratic is."""


def assert_linear(read: Callable[[Given], object], once: Given, twice: Given, name: str = "") -> None:
    """The best of several attempts at ``twice`` against the best at ``once``, in seconds of the processor.

    A failure begins with ``name``, which says in a loop what was read.
    """
    best = [float("inf"), float("inf")]
    gc.disable()
    try:
        for _ in range(_ATTEMPTS):
            for at, given in ((1, twice), (0, once)):  # what is made once, such as a compiled pattern, slows ``twice``
                start = time.process_time()
                read(given)
                best[at] = min(best[at], time.process_time() - start)
                if best[1] <= _SHORT_S:
                    return
            if best[1] <= MOST * best[0]:
                return
    finally:
        gc.enable()
    raise AssertionError(
        f"{name}: {best[0]:.4f} s, and {best[1]:.4f} s for twice as much: expected at most {MOST} times".lstrip(": ")
    )
