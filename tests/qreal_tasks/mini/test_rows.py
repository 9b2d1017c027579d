"""What the rows say agrees with the pixels and with itself."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from qreal_tasks.benchmark import ANSWERS, BODY_PARTS, QUESTION_NAMES, Dimension, is_flawed, parts_description
from qreal_tasks.dataset.drawn import MINI_FOLDER
from qreal_tasks.dataset.schema import SPLITS
from qreal_tasks.mini.read import decode_pixels, read_drawn_rows

IMAGES = {split: read_drawn_rows(MINI_FOLDER, "imageqa", split) for split in SPLITS}
CROPS = {split: read_drawn_rows(MINI_FOLDER, "objectqa", split) for split in SPLITS}
ENTITIES = [(row, entity) for rows in IMAGES.values() for row in rows for entity in row["entities"]]


def test_crops_are_the_image_inside_the_box_pixel_by_pixel() -> None:
    images = {row["image_id"]: decode_pixels(row) for rows in IMAGES.values() for row in rows}
    for row in (row for rows in CROPS.values() for row in rows):
        x1, y1, x2, y2 = (int(v) for v in row["bbox"])
        crop = decode_pixels(row)
        assert (row["width"], row["height"]) == (x2 - x1, y2 - y1), row["entity_id"]
        assert np.array_equal(crop, images[row["image_id"]][y1:y2, x1:x2]), row["entity_id"]


def test_both_configs_say_the_same_about_the_same_entities() -> None:
    fields = (
        "label",
        "bbox",
        "quality_score",
        *QUESTION_NAMES,
        "realism_description",
        "plausibility_description",
    )
    for split in SPLITS:
        told = {e["entity_id"]: [e[f] for f in fields] for row in IMAGES[split] for e in row["entities"]}
        assert told == {row["entity_id"]: [row[f] for f in fields] for row in CROPS[split]}
        for row in IMAGES[split]:
            assert [e["entity_id"] for e in row["entities"]] == [
                f"{row['image_id']}#{k}" for k in range(len(row["entities"]))
            ]


@pytest.mark.parametrize("dimension", list(Dimension))
def test_flaw_booleans_and_descriptions_follow_the_answers(dimension: Dimension) -> None:
    for _, entity in ENTITIES:
        answers = {name: ANSWERS[entity[name]] for name in QUESTION_NAMES}
        flawed = entity[f"{dimension}_flawed"]
        assert flawed == is_flawed(dimension, answers), entity["entity_id"]
        assert flawed != entity[f"{dimension}_description"].startswith("No issue"), entity["entity_id"]


def test_boxes_are_inside_the_image_and_do_not_hide_one_another() -> None:
    for row in (row for rows in IMAGES.values() for row in rows):
        boxes = [e["bbox"] for e in row["entities"]]
        for x1, y1, x2, y2 in boxes:
            assert 0 <= x1 < x2 <= row["width"]
            assert 0 <= y1 < y2 <= row["height"]
            assert min(x2 - x1, y2 - y1) >= 14, f"{row['image_id']}: too small to judge"
        for a, b in itertools.pairwise(boxes):
            assert a[2] <= b[0] + 3, f"{row['image_id']}: entities overlap"


def test_portraits_and_only_they_describe_seven_body_parts() -> None:
    seen = 0
    for row, entity in ENTITIES:
        if not row["is_portrait"]:
            assert entity["parts"] is None
            continue
        seen += 1
        parts: dict[str, Any] = entity["parts"]
        assert len(row["entities"]) == 1
        assert list(parts) == list(BODY_PARTS)
        assert all(isinstance(text, str) and text for text in parts.values())
        issues = " ".join(text for text in parts.values() if not text.startswith("No issue"))
        result = entity["plausibility_description"]
        assert entity["plausibility_flawed"] == bool(issues), entity["entity_id"]
        if issues:
            assert sorted(issues.split()) == sorted(result.split()), "parts and description disagree"
        assert "Head face:" in parts_description(parts)
    assert seen >= 20


def test_quality_falls_with_the_number_of_defects() -> None:
    by_defects: dict[int, list[float]] = {}
    for _, entity in ENTITIES:
        realism = sum(ANSWERS[entity[n]] == "No" for n in QUESTION_NAMES[:2])
        plausibility = sum(ANSWERS[entity[n]] == "Yes" for n in QUESTION_NAMES[2:])
        by_defects.setdefault(realism + plausibility, []).append(entity["quality_score"])
    means = [float(np.mean(by_defects[n])) for n in sorted(by_defects)]
    assert means == sorted(means, reverse=True)
    assert all(0 <= score <= 1 for scores in by_defects.values() for score in scores)


def test_garbled_text_is_quoted_and_is_not_a_word() -> None:
    for _, entity in ENTITIES:
        text = entity["plausibility_description"]
        assert (ANSWERS[entity["plausibility_q4"]] == "Yes") == ("'" in text), entity["entity_id"]
        if "'" in text:
            assert not text.split("'")[1].isalpha()
