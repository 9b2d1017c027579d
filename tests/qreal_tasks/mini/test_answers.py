"""The rule from planted flaws to answers, and descriptions that tell of every flaw in the dimension it belongs to."""

from __future__ import annotations

import pytest

from qreal_tasks.benchmark import QUESTION_NAMES, Dimension
from qreal_tasks.mini.answers import derive_answers
from qreal_tasks.mini.flaws import CATALOGUE
from qreal_tasks.mini.plan import EntityPlan, plan_images
from qreal_tasks.mini.words import describe_entity, describe_flaw

R1, R2, P1, P2, P3, P4 = QUESTION_NAMES

ROWS: dict[str, tuple[list[str], bool, str]] = {
    # what is planted, photographed or drawn, then R1 R2 P1 P2 P3 P4
    "nothing, photographed": ([], True, "YYNNNN"),
    "nothing, drawn: only its style is wrong": ([], False, "NYNNNN"),
    "wrong colour or light": ([R2], True, "YNNNNN"),
    "limbs: inconsistent with reality as well": ([P1], True, "YYYYNN"),
    "bent, floating, melted": ([P2], True, "YYNYNN"),
    "material: its texture is wrong as well, its shape is not": ([P3], True, "YNNNYN"),
    "garbled text and nothing else": ([P4], True, "YYNNNY"),
    "material and colour fail one question": ([P3, R2], True, "YNNNYN"),
    "limbs and floating fail one question": ([P1, P2], False, "NYYYNN"),
    "limbs of bricks": ([P1, P3], True, "YNYYYN"),
    "everything": ([P1, P2, P3, P4, R2], False, "NNYYYY"),
}


@pytest.mark.parametrize("row", ROWS)
def test_answers_follow_from_what_was_planted(row: str) -> None:
    planted, rendered, expected = ROWS[row]
    found = derive_answers(planted, rendered=rendered)
    assert list(found) == list(QUESTION_NAMES)
    assert "".join(answer[0] for answer in found.values()) == expected


def test_of_a_question_that_nothing_is_planted_for_there_is_no_answer() -> None:
    with pytest.raises(KeyError):
        derive_answers([R1], rendered=True)


SAMPLES: dict[str, str] = {
    # a flaw and the question that it belongs to, by the texts of the questions
    "person two_heads": P1, "person seven_fingers": P1, "person melted_face": P1, "person giant_hand": P1,
    "animal extra_leg": P1, "animal no_head": P1, "animal wavy_legs": P1, "plant zigzag_stem": P1, "plant gap": P1,
    "chair wavy_legs": P2, "chair extra_leg": P2, "sign bent_post": P2, "car square_wheel": P2, "mug melted": P2,
    "fruit square": P2, "fruit shifted_halves": P2, "animal key": P2, "plant melted_pot": P2, "person floating": P2,
    "car balloons": P2, "person hovering_cup": P2, "person hovering_hat": P2, "mug egg": P2,
    "person material_head": P3, "plant material": P3, "fruit material": P3, "car material": P3,
    "animal odd_hue": R2, "sign neon_light": R2, "mug flat": R2, "sign garbled": P4, "person garbled": P4,
}  # fmt: skip


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_flaw_is_planted_for_the_question_that_asks_for_it(sample: str) -> None:
    figure, name = sample.split()
    assert [k.question for k in CATALOGUE if k.name == name and figure in k.figures] == [SAMPLES[sample]]


def said_of(entity: EntityPlan, question: str, dimension: Dimension) -> list[str]:
    """What one description says of the flaws that are planted for a question."""
    flaws = [flaw for flaw in entity.flaws if flaw.kind.question == question]
    return [describe_flaw(flaw, entity, dimension) for flaw in flaws]


def test_each_flaw_is_told_where_its_dimension_is_described_and_nowhere_else() -> None:
    met: set[str] = set()
    for plan in plan_images(400, 2, 0.25, 0.4):
        for entity in plan.entities:
            for question in {flaw.kind.question for flaw in entity.flaws}:
                met.add(question)
                for dimension in Dimension:
                    belongs = question.startswith(str(dimension)) or question == P3
                    for sentence in said_of(entity, question, dimension):
                        assert (sentence in describe_entity(entity, dimension)) == belongs, (entity, dimension)
    assert met == {R2, P1, P2, P3, P4}


def test_sentences_are_whole() -> None:
    for plan in plan_images(400, 4, 0.25, 0.4):
        for entity in plan.entities:
            for dimension in Dimension:
                text = describe_entity(entity, dimension)
                assert text[0].isupper()
                assert text.endswith(".")
                assert not [wrong for wrong in ("{", "}", "  ", " a orange", " a apple") if wrong in text]
