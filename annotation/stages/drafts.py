"""Stage ``drafts``: all that the machine found about every entity, also those that are in no dataset row.

This is what people verify: both drafts of a description, the score, the sources, and where and why an entity ended.
"""

from __future__ import annotations

from annotation.run.folder import AcceptedImage, RunFolder
from annotation.run.portrait_list import load_portrait_ids
from annotation.run.schemas import DESCRIPTIONS, DRAFTS, Row, State
from qreal_tasks.benchmark import BODY_PARTS, QUESTION_NAMES

_SOURCE = ("model", "system_fingerprint", "prompt_version", "call_key")
_DETECTION = ("entity_id", "label", "bbox", "detector", "detection_score", "detection_pass")
_LATER = ("quality", "judgment", "parts", "merge")
"""Stages after detection, whose rows are about entities."""
_QUALITY = ("quality_score", "quality_model", "quality_fingerprint", "quality_prompt")
_LOST = (State.REFUSED, State.FILTERED, State.FAILED)


def assemble_drafts(run: RunFolder, shard: int) -> list[Row]:
    """Bring the rows of all stages together: the entities of every image, in order; an image without any is one row."""
    named = {row["image_id"]: row for row in run.read("entities", shard)}
    later = {stage: {row["entity_id"]: row for row in run.read(stage, shard)} for stage in _LATER}
    listed = load_portrait_ids(run)
    by_image: dict[str, list[Row]] = {}
    for row in run.read("detection", shard):
        by_image.setdefault(row["image_id"], []).append(row)
    drafts: list[Row] = []
    for image in run.pictures(shard):
        entities = by_image.get(image.image_id, [])
        is_portrait = any(row["is_person"] and row["state"] == State.DONE for row in entities)
        if listed is not None:
            is_portrait = image.image_id in listed
        shared = {**_image_columns(image, named[image.image_id]), "is_portrait": is_portrait}
        drafts += [
            shared | _entity_columns(row, {stage: later[stage].get(row["entity_id"], {}) for stage in _LATER})
            for row in entities
        ]
        if not entities:
            ended = {name: named[image.image_id][name] for name in ("state", "reason")}
            drafts.append({**shared, **ended, "stage": "entities"})
    return [{name: row.get(name) for name in DRAFTS.names} for row in drafts]


def _image_columns(image: AcceptedImage, named: Row) -> Row:
    return {
        "image_id": image.image_id,
        "source_name": image.name,
        "prompt": image.prompt,
        "prompt_id": image.prompt_id,
        "generator": image.generator,
        **{f"entities_{name}": named[name] for name in _SOURCE},
    }


def _entity_columns(detected: Row, later: dict[str, Row]) -> Row:
    quality, judgment, parts, merge = (later[stage] for stage in _LATER)
    ended = ("detection", detected) if detected["state"] != State.DONE else ("judgment", judgment)
    has_parts = parts.get("state") == State.DONE
    notes = [row.get("notes") for row in (judgment, parts, merge)]
    lost = [stage for stage in ("parts", "merge") if later[stage].get("state") in _LOST]
    trouble = [f"{stage}: {later[stage]['state']}, {later[stage]['reason']}" for stage in lost]
    return {
        **{name: detected[name] for name in _DETECTION},
        "stage": ended[0],
        "state": ended[1]["state"],
        "reason": ended[1]["reason"],
        "quality_state": quality.get("state"),
        **{name: quality.get(name) for name in _QUALITY},
        **{name: judgment.get(name) for name in (*QUESTION_NAMES, *DESCRIPTIONS)},
        "parts": {part: parts[part] for part in BODY_PARTS} if has_parts else None,
        "merged_description": merge.get("plausibility_description"),
        "notes": "; ".join(dict.fromkeys(note for note in (*notes, *trouble) if note)),
        **{f"{stage}_{name}": later[stage].get(name) for stage in ("judgment", "parts", "merge") for name in _SOURCE},
    }
