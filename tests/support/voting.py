"""Votes for tests: what a person leaves on the page who changes nothing but what is said."""

from __future__ import annotations

from typing import Any

from annotation.merging.forms import DraftForm
from annotation.merging.votes import Vote
from qreal_tasks.benchmark import BODY_PARTS, QUESTION_NAMES

CLEAN = dict(zip(QUESTION_NAMES, ("Yes", "Yes", "No", "No", "No", "No"), strict=True))
"""Answers without a flaw."""


def form(entity_id: str = "image#0", **changes: Any) -> DraftForm:
    """A drafted dog."""
    result: dict[str, Any] = {
        "entity_id": entity_id,
        "image_id": entity_id.partition("#")[0],
        "prompt_id": "prompt",
        "generator": "generator",
        "is_portrait": False,
        "label": "dog",
        "bbox_px": (10.0, 10.0, 110.0, 110.0),
        "descriptions": {"realism": "Nothing is wrong.", "plausibility": "Nothing is wrong."},
        "parts": None,
        "answers": CLEAN,
    }
    return DraftForm(**{**result, **changes})


def vote(drafted: DraftForm, annotator: str = "anna", **result: Any) -> Vote:
    """A vote; questions by name, ``realism`` and ``plausibility`` are descriptions, other names are the vote's own."""
    answers = {name: result.pop(name, CLEAN[name]) for name in QUESTION_NAMES}
    descriptions = {name: result.pop(name, drafted.descriptions[name]) for name in ("realism", "plausibility")}
    parts = None
    if drafted.parts is not None:
        parts = {part: result.pop(part, drafted.parts[part]) for part in BODY_PARTS}
    own: dict[str, Any] = {
        "annotator": annotator,
        "entity_id": drafted.entity_id,
        "answers": None if result.get("drop") else answers,
        "drop": None,
        "label": drafted.label,
        "bbox_px": drafted.bbox_px,
        "descriptions": descriptions,
        "parts": parts,
        "shown": drafted.shown,
        "seconds": 30.0,
        "annotation_id": 1,
        "updated_at": "2026-01-01T00:00:00+00:00",
    }
    return Vote(**{**own, **result})
