"""A question to a model about a picture, and the answer: what every engine takes and gives."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from PIL import Image

REQUEST_FAILED = "request failed"
"""``Response.unanswered`` begins with it when no answer came, so that the same question is to be asked again."""


@dataclass(frozen=True)
class Request:
    """One question to a model about one picture."""

    image: Image.Image
    text: str
    choices: tuple[str, ...] = ()
    """Scored (P over these) when set, generated otherwise."""
    max_new_tokens: int = 16


@dataclass(frozen=True)
class Response:
    """What the model said, and what the engine knows beside it."""

    text: str
    choices: tuple[str, ...] = ()
    p: tuple[float, ...] | None = None
    """Probability of each choice, normalised over the choices; None when the model gives none."""
    mass: float | None = None
    """What the spellings of all choices cover together, before normalising."""
    no_p: str | None = None
    """Why there is an answer and no ``p``, where it was to be had."""
    input_size: tuple[int, int] | None = None
    """Width and height that the model was fed, when the engine resized the picture."""
    unanswered: str | None = None
    """Why there is no answer."""

    def beside(self) -> str | None:
        """The second string of a harness response (``answers.parse_scores``), None when there is nothing."""
        report: dict[str, Any] = {}
        if self.p is not None:
            report |= {"choices": list(self.choices), "p": list(self.p)}
            if self.mass is not None:
                report["mass"] = self.mass
        if self.no_p is not None:
            report["no_p"] = self.no_p
        if self.input_size is not None:
            report["input_size"] = list(self.input_size)
        if self.unanswered is not None:
            report["unanswered"] = self.unanswered
        return json.dumps(report) if report else None
