"""The language-model stages by name: what each asks, with which prompt and how long an answer."""

from __future__ import annotations

from annotation.config import AnnotationConfig
from annotation.llm.pipeline import Plan
from annotation.stages import entities, judgment, portraits, quality

PLANS: dict[str, Plan] = {
    "entities": entities.plan_entities,
    "quality": quality.plan_quality,
    "judgment": judgment.plan_judgment,
    "parts": portraits.plan_parts,
    "merge": portraits.plan_merge,
}


def prompt_of(stage: str, config: AnnotationConfig) -> str:
    """Name or path of the stage's prompt."""
    return {
        "entities": config.entities.prompt,
        "quality": config.quality.prompt,
        "judgment": config.judgment.prompt,
        "parts": config.portraits.parts_prompt,
        "merge": config.portraits.merge_prompt,
    }[stage]


def max_tokens_of(stage: str, config: AnnotationConfig) -> int:
    """The longest answer."""
    return {
        "entities": config.entities.max_tokens,
        "quality": quality.MAX_TOKENS,
        "judgment": config.judgment.max_tokens,
        "parts": config.portraits.max_tokens,
        "merge": config.portraits.max_tokens,
    }[stage]
