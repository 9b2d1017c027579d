"""The dataset card: the README.md of a drawn set."""

from __future__ import annotations

from collections.abc import Mapping

from qreal_tasks.benchmark import QUESTIONS

_CARD = """\
---
pretty_name: Q-Real Bench mini
license: apache-2.0
language:
- en
configs:
- config_name: objectqa
  data_files:
  - split: train
    path: data/objectqa/train-*.parquet
  - split: test
    path: data/objectqa/test-*.parquet
- config_name: imageqa
  data_files:
  - split: train
    path: data/imageqa/train-*.parquet
  - split: test
    path: data/imageqa/test-*.parquet
---

# Q-Real Bench mini

**Drawn by the project itself, for trying the software and for tests. It is no substitute for Q-Real: a score
on it says nothing about how well a model judges generated images.**

{images} images of 224 x 224 px, drawn with `draw_mini(images={images}, seed={seed})` of
`qreal_tasks.mini.write`; the same call draws the same set again. Every image shows one to three entities:
people, animals, plants, fruit, mugs, cars, signs, chairs. Half-length and full-length portraits of one
person carry the seven body part descriptions.

Flaws are planted, so every answer, box and description is known by construction and no person was asked. An
entity is either drawn as an outlined cartoon (`realism_q1` No) or rendered with light and grain (Yes). The
ten generators and their prompts are pretended; they differ in how often flaws were planted. `quality_score`
is made up: it falls with the number of flaws, plus noise. Boxes are tight around what was drawn, shadows on
the ground excluded. How large different entities are relative to each other means nothing. Of the planted
flaws, floating is the one whose proof, the detached shadow, is outside the crop; in the crop it shows as a
tilt.

| | {splits} |
|---|{rules}
| images | {images_row} |
| entities | {entities_row} |
{questions}

The rows of the six questions are shares of Yes among the entities; the paper's tables imply nearly the same.
"""


def card(images: int, seed: int, counts: Mapping[str, tuple[int, int, Mapping[str, float]]]) -> str:
    """The text of README.md.

    Args:
        images: how many were drawn.
        seed: with which they were drawn.
        counts: by split: images, entities, share of Yes by question.
    """
    shares = [
        f"| `{q.name}` ({q.about}) | " + " | ".join(f"{c[2][q.name]:.3f}" for c in counts.values()) + " |"
        for q in QUESTIONS
    ]
    return _CARD.format(
        images=images,
        seed=seed,
        splits=" | ".join(counts),
        rules="---|" * len(counts),
        images_row=" | ".join(str(c[0]) for c in counts.values()),
        entities_row=" | ".join(str(c[1]) for c in counts.values()),
        questions="\n".join(shares),
    )
