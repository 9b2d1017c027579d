"""Whole runs against servers that resize pictures, or write boxes in a space of their own."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from resizing_server import Fractions, ResizingModel, models_list, number_of, picture
from small_set import Rows, small_rows, write_hub_layout
from typer.testing import CliRunner, Result

from qreal_tasks.benchmark import QUESTION_NAMES
from qreal_tasks.boxes import Space
from qreal_tasks.cli import app
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion
from qreal_tasks.records import GroundingRecord
from qreal_tasks.results.box_lints import find_box_lints
from qreal_tasks.results.run_folder import Run, find_results, read_run
from qreal_tasks.results.score import find_differences, score_run

pytestmark = pytest.mark.harness

SIZES = [(w, h) for w in (40, 333, 1024, 3000) for h in (40, 768, 2000)] + [(3000, 8), (4, 900), (900, 4), (41, 1400)]
TASKS = "qreal_imageqa_realism,qreal_imageqa_plausibility,qreal_objectqa_realism_q1"
QWEN = models_list({"id": "judge", "root": "Qwen/Qwen2.5-VL-7B-Instruct", "parent": None})


def boxes_px(size: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """Two flawed entities in whole pixels, not in the middle and not alike."""
    w, h = size
    return [(0, h // 4, (w + 1) // 2, h // 2), (w // 2, h // 2, w, h)]


def fractions(size: tuple[int, int]) -> list[Fractions]:
    w, h = size
    return [(x1 / w, y1 / h, x2 / w, y2 / h) for x1, y1, x2, y2 in boxes_px(size)]


BOXES = {number: fractions(size) for number, size in enumerate(SIZES, start=1)}


def stored(image: Image.Image) -> dict[str, object]:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return {"image": {"bytes": buffer.getvalue(), "path": None}, "width": image.width, "height": image.height}


def rows() -> Rows:
    """The small set's train split, and a picture of every size as test split."""
    found = small_rows()
    image_row, crop_row = found["imageqa"]["test"][0], found["objectqa"]["test"][0]
    found["imageqa"]["test"], found["objectqa"]["test"] = [], []
    bad = {name: int(name.startswith("plausibility")) for name in QUESTION_NAMES}
    for number, size in enumerate(SIZES, start=1):
        image_id = f"size{number}"
        image, entities = picture(number, size), []
        for index, box in enumerate(boxes_px(size)):
            about = {"entity_id": f"{image_id}#{index}", "bbox": [float(side) for side in box], **bad}
            shared = {"image_id": image_id, "prompt_id": f"prompt-{number}", "is_portrait": False}
            found["objectqa"]["test"].append({**crop_row, **about, **shared, **stored(image.crop(box))})
            flaws = {"realism_flawed": True, "plausibility_flawed": True, "parts": None}
            entities.append({**image_row["entities"][0], **about, **flaws})
        found["imageqa"]["test"].append({**image_row, **shared, **stored(image), "entities": entities})
    return found


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hub_layout(tmp_path_factory.mktemp("sizes"), rows())


@pytest.fixture
def evaluate(dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """``qreal eval`` on that set."""
    monkeypatch.setenv("QREAL_DATA", str(dataset))
    monkeypatch.setenv("QREAL_ANSWERS", str(tmp_path / "answers.sqlite"))
    monkeypatch.setenv("OPENAI_API_KEY", "")

    def run(server: ScriptedServer, model_args: str, tasks: str = TASKS) -> Result:
        given = ["--model", "qreal_openai", "--model_args", f"base_url={server.url},{model_args}", "--tasks", tasks]
        return CliRunner().invoke(app, ["eval", *given, "--output_path", str(tmp_path / "run")])

    return run


def reread(tmp_path: Path) -> Run:
    run = read_run(find_results(tmp_path / "run")[-1])
    assert find_differences(run, score_run(run, resamples=0)) == []
    return run


def assert_all_boxes_found(run: Run, abs_: float) -> None:
    for task in run.tasks:
        if "imageqa" in task.task:
            assert task.live["iou"] == pytest.approx(1, abs=abs_)
            assert (task.live["detection_rate"], task.live["recall_at_50"], task.live["unparsed"]) == (1, 1, 0)
        else:
            assert task.live["unparsed"] == 0


def test_resized_pixels_behind_an_alias(evaluate: Callable[..., Result], tmp_path: Path) -> None:
    """IoU 1 for every size."""
    with ScriptedServer(ResizingModel(BOXES, max_pixels=1003520), models=QWEN) as server:
        done = evaluate(server, "model=judge,max_pixels=1003520")
        assert done.exit_code == 0, done.output[-4000:]
        assert len(server.asked) == 4 * len(SIZES) + 2  # two sets and two crops each, and two blank pictures
    assert "resized_pixels (what qwen2_5_vl was trained to write; judge is Qwen/Qwen2.5-VL-7B-Instruct)" in done.output
    run = reread(tmp_path)
    assert_all_boxes_found(run, 1e-9)
    for record in run.groundings():
        assert (record.space, record.space_assumed) == ("resized_pixels", False)
        assert record.input_size is not None
        width, height = record.input_size
        assert width * height <= 1003520
        assert width % 28 == height % 28 == 0
    assert find_box_lints(run.groundings()) == []


def test_a_server_with_other_limits_ends_the_run(evaluate: Callable[..., Result], tmp_path: Path) -> None:
    with ScriptedServer(ResizingModel(BOXES, max_pixels=1003520), models=QWEN) as server:
        done = evaluate(server, "model=judge")
        assert len(server.asked) == 2
    assert done.exit_code == 1
    assert "does not feed its model the pictures that it is sent" in done.stderr
    assert "2996 x 1988 pixels" in done.stderr
    assert "Give min_pixels and max_pixels in --model_args as the server has them" in done.stderr
    assert not list((tmp_path / "run").rglob("*_results.json"))


def test_an_unknown_family_is_assumed_and_that_is_written_down(evaluate: Callable[..., Result], tmp_path: Path) -> None:
    """The same model behind a name that tells nothing: its pixels are read as 0 to 1000, and signs of that are said."""
    with ScriptedServer(ResizingModel(BOXES), models=models_list({"id": "judge", "root": "judge"})) as server:
        done = evaluate(server, "model=judge", "qreal_imageqa_realism")
    assert done.exit_code == 0, done.output[-4000:]
    first = [line for line in done.output.splitlines() if line.startswith("qreal eval: ")][:2]
    assert "boxes are asked for in norm1000 (default; the family of judge is not known)" in first[0]
    assert "boxes are ASSUMED to be written in norm1000" in first[1]
    run = reread(tmp_path)
    assert all(record.space_assumed and record.space == "norm1000" for record in run.groundings())
    assert "Box space assumed." in CliRunner().invoke(app, ["score", str(tmp_path / "run"), "--resamples", "0"]).output


def test_gemini_is_asked_for_y_first_and_read_so(evaluate: Callable[..., Result], tmp_path: Path) -> None:
    def gemini(asked: Asked) -> Reply:
        found = BOXES[number_of(asked.image)]
        result = [
            {"box_2d": [round(1000 * side, 3) for side in (y1, x1, y2, x2)], "label": "dog", "description": "flat"}
            for x1, y1, x2, y2 in found
        ]
        return completion(json.dumps(result))

    with ScriptedServer(gemini) as server:
        done = evaluate(server, "model=google/gemini-2.5-pro", "qreal_imageqa_realism")
        assert all('"box_2d": [y1, x1, y2, x2]' in asked.text for asked in server.asked)
    assert done.exit_code == 0, done.output[-4000:]
    run = reread(tmp_path)
    assert_all_boxes_found(run, 1e-3)
    assert {record.space for record in run.groundings()} == {Space.NORM1000_YX}
    assert all(isinstance(record, GroundingRecord) and not record.space_assumed for record in run.groundings())
    assert find_box_lints(run.groundings()) == []
