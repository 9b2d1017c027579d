"""Stages ``parts`` and ``merge``: the portrait protocol. What is wrong with seven body parts, then one description.

A row a detected person. With ``portraits.list`` only the people of its images are asked about.
"""

from __future__ import annotations

import json
from typing import Any

from annotation.llm.outcome import Outcome
from annotation.llm.prompts import load_prompt, quoted
from annotation.llm.replies import Form, language_note
from annotation.llm.request import Request
from annotation.llm.tasks import NO_SOURCE, Row, Task, fixed, source_of
from annotation.run.folder import RunFolder
from annotation.run.gallery import Gallery
from annotation.run.portrait_list import load_portrait_ids
from annotation.run.schemas import State
from annotation.stages.crops import DetectedEntity, load_entities, show_entity
from qreal_tasks.benchmark import BODY_PARTS


def plan_parts(run: RunFolder, shard: int) -> list[Task]:
    """One request a person."""
    found, listed = load_entities(run, shard), load_portrait_ids(run)
    people = [entity for entity in found.entities if entity.is_person]
    nothing = {**dict.fromkeys(BODY_PARTS), "notes": "", **NO_SOURCE}

    def task(person: DetectedEntity) -> Task:
        if not run.config.portraits.enabled:
            return fixed({"entity_id": person.entity_id, **_skipped("portraits.enabled is false"), **nothing})
        if listed is not None and person.picture.image_id not in listed:
            return fixed({"entity_id": person.entity_id, **_skipped("the image is not in portraits.list"), **nothing})
        return _parts(run, person, found.gallery)

    return [task(person) for person in people]


def plan_merge(run: RunFolder, shard: int) -> list[Task]:
    """One request a person with something wrong."""
    return [_merge(run, row) for row in run.read("parts", shard)]


def _parts(run: RunFolder, entity: DetectedEntity, gallery: Gallery) -> Task:
    config, prompt = run.config, load_prompt(run.config.portraits.parts_prompt)
    request = Request(
        config.language_model,
        Form("parts", config.portraits.max_tokens),
        entity.entity_id,
        prompt.title,
        prompt.system,
        prompt.fill(label=quoted(entity.label)),
        show_entity(entity, gallery, config.pictures),
    )

    def row(outcome: Outcome | None) -> Row:
        assert outcome is not None
        said = {part: _text((outcome.said or {}).get(part)) for part in BODY_PARTS}
        return {
            "entity_id": entity.entity_id,
            "state": str(outcome.state),
            "reason": outcome.reason,
            **said,
            "notes": language_note(*said.values()),
            **source_of(request, outcome),
        }

    return Task(request, row)


def _merge(run: RunFolder, parts: dict[str, Any]) -> Task:
    said = {part: parts[part] for part in BODY_PARTS if parts[part] is not None}
    row_of_none = {"entity_id": parts["entity_id"], "plausibility_description": None, "notes": "", **NO_SOURCE}
    if parts["state"] != State.DONE:
        return fixed({**row_of_none, **_skipped(f"parts: {parts['state']}")})
    if not said:
        return fixed({**row_of_none, **_skipped("nothing is wrong with any part")})
    config, prompt = run.config, load_prompt(run.config.portraits.merge_prompt)
    request = Request(
        config.language_model,
        Form("merge", config.portraits.max_tokens),
        parts["entity_id"],
        prompt.title,
        prompt.system,
        prompt.fill(parts=json.dumps(said, ensure_ascii=False)),
    )

    def row(outcome: Outcome | None) -> Row:
        assert outcome is not None
        merged = (outcome.said or {}).get("plausibility_description")
        return {
            "entity_id": parts["entity_id"],
            "state": str(outcome.state),
            "reason": outcome.reason,
            "plausibility_description": merged,
            "notes": language_note(merged),
            **source_of(request, outcome),
        }

    return Task(request, row)


def _text(said: str | None) -> str | None:
    """Null for a part with nothing wrong, also when the model says so with an empty text."""
    return said.strip() or None if said is not None else None


def _skipped(reason: str) -> Row:
    return {"state": str(State.SKIPPED), "reason": reason}
