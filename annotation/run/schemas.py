"""The columns of every stage's shards, as Arrow schemas. A row is an image up to ``entities``, then an entity.

``state`` says what became of the item and ``reason`` why, when that needs saying; no stage leaves an item out.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import pyarrow as pa

from qreal_tasks.benchmark import BODY_PARTS, QUESTION_NAMES, Dimension


class State(StrEnum):
    """What became of an item in a stage."""

    DONE = "done"
    REJECTED = "rejected"
    """Intake: the file cannot be annotated."""
    DUPLICATE = "duplicate"
    """Intake: the same pixels are in the run under another name."""
    NO_ENTITIES = "no entities"
    """The language model named none."""
    UNDETECTED = "undetected"
    """The detector found no box for the name."""
    REFUSED = "refused"
    """The language model refused to answer."""
    FILTERED = "filtered"
    """The filter of the server withheld the answer."""
    FAILED = "failed"
    """An answer that cannot be used, or none; asked again with ``--retry-failed``."""
    SKIPPED = "skipped"
    """An earlier stage left nothing to do, or the config asks for nothing."""


Row = dict[str, Any]
_Columns = list[tuple[str, pa.DataType]]
_TEXT, _INT, _FLOAT, _BOOL = pa.string(), pa.int32(), pa.float32(), pa.bool_()
BOX_TYPE = pa.list_(_FLOAT, 4)
DESCRIPTIONS = tuple(f"{dimension}_description" for dimension in Dimension)


def text_columns(*names: str) -> _Columns:
    """Columns of text with these names."""
    return [(name, _TEXT) for name in names]


PARTS_TYPE = pa.struct(text_columns(*BODY_PARTS))
"""What is wrong with each body part."""
_OUTCOME = text_columns("state", "reason")
_SOURCE = text_columns("model", "system_fingerprint", "prompt_version", "call_key")
"""Who answered: the model and fingerprint as the server names them, the prompt's title, the key in ``calls.sqlite``."""

LISTING = pa.schema(
    [
        *text_columns("name"),
        ("locator", pa.binary()),
        *text_columns("prompt", "generator", "prompt_id", "note", "problem"),
    ]
)
INTAKE = pa.schema(
    [
        *text_columns("name", "image_id", "state", "reason", "note"),
        ("content", pa.binary()),
        *text_columns("pixels_sha256"),
        ("width", _INT),
        ("height", _INT),
        *text_columns("format", "mode", "prompt", "prompt_id", "generator"),
    ]
)
ENTITIES = pa.schema(
    [
        *text_columns("image_id", "state", "reason"),
        ("entities", pa.list_(pa.struct([("name", _TEXT), ("is_person", _BOOL)]))),
        ("left_out", pa.list_(pa.struct(text_columns("name", "reason")))),
        *_SOURCE,
    ]
)
DETECTION = pa.schema(
    [
        *text_columns("entity_id", "image_id", "label"),
        ("is_person", _BOOL),
        *_OUTCOME,
        ("bbox", BOX_TYPE),
        ("detection_score", _FLOAT),
        ("detection_pass", _INT),
        *text_columns("detector"),
    ]
)
QUALITY = pa.schema(
    [
        *text_columns("entity_id", "state", "reason"),
        ("quality_score", _FLOAT),
        ("levels", pa.list_(_FLOAT, 5)),
        *text_columns("quality_model", "quality_fingerprint", "quality_prompt", "call_key"),
    ]
)
JUDGMENT = pa.schema([*text_columns("entity_id", "state", "reason", *QUESTION_NAMES, *DESCRIPTIONS, "notes"), *_SOURCE])
PARTS = pa.schema([*text_columns("entity_id", "state", "reason", *BODY_PARTS, "notes"), *_SOURCE])
MERGE = pa.schema([*text_columns("entity_id", "state", "reason", "plausibility_description", "notes"), *_SOURCE])
DRAFTS = pa.schema(
    [
        *text_columns("entity_id", "image_id", "source_name", "prompt", "prompt_id", "generator", "label"),
        ("is_portrait", _BOOL),
        ("bbox", BOX_TYPE),
        *text_columns("state", "stage", "reason"),
        ("detection_score", _FLOAT),
        ("detection_pass", _INT),
        *text_columns("detector"),
        ("quality_score", _FLOAT),
        *text_columns("quality_state", "quality_model", "quality_fingerprint", "quality_prompt"),
        *text_columns(*QUESTION_NAMES, *DESCRIPTIONS),
        ("parts", PARTS_TYPE),
        *text_columns("merged_description", "notes"),
        *((f"{stage}_{name}", kind) for stage in ("entities", "judgment", "parts", "merge") for name, kind in _SOURCE),
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
