"""Which stages there are, what each reads, and which settings its rows depend on."""

from __future__ import annotations

from typing import Any, NamedTuple

from annotation.config import AnnotationConfig
from annotation.llm.prompts import load_prompt

AFTER: dict[str, tuple[str, ...]] = {
    "intake": (),
    "entities": ("intake",),
    "detection": ("entities",),
    "quality": ("detection",),
    "judgment": ("quality",),
    "parts": ("detection",),
    "merge": ("parts",),
    "drafts": ("judgment", "merge"),
    "imageqa": ("drafts",),
    "objectqa": ("drafts",),
}
"""Each stage and the ones right before it, in the order in which they run."""

STAGES = tuple(stage for stage in AFTER if stage != "intake")
"""What ``qreal annotate run`` does; intake is done by ``init``."""


def is_asked(stage: str, config: AnnotationConfig) -> bool:
    """Whether a stage asks a language model; the others compute on this machine or on a cluster."""
    return stage in ("entities", "judgment", "parts", "merge") or (
        stage == "quality" and config.quality.scorer == "api"
    )


def stages_after(stage: str) -> list[str]:
    """Every stage that depends on this one, nearest first."""
    found = [stage]
    for later in AFTER:
        if any(before in found for before in AFTER[later]):
            found.append(later)
    return found[1:]


class StagePrompt(NamedTuple):
    """Which prompt a stage asks with, and how long an answer may be."""

    name: str
    """Name of a packaged prompt, or the path of a file."""
    max_tokens: int


def stage_prompt(stage: str, config: AnnotationConfig) -> StagePrompt:
    """The prompt of a language-model stage, or of merging people's texts (``combine``)."""
    portraits = config.portraits
    return {
        "entities": StagePrompt(config.entities.prompt, config.entities.max_tokens),
        # A level is one token; servers without log-probabilities write the word, and some a blank or a dot.
        "quality": StagePrompt(config.quality.prompt, 8),
        "judgment": StagePrompt(config.judgment.prompt, config.judgment.max_tokens),
        "parts": StagePrompt(portraits.parts_prompt, portraits.max_tokens),
        "merge": StagePrompt(portraits.merge_prompt, portraits.max_tokens),
        "combine": StagePrompt("combine", 500),
    }[stage]


def settings_of(stage: str, config: AnnotationConfig) -> dict[str, Any]:
    """The settings that decide what a stage's rows hold. Those that only decide how fast, or where, are not among
    them: after a change of batch size, device, price or concurrency nothing is made again.

    Raises:
        AnnotationError: a prompt or the list of portraits cannot be read.
    """
    if stage == "intake":
        return config.intake.model_dump(mode="json")
    if stage in ("entities", "judgment"):
        return {**_request_settings(stage, config), **getattr(config, stage).model_dump(mode="json")}
    if stage == "detection":
        return config.detection.model_dump(mode="json", exclude={"device", "batch_size"})
    if stage == "quality":
        return _quality_settings(config)
    if stage in ("parts", "merge"):
        portraits, names = config.portraits, config.portraits.names()
        request = _request_settings(stage, config) if portraits.enabled else {}
        listed = {} if names is None else {"list": sorted(names)}
        return {**request, **listed, "enabled": portraits.enabled, "max_tokens": portraits.max_tokens}
    return {}


def _request_settings(stage: str, config: AnnotationConfig) -> dict[str, Any]:
    model = config.language_model
    return {
        "language_model": [model.model, model.base_url, model.temperature, model.seed],
        "pictures": config.pictures.model_dump(mode="json"),
        "prompt_title": load_prompt(stage_prompt(stage, config).name).title,
    }


def _quality_settings(config: AnnotationConfig) -> dict[str, Any]:
    quality = config.quality
    if quality.scorer == "none":
        return {"scorer": "none"}
    if quality.scorer == "api":
        return {"scorer": "api", **_request_settings("quality", config)}
    fields = {"scorer", "model", "revision", "max_pixels", "dtype"}
    return {"prompt_title": load_prompt(quality.prompt).title, **quality.model_dump(mode="json", include=fields)}
