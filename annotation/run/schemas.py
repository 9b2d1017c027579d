"""The columns of every stage's shards, as Arrow schemas. A row is an image up to ``entities``, then an entity.

``state`` says what became of the item and ``reason`` why, when that needs saying; no stage leaves an item out.
"""

from __future__ import annotations

from enum import StrEnum

import pyarrow as pa

from qreal_tasks.benchmark import BODY_PARTS, QUESTION_NAMES


class State(StrEnum):
    """What became of an item in a stage."""

    DONE = "done"
    REJECTED = "rejected"
    """By intake: the file cannot be annotated."""
    DUPLICATE = "duplicate"
    """By intake: the same pixels are in the run under another name."""
    NO_ENTITIES = "no entities"
    """The language model named none."""
    UNDETECTED = "undetected"
    """The detector found no box for the name."""
    REFUSED = "refused"
    """By the language model."""
    FILTERED = "filtered"
    """By the filter of its server."""
    FAILED = "failed"
    """An answer that cannot be used, or none; asked again with ``--retry-failed``."""
    SKIPPED = "skipped"
    """An earlier stage left nothing to do, or the config asks for nothing."""


_TEXT, _INT, _FLOAT, _BOOL = pa.string(), pa.int32(), pa.float32(), pa.bool_()
_BOX = pa.list_(pa.float32(), 4)

_OUTCOME = [("state", _TEXT), ("reason", _TEXT)]
_SOURCE = [("model", _TEXT), ("system_fingerprint", _TEXT), ("prompt_version", _TEXT), ("call_key", _TEXT)]
"""Who said it: the model and fingerprint as the server names them, the prompt's title, the key in ``calls.sqlite``."""

LISTING = pa.schema(
    [
        ("name", _TEXT),
        ("locator", pa.binary()),
        ("prompt", _TEXT),
        ("generator", _TEXT),
        ("prompt_id", _TEXT),
        ("note", _TEXT),
        ("problem", _TEXT),
    ]
)

INTAKE = pa.schema(
    [
        ("name", _TEXT),
        ("image_id", _TEXT),
        *_OUTCOME,
        ("note", _TEXT),
        ("content", pa.binary()),
        ("pixels_sha256", _TEXT),
        ("width", _INT),
        ("height", _INT),
        ("format", _TEXT),
        ("mode", _TEXT),
        ("prompt", _TEXT),
        ("prompt_id", _TEXT),
        ("generator", _TEXT),
    ]
)

ENTITIES = pa.schema(
    [
        ("image_id", _TEXT),
        *_OUTCOME,
        ("entities", pa.list_(pa.struct([("name", _TEXT), ("is_person", _BOOL)]))),
        ("left_out", pa.list_(pa.struct([("name", _TEXT), ("reason", _TEXT)]))),
        *_SOURCE,
    ]
)

DETECTION = pa.schema(
    [
        ("entity_id", _TEXT),
        ("image_id", _TEXT),
        ("label", _TEXT),
        ("is_person", _BOOL),
        *_OUTCOME,
        ("bbox", _BOX),
        ("detection_score", _FLOAT),
        ("detection_pass", _INT),
        ("detector", _TEXT),
    ]
)

QUALITY = pa.schema(
    [
        ("entity_id", _TEXT),
        *_OUTCOME,
        ("quality_score", _FLOAT),
        ("levels", pa.list_(pa.float32(), 5)),
        ("quality_model", _TEXT),
        ("quality_fingerprint", _TEXT),
        ("quality_prompt", _TEXT),
        ("call_key", _TEXT),
    ]
)

JUDGMENT = pa.schema(
    [
        ("entity_id", _TEXT),
        *_OUTCOME,
        *((name, _TEXT) for name in QUESTION_NAMES),
        ("realism_description", _TEXT),
        ("plausibility_description", _TEXT),
        ("notes", _TEXT),
        *_SOURCE,
    ]
)

PARTS = pa.schema(
    [("entity_id", _TEXT), *_OUTCOME, *((part, _TEXT) for part in BODY_PARTS), ("notes", _TEXT), *_SOURCE]
)

MERGE = pa.schema([("entity_id", _TEXT), *_OUTCOME, ("plausibility_description", _TEXT), ("notes", _TEXT), *_SOURCE])

_DRAFT_SOURCES = ("entities", "judgment", "parts", "merge")

DRAFTS = pa.schema(
    [
        ("entity_id", _TEXT),
        ("image_id", _TEXT),
        ("source_name", _TEXT),
        ("prompt", _TEXT),
        ("prompt_id", _TEXT),
        ("generator", _TEXT),
        ("label", _TEXT),
        ("is_portrait", _BOOL),
        ("bbox", _BOX),
        ("state", _TEXT),
        ("stage", _TEXT),
        ("reason", _TEXT),
        ("detection_score", _FLOAT),
        ("detection_pass", _INT),
        ("detector", _TEXT),
        ("quality_score", _FLOAT),
        ("quality_state", _TEXT),
        ("quality_model", _TEXT),
        ("quality_fingerprint", _TEXT),
        ("quality_prompt", _TEXT),
        *((name, _TEXT) for name in QUESTION_NAMES),
        ("realism_description", _TEXT),
        ("plausibility_description", _TEXT),
        ("parts", pa.struct([(part, _TEXT) for part in BODY_PARTS])),
        ("merged_description", _TEXT),
        ("notes", _TEXT),
        *((f"{stage}_{name}", kind) for stage in _DRAFT_SOURCES for name, kind in _SOURCE),
    ]
)
"""A row an entity, also those that are in no dataset row; an image without any is one row without ``entity_id``.
``stage`` and ``reason`` say where and why an entity ended; everything that was drafted is kept beside it."""

SCHEMAS = {
    "intake": INTAKE,
    "entities": ENTITIES,
    "detection": DETECTION,
    "quality": QUALITY,
    "judgment": JUDGMENT,
    "parts": PARTS,
    "merge": MERGE,
    "drafts": DRAFTS,
}
"""Beside them ``imageqa`` and ``objectqa`` have the dataset's own columns."""
