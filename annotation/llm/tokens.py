"""Tokens that a call will take, before it is made."""

from __future__ import annotations

import math
from dataclasses import dataclass

from annotation.config import View

_TILE_PX, _LONG_PX, _SHORT_PX = 512, 2048, 768
_BASE_TOKENS, _TILE_TOKENS = 85, 170


@dataclass(frozen=True)
class Tokens:
    """Tokens of one call or of many."""

    prompt: float = 0.0
    completion: float = 0.0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.prompt + other.prompt, self.completion + other.completion)

    def __mul__(self, calls: float) -> Tokens:
        return Tokens(self.prompt * calls, self.completion * calls)


def image_tokens(width: int, height: int, detail: str) -> int:
    """Tokens of a picture at OpenAI: 85, and at high detail 170 for every tile of 512 px after the picture is fitted
    into 2048 x 2048 and its shorter side to 768. ``auto`` is counted as high.

    >>> image_tokens(512, 512, "high"), image_tokens(1024, 1024, "high"), image_tokens(4096, 2048, "low")
    (255, 765, 85)
    """
    if detail == "low":
        return _BASE_TOKENS
    scale = min(1.0, _LONG_PX / max(width, height))
    scale *= min(1.0, _SHORT_PX / (min(width, height) * scale))
    # Less a hair, or a side of exactly 768 px comes out as one of 769.
    tiles = [math.ceil(side * scale / _TILE_PX - 1e-9) for side in (width, height)]
    return _BASE_TOKENS + _TILE_TOKENS * tiles[0] * tiles[1]


def shown_size(width: int, height: int, view: View) -> tuple[int, int]:
    """Width and height of a picture as it is sent.

    >>> shown_size(2000, 1000, View(format="png", max_side_px=500, detail="high"))
    (500, 250)
    """
    scale = min(1.0, view.max_side_px / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
