"""The small Grounding DINO of the demonstration: what ships, and how it is trained."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
import train_detector
from PIL import Image
from transformers import AutoConfig

from annotation.demo.scenes import load_demo_scenes
from annotation.demo.tiny_detector import ABSENT, LABELS, make_bert_tokenizer, make_processor, make_untrained_detector
from annotation.demo.walkthrough import DETECTOR, demo_config
from qreal_tasks.boxes import iou_matrix
from qreal_tasks.mini.plan import plan_images
from qreal_tasks.models.detector.grounding_dino import DetectionQuery, Detector

pytestmark = pytest.mark.slow

MOST_BYTES = 5_000_000


def test_what_ships_is_grounding_dino_and_small() -> None:
    files = [path for path in DETECTOR.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES
    assert AutoConfig.from_pretrained(DETECTOR).architectures == ["GroundingDinoForObjectDetection"]
    assert {path.suffix for path in files} <= {".json", ".safetensors", ".txt", ".md"}  # no pickle


def test_it_finds_at_least_half_of_what_is_drawn_in_the_scenes() -> None:
    detector = Detector(demo_config("http://127.0.0.1:9/v1").detection)
    found = total = 0
    for scene in load_demo_scenes():
        picture = Image.fromarray(scene.pixels)
        labels = [one.label for one in scene.entities]
        boxes = detector.find([DetectionQuery(lambda picture=picture: picture, picture.size, labels)])[0].boxes  # type: ignore[misc]
        total += len(labels)
        found += sum(iou_matrix([box.box_px], [scene.entities[box.phrase].box_px])[0, 0] >= 0.5 for box in boxes)
    assert found >= total / 2, f"{found} of {total}"


@pytest.fixture(scope="module")
def drawn() -> train_detector.TrainingScenes:
    return train_detector.draw_scenes(20, 7)


@pytest.fixture
def untrained(tmp_path: Path) -> tuple[Any, Any]:
    torch.manual_seed(0)
    tokenizer = make_bert_tokenizer(tmp_path, [word for label in (*LABELS, *ABSENT) for word in label.split()])
    return make_untrained_detector(len(tokenizer)), tokenizer


def test_the_tokenizer_knows_every_name(untrained: tuple[Any, Any]) -> None:
    _, tokenizer = untrained
    for name in (*LABELS, *ABSENT):
        assert tokenizer.unk_token_id not in tokenizer.encode(name)


def test_boxes_are_of_the_entities_that_they_stand_beside(drawn: train_detector.TrainingScenes) -> None:
    for plan, labels, boxes in zip(plan_images(20, 7, 0.25, 0.4), drawn.labels, drawn.boxes, strict=True):
        assert labels == tuple(entity.label for entity in plan.entities)
        assert boxes.shape == (len(labels), 4)
        assert bool(((boxes[:, :2] - boxes[:, 2:] / 2 >= 0) & (boxes[:, :2] + boxes[:, 2:] / 2 <= 1)).all())


def test_the_loss_teaches_where_to_look_which_the_librarys_own_does_not(
    untrained: tuple[Any, Any], drawn: train_detector.TrainingScenes
) -> None:
    model, tokenizer = untrained
    inputs, targets = train_detector._batch(drawn, range(4), tokenizer, random.Random(0))
    proposing = model.model.encoder_output_bbox_embed.layers[-1].weight
    torch.autograd.backward(model(**inputs, labels=targets).loss)
    assert proposing.grad is None or not proposing.grad.any()
    torch.autograd.backward(train_detector.loss_of(model, inputs, targets))
    assert proposing.grad is not None
    assert proposing.grad.any()


def test_training_lowers_the_loss_and_what_it_saves_is_measured(
    untrained: tuple[Any, Any], drawn: train_detector.TrainingScenes, tmp_path: Path
) -> None:
    model, tokenizer = untrained
    batch = train_detector._batch(drawn, range(8), tokenizer, random.Random(0))
    before = float(train_detector.loss_of(model, *batch).detach())
    assert list(train_detector.train_detector(model, tokenizer, drawn, steps=25, batch=8, rate=1e-3)) == list(
        range(1, 26)
    )
    assert float(train_detector.loss_of(model, *batch).detach()) < before / 5
    model.half().save_pretrained(tmp_path)
    make_processor(tokenizer).save_pretrained(tmp_path)
    measured = train_detector.measure(tmp_path, plan_images(20, 8, 0.25, 0.4)[:3])
    assert 0 <= measured.found <= measured.entities
    assert 0 <= measured.invented <= measured.absent == 3
