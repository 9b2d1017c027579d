"""Trains the small Grounding DINO of the demonstration on freshly drawn scenes, on one CPU core.

    python tools/train_detector.py annotation/demo/detector

It starts from random weights. The embedded set, from which the scenes of the demonstration are, is drawn with another
seed, so they are held out. ``detector/README.md`` says what this command has measured.
"""

from __future__ import annotations

import argparse
import copy
import math
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from annotation.demo.tiny_detector import (
    ABSENT,
    DETECTION,
    LABELS,
    SIDE_PX,
    make_bert_tokenizer,
    make_processor,
    make_untrained_detector,
)
from qreal_tasks.boxes import iou_matrix
from qreal_tasks.console.terminal import echo
from qreal_tasks.mini.drawing.scene import Box, draw_scene
from qreal_tasks.mini.plan import ImagePlan, plan_images
from qreal_tasks.models.detector.grounding_dino import DetectionQuery, Detector
from qreal_tasks.models.detector.settings import DetectionSettings

TRAIN_SEED, HELD_OUT_SEED = 1001, 2002
"""Seeds of ``plan_images``; the embedded set has 0."""
HELD_OUT_IMAGES = 60
_WEIGHTS = {"loss_ce": 2.0, "loss_bbox": 5.0, "loss_giou": 2.0}
"""Weights of the parts of the loss, the library's own."""
_PROPOSALS_A_BOX = 4
"""More than one, so that every box teaches several places of the picture."""
_WARM_UP, _LOWEST = 100, 0.02
_IOU = 0.5

Inputs = dict[str, Any]


@dataclass(frozen=True)
class TrainingScenes:
    """Training scenes."""

    pixels: torch.Tensor
    """(n, 3, ``SIDE_PX``, ``SIDE_PX``), 8 bit."""
    labels: list[tuple[str, ...]]
    boxes: list[torch.Tensor]
    """Centre and size as fractions of the picture, as Grounding DINO takes them."""


@dataclass(frozen=True)
class DetectorScore:
    """What the detector finds when it is asked for every entity and one that is not there."""

    entities: int
    found: int
    """How many of the entities, with IoU >= .5 and above the threshold."""
    absent: int
    invented: int
    """How many of the absent ones."""


def main() -> None:
    """Draw, train, and measure every 100 steps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the checkpoint is written")
    parser.add_argument("--images", type=int, default=1000, help="scenes to train on")
    parser.add_argument("--steps", type=int, default=1100)
    parser.add_argument("--batch", type=int, default=16, help="scenes of a step")
    parser.add_argument("--rate", type=float, default=1e-3, help="highest learning rate")
    parser.add_argument("--every", type=int, default=100, help="steps between two measurements")
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(1)
    tokenizer = make_bert_tokenizer(options.folder, [word for label in (*LABELS, *ABSENT) for word in label.split()])
    model = make_untrained_detector(len(tokenizer))
    make_processor(tokenizer).save_pretrained(options.folder)
    scenes, held_out = draw_scenes(options.images, TRAIN_SEED), plan_images(HELD_OUT_IMAGES, HELD_OUT_SEED, 0.25, 0.4)
    began = time.process_time()
    for step in train_detector(model, tokenizer, scenes, options.steps, options.batch, options.rate):
        if step % options.every == 0 or step == options.steps:
            copy.deepcopy(model).half().save_pretrained(options.folder)
            spent = time.process_time() - began
            echo(f"step {step}, {spent:.0f} s of a core: {measure(options.folder, held_out)}")


def draw_scenes(images: int, seed: int) -> TrainingScenes:
    """Draw scenes of a seed, at the size that the detector sees."""
    pixels, labels, boxes = [], [], []
    for plan in plan_images(images, seed, 0.25, 0.4):
        scene = draw_scene(plan)
        picture = Image.fromarray(scene.pixels).resize((SIDE_PX, SIDE_PX), Image.Resampling.BILINEAR)
        pixels.append(torch.from_numpy(np.array(picture)).permute(2, 0, 1))
        labels.append(tuple(entity.label for entity in plan.entities))
        boxes.append(_centred(scene.boxes_px, scene.pixels.shape[0]))
    return TrainingScenes(torch.stack(pixels), labels, boxes)


def train_detector(
    model: Any, tokenizer: Any, scenes: TrainingScenes, steps: int, batch: int, rate: float
) -> Iterator[int]:
    """Train; yields how many steps are done after each."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=1e-4)
    feed = _batches(scenes, tokenizer, batch, random.Random(0))
    model.train()
    for step in range(steps):
        part = min((step + 1) / _WARM_UP, 0.5 * (1 + math.cos(math.pi * step / steps)) + _LOWEST)
        for group in optimizer.param_groups:
            group["lr"] = rate * part
        loss = loss_of(model, *next(feed))
        optimizer.zero_grad()
        torch.autograd.backward(loss)  # what Tensor.backward does, and typed
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        yield step + 1


def loss_of(model: Any, inputs: Inputs, targets: list[dict[str, torch.Tensor]]) -> torch.Tensor:
    """The library's loss on the decoder's boxes, and the same on the encoder's proposals.

    The library detaches the proposals from its loss: a checkpoint that is tuned has learnt them long ago, one that
    starts from nothing would never learn where to look.
    """
    from transformers.loss.loss_grounding_dino import GroundingDinoHungarianMatcher, GroundingDinoImageLoss
    from transformers.models.grounding_dino.modeling_grounding_dino import build_label_maps, build_text_mask

    config, output = model.config, model(**inputs, labels=targets)
    matcher = GroundingDinoHungarianMatcher(config.class_cost, config.bbox_cost, config.giou_cost)
    criterion = GroundingDinoImageLoss(matcher, config.focal_alpha, ["labels", "boxes"])
    logits = output.enc_outputs_class
    proposed = {
        "logits": logits,
        "pred_boxes": output.enc_outputs_coord_logits.sigmoid(),
        "label_maps": build_label_maps(logits, inputs["input_ids"]),
        "text_mask": build_text_mask(logits, inputs["attention_mask"]),
    }
    many = [{name: torch.cat([value] * _PROPOSALS_A_BOX) for name, value in target.items()} for target in targets]
    encoder = criterion(proposed, many)
    decoder = output.loss_dict  # keys with _0 are of the first of its two layers
    total: torch.Tensor = sum(
        weight * (encoder[name] + decoder[name] + decoder[f"{name}_0"]) for name, weight in _WEIGHTS.items()
    )
    return total


def measure(folder: Path, plans: Sequence[ImagePlan]) -> DetectorScore:
    """Measure the detector as the demonstration uses it: through the detector of the annotation itself."""
    detector = Detector(DetectionSettings(model=str(folder), **DETECTION))
    chance = random.Random(0)
    found = invented = 0
    for plan in plans:
        scene = draw_scene(plan)
        labels = [entity.label for entity in plan.entities]
        phrases = [*labels, chance.choice([label for label in LABELS if label not in labels])]
        picture = Image.fromarray(scene.pixels)
        boxes = detector.find([DetectionQuery(lambda picture=picture: picture, picture.size, phrases)])[0].boxes  # type: ignore[misc]
        invented += any(box.phrase == len(labels) for box in boxes)
        found += sum(
            iou_matrix([box.box_px], [scene.boxes_px[box.phrase]])[0, 0] >= _IOU
            for box in boxes
            if box.phrase < len(labels)
        )
    return DetectorScore(sum(len(plan.entities) for plan in plans), int(found), len(plans), int(invented))


def _batches(scenes: TrainingScenes, tokenizer: Any, size: int, chance: random.Random) -> Iterator[tuple[Inputs, Any]]:
    order = list(range(len(scenes.labels)))
    while True:
        chance.shuffle(order)
        for start in range(0, len(order) - size + 1, size):
            yield _batch(scenes, order[start : start + size], tokenizer, chance)


def _batch(scenes: TrainingScenes, chosen: Sequence[int], tokenizer: Any, chance: random.Random) -> tuple[Inputs, Any]:
    """A batch: half of the pictures mirrored, brightness and contrast changed, and names of what is not there."""
    from transformers.image_utils import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD

    mean, std = (torch.tensor(values)[:, None, None] for values in (IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD))
    pictures, texts, targets = [], [], []
    for at in chosen:
        picture, boxes = scenes.pixels[at].float() / 255, scenes.boxes[at].clone()
        if chance.random() < 0.5:
            picture, boxes[:, 0] = picture.flip(-1), 1 - boxes[:, 0]
        picture = ((picture - 0.5) * chance.uniform(0.8, 1.2) + 0.5 + chance.uniform(-0.1, 0.1)).clamp(0, 1)
        present = scenes.labels[at]
        others = [label for label in (*LABELS, *ABSENT) if label not in present]
        phrases = [*present, *chance.sample(others, chance.randint(0, 4))]
        chance.shuffle(phrases)
        pictures.append((picture - mean) / std)
        texts.append(". ".join(phrases) + ".")
        targets.append({"class_labels": torch.tensor([phrases.index(label) for label in present]), "boxes": boxes})
    inputs = dict(tokenizer(texts, padding=True, return_tensors="pt"))
    return {**inputs, "pixel_values": torch.stack(pictures)}, targets


def _centred(boxes_px: Sequence[Box], side_px: int) -> torch.Tensor:
    corners = torch.tensor(boxes_px, dtype=torch.float32) / side_px
    return torch.cat([(corners[:, :2] + corners[:, 2:]) / 2, corners[:, 2:] - corners[:, :2]], dim=1)


if __name__ == "__main__":
    main()
