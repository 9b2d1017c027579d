"""A checkpoint of Grounding DINO, MM-Grounding-DINO or LLMDet on this machine.

    detector = Detector(Detection(model="IDEA-Research/grounding-dino-base"))
    for found in detector.find([Wanted(image, ["dog", "red mug"])]): ...

Padding of pictures changes the scores of these models, so only pictures of one size share a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from PIL import Image
from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

from qreal_tasks.models.detector.candidates import CandidateBox, Scores, select_candidates, suppress_overlaps
from qreal_tasks.models.detector.phrases import find_spans, split_phrases
from qreal_tasks.models.detector.settings import DetectionSettings
from qreal_tasks.models.local.weights.devices import (
    compute_on,
    describe_model,
    explain_model_errors,
    resolve_device,
    resolve_dtype,
)


@dataclass(frozen=True)
class DetectionQuery:
    """What to look for in one picture."""

    picture: Callable[[], Image.Image]
    """8-bit RGB."""
    size: tuple[int, int]
    phrases: Sequence[str]
    """Names without dots and question marks (``phrases.clean_name``)."""


@dataclass
class DetectionResult:
    """What was found in one picture."""

    boxes: list[CandidateBox]
    """Boxes in the order of phrases, the best box of each first."""
    second_pass: set[int] = field(default_factory=set)
    """Phrases that were found only when looked for alone."""
    unknown: set[int] = field(default_factory=set)
    """Phrases of which the vocabulary holds no word, or that are longer than a text may be."""


@dataclass(frozen=True)
class _Job:
    """One text for one picture."""

    wanted: int
    phrases: list[int]


class Detector:
    """The model in evaluation mode.

    Raises:
        LocalModelError: there is no such checkpoint, or it is of no type that finds objects by text.
    """

    def __init__(self, settings: DetectionSettings) -> None:
        self.settings = settings
        self._device = resolve_device(settings.device)
        with explain_model_errors(
            "detection.model", settings.model, DetectionSettings().model, "a model that finds objects by their names"
        ):
            self._processor = AutoProcessor.from_pretrained(settings.model, revision=settings.revision)
            model = AutoModelForZeroShotObjectDetection.from_pretrained(
                settings.model, revision=settings.revision, dtype=resolve_dtype(settings.dtype)
            )
        self._model = model.to(self._device).eval().requires_grad_(False)
        self._most_tokens = int(self._model.config.max_text_len)
        self.name = describe_model(settings.model, settings.revision, self._model)

    def find(self, wanted: Sequence[DetectionQuery]) -> list[DetectionResult]:
        """Look for all names at once first; then, alone, for each name without a box."""
        settings = self.settings
        found: list[list[CandidateBox]] = [[] for _ in wanted]
        result = [DetectionResult([]) for _ in wanted]
        tokenizer = self._processor.tokenizer
        first = [
            _Job(number, places)
            for number, one in enumerate(wanted)
            for places in split_phrases(one.phrases, tokenizer, settings.phrases_a_text, self._most_tokens)
        ]
        for number, one in enumerate(wanted):
            asked = {place for job in first if job.wanted == number for place in job.phrases}
            result[number].unknown |= set(range(len(one.phrases))) - asked
        for job, boxes in self._search(first, wanted, settings.threshold, result):
            found[job.wanted] += boxes
        for number, boxes in enumerate(found):
            result[number].boxes = suppress_overlaps(boxes, settings)
        second = [
            _Job(number, [place])
            for number, one in enumerate(wanted)
            for place in range(len(one.phrases))
            if place not in result[number].unknown and place not in {box.phrase for box in result[number].boxes}
        ]
        for job, boxes in self._search(second, wanted, settings.second_threshold, result):
            if boxes:
                found[job.wanted] += boxes
                result[job.wanted].second_pass |= set(job.phrases)
        for number in {job.wanted for job in second}:
            result[number].boxes = suppress_overlaps(found[number], settings)
        return result

    def _search(
        self,
        jobs: Sequence[_Job],
        wanted: Sequence[DetectionQuery],
        threshold: float,
        result: Sequence[DetectionResult],
    ) -> Iterator[tuple[_Job, list[CandidateBox]]]:
        """Find the boxes of every job, in batches of pictures of one size."""
        by_size: dict[tuple[int, int], list[_Job]] = {}
        for job in jobs:
            by_size.setdefault(wanted[job.wanted].size, []).append(job)
        for size, same in by_size.items():
            for start in range(0, len(same), self.settings.batch_size):
                batch = same[start : start + self.settings.batch_size]
                texts = [[wanted[job.wanted].phrases[place] for place in job.phrases] for job in batch]
                pictures = [wanted[job.wanted].picture() for job in batch]
                for job, one in zip(batch, self._forward(pictures, texts), strict=True):
                    result[job.wanted].unknown |= {job.phrases[column] for column in one.unknown}
                    area = self.settings.min_area_px
                    yield job, select_candidates(one.boxes, one.scores, job.phrases, size, threshold, area)

    def _forward(self, pictures: Sequence[Image.Image], texts: Sequence[Sequence[str]]) -> list[_BoxScores]:
        """Boxes and a score for every box and phrase: the highest of the phrase's own tokens, through the sigmoid."""
        with compute_on(self._device), torch.inference_mode():
            inputs = self._processor(
                images=list(pictures), text=[list(phrases) for phrases in texts], padding=True, return_tensors="pt"
            ).to(self._device)
            inputs["pixel_values"] = inputs["pixel_values"].to(self._model.dtype)
            output = self._model(**inputs)
            scores = output.logits.float().sigmoid().cpu().numpy()
            boxes = output.pred_boxes.float().cpu().numpy()
        return [
            _score(boxes[row], scores[row], inputs["input_ids"][row].tolist(), len(phrases), self._processor.tokenizer)
            for row, phrases in enumerate(texts)
        ]


@dataclass(frozen=True)
class _BoxScores:
    boxes: Scores
    scores: Scores
    unknown: list[int]


def _score(boxes: Scores, token_scores: Scores, token_ids: list[int], n_phrases: int, tokenizer: object) -> _BoxScores:
    found = find_spans(token_ids, n_phrases, tokenizer)
    columns = [
        token_scores[:, list(span.places)].max(axis=1) if span.known else np.zeros(len(boxes), np.float32)
        for span in found
    ]
    return _BoxScores(boxes, np.stack(columns, axis=1), [place for place, span in enumerate(found) if not span.known])
