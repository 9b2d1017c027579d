"""An echo of the prompt is no answer."""

import pytest
from entity_styles import DOG, OBJECT, read

from qreal_tasks.answers import Reason, parse_entities
from qreal_tasks.benchmark import IMAGEQA_SETS, imageqa_prompt
from qreal_tasks.boxes import Space


@pytest.mark.parametrize("space", Space)
@pytest.mark.parametrize("name", IMAGEQA_SETS)
def test_an_echo_of_the_image_prompt_is_no_answer(name: str, space: Space) -> None:
    prompt = imageqa_prompt(name, space, 800, 600)
    assert parse_entities(prompt).reason is Reason.NO_ENTITY
    assert parse_entities(f"{prompt}\n[]").reason is None
    assert read(f"{prompt}\n[{OBJECT}]") == [DOG]
