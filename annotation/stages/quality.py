"""Stage ``quality``: a score from 0 to 1 for every crop, by a local model, by the language model, or none.

A row a detected entity.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from annotation.config import QualitySettings
from annotation.llm.outcome import Outcome
from annotation.llm.prompts import load_prompt
from annotation.llm.tasks import Row, Task
from annotation.run.folder import RunFolder
from annotation.run.gallery import Gallery
from annotation.run.schemas import State
from annotation.stages.entity_views import EntityInImage, load_entities, show_crop
from annotation.stages.requests import make_request

if TYPE_CHECKING:
    from annotation.local_models.q_eval import QEvalScore

WEIGHTS = (1.0, 0.75, 0.5, 0.25, 0.0)
"""The score of each of ``annotation.llm.replies.LEVELS``: Excellent, Good, Fair, Poor, Bad."""


def mean_level(probabilities: Sequence[float]) -> float:
    """The mean level, 0 to 1: the sum of probability times weight.

    >>> mean_level([0.5, 0.5, 0, 0, 0]), mean_level([0, 0, 0, 0, 1])
    (0.875, 0.0)
    """
    mean = sum(p * weight for p, weight in zip(probabilities, WEIGHTS, strict=True))
    return min(1.0, max(0.0, mean))  # rounding may leave the range by a hair


def score_crops(run: RunFolder, shard: int) -> list[Row]:
    """Score the entities of a shard without a language model behind a server."""
    quality = run.config.quality
    if quality.scorer == "none":
        return [
            _make_row(row["entity_id"], State.SKIPPED, "quality.scorer is none")
            for row in run.read("detection", shard, ["entity_id", "state"])
            if row["state"] == State.DONE
        ]
    found = load_entities(run, shard)
    if not found.entities:
        return []
    scorer = _load_scorer(quality)
    crops = [found.gallery.crop(one.image.image_id, one.box_px) for one in found.entities]
    title = load_prompt(quality.prompt).title
    return [
        _scored_row(one.entity_id, levels, scorer.name, title)
        for one, levels in zip(found.entities, scorer.levels(crops), strict=True)
    ]


def plan_quality(run: RunFolder, shard: int) -> list[Task]:
    """Plan one request an entity, for ``scorer: api``."""
    found = load_entities(run, shard)
    return [_plan(run, entity, found.gallery) for entity in found.entities]


@lru_cache(maxsize=1)
def _load_scorer(settings: QualitySettings) -> QEvalScore:
    """Load the model of this process, for its first shard."""
    from annotation.local_models.q_eval import QEvalScore

    return QEvalScore(settings)


def _scored_row(entity_id: str, levels: list[float], model: str, prompt: str) -> Row:
    if all(map(math.isfinite, levels)):
        return _make_row(entity_id, State.DONE, "", levels, model, None, prompt)
    reason = "the scorer's levels are no numbers; try another quality.dtype, such as float32"
    return _make_row(entity_id, State.FAILED, reason, None, model, None, prompt)


def _plan(run: RunFolder, entity: EntityInImage, gallery: Gallery) -> Task:
    views = (show_crop(entity, gallery, run.config.pictures),)
    request = make_request("quality", run.config, entity.entity_id, views)

    def row(outcome: Outcome | None) -> Row:
        assert outcome is not None
        by = (outcome.model, outcome.system_fingerprint, request.prompt_title, request.key)
        return _make_row(entity.entity_id, outcome.state, outcome.reason, outcome.said, *by)

    return Task(request, row)


def _make_row(
    entity_id: str,
    state: State,
    reason: str,
    levels: list[float] | None = None,
    model: str | None = None,
    fingerprint: str | None = None,
    prompt: str | None = None,
    key: str | None = None,
) -> Row:
    return {
        "entity_id": entity_id,
        "state": str(state),
        "reason": reason,
        "quality_score": None if levels is None else mean_level(levels),
        "levels": levels,
        "quality_model": model,
        "quality_fingerprint": fingerprint,
        "quality_prompt": prompt,
        "call_key": key,
    }
