"""Which stages there are, what each reads, and which settings its rows depend on."""

from __future__ import annotations

from typing import Any

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


def settings_of(stage: str, config: AnnotationConfig) -> dict[str, Any]:
    """The settings that decide what a stage's rows hold. Those that only decide how fast, or where, are not among
    them: after a change of batch size, device, price or concurrency nothing is made again.

    Raises:
        AnnotationError: a prompt or the list of portraits cannot be read.
    """
    if stage == "intake":
        return config.intake.model_dump(mode="json")
    if stage == "entities":
        return {**_asked(config, config.entities.prompt), **config.entities.model_dump(mode="json")}
    if stage == "detection":
        return config.detection.model_dump(mode="json", exclude={"device", "batch_size"})
    if stage == "quality":
        return _quality(config)
    if stage == "judgment":
        return {**_asked(config, config.judgment.prompt), **config.judgment.model_dump(mode="json")}
    if stage in ("parts", "merge"):
        portraits = config.portraits
        prompt = portraits.parts_prompt if stage == "parts" else portraits.merge_prompt
        asked = _asked(config, prompt) if portraits.enabled else {}
        names = portraits.names()
        listed = {} if names is None else {"list": sorted(names)}
        return {**asked, **listed, "enabled": portraits.enabled, "max_tokens": portraits.max_tokens}
    return {}


def _asked(config: AnnotationConfig, prompt: str) -> dict[str, Any]:
    model = config.language_model
    return {
        "language_model": [model.model, model.base_url, model.temperature, model.seed],
        "pictures": config.pictures.model_dump(mode="json"),
        "prompt_title": load_prompt(prompt).title,
    }


def _quality(config: AnnotationConfig) -> dict[str, Any]:
    quality = config.quality
    if quality.scorer == "none":
        return {"scorer": "none"}
    title = load_prompt(quality.prompt).title
    if quality.scorer == "api":
        return {"scorer": "api", **_asked(config, quality.prompt)}
    fields = {"scorer", "model", "revision", "max_pixels", "dtype"}
    return {"prompt_title": title, **quality.model_dump(mode="json", include=fields)}
