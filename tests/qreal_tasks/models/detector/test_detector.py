"""Boxes for names, on tiny models of the real classes and on scores set by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_annotators import WORDS, write_tiny_grounding_dino, write_tiny_mm_grounding_dino

from qreal_tasks.models.detector.grounding_dino import DetectionQuery, DetectionResult, Detector
from qreal_tasks.models.detector.phrases import find_spans, split_phrases
from qreal_tasks.models.detector.settings import DetectionSettings

pytestmark = pytest.mark.slow

SIZES = [(100, 80), (64, 64), (100, 80), (90, 120), (100, 80)]


def picture(seed: int, size: tuple[int, int]) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(noise)


def wanted(seed: int, size: tuple[int, int], phrases: Sequence[str]) -> DetectionQuery:
    image = picture(seed, size)
    return DetectionQuery(lambda: image, size, phrases)


@pytest.fixture(scope="module")
def dino(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_grounding_dino(tmp_path_factory.mktemp("dino"))


@pytest.fixture(scope="module", params=["grounding_dino", "mm_grounding_dino"])
def checkpoint(request: pytest.FixtureRequest, dino: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MM-Grounding-DINO is also what LLMDet is published as."""
    if request.param == "grounding_dino":
        return dino
    return write_tiny_mm_grounding_dino(tmp_path_factory.mktemp("mm"))


def detector_of(checkpoint: Path, **settings: Any) -> Detector:
    return Detector(DetectionSettings(model=str(checkpoint), device="cpu", **settings))


def same(first: DetectionResult, second: DetectionResult) -> None:
    assert [box.phrase for box in first.boxes] == [box.phrase for box in second.boxes]
    assert first.second_pass == second.second_pass
    for one, other in zip(first.boxes, second.boxes, strict=True):
        # Relative to the image, as the models give them.
        assert np.allclose(one.box_px, other.box_px, atol=1e-5 * 120, rtol=0)
        assert one.score == pytest.approx(other.score, abs=1e-5)


def many_phrases(count: int) -> list[str]:
    return [f"{first} {second}" for first in WORDS[:9] for second in WORDS[9:]][:count]


@pytest.mark.parametrize("batch_size", [1, 3])
def test_batches_and_their_order_change_nothing(checkpoint: Path, batch_size: int) -> None:
    """Mixed sizes, from one name to sixty, in one call and one at a time, forwards and backwards."""
    threshold = 0.5 if checkpoint.name == "dino" else 0.01  # of random weights, the other's scores are all low
    detector = detector_of(checkpoint, batch_size=batch_size, threshold=threshold, second_threshold=threshold)
    counts = [3, 60, 1, 7, 12]
    asked = [wanted(seed, size, many_phrases(n)) for seed, (size, n) in enumerate(zip(SIZES, counts, strict=True))]
    alone = [detector.find([one])[0] for one in asked]
    assert sum(len(found.boxes) for found in alone) >= 10
    for found, expected in zip(detector.find(asked), alone, strict=True):
        same(found, expected)
    for found, expected in zip(detector.find(asked[::-1]), alone[::-1], strict=True):
        same(found, expected)


def test_sixty_names_are_all_looked_for(checkpoint: Path) -> None:
    detector = detector_of(checkpoint, threshold=0.9, second_threshold=0.01)
    found = detector.find([wanted(0, (100, 80), many_phrases(60))])[0]
    assert len({box.phrase for box in found.boxes}) >= 30
    assert max(box.phrase for box in found.boxes) >= 40  # beyond the first text
    assert found.second_pass
    assert not found.unknown


def hand_set(monkeypatch: pytest.MonkeyPatch, detector: Detector, logits: Callable[[list[int]], Any]) -> None:
    """The model answers with two boxes, left and right, and the logits that ``logits`` makes of the token ids."""

    class _Output:
        def __init__(self, input_ids: torch.Tensor) -> None:
            self.logits = torch.stack([logits(row) for row in input_ids.tolist()])
            boxes = torch.tensor([[0.25, 0.5, 0.4, 0.8], [0.75, 0.5, 0.4, 0.8]])
            self.pred_boxes = boxes.expand(len(input_ids), 2, 4)

    class _Model:
        dtype = torch.float32

        def __call__(self, **inputs: Any) -> _Output:
            return _Output(inputs["input_ids"])

    monkeypatch.setattr(detector, "_model", _Model())


@pytest.mark.parametrize("phrases", [["red dog", "blue dog"], ["blue dog", "red dog"], ["dog", "red dog", "blue dog"]])
def test_names_that_share_words_get_their_own_boxes(
    dino: Path, monkeypatch: pytest.MonkeyPatch, phrases: list[str]
) -> None:
    """The left box scores high at "red", the right one at "blue", and both, a little lower, at every "dog"."""
    detector = detector_of(dino)
    tokenizer = detector._processor.tokenizer
    red, blue, dog = tokenizer.convert_tokens_to_ids(["red", "blue", "dog"])

    def logits(ids: list[int]) -> torch.Tensor:
        found = torch.full((2, len(ids)), -8.0)
        for place, token in enumerate(ids):
            found[0, place] = {red: 3.0, dog: 1.0}.get(token, -8.0)
            found[1, place] = {blue: 3.0, dog: 1.0}.get(token, -8.0)
        return found

    hand_set(monkeypatch, detector, logits)
    found = detector.find([wanted(0, (100, 80), phrases)])[0]
    by_name = {phrases[box.phrase]: box for box in found.boxes}
    assert by_name["red dog"].box_px == pytest.approx((5, 8, 45, 72))
    assert by_name["blue dog"].box_px == pytest.approx((55, 8, 95, 72))
    assert by_name["red dog"].score == pytest.approx(1 / (1 + np.exp(-3.0)))
    # "dog" alone is looked for again; its two boxes are those of the better names and go to them.
    assert len(found.boxes) == 2


def test_the_stock_labels_would_have_mixed_them(dino: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Why there is a scoring of our own: on the same scores, the library's labels are no names at all."""
    detector = detector_of(dino)
    processor = detector._processor
    inputs = processor(images=[picture(0, (100, 80))], text=[["red dog", "blue dog"]], return_tensors="pt")
    ids = inputs["input_ids"][0].tolist()
    red, blue, dog = processor.tokenizer.convert_tokens_to_ids(["red", "blue", "dog"])
    values = [[{red: 3.0, dog: 1.0}.get(t, -8.0) for t in ids], [{blue: 3.0, dog: 1.0}.get(t, -8.0) for t in ids]]
    output = type("Output", (), {"logits": torch.tensor([values]), "pred_boxes": torch.full((1, 2, 4), 0.5)})()
    stock = processor.post_process_grounded_object_detection(output, inputs["input_ids"], threshold=0.3)[0]
    assert stock["text_labels"] == ["red dog dog", "dog blue dog"]


def test_a_box_outside_the_image_is_cut_and_one_beyond_it_dropped(dino: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = detector_of(dino)

    class _Model:
        dtype = torch.float32

        def __call__(self, **inputs: Any) -> Any:
            logits = torch.full((len(inputs["input_ids"]), 3, inputs["input_ids"].shape[1]), 3.0)
            boxes = torch.tensor([[0.0, 0.0, 0.5, 0.5], [2.0, 2.0, 0.5, 0.5], [0.5, 0.5, float("nan"), 0.5]])
            return type("Output", (), {"logits": logits, "pred_boxes": boxes.expand(len(logits), 3, 4)})()

    monkeypatch.setattr(detector, "_model", _Model())
    found = detector.find([wanted(0, (100, 80), ["dog"])])[0]
    assert [box.box_px for box in found.boxes] == [pytest.approx((0, 0, 25, 20))]


@pytest.mark.parametrize("phrases", [[], ["dog"], ["wooden chair", "dog"], ["st bernard dog", "手", "dog 手"]])
def test_spans_are_the_tokens_of_each_name(dino: Path, phrases: list[str]) -> None:
    processor = detector_of(dino)._processor
    if not phrases:
        assert split_phrases([], processor.tokenizer, 40, 256) == []
        return
    encoded = processor(images=[picture(0, (64, 64))], text=[phrases], return_tensors="pt")["input_ids"][0].tolist()
    found = find_spans(encoded, len(phrases), processor.tokenizer)
    for phrase, span in zip(phrases, found, strict=True):
        alone = processor.tokenizer.encode(phrase, add_special_tokens=False)
        assert [encoded[place] for place in span.places] == alone
        assert span.known is (set(alone) != {processor.tokenizer.unk_token_id})


@pytest.mark.parametrize(
    ("phrases", "most_phrases", "expected"),
    [
        pytest.param(["dog"] * 5, 2, [[0, 1], [2, 3], [4]], id="by count"),
        pytest.param(["dog " * 100, "cat " * 100, "mug " * 100], 40, [[0, 1], [2]], id="by tokens"),
        pytest.param(["dog", "cat " * 300, "mug"], 40, [[0, 2]], id="one that no text can hold"),
    ],
)
def test_names_are_cut_into_texts_that_the_model_reads_whole(
    dino: Path, phrases: list[str], most_phrases: int, expected: list[list[int]]
) -> None:
    tokenizer = detector_of(dino)._processor.tokenizer
    assert split_phrases(phrases, tokenizer, most_phrases, 256) == expected


def test_a_name_longer_than_a_text_is_undetected_and_said_so(dino: Path) -> None:
    detector = detector_of(dino, threshold=0.01)
    found = detector.find([wanted(0, (100, 80), ["cat " * 300, "dog"])])[0]
    assert found.unknown == {0}
    assert {box.phrase for box in found.boxes} == {1}
