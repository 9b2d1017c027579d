"""Signs of another coordinate space than was declared."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner
from written_run import write_tasks

from qreal_tasks.boxes import Space, from_pixels, transposed
from qreal_tasks.cli import app
from qreal_tasks.leaderboard.lints import find_notes as board_lints
from qreal_tasks.records import GroundingRecord, Region
from qreal_tasks.results.box_lints import find_box_lints
from qreal_tasks.results.lints import Level, find_lints
from qreal_tasks.results.run_folder import find_results, read_run
from qreal_tasks.results.score import score_run
from qreal_tasks.samples import ModelAnswer, SampleContext, grounding_record

SIZE = (1600, 1200)
Boxes = Sequence[Sequence[float]]
BOXES_PX = [[160, 240, 720, 720], [900, 100, 1500, 400], [40, 800, 300, 1100], [700, 300, 1200, 1000]]


def record(
    boxes: Boxes,
    space: Space = Space.NORM1000,
    reference: Boxes = BOXES_PX,
    size: tuple[int, int] = SIZE,
    key: str = "bbox_2d",
    **change: Any,
) -> GroundingRecord:
    """One image whose model wrote ``boxes``."""
    text = json.dumps([{key: list(box), "label": "dog", "description": "d"} for box in boxes])
    return text_record(text, space, reference, size, **change)


def text_record(
    text: str,
    space: Space = Space.NORM1000,
    reference: Boxes = BOXES_PX,
    size: tuple[int, int] = SIZE,
    image_id: str = "i0",
    **change: Any,
) -> GroundingRecord:
    row = {"image_id": image_id, "generator": "g", "is_portrait": False, "width": size[0], "height": size[1]}
    regions = tuple(Region("dog", tuple(box), "painted", f"{image_id}#{n}") for n, box in enumerate(reference))  # type: ignore[arg-type]
    answer = ModelAnswer(text, input_size=(1036, 784) if space is Space.RESIZED_PIXELS else None)
    return replace(grounding_record(row, "realism", answer, SampleContext("x/y", space=space), regions), **change)


def written(boxes_px: Boxes, space: Space) -> list[list[float]]:
    found: list[list[float]] = from_pixels(boxes_px, space, *SIZE, (1036, 784)).tolist()
    return found


def titles(*records: GroundingRecord) -> list[str]:
    return [lint.title for lint in find_box_lints(records)]


@pytest.mark.parametrize("space", Space)
def test_boxes_in_the_declared_space_show_no_sign(space: Space) -> None:
    near = np.add(BOXES_PX, [[9, -7, -5, 8]])
    key = "box_2d" if space is Space.NORM1000_YX else "bbox_2d"
    assert titles(record(written(near.tolist(), space), space, key=key)) == []


CORNER, OUTSIDE, TURNED, KEY = "Boxes in a corner.", "Most boxes outside.", "Boxes transposed.", "box_2d."

SIGNS: dict[str, tuple[list[GroundingRecord], list[str]]] = {
    "fractions": ([record([[0.10, 0.20, 0.45, 0.60]])], [CORNER]),
    "per cent": ([record([[10, 20, 45, 60]])], [CORNER]),
    "fractions read as pixels": ([record([[0.10, 0.20, 0.45, 0.60]], Space.PIXELS)], [CORNER]),
    "fractions read as resized pixels": ([record([[0.1, 0.2, 0.4, 0.6]], Space.RESIZED_PIXELS)], [CORNER]),
    "per cent, y first": ([record([[10, 20, 45, 60]], Space.NORM1000_YX, key="box_2d")], [CORNER]),
    "fractions in all answers": ([record([[0.1, 0.2, 0.4, 0.6]]), record([]), record([[0, 0, 1, 1]])], [CORNER]),
    "fractions in one answer of two": ([record([[0.1, 0.2, 0.4, 0.6]]), record([[100, 200, 450, 600]])], []),
    "small pictures have room for no more": (
        [record([[10, 20, 45, 60]], Space.PIXELS, [[10, 20, 45, 60]], size=(120, 90))],
        [],
    ),
    "fractions where they were asked": ([record([[0.1, 0.2, 0.45, 0.6]], Space.UNIT)], []),
    "pixels read as 0 to 1000": (
        [record([[900, 100, 1500, 400], [700, 300, 1200, 1000]], size=(4000, 3000), reference=[])],
        [OUTSIDE],
    ),
    "0 to 1000 read as fractions": ([record([[100, 200, 450, 600]], Space.UNIT, reference=[])], [OUTSIDE]),
    "one box of two outside": ([record([[900, 100, 1500, 400], [100, 200, 450, 600]], reference=[])], []),
    "a rounding outside": ([record([[0, 0, 1000.2, 1000.2]], reference=[])], []),
    "y first": ([record(transposed(written(BOXES_PX, Space.NORM1000)).tolist())], [TURNED]),
    "x first where y was to be": (
        [record(written(BOXES_PX, Space.NORM1000), Space.NORM1000_YX, key="box_2d")],
        [TURNED],
    ),
    "y first, one box": ([record([[200, 100, 600, 450]], reference=[[160, 240, 720, 720]])], [TURNED]),
    "y first, by a model that is seldom right": (
        [
            record(
                *(
                    transposed(np.add(written(boxes, Space.NORM1000), [[90, 60, 90, 60]])).tolist(),
                    Space.NORM1000,
                    boxes,
                ),
                image_id=f"i{n}",
            )
            for n, boxes in enumerate([[[1000, 50, 1500, 250]], [[40, 700, 300, 1100]]] * 6)
        ],
        [TURNED],
    ),
    "y first in pixels": ([record(transposed(BOXES_PX).tolist(), Space.PIXELS)], [TURNED]),
    "names say which side is which": (
        [
            text_record(
                json.dumps([{"bbox": {"xmin": 200, "ymin": 100, "xmax": 600, "ymax": 450}, "label": "dog"}]),
                reference=[[160, 240, 720, 720]],
            )
        ],
        [],
    ),
    "nothing to compare with": ([record([[200, 100, 600, 450]], reference=[])], []),
    "the key of those who write y first": ([record(written(BOXES_PX, Space.NORM1000), key="box_2d")], [KEY]),
    "both": ([record([[200, 100, 600, 450]], reference=[[160, 240, 720, 720]], key="box_2d")], [TURNED, KEY]),
    "that key where it was asked": ([record([[200, 100, 600, 450]], Space.NORM1000_YX, [], key="box_2d")], []),
    "that key with named sides": (
        [text_record('[{"box_2d": {"ymin": 200, "xmin": 100, "ymax": 600, "xmax": 450}, "label": "a"}]', reference=[])],
        [],
    ),
    "assumed": ([record([], space_assumed=True)], ["Box space assumed."]),
    "unread, damaged or empty": (
        [
            text_record("I cannot."),
            record([[0.1, 0.2, 0.4, 0.6]], width=0),
            replace(record([[0.1, 0.2, 0.4, 0.6]]), space="inches"),
            record([[0.1, 0.2, 0.4, 0.6]], Space.RESIZED_PIXELS, input_size=None),
            record([[0.1, 0.2, 0.4, 0.6]], Space.RESIZED_PIXELS, input_size=(0, 5)),
            record([]),
        ],
        [],
    ),
}


@pytest.mark.parametrize("case", SIGNS)
def test_signs_of_another_space(case: str) -> None:
    records, expected = SIGNS[case]
    assert titles(*records) == expected


@pytest.mark.slow
def test_boxes_at_random_hardly_ever_look_transposed() -> None:
    rng = np.random.default_rng(5)

    def some(most: int, largest: float) -> Boxes:
        low = rng.uniform(0, 700, (rng.integers(1, most), 2))
        boxes: Boxes = np.concatenate([low, low + rng.uniform(50, largest, low.shape)], axis=1).tolist()
        return boxes

    runs = [[record(some(5, 300), reference=some(4, 400), image_id=f"i{n}") for n in range(3)] for _ in range(300)]
    assert sum(TURNED in titles(*run) for run in runs) <= 3


def test_they_are_said_in_every_report_and_change_no_number(tmp_path: Path) -> None:
    boxes = transposed(written(BOXES_PX, Space.NORM1000)).tolist()
    write_tasks(tmp_path, {"qreal_imageqa_realism": [record(boxes, key="box_2d", space_assumed=True)]})
    run = read_run(find_results(tmp_path)[-1])
    scores = score_run(run, resamples=0)
    found = {lint.title: lint.level for lint in find_lints(scores)}
    assert all(found[title] is Level.WARNING for title in ("Box space assumed.", TURNED, KEY))
    board = " ".join(board_lints(scores))
    shown = CliRunner().invoke(app, ["score", str(tmp_path), "--resamples", "0"]).output
    given = ["compare", str(tmp_path), str(tmp_path), "--resamples", "10", "--html", str(tmp_path / "page.html")]
    compared = CliRunner().invoke(app, given).output
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for title in ("Box space assumed.", TURNED, KEY):
        assert title in board
        assert f"dummy (1): {title}" in compared
        assert f"dummy (2): {title}" in page
        assert f"Warning: {title}" in shown
    assert scores.imageqa["realism"].metrics["detection_rate"] == 0
