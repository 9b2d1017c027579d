"""Stage ``entities``: the language model names what is in an image. A row an image."""

from __future__ import annotations

from typing import Any

from annotation.llm.outcome import Outcome
from annotation.llm.prompts import quoted
from annotation.llm.request import Shown
from annotation.llm.tasks import Row, Task, source_of
from annotation.run.folder import AcceptedImage, RunFolder
from annotation.run.gallery import Gallery
from annotation.run.schemas import State
from annotation.stages.requests import make_request
from qreal_tasks.models.detector.phrases import clean_name

MAX_NAME_CHARACTERS = 80


def plan_entities(run: RunFolder, shard: int) -> list[Task]:
    """Plan one request an image."""
    images = run.pictures(shard)
    gallery = Gallery(images)
    return [_plan(run, image, gallery) for image in images]


def _plan(run: RunFolder, image: AcceptedImage, gallery: Gallery) -> Task:
    config, settings = run.config, run.config.entities
    view = config.pictures.whole if settings.view == "whole" else config.pictures.crop
    size = (image.width, image.height)
    shown = Shown({"image": image.image_id}, size, view, lambda: gallery.whole(image.image_id))
    values = {"prompt": quoted(image.prompt), "max_entities": str(settings.max_entities)}
    request = make_request("entities", config, image.image_id, (shown,), **values)

    def row(outcome: Outcome | None) -> Row:
        assert outcome is not None
        named = _select_names(outcome.said["entities"] if outcome.said else [], settings.max_entities)
        state, reason = outcome.state, outcome.reason
        if state is State.DONE and not named["entities"]:
            state, reason = State.NO_ENTITIES, "the language model named no entity that can be looked for"
        ended = {"image_id": image.image_id, "state": str(state), "reason": reason}
        return {**ended, **named, **source_of(request, outcome)}

    return Task(request, row)


def _select_names(entities_named: list[dict[str, Any]], most: int) -> Row:
    """Select the names that a detector can look for, each once, and say why the others are left out."""
    entities: list[Row] = []
    left_out: list[Row] = []
    for one in entities_named:
        name = clean_name(one["name"])
        reason = _find_problem(name, {entity["name"] for entity in entities})
        if not reason and len(entities) == most:
            reason = f"more than entities.max_entities ({most})"
        if reason:
            left_out.append({"name": one["name"], "reason": reason})
        else:
            entities.append({"name": name, "is_person": one["is_person"]})
    return {"entities": entities, "left_out": left_out}


def _find_problem(name: str, taken: set[str]) -> str:
    if not any(letter.isalnum() for letter in name):
        return "no letters"
    if name in taken:
        return "named twice"
    if len(name) > MAX_NAME_CHARACTERS:
        return f"longer than {MAX_NAME_CHARACTERS} characters"
    return ""
