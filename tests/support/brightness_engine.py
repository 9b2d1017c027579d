"""An engine for tests of rewards: the darker an entity, the more flawed it is, and every picture has two."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image

from qreal_tasks.benchmark import QUESTIONS
from qreal_tasks.boxes import Space
from qreal_tasks.models.requests import Request, Response

SILENT = (1, 2, 3)
"""The first pixel of a picture that the engine says nothing about."""
HALVES = [
    {"bbox_2d": [0, 0, 500, 1000], "label": "left", "description": "Its left is dark."},
    {"bbox_2d": [500, 0, 1000, 1000], "label": "right", "description": "Its right is dark."},
]


class BrightnessEngine:
    """P of a flaw is the darkness of the crop, for each question a little different, whatever shares the batch.

    Args:
        run_s, request_s: what a call costs, and every request beside: batches pay off as far as the first is larger.
        text: in the place of the answers about whole pictures.
    """

    box_space = Space.NORM1000

    def __init__(self, run_s: float = 0.0, request_s: float = 0.0, text: str | None = None) -> None:
        self.run_s, self.request_s, self.text = run_s, request_s, text
        self.batches: list[int] = []
        self.threads: set[int] = set()
        self.failure: Exception | None = None
        self.may_answer = threading.Event()
        self.may_answer.set()

    def identity(self) -> Mapping[str, Any]:
        return {"engine": "brightness"}

    def run(self, requests: Sequence[Request], known: Collection[int] = frozenset()) -> Iterator[tuple[int, Response]]:
        self.threads.add(threading.get_ident())
        assert self.may_answer.wait(30)
        time.sleep(self.run_s + self.request_s * len(requests))
        if self.failure is not None:
            raise self.failure
        whole = [one for one in requests if not one.choices]
        if whole:
            self.batches.append(len({id(one.image) for one in whole}))
        for at, request in enumerate(requests):
            yield at, self._answer(request)

    def _answer(self, request: Request) -> Response:
        if not request.choices:
            if request.image.getpixel((0, 0)) == SILENT:
                return Response("", unanswered="empty answer")
            return Response(self.text or json.dumps(HALVES))
        place = next(at for at, one in enumerate(QUESTIONS) if request.text.startswith(one.text))
        darkness = 1 - float(np.asarray(request.image, dtype=np.float64).mean()) / 255
        p_flaw = darkness ** (place + 1)
        p_yes = p_flaw if QUESTIONS[place].defect == "Yes" else 1 - p_flaw
        assert request.choices == ("Yes", "No")
        return Response("Yes" if p_yes > 0.5 else "No", request.choices, (p_yes, 1 - p_yes), 0.9)


def noise(count: int, seed: int = 0, size: tuple[int, int] = (12, 20)) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """So many pictures of height and width ``size``, all different and of different brightness: N x H x W x 3."""
    rng = np.random.default_rng(seed)
    high = rng.integers(40, 256, (count, 1, 1, 1))
    return (rng.random((count, *size, 3)) * high).astype(np.uint8)


def silent_picture() -> Image.Image:
    """A picture without an answer."""
    picture = Image.new("RGB", (20, 12), (90, 90, 90))
    picture.putpixel((0, 0), SILENT)
    return picture
