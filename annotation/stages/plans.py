"""What each language-model stage asks about a shard."""

from __future__ import annotations

from annotation.llm.pipeline import Plan
from annotation.stages.entities import plan_entities
from annotation.stages.judgment import plan_judgment
from annotation.stages.portraits import plan_merge, plan_parts
from annotation.stages.quality import plan_quality

PLANS: dict[str, Plan] = {
    "entities": plan_entities,
    "quality": plan_quality,
    "judgment": plan_judgment,
    "parts": plan_parts,
    "merge": plan_merge,
}
