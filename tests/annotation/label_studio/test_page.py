"""The labelling page: the paper's questions as they are, of the crop, and a key for every answer."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from annotation.label_studio.page import ASKED_OF, NO_KEYS, YES_KEYS, build_page
from qreal_tasks.benchmark import QUESTIONS


@pytest.mark.parametrize("adjudicating", [False, True])
def test_every_question_stands_over_its_answers_in_the_papers_words(adjudicating: bool) -> None:
    page = ElementTree.fromstring(build_page(adjudicating))
    rows = [row for row in page.iter("View") if "qreal-question" in row.get("className", "")]
    for row, question in zip(rows, QUESTIONS, strict=True):
        header, choices = row
        assert header.get("value") == question.text
        assert choices.get("name") == question.name
        assert question.text in choices.get("requiredMessage", "")
        keys = {choice.get("value"): choice.get("hotkey") for choice in choices}
        assert keys == {"Yes": YES_KEYS[question.name], "No": NO_KEYS[question.name]}


def test_what_the_questions_call_the_picture_is_said_before_them() -> None:
    result = [header.get("value") for header in ElementTree.fromstring(build_page()).iter("Header")]
    assert result.index(ASKED_OF) < result.index(QUESTIONS[0].text)


def test_no_key_stands_for_two_answers() -> None:
    keys = [choice.get("hotkey") for choice in ElementTree.fromstring(build_page()).iter("Choice")]
    assert len(set(keys)) == len(keys) == 15
