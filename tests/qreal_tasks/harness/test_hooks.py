"""Task hooks on documents as the harness hands them over: without images, whatever the model wrote."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from datasets import Dataset
from PIL import Image
from small_set import small_rows

from qreal_tasks.benchmark import (
    IMAGEQA_SETS,
    QUESTION_NAMES,
    PromptFrame,
    Style,
    frame_of,
    imageqa_query,
    question,
)
from qreal_tasks.boxes import Space
from qreal_tasks.dataset.schema import FEATURES
from qreal_tasks.dataset.source import DatasetError
from qreal_tasks.harness import hooks
from qreal_tasks.metrics.catalogue import IMAGEQA_LIVE
from qreal_tasks.metrics.grounding import score_grounding
from qreal_tasks.metrics.judgment import score_judgment
from qreal_tasks.metrics.live import OBJECTQA_OTHERS, OBJECTQA_RATIOS
from qreal_tasks.models.store import hash_picture
from qreal_tasks.records import GroundingRecord, JudgmentRecord, record_from_json
from qreal_tasks.samples import reference_regions

P = '{"choices": ["Yes", "No"], "p": [0.6, 0.2], "mass": 0.8}'


def docs(config: str) -> list[dict[str, Any]]:
    rows = Dataset.from_list(small_rows()[config]["test"], features=FEATURES[config]).remove_columns("image")
    return list(rows)


@pytest.fixture(autouse=True)
def _no_run_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "_asked_in", {})


def hook(name: str) -> Any:
    return getattr(hooks, name)


@pytest.mark.parametrize(
    ("results", "answer", "p_yes"),
    [
        (["Yes"], "Yes", None),
        ([["No", P]], "No", 0.75),
        (["No", P], "No", 0.75),
        ([["Yes", "not JSON"]], "Yes", None),
        ([[]], None, None),
        ([], None, None),
        ([None], None, None),
        (["[LMMS_EVAL_REQUEST_FAILED after 5 retries] timeout"], None, None),
    ],
)
def test_responses_become_records(results: list[Any], answer: str | None, p_yes: float | None) -> None:
    items = hook("process_realism_q1")(docs("objectqa")[0], results)
    record = record_from_json(json.loads(json.dumps(items["records"])))
    assert isinstance(record, JudgmentRecord)
    assert record.answer == answer
    assert record.p_yes == (None if p_yes is None else pytest.approx(p_yes))
    assert (record.reason is None) == (answer is not None)
    assert (record.entity_id, record.data) == ("img2#0", "mini")


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "[" * 10_000, '[{"bbox_2d": [NaN, 1, 2, 3]}]', "\x00", "[[0,0,1e400,5]]", "\ud800"],
)
@pytest.mark.parametrize("name", IMAGEQA_SETS)
def test_no_text_costs_the_run(name: str, text: str) -> None:
    items = hook(f"process_{name}")(docs("imageqa")[1], [text])
    assert isinstance(record_from_json(items["records"]), GroundingRecord)
    for metric in IMAGEQA_LIVE:
        hook(f"imageqa_{metric}")([items[metric]])


@pytest.mark.slow
def test_ten_thousand_boxes_are_counted() -> None:
    boxes = [{"bbox_2d": [n % 900, 0, n % 900 + 50, 50], "label": "x", "description": "y"} for n in range(10_000)]
    items = hook("process_plausibility")(docs("imageqa")[0], [json.dumps(boxes)])
    assert len(items["records"]["predicted"]) == 10_000
    assert items["auc"][1] == 10_000


def test_live_objectqa_numbers_are_the_rescored_ones() -> None:
    for name in QUESTION_NAMES:
        answers = [["Yes", P], ["No", P.replace("0.6", "0.1")], ["?", P], ["No", P], ["Yes", P], ["Yes", P]]
        rows = docs("objectqa")
        items = [hook(f"process_{name}")(doc, [a]) for doc, a in zip(rows, answers, strict=True)]
        expected = score_judgment(
            [record for item in items if isinstance(record := record_from_json(item["records"]), JudgmentRecord)]
        )
        for metric in (*OBJECTQA_RATIOS, *OBJECTQA_OTHERS):
            assert hook(f"objectqa_{metric}")([item[metric] for item in items]) == expected[metric], metric


def test_live_imageqa_numbers_are_the_rescored_ones() -> None:
    text = '[{"bbox_2d": [100, 130, 390, 600], "label": "dog", "description": "five legs"}]'
    items = [hook("process_plausibility")(doc, [text]) for doc in docs("imageqa")]
    expected = score_grounding(
        [record for item in items if isinstance(record := record_from_json(item["records"]), GroundingRecord)]
    )
    assert expected["iou"]
    for metric in IMAGEQA_LIVE:
        assert hook(f"imageqa_{metric}")([item[metric] for item in items]) == expected[metric], metric


GREY = np.full((2, 3), 128 * 257, np.uint16)
SEE_THROUGH = Image.new("RGBA", (3, 2), (0, 0, 0, 0))
PALETTE = Image.new("RGB", (3, 2), (10, 200, 30)).convert("P", palette=Image.Palette.ADAPTIVE)


@pytest.mark.parametrize(
    ("image", "colour"),
    [
        pytest.param(Image.fromarray(GREY), (128, 128, 128), id="16-bit grey"),
        pytest.param(SEE_THROUGH, (255, 255, 255), id="transparent lies on white"),
        pytest.param(Image.new("CMYK", (3, 2), (0, 255, 255, 0)), (255, 0, 0), id="CMYK"),
        pytest.param(PALETTE, (10, 200, 30), id="palette"),
        pytest.param(Image.new("RGB", (3, 2), (1, 2, 3)), (1, 2, 3), id="RGB as it is"),
    ],
)
def test_every_backend_is_shown_the_right_colours(image: Image.Image, colour: tuple[int, ...]) -> None:
    (shown,) = hooks.visual({"image": image})
    assert shown.mode == "RGB"
    assert set(shown.getdata()) == {colour}


def test_rgb_keeps_its_place_in_the_store() -> None:
    image = Image.fromarray(np.random.default_rng(3).integers(0, 256, (5, 7, 3), dtype=np.uint8))
    assert hash_picture(hooks.visual({"image": image})[0]) == hash_picture(image.convert("RGB"))


def test_an_entity_twice_leaves_auc_undefined_instead_of_losing_the_run() -> None:
    item = hook("process_realism_q1")(docs("objectqa")[0], [["Yes", P]])
    assert hook("objectqa_auc")([item["auc"], item["auc"]]) is None


def test_boxes_in_resized_pixels_need_the_reported_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QREAL_BOX_SPACE", "resized_pixels")
    text = '[{"bbox_2d": [20, 20, 80, 100], "label": "dog", "description": "five legs"}]'
    without = record_from_json(hook("process_realism")(docs("imageqa")[0], [text])["records"])
    assert isinstance(without, GroundingRecord)
    assert (without.reason, without.predicted) == ("backend reports no input size", ())
    given = record_from_json(
        hook("process_realism")(docs("imageqa")[0], [[text, '{"input_size": [200, 160]}']])["records"]
    )
    assert isinstance(given, GroundingRecord)
    assert given.predicted[0].bbox_px == (10, 10, 40, 50)


def test_reasoning_marks_of_the_run_are_part_of_the_record(monkeypatch: pytest.MonkeyPatch) -> None:
    judged, found = docs("objectqa")[0], docs("imageqa")[0]
    text = "~~ Yes, a hand at [1, 2, 3, 4]. ~/ "
    for marks, answer, boxes in (("", "Yes", 1), ("~~ ~/", "No", 0)):
        monkeypatch.setenv("QREAL_REASONING_MARKS", marks)
        judgment = record_from_json(hook("process_realism_q1")(judged, [f"{text}No"])["records"])
        grounding = record_from_json(hook("process_realism")(found, [f"{text}" + "[]" * bool(marks)])["records"])
        assert isinstance(judgment, JudgmentRecord)
        assert isinstance(grounding, GroundingRecord)
        assert (judgment.answer, len(grounding.predicted)) == (answer, boxes)
        assert judgment.reasoning_marks == grounding.reasoning_marks == ((("~~", "~/"),) if marks else ())


def test_reference_of_the_human_set_is_the_body_part_protocol() -> None:
    portrait = docs("imageqa")[1]
    regions = reference_regions(portrait, "human_plausibility")
    assert regions
    assert regions[0].description.startswith("Head face: The head_face is wrong. Hands: ")
    assert reference_regions(docs("imageqa")[0], "human_plausibility") == ()


def test_human_set_holds_portraits_only() -> None:
    dataset = Dataset.from_list(small_rows()["imageqa"]["test"], features=FEATURES["imageqa"])
    assert hooks.portraits(dataset)["image_id"] == ["img3"]
    with pytest.raises(DatasetError, match="no portrait with body-part descriptions"):
        hooks.portraits(dataset.select([0]))


@pytest.mark.slow
@pytest.mark.parametrize("space", list(Space))
def test_prompts_are_frozen(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed prompt must change the snapshot, ``PROMPT_VERSION``, the tasks' version and the changelog."""
    monkeypatch.setenv("QREAL_BOX_SPACE", space)
    names = (*IMAGEQA_SETS, *(QUESTION_NAMES if space is Space.NORM1000 else ()))
    texts = [
        f"## {before}{name}\n{hook(f'{before}text_{name}')(docs('imageqa')[0])}\n"
        for name in names
        for before in (("", "paper_") if space is Space.NORM1000 else ("",))
    ]
    snapshot = Path(__file__).parent / "snapshots" / f"prompts_{space}.txt"
    assert "\n".join(texts) == snapshot.read_text(encoding="utf-8")


KWARGS = {
    "the task's own": (None, None),
    "one backend's": ({"pre_prompt": "Look. ", "post_prompt": "\nYes or No?"}, PromptFrame("Look. ", "\nYes or No?")),
    "only what comes after": ({"post_prompt": ""}, PromptFrame("", "")),
}


@pytest.mark.parametrize(("given", "expected"), KWARGS.values(), ids=KWARGS)
@pytest.mark.parametrize("name", ["realism_q1", "realism"])
@pytest.mark.parametrize("before", ["", "paper_"])
def test_what_stands_around_a_question_is_asked_and_is_part_of_the_record(
    before: str, name: str, given: dict[str, str] | None, expected: PromptFrame | None
) -> None:
    doc = docs("imageqa" if name == "realism" else "objectqa")[0]
    expected = expected or frame_of(Style.PAPER if before else Style.BENCHMARK, name)
    text = hook(f"{before}text_{name}")(doc, given)
    record = record_from_json(hook(f"{before}process_{name}")(doc, ["Yes"])["records"])
    assert PromptFrame(record.pre_prompt, record.post_prompt) == expected
    query = imageqa_query(name) if name == "realism" else question(name).text
    assert text.startswith(expected.pre + query)
    assert text.endswith(expected.post) or "{" in expected.post


def test_the_paper_is_asked_with_the_bare_query() -> None:
    assert hook("paper_text_realism_q1")(docs("objectqa")[0]) == question("realism_q1").text
    assert hook("paper_text_plausibility")(docs("imageqa")[0]) == imageqa_query("plausibility")
    assert hook("paper_text_human_plausibility")(docs("imageqa")[1]) == imageqa_query("plausibility")
