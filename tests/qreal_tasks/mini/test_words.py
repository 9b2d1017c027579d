"""Flaws are found again in the descriptions that were written for them."""

from __future__ import annotations

import pytest

from qreal_tasks.benchmark import Dimension, is_flawed
from qreal_tasks.mini.answers import derive_answers
from qreal_tasks.mini.plan import plan_images
from qreal_tasks.mini.words import describe_entity, find_kinds


@pytest.mark.parametrize("dimension", Dimension)
def test_the_flaws_of_a_description_are_found_and_no_others(dimension: Dimension) -> None:
    seen = set()
    for plan in plan_images(300, 5, 0.25, 0.4):
        for entity in plan.entities:
            planted = {
                flaw.kind.name
                for flaw in entity.flaws
                if is_flawed(dimension, derive_answers([flaw.kind.question], rendered=True))
            }
            if dimension is Dimension.REALISM and not entity.rendered:
                planted.add("drawn")
            assert find_kinds(describe_entity(entity, dimension)) == planted
            seen |= planted
    assert len(seen) > 3
