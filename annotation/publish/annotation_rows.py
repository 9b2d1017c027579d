"""The config ``annotations``: drafts, votes, sources and prices of every entity, also of those in no other config."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import PurePosixPath, PureWindowsPath

from datasets import Features, Value

from annotation.llm.calls import CallRecord
from annotation.merging.merged_file import MERGED
from annotation.publish.merged_run import FINAL, MergedRun
from annotation.run.schemas import DRAFTS, Row
from qreal_tasks.text.redaction import redact

CONFIG = "annotations"
_TEXT, _MERGED = Value("string"), Features.from_arrow_schema(MERGED)
_NAMES_OF_FILES = (
    "source_name",
    "detector",
    *(f"{stage}_model" for stage in ("entities", "quality", "judgment", "parts", "merge")),
)
"""Columns with names of files; servers name a model by where it lay when they were started."""
_FROM_HERE = re.compile(r"^(\.{1,2}[\\/]+)+")
"""How a path may begin that is relative to the table."""
_FREE_TEXTS = ("reason", "notes")
"""Columns with words of servers and programs."""
_CALL_KEYS = ("judgment_call_key", "parts_call_key", "merge_call_key")

ANNOTATIONS_FEATURES = Features(
    {
        **Features.from_arrow_schema(DRAFTS),
        "verification_state": _TEXT,
        "conflicts": _MERGED["conflicts"],
        "drop_reason": _TEXT,
        **{f"final_{name}": _MERGED[name] for name in FINAL},
        "adjudicated_by": _TEXT,
        "votes": _MERGED["votes"],
        "sources": _MERGED["sources"],
        "verification_notes": _TEXT,
        "cost_usd": Value("float64"),
        "image_cost_usd": Value("float64"),
    }
)
"""A row an entity; an image without any is one row without ``entity_id``. Columns of the drafts have their names there.

``verification_state`` is final, dropped, pending, conflict, or null where people were not asked about it.
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
        named = ({**row, "annotator": self.of(row["annotator"])} for row in rows)
        return sorted(named, key=lambda row: (row.get("field", ""), row["annotator"]))


def assign_pseudonyms(merged_run: MergedRun, keep: bool) -> Pseudonyms:
    """Assign pseudonyms to everybody who has voted."""
    ballot = merged_run.ballot
    voted = {vote.annotator for votes in ballot.votes.values() for vote in votes}
    return Pseudonyms(sorted(voted), sorted(ballot.people.adjudicators), merged_run.run.recipe("intake"), keep)


def make_annotation_rows(merged_run: MergedRun, shard: int, names: Pseudonyms, calls: CallRecord) -> list[Row]:
    """Make the rows of a shard, in the order of its drafts."""
    pairs = list(merged_run.drafts(shard))
    quality_keys = _quality_keys(merged_run, shard)
    keys = {id(draft): _call_keys(draft, merged, quality_keys) for draft, merged in pairs}
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
    decided: Row = merged if merged is not None else dict.fromkeys(MERGED.names)
    return {
        **draft,
        **{name: _make_shareable(draft[name]) for name in draft if name in _NAMES_OF_FILES and draft[name] is not None},
        **{name: redact(draft[name]) for name in _FREE_TEXTS if draft[name] is not None},
        "verification_state": decided["state"],
        "conflicts": decided["conflicts"] or [],
        "drop_reason": decided["drop"],
        **{f"final_{name}": decided[name] for name in FINAL},
        "adjudicated_by": names.of(decided["adjudicated_by"]),
        "votes": names.within(decided["votes"] or []),
        "sources": names.within(decided["sources"] or []),
        "verification_notes": decided["notes"] and redact(decided["notes"]),
    }


def _quality_keys(merged_run: MergedRun, shard: int) -> dict[str, str]:
    """Entity to the key of the call that scored it; drafts do not hold it."""
    if not merged_run.run.is_done("quality", shard):
        return {}
    rows = merged_run.run.read("quality", shard, ["entity_id", "call_key"])
    return {row["entity_id"]: row["call_key"] for row in rows if row["call_key"] is not None}


def _call_keys(draft: Row, merged: Row | None, quality_keys: Mapping[str, str]) -> list[str]:
    found = [draft[name] for name in _CALL_KEYS]
    found.append(quality_keys.get(draft["entity_id"]))
    found += (merged or {}).get("combine_call_keys") or []
    return list(dict.fromkeys(key for key in found if key is not None))  # parts may be integrated as they were drafted


def _cost(keys: Sequence[str], costs: Mapping[str, float]) -> float | None:
    known = [costs[key] for key in keys if key in costs]
    return sum(known) if known else None


def _make_shareable(name: str) -> str:
    """A name of a file as others may see it: not where it lay, but what tells it from other files.

    >>> [_make_shareable(name) for name in ("/data/me/1.png", "./cats/1.png", "../cats/1.png", "cats/1.png")]
    ['1.png', 'cats/1.png', 'cats/1.png', 'cats/1.png']
    """
    if name.startswith("~") or PurePosixPath(name).is_absolute() or PureWindowsPath(name).is_absolute():
        return redact(PureWindowsPath(name).name)  # knows both kinds of slashes
    return redact(_FROM_HERE.sub("", name))
