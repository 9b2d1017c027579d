"""The language-model stages by name: what each asks, with which prompt and how long an answer."""

from __future__ import annotations

from annotation.config import Config
from annotation.llm.pipeline import Plan
from annotation.stages import entities, judgment, portraits, quality

PLANS: dict[str, Plan] = {
    "entities": entities.tasks,
    "quality": quality.tasks,
    "judgment": judgment.tasks,
    "parts": portraits.parts_tasks,
    "merge": portraits.merge_tasks,
}


def prompt_of(stage: str, config: Config) -> str:
    """Name or path of the stage's prompt."""
    return {
        "entities": config.entities.prompt,
        "quality": config.quality.prompt,
        "judgment": config.judgment.prompt,
        "parts": config.portraits.parts_prompt,
        "merge": config.portraits.merge_prompt,
    }[stage]


def max_tokens_of(stage: str, config: Config) -> int:
    """The longest answer."""
    return {
        "entities": config.entities.max_tokens,
        "quality": quality.MAX_TOKENS,
        "judgment": config.judgment.max_tokens,
        "parts": config.portraits.max_tokens,
        "merge": config.portraits.max_tokens,
    }[stage]
