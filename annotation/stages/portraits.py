"""Stages ``parts`` and ``merge``: the portrait protocol. What is wrong with seven body parts, then one description.

A row a detected person. With ``portraits.list`` only the people of its images are asked about.
"""

from __future__ import annotations

import json
from typing import Any

from annotation.llm.prompts import quoted
from annotation.llm.tasks import Row, Task
from annotation.run.folder import RunFolder
from annotation.run.portrait_list import load_portrait_ids
from annotation.run.schemas import State
from annotation.stages.entity_views import EntityInImage, load_entities, show_entity
from annotation.stages.requests import make_entity_task, make_request, skip_task
from qreal_tasks.benchmark import BODY_PARTS

_MERGED = ("plausibility_description",)


def plan_parts(run: RunFolder, shard: int) -> list[Task]:
    """Plan one request a person."""
    found, listed = load_entities(run, shard), load_portrait_ids(run)

    def plan(person: EntityInImage) -> Task:
        if not run.config.portraits.enabled:
            return skip_task(person.entity_id, "portraits.enabled is false", BODY_PARTS)
        if listed is not None and person.image.image_id not in listed:
            return skip_task(person.entity_id, "the image is not in portraits.list", BODY_PARTS)
        views = show_entity(person, found.gallery, run.config.pictures)
        request = make_request("parts", run.config, person.entity_id, views, label=quoted(person.label))
        return make_entity_task(request, _read_parts, BODY_PARTS)

    return [plan(entity) for entity in found.entities if entity.is_person]


def plan_merge(run: RunFolder, shard: int) -> list[Task]:
    """Plan one request a person with something wrong."""
    return [_plan_merge(run, row) for row in run.read("parts", shard)]


def _plan_merge(run: RunFolder, parts: Row) -> Task:
    wrong = {part: parts[part] for part in BODY_PARTS if parts[part] is not None}
    if parts["state"] != State.DONE:
        return skip_task(parts["entity_id"], f"parts: {parts['state']}", _MERGED)
    if not wrong:
        return skip_task(parts["entity_id"], "nothing is wrong with any part", _MERGED)
    request = make_request("merge", run.config, parts["entity_id"], parts=json.dumps(wrong, ensure_ascii=False))
    return make_entity_task(request, lambda reply: {name: (reply or {}).get(name) for name in _MERGED}, _MERGED)


def _read_parts(reply: Any) -> Row:
    """What is wrong with each part: null also when the model says with an empty text that nothing is."""
    return {part: ((reply or {}).get(part) or "").strip() or None for part in BODY_PARTS}
