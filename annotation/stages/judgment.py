"""Stage ``judgment``: six answers and two descriptions an entity, in one call. A row a detected entity."""

from __future__ import annotations

from typing import Any

from annotation.llm.prompts import quoted
from annotation.llm.tasks import Row, Task
from annotation.run.folder import RunFolder
from annotation.run.gallery import Gallery
from annotation.run.schemas import DESCRIPTIONS
from annotation.stages.entity_views import EntityInImage, load_entities, show_entity
from annotation.stages.requests import make_entity_task, make_request
from qreal_tasks.benchmark import QUESTION_NAMES, QUESTIONS


def plan_judgment(run: RunFolder, shard: int) -> list[Task]:
    """Plan one request an entity."""
    found = load_entities(run, shard)
    scores = {row["entity_id"]: row["quality_score"] for row in run.read("quality", shard)}
    return [_plan(run, entity, scores[entity.entity_id], found.gallery) for entity in found.entities]


def _plan(run: RunFolder, entity: EntityInImage, quality: float | None, gallery: Gallery) -> Task:
    request = make_request(
        "judgment",
        run.config,
        entity.entity_id,
        show_entity(entity, gallery, run.config.pictures),
        label=quoted(entity.label),
        quality="not known" if quality is None else f"{quality:.2f}",
        questions="\n".join(f"{question.name}: {question.text}" for question in QUESTIONS),
    )
    return make_entity_task(request, _read, DESCRIPTIONS)


def _read(reply: Any) -> Row:
    return {name: reply and reply[name] for name in (*QUESTION_NAMES, *DESCRIPTIONS)}
