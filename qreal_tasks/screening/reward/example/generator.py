"""A pretend generator with five bad habits, which draws scenes whose true flaws are known."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from qreal_tasks.benchmark import Dimension, is_flawed
from qreal_tasks.mini.drawing.scene import draw_scene
from qreal_tasks.mini.flaws import P1, P2, P3, R2, list_kinds
from qreal_tasks.mini.plan import EntityPlan, ImagePlan, plan_images, plant_flaws

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CARTOON = "cartoon"
HABITS = {CARTOON: "", "wrong light": R2, "wrong build": P1, "wrong shape": P2, "wrong material": P3}
"""Name of a habit to the question that its flaws are planted for. A cartoon fails the first question of realism."""


@dataclass(frozen=True)
class Drawing:
    """A picture that the generator made, and what is truly wrong with it."""

    pixels: NDArray[np.uint8]
    """Height x width x 3."""
    flaw_rate: float
    """The share of the two dimensions in which some entity is flawed: what 1 minus the reward should be."""


def write_scenes(count: int, seed: int) -> list[ImagePlan]:
    """So many scenes to draw, of different prompts: who is in them and where, before anything is wrong."""
    plans = plan_images(5 * max(count, 4), seed, portrait_share=0.3, test_share=0.5)
    by_prompt = {plan.prompt.prompt_id: plan for plan in plans}
    return random.Random(seed).sample(list(by_prompt.values()), count)


def draw(scene: ImagePlan, habits: Sequence[bool], seed: int) -> Drawing:
    """Draw a scene anew, in which every entity shows the habits that are on, as far as it can.

    Args:
        habits: for each of ``HABITS`` whether it is on.
        seed: of everything else: shapes, colours, which flaw of a kind.
    """
    on = {name for name, shown in zip(HABITS, habits, strict=True) if shown}
    own = f"{scene.seed}/{seed}"
    entities = tuple(_redo(one, on, f"{own}/{at}") for at, one in enumerate(scene.entities))
    pixels = draw_scene(replace(scene, seed=own, entities=entities)).pixels
    flawed = [any(is_flawed(one, entity.answers) for entity in entities) for one in Dimension]
    return Drawing(pixels, sum(flawed) / len(flawed))


def _redo(entity: EntityPlan, on: set[str], seed: str) -> EntityPlan:
    clean = replace(entity, seed=seed, rendered=CARTOON not in on, flaws=(), text=entity.word)
    asked = {HABITS[name] for name in on - {CARTOON}}
    possible = {one for one in asked if list_kinds(entity.figure, one, entity.framing)}
    return plant_flaws(clean, possible, random.Random(seed))
