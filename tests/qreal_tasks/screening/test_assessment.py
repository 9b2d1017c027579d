"""Probabilities and importance of a picture, from what a model said about it."""

from __future__ import annotations

import pytest
from PIL import Image

from qreal_tasks.api.findings import EntityFindings, ImageAnswer, PictureFindings, QuestionAnswer
from qreal_tasks.benchmark import QUESTION_NAMES, Dimension
from qreal_tasks.screening.assessment import Weighting, any_of, assess

SOUND: dict[str, float | None] = {"realism_q1": 1.0, "realism_q2": 1.0, **dict.fromkeys(QUESTION_NAMES[2:], 0.0)}
"""P(Yes) of an entity without any flaw."""


def _entity(box: tuple[float, float, float, float], **p_yes: float | None) -> EntityFindings:
    answers = {
        name: QuestionAnswer(None if p is None else "Yes" if p > 0.5 else "No", p)
        for name, p in (SOUND | p_yes).items()
    }
    return EntityFindings("dog", box, answers, {}, ("given",))


def _picture(*entities: EntityFindings, reason: str | None = None) -> PictureFindings:
    about = {"realism": ImageAnswer((), reason, {}, None, "")}
    return PictureFindings("one", Image.new("RGB", (100, 100)), entities, about)


def test_polarity_is_that_of_the_question() -> None:
    [entity] = assess(_picture(_entity((0, 0, 50, 50), realism_q1=0.9, plausibility_q4=0.3))).entities
    assert entity.p_question["realism_q1"] == pytest.approx(0.1)
    assert entity.p_question["plausibility_q4"] == pytest.approx(0.3)
    assert entity.p_flaw == {Dimension.REALISM: pytest.approx(0.1), Dimension.PLAUSIBILITY: pytest.approx(0.3)}


def test_a_picture_is_flawed_when_some_entity_is() -> None:
    found = assess(_picture(_entity((0, 0, 9, 9), realism_q1=0.5), _entity((20, 20, 30, 30), realism_q2=0.8)))
    assert found.p_flaw[Dimension.REALISM] == pytest.approx(1 - 0.5 * 0.8)
    assert found.p_question["realism_q1"] == pytest.approx(0.5)
    assert found.severity == pytest.approx(0.6)


def test_an_answer_without_p_counts_as_certain() -> None:
    answers = {name: QuestionAnswer("Yes", None) for name in QUESTION_NAMES}
    [entity] = assess(_picture(EntityFindings("", (0, 0, 9, 9), answers, {}, ()))).entities
    assert entity.p_flaw == {Dimension.REALISM: 0.0, Dimension.PLAUSIBILITY: 1.0}


@pytest.mark.parametrize(
    ("weighting", "expected"), [(Weighting.AREA, 0.04), (Weighting.SIDE, 0.2), (Weighting.EQUAL, 1.0)]
)
def test_importance_is_weighted_by_the_share_of_the_image(weighting: Weighting, expected: float) -> None:
    [entity] = assess(_picture(_entity((10, 10, 30, 30), plausibility_q1=1.0)), weighting).entities
    assert entity.importance == pytest.approx(expected)


def test_the_most_important_entity_comes_first_and_the_unknown_last() -> None:
    unknown = _entity((0, 0, 90, 90), **dict.fromkeys(QUESTION_NAMES))
    small, large = (_entity((0, 0, side, side), plausibility_q1=0.9) for side in (10, 20))
    assert [one.box_px for one in assess(_picture(unknown, small, large)).entities] == [
        large.box_px,
        small.box_px,
        unknown.box_px,
    ]


def test_no_entity_is_no_flaw_and_an_unread_answer_is_unknown() -> None:
    nothing = assess(_picture())
    assert nothing.p_flaw == dict.fromkeys(Dimension, 0.0)
    assert nothing.answered
    unread = assess(_picture(reason="no JSON"))
    assert unread.p_flaw == dict.fromkeys(Dimension)
    assert (unread.severity, unread.answered, unread.unread) == (None, False, {"realism": "no JSON"})


def test_a_dimension_that_one_entity_leaves_open_is_unknown_for_the_picture() -> None:
    open_one = _entity((0, 0, 9, 9), realism_q1=None, realism_q2=None)
    found = assess(_picture(_entity((0, 0, 9, 9)), open_one))
    assert found.p_flaw == {Dimension.REALISM: None, Dimension.PLAUSIBILITY: 0.0}
    assert not found.answered


def test_unknown_probabilities_are_left_out() -> None:
    assert any_of([]) is None
    assert any_of([None, None]) is None
    assert any_of([None, 0.25]) == 0.25
