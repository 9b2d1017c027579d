"""Records outlive a run: what is written is read back, and nothing else is read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from qreal_tasks.records import (
    GroundingRecord,
    JudgmentRecord,
    Record,
    RecordError,
    Region,
    record_from_json,
    record_to_json,
)

JUDGMENT = JudgmentRecord(
    *("realism_q1", "i#0", "i", "g", False, "dog", "Yes", "Yes!", "Yes", None, 0.75, 0.9, "1", "", "", "mini")
)
GROUNDING = GroundingRecord(
    set_name="realism",
    image_id="i",
    generator="g",
    is_portrait=True,
    width=100,
    height=80,
    space="norm1000",
    input_size=(112, 84),
    raw="[]",
    reason=None,
    predicted=(Region("dog", (1.5, 2, 30, 40), "flat"),),
    dropped={"no_box": 2},
    clipped=1,
    reference=(Region("dog", (1, 2, 30, 40), "painted", "i#0"),),
    prompt_version="1",
    pre_prompt="",
    post_prompt="",
    data="mini",
    scores=(0.5,),
)


@pytest.mark.parametrize("record", [JUDGMENT, GROUNDING])
def test_round_trip_through_json(record: Record) -> None:
    assert record_from_json(json.loads(json.dumps(record_to_json(record)))) == record


@pytest.mark.parametrize(
    ("record", "change", "message"),
    [
        (JUDGMENT, {"version": 99}, "record version 99, expected 2"),
        (JUDGMENT, {"p_yes": "high"}, "p_yes: .*found 'high'"),
        (JUDGMENT, {"p_yes": float("nan")}, "p_yes: "),
        (JUDGMENT, {"score": 1}, "score: Unexpected"),
        (JUDGMENT, {"reference": None}, "reference: "),
        (GROUNDING, {"predicted": [{"label": "x", "bbox_px": [1, 2, 3], "description": ""}]}, r"predicted.0.bbox_px.3"),
        (GROUNDING, {"reference": "none"}, "reference: "),
    ],
)
def test_anything_else_is_refused_by_name(record: Record, change: dict[str, Any], message: str) -> None:
    with pytest.raises(RecordError, match=message):
        record_from_json({**record_to_json(record), **change})


def test_a_missing_field_is_named() -> None:
    value = record_to_json(JUDGMENT)
    del value["raw"]
    with pytest.raises(RecordError, match="raw: Field required"):
        record_from_json(value)
