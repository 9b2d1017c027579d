"""Images to screen, and models that answer by what they are shown: the same for the same pixels and question."""

from __future__ import annotations

import hashlib
import io
import json
import resource
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from qreal_tasks.api.asking import Model
from qreal_tasks.boxes import Space
from qreal_tasks.llm.scripted_server import Asked, Reply, completion
from qreal_tasks.models.requests import Request, Response
from qreal_tasks.screening.run.screening import ScreeningOptions, ScreeningWatcher, screen
from qreal_tasks.screening.run.settings import ScreeningSettings
from qreal_tasks.screening.run.summary import ScreeningSummary


def picture(seed: int, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """A picture of its own for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def encode(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def write_images(folder: Path, count: int, first: int = 0) -> Path:
    """So many pictures, as of two generators."""
    for seed in range(first, first + count):
        path = folder / ("a" if seed % 2 else "b") / f"{seed:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(picture(seed)))
    return folder


def _regions(digest: bytes) -> str:
    boxes = [[one * 2, one * 2, one * 2 + 300, one * 2 + 400] for one in digest[1 : 1 + digest[0] % 3]]
    return json.dumps([{"bbox_2d": box, "label": "dog", "description": f"odd {box[0]}"} for box in boxes])


def _digest(image: Image.Image, text: str) -> bytes:
    return hashlib.sha256(image.convert("RGB").tobytes() + text.encode()).digest()


def answer(request: Request) -> Response:
    """Boxes, or P(Yes), by pixels and question."""
    digest = _digest(request.image, request.text)
    if not request.choices:
        return Response(_regions(digest))
    p = digest[0] / 255
    return Response("Yes" if p > 0.5 else "No", request.choices, p=(p, 1 - p), mass=0.9)


def reply(asked: Asked) -> Reply:
    """The same, as a server says it."""
    digest = _digest(asked.image, asked.text)
    if "Answer with one word" not in asked.text:
        return completion(_regions(digest))
    p = (1 + digest[0]) / 257
    return completion("Yes" if p > 0.5 else "No", {"Yes": p, "No": 1 - p})


class AnsweringEngine:
    """An engine that answers as a function says, and counts what it was asked.

    Args:
        name: what it is told apart by.
    """

    box_space = Space.NORM1000

    def __init__(self, script: Callable[[Request], Response] = answer, name: str = "scripted") -> None:
        self.script, self.name = script, name
        self.asked: list[Request] = []

    def identity(self) -> Mapping[str, Any]:
        return {"engine": self.name}

    def run(self, requests: Sequence[Request], known: Collection[int] = frozenset()) -> Iterator[tuple[int, Response]]:
        for at, request in enumerate(requests):
            if at not in known:
                self.asked.append(request)
                yield at, self.script(request)

    @property
    def whole_images(self) -> int:
        """How many pictures were looked at as a whole."""
        return sum("Find every entity" in one.text for one in self.asked)


def screened(
    images: Path | str,
    out: Path,
    engine: AnsweringEngine | None = None,
    options: ScreeningOptions | None = None,
    watcher: ScreeningWatcher | None = None,
    **settings: Any,
) -> ScreeningSummary:
    """Screen with a scripted engine, in shards of four unless told otherwise."""
    made = ScreeningSettings.model_validate({"model": "scripted", "images_per_shard": 4, **settings})
    return screen(str(images), out, made, options, watcher, Model(engine or AnsweringEngine()))


def go_slowly(images: str, out: str) -> None:
    """As ``screened``, for a process that is to be killed."""

    def slow(request: Request) -> Response:
        time.sleep(0.002)
        return answer(request)

    screened(images, Path(out), AnsweringEngine(slow))


RESULTS = ("images.parquet", "images.jsonl", "images.csv", "summary.json", "screening.json")


def results(out: Path) -> dict[str, bytes]:
    """What a run ends with, byte for byte."""
    return {name: (out / name).read_bytes() for name in RESULTS}


def measure_peak(images: str, out: str) -> int:
    """Screen, and return how much memory this process has had at most, in KiB; for a process of its own."""
    screened(Path(images), Path(out), images_per_shard=16)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
