"""Stage ``entities``: the language model names what is in an image. A row an image."""

from __future__ import annotations

import re
from typing import Any

from annotation.llm.outcome import Outcome
from annotation.llm.prompts import load_prompt, quoted
from annotation.llm.replies import Form
from annotation.llm.request import Request, Shown
from annotation.llm.tasks import Row, Task, source_of
from annotation.run.folder import AcceptedImage, RunFolder
from annotation.run.gallery import Gallery
from annotation.run.schemas import State

MAX_NAME_CHARACTERS = 80


def plan_entities(run: RunFolder, shard: int) -> list[Task]:
    """One request an image."""
    pictures = run.pictures(shard)
    gallery = Gallery(pictures)
    return [_task(run, picture, gallery) for picture in pictures]


def _task(run: RunFolder, picture: AcceptedImage, gallery: Gallery) -> Task:
    config = run.config
    settings, prompt = config.entities, load_prompt(config.entities.prompt)
    view = config.pictures.whole if settings.view == "whole" else config.pictures.crop
    shown = Shown(
        {"image": picture.image_id}, (picture.width, picture.height), view, lambda: gallery.whole(picture.image_id)
    )
    request = Request(
        config.language_model,
        Form("entities", settings.max_tokens),
        picture.image_id,
        prompt.title,
        prompt.system,
        prompt.fill(prompt=quoted(picture.prompt), max_entities=str(settings.max_entities)),
        (shown,),
    )

    def row(outcome: Outcome | None) -> Row:
        assert outcome is not None
        named = _named(outcome.said["entities"], settings.max_entities) if outcome.said else {}
        state, reason = str(outcome.state), outcome.reason
        if outcome.state is State.DONE and not named["entities"]:
            state, reason = str(State.NO_ENTITIES), "the language model named no entity that can be looked for"
        source = source_of(request, outcome)
        empty: Row = {"entities": [], "left_out": []}
        return {"image_id": picture.image_id, "state": state, "reason": reason, **(named or empty), **source}

    return Task(request, row)


def _named(said: list[dict[str, Any]], most: int) -> Row:
    """Names that a detector can look for, each once, and why the others were left out."""
    entities: list[Row] = []
    left_out: list[Row] = []
    for one in said:
        name = clean_name(one["name"])
        reason = _unusable(name, {entity["name"] for entity in entities})
        if not reason and len(entities) == most:
            reason = f"more than entities.max_entities ({most})"
        if reason:
            left_out.append({"name": one["name"], "reason": reason})
        else:
            entities.append({"name": name, "is_person": one["is_person"]})
    return {"entities": entities, "left_out": left_out}


def clean_name(name: str) -> str:
    """Lower case, on one line. Dots and question marks go: the detectors read them as the end of a name.

    >>> clean_name(" St. Bernard\\n dog?")
    'st bernard dog'
    """
    return " ".join(re.sub(r"[.?。？]", " ", name).split()).casefold()


def _unusable(name: str, taken: set[str]) -> str:
    if not any(letter.isalnum() for letter in name):
        return "no letters"
    if name in taken:
        return "named twice"
    if len(name) > MAX_NAME_CHARACTERS:
        return f"longer than {MAX_NAME_CHARACTERS} characters"
    return ""
