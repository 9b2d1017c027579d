"""The dataset card: the README.md of a drawn set."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from qreal_tasks.benchmark import QUESTION_NAMES
from qreal_tasks.dataset.drawn import CARD_KEY, CARD_VALUE

_TEMPLATE = Path(__file__).with_name("card_template.md")


def format_card(images: int, seed: int, counts: Mapping[str, tuple[int, int, Mapping[str, float]]]) -> str:
    """The text of README.md.

    Args:
        images: how many were drawn.
        seed: with which they were drawn.
        counts: by split: images, entities, share of Yes by question.
    """
    shares = [
        f"| `{name}` | " + " | ".join(f"{c[2][name]:.3f}" for c in counts.values()) + " |" for name in QUESTION_NAMES
    ]
    return _TEMPLATE.read_text(encoding="utf-8").format(
        origin=f"{CARD_KEY}: {CARD_VALUE}",
        images=images,
        seed=seed,
        splits=" | ".join(counts),
        rules="---|" * len(counts),
        images_row=" | ".join(str(c[0]) for c in counts.values()),
        entities_row=" | ".join(str(c[1]) for c in counts.values()),
        questions="\n".join(shares),
    )
