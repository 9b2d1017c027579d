"""Counts for the dataset card, taken while rows are written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from annotation.run.schemas import Row
from qreal_tasks.benchmark import ANSWERS, QUESTION_NAMES, Dimension, is_flawed

ANNOTATED_FIELDS = len(QUESTION_NAMES) + len(Dimension)
"""Six answers and two descriptions an entity."""
ANNOTATORS = 3
_STAGES = {
    "Entities named": "entities",
    "Answers and descriptions": "judgment",
    "Body parts of portraits": "parts",
    "Body parts merged": "merge",
}


@dataclass
class PublishedCounts:
    """Counts of one split."""

    images: int = 0
    portraits: int = 0
    with_parts: int = 0
    """Portraits with an entity that went through the portrait protocol."""
    entities: int = 0
    generators: Counter[str] = field(default_factory=Counter)
    prompts: set[str] = field(default_factory=set)
    yes: Counter[str] = field(default_factory=Counter)
    """Question to entities."""
    flawed: Counter[str] = field(default_factory=Counter)
    """Dimension to entities."""
    rules: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How the description of a dimension was made: (rule, dimension) to entities."""
    scored: int = 0
    quality_sum: float = 0.0

    def add(self, image: Row, entities: list[Row]) -> None:
        """Count a row of ``imageqa``, and its entities as ``MergedRun.finals`` gives them."""
        self.images += 1
        self.portraits += image["is_portrait"]
        self.with_parts += image["is_portrait"] and any(any((one["parts"] or {}).values()) for one in entities)
        self.generators[image["generator"]] += 1
        self.prompts.add(image["prompt_id"])
        for one in entities:
            self.entities += 1
            self.yes.update(name for name in QUESTION_NAMES if one[name] == ANSWERS[1])
            self.flawed.update(str(dimension) for dimension in Dimension if is_flawed(dimension, one))
            made = {source["field"]: source["rule"] for source in one["sources"]}
            self.rules.update((made[f"{dimension}_description"], str(dimension)) for dimension in Dimension)
            if one["quality_score"] is not None:
                self.scored += 1
                self.quality_sum += one["quality_score"]

    @property
    def annotations(self) -> int:
        """The number of annotations as the paper counts them: entities x 8 x 3."""
        return self.entities * ANNOTATED_FIELDS * ANNOTATORS

    def yes_share(self, name: str) -> float | None:
        return self.yes[name] / self.entities if self.entities else None

    @property
    def mean_quality(self) -> float | None:
        return self.quality_sum / self.scored if self.scored else None


@dataclass
class ProvenanceCounts:
    """Counts of who drafted what: step, model with fingerprint, prompt to rows."""

    made: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    ended: Counter[str] = field(default_factory=Counter)
    """Why drafted names are in no other config: state to rows."""
    cost_usd: float = 0.0
    priced: bool = False
    _images: set[str] = field(default_factory=set)

    def add(self, row: Row) -> None:
        """Count a row of ``annotations``."""
        new_image = row["image_id"] not in self._images
        self._images.add(row["image_id"])
        for step, stage in _STAGES.items():
            if row[f"{stage}_model"] is not None and (stage != "entities" or new_image):
                prompt = row[f"{stage}_prompt_version"] or "not stated"
                self.made[step, _with(row[f"{stage}_model"], row[f"{stage}_system_fingerprint"]), prompt] += 1
        if row["detector"] is not None:
            self.made["Boxes", row["detector"], ""] += 1
        if row["quality_model"] is not None:
            model = _with(row["quality_model"], row["quality_fingerprint"])
            self.made["Quality score", model, row["quality_prompt"] or ""] += 1
        self.ended[row["verification_state"] or row["state"]] += 1
        costs = [row["cost_usd"], row["image_cost_usd"] if new_image else None]
        self.priced |= any(cost is not None for cost in costs)
        self.cost_usd += sum(cost for cost in costs if cost is not None)


def _with(model: str, fingerprint: str | None) -> str:
    return f"{model} ({fingerprint})" if fingerprint else model
