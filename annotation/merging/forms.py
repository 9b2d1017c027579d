"""What people are asked about: a form for every entity that has complete drafts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from annotation.errors import AnnotationError, annotate_command
from annotation.run.folder import RunFolder
from annotation.stages.records import choose_drafted_descriptions, load_complete_drafts
from qreal_tasks.benchmark import QUESTION_NAMES

Parts = Mapping[str, str | None]
"""Body part to what is wrong with it."""


@dataclass(frozen=True)
class DraftForm:
    """An entity as it was drafted, for people to verify."""

    entity_id: str
    image_id: str
    prompt_id: str
    generator: str
    is_portrait: bool
    label: str
    bbox_px: tuple[float, float, float, float]
    """x1, y1, x2, y2 in the stored image."""
    descriptions: Mapping[str, str]
    """Dimension to the draft."""
    parts: Parts | None
    """Drafts of the portrait protocol; None where it was not applied."""
    answers: Mapping[str, str]
    """Question to the machine's answer. People never see it before they have answered."""
    integrated: bool = False
    """The drafted description of plausibility was made of the drafted parts."""

    @property
    def shown(self) -> dict[str, Any]:
        """What people see of the entity, and may change."""
        return {
            "label": self.label,
            "bbox_px": list(self.bbox_px),
            "descriptions": dict(self.descriptions),
            "parts": None if self.parts is None else dict(self.parts),
        }

    @property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that stand for what is shown: a draft that was made anew is another form."""
        return hashlib.sha256(json.dumps([self.entity_id, self.shown], sort_keys=True).encode()).hexdigest()[:16]


def load_shard_forms(run: RunFolder, shard: int) -> Iterator[DraftForm]:
    """Read the forms of a shard, in the order of its drafts."""
    for rows in load_complete_drafts(run, shard).values():
        for row in rows:
            drafted = choose_drafted_descriptions(row)
            yield DraftForm(
                **{name: row[name] for name in ("entity_id", "image_id", "prompt_id", "generator", "is_portrait")},
                label=row["label"],
                bbox_px=tuple(row["bbox"]),
                descriptions={name.removesuffix("_description"): text for name, text in drafted.items()},
                parts=row["parts"],
                answers={name: row[name] for name in QUESTION_NAMES},
                integrated=drafted["plausibility_description"] == row["merged_description"],
            )


def load_forms(run: RunFolder) -> dict[str, DraftForm]:
    """Read every form of a run, by entity.

    Raises:
        AnnotationError: drafts are missing or out of date, or there is nothing to verify.
    """
    if missing := run.pending("drafts", run.shard_numbers):
        raise AnnotationError(
            f"{run.path}: drafts of {len(missing)} of {len(run.shard_numbers)} shards are missing or out of date; "
            f"`{annotate_command('run', run.path)}` makes them"
        )
    found = {form.entity_id: form for shard in run.shard_numbers for form in load_shard_forms(run, shard)}
    if not found:
        command = annotate_command("status", run.path)
        raise AnnotationError(f"{run.path}: no entity has complete drafts; `{command}` says why")
    return found
