"""RUN/verification/merged.parquet: what became of every drafted entity, as one row each."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from annotation.errors import AnnotationError, annotate_command
from annotation.merging.ballot import Ballot
from annotation.merging.forms import DraftForm
from annotation.merging.merge import Conclusion, MergedEntity, find_unexplained_flaws
from annotation.merging.votes import Vote
from annotation.run.folder import RunFolder
from annotation.run.schemas import BOX_TYPE, DESCRIPTIONS, PARTS_TYPE, Row, text_columns
from qreal_tasks.benchmark import QUESTION_NAMES, Dimension
from qreal_tasks.shards import parquet_files as shards

_FORM = 3
"""Changes when the same votes merge into other rows."""
_PARTS_OF_RECIPE = {"form": "program", "forms": "drafts", "votes": "votes", "people": "people", "laid_before": "tasks"}
"""Keys of the file's recipe, and what is newer than the file where they differ."""
_ANSWERED = [
    *text_columns("label"),
    ("bbox", BOX_TYPE),
    *text_columns(*QUESTION_NAMES, *DESCRIPTIONS),
    ("parts", PARTS_TYPE),
]
VOTES = pa.list_(
    pa.struct([*text_columns("annotator", "drop"), *_ANSWERED, ("seconds", pa.float32()), *text_columns("answered_at")])
)
SOURCES = pa.list_(pa.struct(text_columns("field", "rule", "annotator", "text")))
"""Every text of every field, and the rule by which the field's text was made."""
MERGED = pa.schema(
    [
        *text_columns("entity_id", "image_id", "prompt_id", "state"),
        ("conflicts", pa.list_(pa.string())),
        *text_columns("drop"),
        *_ANSWERED,
        *text_columns("adjudicated_by"),
        ("votes", VOTES),
        ("sources", SOURCES),
        *text_columns("notes"),
        ("combine_call_keys", pa.list_(pa.string())),
    ]
)
"""A row a drafted entity. What is not settled is null; the votes are those on the draft as it is."""


@dataclass(frozen=True)
class MergeSettings:
    """What decides how votes are merged."""

    min_votes: int | None = None
    """How many are enough where some are missing."""
    combine: str | None = None
    """The model that combined several edits and integrated body parts, with its prompts; None for the rule."""


def merged_path(run: RunFolder) -> Path:
    return run.verification_path / "merged.parquet"


def write_merged(
    run: RunFolder,
    ballot: Ballot,
    merged: Sequence[MergedEntity],
    settings: MergeSettings,
    notes: Mapping[str, Row] | None = None,
) -> Path:
    """Put the file in place in one step.

    Args:
        notes: by entity, further columns: ``notes`` and ``combine_call_keys``.
    """
    rows = []
    for one in merged:
        adjudicated = ballot.adjudicated.get(one.entity_id)
        votes = [*ballot.votes.get(one.entity_id, ()), *([] if adjudicated is None else [adjudicated])]
        form, further = ballot.forms[one.entity_id], (notes or {}).get(one.entity_id, {})
        row = {**make_merged_row(form, one, votes), **further}
        row["notes"] = "; ".join(filter(None, [row["notes"], *find_unexplained_flaws(form, one)]))
        rows.append(row)
    path = merged_path(run)
    shards.write_rows(path, rows, MERGED, json.dumps(_make_recipe(run, ballot, settings), sort_keys=True))
    return path


def read_merge_settings(run: RunFolder) -> MergeSettings:
    """The settings with which the file was made.

    Raises:
        AnnotationError: there is no file, or another program made it.
    """
    return MergeSettings(**_read_recipe(run)["settings"])


def read_merged(run: RunFolder, ballot: Ballot) -> list[Row]:
    """Read the rows, when they are made of these votes.

    Raises:
        AnnotationError: there is no file, it is of another run, or older than the votes or drafts.
    """
    found = _read_recipe(run)
    expected = _make_recipe(run, ballot, MergeSettings(**found["settings"]))
    path, again = merged_path(run), f"`{annotate_command('verify', 'merge', run.path)}` makes it again"
    if found["run"] != expected["run"]:
        raise AnnotationError(f"{path} belongs to a run of other inputs; {again}")
    for key, newer in _PARTS_OF_RECIPE.items():
        if found[key] != expected[key]:
            raise AnnotationError(f"{path} is older than the {newer}; {again}")
    rows: list[Row] = shards.read_table(path).to_pylist()
    return rows


def list_conflicts(rows: Sequence[Row]) -> list[tuple[str, list[str]]]:
    """Entities in conflict, and what is not settled of each."""
    return [(row["entity_id"], row["conflicts"]) for row in rows if row["state"] == Conclusion.CONFLICT]


def count_states(rows: Sequence[Row]) -> dict[str, int]:
    """Count entities by state, all four."""
    counts = Counter(row["state"] for row in rows)
    return {str(state): counts[state] for state in Conclusion}


def make_merged_row(form: DraftForm, merged: MergedEntity, votes: Sequence[Vote]) -> Row:
    """The row of one entity, with the columns of ``MERGED``."""
    texts = merged.texts
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
        **{name: texts[name].text if name in texts else None for name in DESCRIPTIONS},
        "parts": merged.part_texts,
        "adjudicated_by": merged.adjudicated_by,
        "votes": [_vote_row(vote) for vote in votes],
        "sources": [
            {"field": field, "rule": merged_text.rule, "annotator": who, "text": text}
            for field, merged_text in texts.items()
            for who, text in merged_text.sources.items()
        ],
        "notes": "",
        "combine_call_keys": [],
    }


def _vote_row(vote: Vote) -> Row:
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


def _make_recipe(run: RunFolder, ballot: Ballot, settings: MergeSettings) -> Row:
    return {"form": _FORM, "run": run.run_id, "settings": asdict(settings), **ballot.digests()}


def _read_recipe(run: RunFolder) -> Row:
    path = merged_path(run)
    recipe = shards.read_recipe(path)
    try:
        found: Row = json.loads(recipe or "")
        MergeSettings(**found["settings"])
    except (ValueError, KeyError, TypeError):
        command = annotate_command("verify", "merge", run.path)
        raise AnnotationError(f"{path} is not there, or another program made it; `{command}` makes it") from None
    return found
