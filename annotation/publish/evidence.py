"""The config ``annotations``: drafts, votes, sources and prices of every entity, also of those in no other config."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from datasets import Features, List, Value

from annotation.llm.calls import CallRecord
from annotation.merging.merged_rows import MERGED
from annotation.publish.material import FINAL, Material
from annotation.run.schemas import DRAFTS
from qreal_tasks.benchmark import BODY_PARTS
from qreal_tasks.text.redaction import redact

CONFIG = "annotations"
_TEXT, _FLOAT = Value("string"), Value("float32")
_BOX = List(_FLOAT, length=4)
_PARTS = dict.fromkeys(BODY_PARTS, _TEXT)
_NAMES_OF_FILES = (
    "source_name",
    "detector",
    *(f"{stage}_model" for stage in ("entities", "quality", "judgment", "parts", "merge")),
)
"""Servers say of a model where it lay when they were started."""
_FROM_HERE = re.compile(r"^(\.{1,2}[\\/]+)+")
"""How a path may begin that is told from where the table lies."""
_SAID = ("reason", "notes")
"""What servers and programs said of a draft."""
_CALL_KEYS = ("judgment_call_key", "parts_call_key", "merge_call_key")
_VOTE = MERGED.field("votes").type.value_type
Row = dict[str, Any]


def _feature(name: str) -> Any:
    if name == "bbox":
        return _BOX
    if name == "parts":
        return _PARTS
    return _FLOAT if name == "seconds" else _TEXT


def _drafted(name: str) -> Any:
    kind = str(DRAFTS.field(name).type)
    return {"string": _TEXT, "bool": Value("bool"), "float": _FLOAT, "int32": Value("int32")}.get(kind, _feature(name))


ANNOTATIONS_FEATURES = Features(
    {
        **{name: _drafted(name) for name in DRAFTS.names},
        "verification_state": _TEXT,
        "conflicts": List(_TEXT),
        "drop_reason": _TEXT,
        **{f"final_{name}": _feature(name) for name in FINAL},
        "adjudicated_by": _TEXT,
        "votes": List({field.name: _feature(field.name) for field in _VOTE}),
        "sources": List(dict.fromkeys(("field", "rule", "annotator", "text"), _TEXT)),
        "verification_notes": _TEXT,
        "cost_usd": Value("float64"),
        "image_cost_usd": Value("float64"),
    }
)
"""A row an entity; an image without any is one row without ``entity_id``. Columns of the drafts have their names there.

``verification_state`` is final, dropped, pending, conflict, or null where nothing was laid before people.
``cost_usd`` is what the entity's own calls cost; ``image_cost_usd`` is what naming the entities of its image cost, the
same in all rows of the image. Null where no price was known."""


class Pseudonyms:
    """Names of people as they are published: in an order that says nothing of the names."""

    def __init__(self, annotators: Sequence[str], adjudicators: Sequence[str], salt: str, keep: bool) -> None:
        drawn = sorted(annotators, key=lambda name: sha256(f"{salt} {name}".encode()).hexdigest())
        self._names = {name: f"annotator_{number}" for number, name in enumerate(drawn, start=1)}
        self._names |= dict.fromkeys(adjudicators, "adjudicator")
        if keep:
            self._names = {name: name for name in self._names}

    def of(self, name: str | None) -> str | None:
        return None if name is None else self._names[name]

    def within(self, rows: Sequence[Row]) -> list[Row]:
        """Rows with a column ``annotator``, in the order of the published names."""
        return sorted(({**row, "annotator": self.of(row["annotator"])} for row in rows), key=_by_field_and_name)


def pseudonyms_of(material: Material, keep: bool) -> Pseudonyms:
    """For everybody who has voted."""
    ballot = material.ballot
    voted = {vote.annotator for votes in ballot.votes.values() for vote in votes}
    return Pseudonyms(sorted(voted), sorted(ballot.people.adjudicators), material.run.recipe("intake"), keep)


def annotation_rows(material: Material, shard: int, names: Pseudonyms, calls: CallRecord) -> list[Row]:
    """The rows of a shard, in the order of its drafts."""
    pairs = list(material.drafts(shard))
    quality_keys = _quality_keys(material, shard)
    keys = {id(draft): _keys(draft, merged, quality_keys) for draft, merged in pairs}
    wanted = [key for own in keys.values() for key in own] + [draft["entities_call_key"] for draft, _ in pairs]
    costs = calls.costs(key for key in wanted if key is not None)
    return [
        {
            **_row(draft, merged, names),
            "cost_usd": _cost(keys[id(draft)], costs),
            "image_cost_usd": costs.get(draft["entities_call_key"]),
        }
        for draft, merged in pairs
    ]


def _row(draft: Row, merged: Row | None, names: Pseudonyms) -> Row:
    said: Row = merged if merged is not None else dict.fromkeys(MERGED.names)
    return {
        **draft,
        **{name: _shareable(draft[name]) for name in draft if name in _NAMES_OF_FILES and draft[name] is not None},
        **{name: redact(draft[name]) for name in _SAID if draft[name] is not None},
        "verification_state": said["state"],
        "conflicts": said["conflicts"] or [],
        "drop_reason": said["drop"],
        **{f"final_{name}": said[name] for name in FINAL},
        "adjudicated_by": names.of(said["adjudicated_by"]),
        "votes": names.within(said["votes"] or []),
        "sources": names.within(said["sources"] or []),
        "verification_notes": said["notes"] and redact(said["notes"]),
    }


def _quality_keys(material: Material, shard: int) -> dict[str, str]:
    """Entity to the key of the call that scored it; drafts do not hold it."""
    if not material.run.is_done("quality", shard):
        return {}
    rows = material.run.read("quality", shard, ["entity_id", "call_key"])
    return {row["entity_id"]: row["call_key"] for row in rows if row["call_key"] is not None}


def _keys(draft: Row, merged: Row | None, quality_keys: Mapping[str, str]) -> list[str]:
    found = [draft[name] for name in _CALL_KEYS]
    found.append(quality_keys.get(draft["entity_id"]))
    found += (merged or {}).get("combine_call_keys") or []
    return list(dict.fromkeys(key for key in found if key is not None))  # parts may be integrated as they were drafted


def _cost(keys: Sequence[str], costs: Mapping[str, float]) -> float | None:
    known = [costs[key] for key in keys if key in costs]
    return sum(known) if known else None


def _shareable(name: str) -> str:
    """A table may name files by where they lay; that says nothing to others. What tells one file from another stays.

    >>> [_shareable(name) for name in ("/data/me/1.png", "./cats/1.png", "../cats/1.png", "cats/1.png")]
    ['1.png', 'cats/1.png', 'cats/1.png', 'cats/1.png']
    """
    if name.startswith("~") or PurePosixPath(name).is_absolute() or PureWindowsPath(name).is_absolute():
        return redact(PureWindowsPath(name).name)  # knows both kinds of slashes
    return redact(_FROM_HERE.sub("", name))


def _by_field_and_name(row: Row) -> tuple[str, str]:
    return row.get("field", ""), row["annotator"]
