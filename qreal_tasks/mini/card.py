"""The dataset card: the README.md of a drawn set."""

from __future__ import annotations

from collections.abc import Mapping

from qreal_tasks.benchmark import QUESTION_NAMES
from qreal_tasks.dataset.drawn import CARD_KEY, CARD_VALUE

_CARD = """\
---
pretty_name: Q-Real Bench mini
license: apache-2.0
language:
- en
{origin}
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

The line `{origin}` at the top of this file and ids of the form `mini-` with twelve hexadecimal digits say
that a set, or a part of one, was drawn. Whatever is made of it stays known as such: results on it are marked,
and a submission made on it is refused.

Flaws are planted, so every answer, box and description is known by construction and no person was asked:

| question | is answered by |
|---|---|
| `realism_q1` | the style: No for an outlined cartoon, Yes for a render with light and grain, flawed or not |
| `realism_q2` | No for a wrong colour or light, and for a material that is not the real one |
| `plausibility_q1` | Yes for people, animals and plants with extra, missing, fused or deformed limbs, heads, stems |
| `plausibility_q2` | Yes for these, and for whatever else cannot be: floating, melted, bent, a key in the back |
| `plausibility_q3` | Yes for what is made of bricks, cheese, toy blocks and the like |
| `plausibility_q4` | Yes for garbled lettering |

Material, colour and lettering do not count for `plausibility_q2`. The ten generators and their prompts are
pretended; they differ in how often flaws were planted. `quality_score` is made up: it falls with the number
of answers that report a defect, plus noise. Boxes are tight around what was drawn, shadows on the ground
excluded. How large different entities are relative to each other means nothing. Of the planted flaws,
floating is the one whose proof, the detached shadow, is outside the crop; in the crop it shows as a tilt.

| | {splits} |
|---|{rules}
| images | {images_row} |
| entities | {entities_row} |
{questions}

The rows of the six questions are shares of Yes among the entities. The paper's tables imply nearly the same;
`realism_q2` and `plausibility_q3` are .404 and .600 there, and a little less here, so that some entities have a
wrong colour and the right material. Only what lives can have `plausibility_q1` Yes, and only what carries text
`plausibility_q4`, so the label alone tells something about these two answers.
"""


def card(images: int, seed: int, counts: Mapping[str, tuple[int, int, Mapping[str, float]]]) -> str:
    """The text of README.md.

    Args:
        images: how many were drawn.
        seed: with which they were drawn.
        counts: by split: images, entities, share of Yes by question.
    """
    shares = [
        f"| `{name}` | " + " | ".join(f"{c[2][name]:.3f}" for c in counts.values()) + " |" for name in QUESTION_NAMES
    ]
    return _CARD.format(
        origin=f"{CARD_KEY}: {CARD_VALUE}",
        images=images,
        seed=seed,
        splits=" | ".join(counts),
        rules="---|" * len(counts),
        images_row=" | ".join(str(c[0]) for c in counts.values()),
        entities_row=" | ".join(str(c[1]) for c in counts.values()),
        questions="\n".join(shares),
    )
