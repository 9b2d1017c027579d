"""How tests ask the agent, and what they make of its answers."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from typing import Any

from PIL import Image

from qreal_tasks.benchmark import imageqa_prompt
from qreal_tasks.boxes import Space
from qreal_tasks.models.agent.engine import AgentEngine
from qreal_tasks.models.requests import Request, Response


class Killed(BaseException):
    """The process ends."""


def ask(image: Image.Image, name: str, space: Space = Space.PIXELS, max_new_tokens: int = 2048) -> Request:
    return Request(image, imageqa_prompt(name, space, *image.size), max_new_tokens=max_new_tokens)


def answers_of(engine: AgentEngine, requests: Sequence[Request], known: Collection[int] = frozenset()) -> list[Any]:
    """In the order of the requests, each answered exactly once; None for those left out."""
    yielded = list(engine.run(requests, known))
    places = [at for at, _ in yielded]
    assert len(places) == len(set(places))
    found = dict(yielded)
    return [found.get(at) for at in range(len(requests))]


def result(response: Response) -> list[dict[str, Any]]:
    assert response.unanswered is None
    found: list[dict[str, Any]] = json.loads(response.text)
    return found
