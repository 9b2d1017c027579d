"""Where the embedded drawn set is, and how a drawn set is recognised: by its ids, and by its card.

The ids are decisive, because they are in every record of every run: they stay when the set is copied, renamed, cut to
a part, mixed with other pictures, or saved in another format.

>>> is_drawn_id("mini-0a1b2c3d4e5f"), is_drawn_id("mini-0a1b2c3d4e5f#1"), is_drawn_id("mini-van-17")
(True, True, False)
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

MINI_FOLDER = Path(__file__).parents[1] / "mini" / "data"
"""The embedded set in hub layout; ``qreal_tasks.mini`` draws it."""

CARD_KEY, CARD_VALUE = "drawn_by", "qreal mini"
"""Entry in the front matter of the card."""

_DIGITS = 12
_DRAWN = re.compile(rf"(?<![0-9a-z])mini-[0-9a-f]{{{_DIGITS}}}(?![0-9a-z])")


def make_image_id(own: str) -> str:
    """The id of a drawn image.

    Args:
        own: what no other image of any drawn set has: seed, prompt, generator.
    """
    return f"mini-{hashlib.sha256(own.encode()).hexdigest()[:_DIGITS]}"


def make_prompt_id(seed: int, at: int) -> str:
    """The id of a prompt of a drawn set."""
    return f"mini-{seed}-p{at:04d}"


def is_drawn_id(item_id: str) -> bool:
    """Whether it is the id of a drawn image or of an entity in one, also with something put before or after it."""
    return _DRAWN.search(item_id) is not None


def card_says_drawn(metadata: Mapping[str, object]) -> bool:
    """Whether the front matter of a dataset's card says that ``qreal mini`` drew it."""
    return metadata.get(CARD_KEY) == CARD_VALUE
