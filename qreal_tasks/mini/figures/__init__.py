"""The figures: each module turns an ``EntityPlan`` into pieces, planted flaws included."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qreal_tasks.mini.drawing.shapes import Piece
from qreal_tasks.mini.figures.animal import draw_animal
from qreal_tasks.mini.figures.car import draw_car
from qreal_tasks.mini.figures.chair import draw_chair
from qreal_tasks.mini.figures.fruit import draw_fruit
from qreal_tasks.mini.figures.ground import add_support
from qreal_tasks.mini.figures.mug import draw_mug
from qreal_tasks.mini.figures.person import draw_person
from qreal_tasks.mini.figures.plant import draw_plant
from qreal_tasks.mini.figures.sign import draw_sign
from qreal_tasks.mini.plan import EntityPlan

FIGURES: Mapping[str, Callable[[EntityPlan], list[Piece]]] = {
    "person": draw_person,
    "animal": draw_animal,
    "plant": draw_plant,
    "fruit": draw_fruit,
    "mug": draw_mug,
    "car": draw_car,
    "sign": draw_sign,
    "chair": draw_chair,
}


def draw_figure(plan: EntityPlan) -> list[Piece]:
    """All pieces of an entity, back to front, with the ground at y = 0."""
    return add_support(FIGURES[plan.figure](plan), plan)
