"""Samples on which two runs differ, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from written_run import groundings, judgments

from qreal_tasks.records import GroundingRecord, Region
from qreal_tasks.results.flips import compare_images, find_flips

BOX, HALF = (0.0, 0.0, 10.0, 10.0), (0.0, 0.0, 10.0, 5.0)
Box = tuple[float, float, float, float]


def test_an_unread_answer_is_a_wrong_one() -> None:
    before = judgments()  # right, wrong, right, unread, wrong
    now = [
        replace(record, answer=answer) for record, answer in zip(before, ["No", "Yes", None, "No", "Yes"], strict=True)
    ]
    found = find_flips(now, before)
    assert found.lost == ("i0#0", "i2#0")
    assert found.won == ("i1#0", "i3#0")
    assert found.p_value == 1
    assert find_flips(now, now).p_value is None


def run_of(boxes: list[list[Box]]) -> list[GroundingRecord]:
    """Three images with a flaw in ``BOX`` and a clean one."""
    return [
        replace(
            groundings()[0],
            image_id=f"i{number}",
            predicted=tuple(Region("dog", box, "") for box in predicted),
            reference=(Region("dog", BOX, ""),) if number < 3 else (),
        )
        for number, predicted in enumerate(boxes)
    ]


def test_images_by_how_far_they_moved() -> None:
    before = run_of([[BOX], [], [BOX], [BOX]])
    now = run_of([[BOX, HALF], [HALF], [BOX], []])
    found = compare_images(now, before, most=10)
    assert (found.better, found.worse, found.same) == (2, 1, 1)
    assert [(one.image_id, one.f1_before, one.f1) for one in found.most] == [
        ("i3", 0, 1),  # a false alarm less
        ("i0", 1, pytest.approx(2 / 3)),  # an invented box more
        ("i1", 0, 0),  # IoU .5 counts for the overlap alone
    ]
    assert (found.most[2].overlap_before, found.most[2].overlap) == (0, 0.5)
    assert compare_images(now, before, most=1).most == found.most[:1]
