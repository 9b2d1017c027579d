"""Stage ``drafts``: all that the machine found about every entity, also those that are in no dataset row.

This is what people verify: both drafts of a description, the score, the sources, and where and why an entity ended.
"""

from __future__ import annotations

from typing import Any

from annotation.run.folder import AcceptedImage, RunFolder
from annotation.run.portrait_list import load_portrait_ids
from annotation.run.schemas import DRAFTS, State
from qreal_tasks.benchmark import BODY_PARTS, QUESTION_NAMES

_SOURCE = ("model", "system_fingerprint", "prompt_version", "call_key")
_QUALITY = ("quality_score", "quality_model", "quality_fingerprint", "quality_prompt")
_LOST = (State.REFUSED, State.FILTERED, State.FAILED)
Row = dict[str, Any]


def assemble_drafts(run: RunFolder, shard: int) -> list[Row]:
    """The entities of every image of a shard, in order; an image without any is one row."""
    named = {row["image_id"]: row for row in run.read("entities", shard)}
    by_stage = {
        stage: {row["entity_id"]: row for row in run.read(stage, shard)}
        for stage in ("quality", "judgment", "parts", "merge")
    }
    listed = load_portrait_ids(run)
    by_image: dict[str, list[Row]] = {}
    for row in run.read("detection", shard):
        by_image.setdefault(row["image_id"], []).append(row)
    found: list[Row] = []
    for picture in run.pictures(shard):
        entities = by_image.get(picture.image_id, [])
        portrait = any(row["is_person"] and row["state"] == State.DONE for row in entities)
        if listed is not None:
            portrait = picture.image_id in listed
        shared = {**_of_image(picture, named[picture.image_id]), "is_portrait": portrait}
        found += [
            shared | _of_entity(row, {s: by_stage[s].get(row["entity_id"], {}) for s in by_stage}) for row in entities
        ]
        if not entities:
            ended = {name: named[picture.image_id][name] for name in ("state", "reason")}
            found.append({**shared, **ended, "stage": "entities"})
    return [{name: row.get(name) for name in DRAFTS.names} for row in found]


def _of_image(picture: AcceptedImage, named: Row) -> Row:
    return {
        "image_id": picture.image_id,
        "source_name": picture.name,
        "prompt": picture.prompt,
        "prompt_id": picture.prompt_id,
        "generator": picture.generator,
        **{f"entities_{name}": named[name] for name in _SOURCE},
    }


def _of_entity(detected: Row, later: dict[str, Row]) -> Row:
    quality, judgment, parts, merge = (later[stage] for stage in ("quality", "judgment", "parts", "merge"))
    ended = ("detection", detected) if detected["state"] != State.DONE else ("judgment", judgment)
    has_parts = parts.get("state") == State.DONE
    notes = [row.get("notes") for row in (judgment, parts, merge)]
    lost = [stage for stage in ("parts", "merge") if later[stage].get("state") in _LOST]
    trouble = [f"{stage}: {later[stage]['state']}, {later[stage]['reason']}" for stage in lost]
    return {
        **{name: detected[name] for name in ("entity_id", "label", "bbox", "detector")},
        **{name: detected[name] for name in ("detection_score", "detection_pass")},
        "stage": ended[0],
        "state": ended[1]["state"],
        "reason": ended[1]["reason"],
        "quality_state": quality.get("state"),
        **{name: quality.get(name) for name in _QUALITY},
        **{name: judgment.get(name) for name in (*QUESTION_NAMES, "realism_description", "plausibility_description")},
        "parts": {part: parts[part] for part in BODY_PARTS} if has_parts else None,
        "merged_description": merge.get("plausibility_description"),
        "notes": "; ".join(dict.fromkeys(note for note in (*notes, *trouble) if note)),
        **{f"judgment_{name}": judgment.get(name) for name in _SOURCE},
        **{f"parts_{name}": parts.get(name) for name in _SOURCE},
        **{f"merge_{name}": merge.get(name) for name in _SOURCE},
    }
