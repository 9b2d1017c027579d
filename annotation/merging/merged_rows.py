"""The columns of merged.parquet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from annotation.merging.forms import DraftForm
from annotation.merging.merge import MergedEntity
from annotation.merging.votes import Vote
from qreal_tasks.benchmark import BODY_PARTS, QUESTION_NAMES, Dimension

_TEXT = pa.string()
_BOX = pa.list_(pa.float32(), 4)
_PARTS = pa.struct([(part, _TEXT) for part in BODY_PARTS])
_SAID = [
    ("label", _TEXT),
    ("bbox", _BOX),
    *((name, _TEXT) for name in QUESTION_NAMES),
    *((f"{dimension}_description", _TEXT) for dimension in Dimension),
    ("parts", _PARTS),
]

VOTES = pa.list_(
    pa.struct(
        [("annotator", _TEXT), ("drop", _TEXT), *_SAID, ("seconds", pa.float32()), ("answered_at", _TEXT)],
    )
)
SOURCES = pa.list_(pa.struct([("field", _TEXT), ("rule", _TEXT), ("annotator", _TEXT), ("text", _TEXT)]))
"""Every text of every field, and the rule by which the field's text was made."""

MERGED = pa.schema(
    [
        ("entity_id", _TEXT),
        ("image_id", _TEXT),
        ("prompt_id", _TEXT),
        ("state", _TEXT),
        ("conflicts", pa.list_(_TEXT)),
        ("drop", _TEXT),
        *_SAID,
        ("adjudicated_by", _TEXT),
        ("votes", VOTES),
        ("sources", SOURCES),
        ("notes", _TEXT),
        ("combine_call_keys", pa.list_(_TEXT)),
    ]
)
"""A row a drafted entity. What is not settled is null; the votes are those on the draft as it is."""

Row = dict[str, Any]


def make_merged_row(form: DraftForm, merged: MergedEntity, votes: Sequence[Vote]) -> Row:
    """One entity."""
    chosen = {f"{dimension}_description": text for dimension, text in merged.descriptions.items()}
    everything = {**chosen, **{f"parts.{part}": text for part, text in (merged.parts or {}).items()}}
    return {
        "entity_id": form.entity_id,
        "image_id": form.image_id,
        "prompt_id": form.prompt_id,
        "state": str(merged.state),
        "conflicts": list(merged.conflicts),
        "drop": merged.drop,
        "label": merged.label,
        "bbox": merged.bbox_px and list(merged.bbox_px),
        **merged.answers,
        **{name: text and text.text for name, text in chosen.items()},
        "parts": merged.part_texts,
        "adjudicated_by": merged.adjudicated_by,
        "votes": [_vote(vote) for vote in votes],
        "sources": [
            {"field": field, "rule": text.rule, "annotator": who, "text": said}
            for field, text in everything.items()
            if text is not None
            for who, said in text.sources.items()
        ],
        "notes": "",
        "combine_call_keys": [],
    }


def _vote(vote: Vote) -> Row:
    return {
        "annotator": vote.annotator,
        "drop": vote.drop,
        "label": vote.label,
        "bbox": list(vote.bbox_px),
        **(vote.answers or dict.fromkeys(QUESTION_NAMES)),
        **{f"{dimension}_description": vote.descriptions[dimension] for dimension in Dimension},
        "parts": vote.parts,
        "seconds": vote.seconds,
        "answered_at": vote.updated_at,
    }
