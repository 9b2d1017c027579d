"""Which samples a report shows, in which order, and what is written beside them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from pretend_run import pretend_tasks
from written_run import groundings, judgments

from qreal_tasks.metrics.grounding import score_grounding
from qreal_tasks.records import GroundingRecord, JudgmentRecord, Region
from qreal_tasks.report.gallery import _letter, find_surest_wrong, find_worst_misses

BOX, AWAY = (0.0, 0.0, 10.0, 10.0), (10.0, 10.0, 20.0, 20.0)


def image(name: str, predicted: list[tuple[float, float, float, float]], references: int) -> GroundingRecord:
    reference = tuple(Region("dog", box, "painted") for box in (BOX, AWAY)[:references])
    regions = tuple(Region("dog", box, "flat") for box in predicted)
    return replace(groundings()[0], image_id=name, predicted=regions, reference=reference)


def test_most_errors_come_first_and_images_without_any_do_not_come() -> None:
    half = (0.0, 0.0, 10.0, 5.0)
    records = [
        image("right", [BOX], 1),
        image("missed", [], 1),
        image("clean", [], 0),
        image("half", [half], 1),  # IoU .5 is not above .5: one missed and one invented
        image("away", [AWAY], 1),  # the same two errors with less overlap
        image("nothing found", [], 2),
        image("alarm", [BOX], 0),
    ]
    found = find_worst_misses(records, 10)
    assert [miss.record.image_id for miss in found] == ["away", "nothing found", "half", "alarm", "missed"]
    assert [(miss.missed, miss.invented) for miss in found] == [(1, 1), (2, 0), (1, 1), (0, 1), (1, 0)]
    assert find_worst_misses(records, 2) == found[:2]
    assert find_worst_misses(records, 0) == []


def test_boxes_are_in_per_cent_of_the_picture() -> None:
    (miss,) = find_worst_misses([image("i", [(5.0, 10.0, 20.0, 20.0)], 1)], 1)
    marked = miss.pairings[0].predicted
    assert marked is not None
    assert (marked.mark, *marked.place) == ("1", 25, 50, 75, 50)


def test_every_region_and_score_is_shown_once() -> None:
    records = pretend_tasks()["qreal_imageqa_plausibility"]
    assert all(isinstance(record, GroundingRecord) for record in records)
    found = find_worst_misses(records, 1000)  # type: ignore[arg-type]
    for miss in found:
        shown = [(p.reference, p.predicted) for p in miss.pairings]
        assert Counter(r.region for r, _ in shown if r) == Counter(miss.record.reference)
        assert Counter(p.region for _, p in shown if p) == Counter(miss.record.predicted)
    counts = score_grounding(records)  # type: ignore[arg-type]
    assert counts["n_reference"] is not None
    assert counts["recall_at_50"] is not None
    assert sum(miss.missed for miss in found) == round(counts["n_reference"] * (1 - counts["recall_at_50"]))


def test_sure_and_wrong_answers_by_confidence_each_question_in_turn() -> None:
    other = [replace(record, question="plausibility_q1") for record in judgments()]
    found = find_surest_wrong([*judgments(), *other], 3)
    # i4 said Yes at .7; i1 said No at P(Yes) .4; i3 was not read and is not shown
    assert [(w.record.question, w.record.entity_id, round(w.confidence, 6)) for w in found] == [
        ("realism_q1", "i4#0", 0.7),
        ("plausibility_q1", "i4#0", 0.7),
        ("realism_q1", "i1#0", 0.6),
    ]
    silent: list[JudgmentRecord] = [replace(record, p_yes=None) for record in judgments()]
    assert find_surest_wrong(silent, 3) == []


@pytest.mark.parametrize(("number", "letter"), [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA")])
def test_letters(number: int, letter: str) -> None:
    assert _letter(number) == letter
