"""What the tests of annotation share: pictures, a config for tiny models, and a language model that is scripted.

The scripted model answers by the content of what it is asked, so two runs that ask the same are told the same. It
counts tokens itself, by what arrives: pictures by OpenAI's published rule, text by words and signs.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from annotation.config import AnnotationConfig
from annotation.demo import scenes
from annotation.demo.scenes import load_mini_rows
from annotation.run.chain import STAGES
from annotation.run.folder import RunFolder
from qreal_tasks.benchmark import BODY_PARTS, QUESTIONS, is_flawed, questions_of
from qreal_tasks.llm.scripted_server import Asked, Reply, completion

CHAIN_IMAGES = 32
"""Pictures of the run that went through all stages, in four shards."""
PRICES = {"input": 2.5, "output": 10.0}
_PEOPLE = (["man"], ["woman"], ["person"], ["child"])


def mini_pictures(count: int) -> list[tuple[bytes, str, str]]:
    """Encoded picture, prompt and generator of scenes that the project has drawn."""
    rows = load_mini_rows()
    assert len(rows) >= count
    return [(row["image"]["bytes"], row["prompt"], row["generator"]) for row in rows[:count]]


def write_pictures(folder: Path, count: int) -> Path:
    """So many of them, as ``qreal annotate init`` takes them."""
    return scenes.write_pictures(folder, mini_pictures(count))


def config_for(url: str, models: Path | None = None, **changes: Any) -> AnnotationConfig:
    """For a scripted server and, where ``models`` holds them, the tiny models ``dino`` and ``q_eval``."""
    result: dict[str, Any] = {
        "images_per_shard": 8,
        "language_model": {"model": "scripted", "base_url": url, "prices": PRICES, "first_wait_s": 0.01},
        "expected": {"trusted_after": 10},
    }
    if models is not None:
        result["detection"] = {"model": str(models / "dino"), "device": "cpu", "max_boxes_per_phrase": 2}
        result["quality"] = {
            "scorer": "q-eval-score",
            "model": str(models / "q_eval"),
            "device": "cpu",
            "dtype": "float32",
            "max_pixels": 12_544,
        }
    for name, value in changes.items():
        held = result.get(name)
        result[name] = {**held, **value} if isinstance(held, Mapping) and isinstance(value, Mapping) else value
    return AnnotationConfig.model_validate(result)


def stage_of(asked: Asked) -> str:
    """Which stage asks, by the form of the answer that it asks for."""
    form = asked.body.get("response_format")
    if form is None:
        return "quality"
    name: str = form["json_schema"]["name"]
    return name.removesuffix("Reply").lower()


def item_digest(asked: Asked) -> str:
    """Of messages alone, whatever parameters go with them."""
    return hashlib.sha256(json.dumps(asked.body["messages"], sort_keys=True).encode()).hexdigest()


def answer(asked: Asked, names: Callable[[random.Random], list[str]] | None = None) -> Reply:
    """A valid answer for any stage."""
    stage, chance = stage_of(asked), random.Random(item_digest(asked))
    if stage == "quality":
        result = {level: chance.random() for level in ("Excellent", "Good", "Fair", "Poor", "Bad")}
        total = sum(result.values())
        return completion("Good", {level: p / total for level, p in result.items()}, usage=usage_of(asked, "Good"))
    reply = {"entities": _entities, "judgment": _judgment, "parts": _parts, "merge": _merge}[stage]
    text = json.dumps(_entities(chance, names) if stage == "entities" else reply(chance))
    return completion(text, usage=usage_of(asked, text))


def usage_of(asked: Asked, text: str) -> dict[str, int]:
    """Tokens as this server counts them."""
    result = [json.dumps(asked.body.get("response_format") or "")]
    pictures = 0
    for message in asked.body["messages"]:
        parts = message["content"]
        if isinstance(parts, str):
            result.append(parts)
            continue
        for part in parts:
            if part["type"] == "text":
                result.append(part["text"])
            else:
                pictures += picture_tokens(asked, part["image_url"])
    prompt = sum(map(words_and_signs, result)) + pictures
    return {"prompt_tokens": prompt, "completion_tokens": words_and_signs(text), "total_tokens": 0}


def words_and_signs(text: str) -> int:
    """Words, long ones in pieces of six letters, and runs of other signs."""
    return len(re.findall(r"[^\W_]{1,6}|[^\w\s]+|_", text))


def picture_tokens(asked: Asked, shown: Mapping[str, Any]) -> int:
    """OpenAI's rule, applied to the picture that arrived."""
    if shown["detail"] == "low":
        return 85
    width, height = picture_size(str(shown["url"]))
    if max(width, height) > 2048:
        width, height = width * 2048 / max(width, height), height * 2048 / max(width, height)
    if min(width, height) > 768:
        width, height = width * 768 / min(width, height), height * 768 / min(width, height)
    return 85 + 170 * math.ceil(round(width, 6) / 512) * math.ceil(round(height, 6) / 512)


def picture_size(url: str) -> tuple[float, float]:
    import base64
    import io

    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
        return image.size


def _entities(chance: random.Random, names: Callable[[random.Random], list[str]] | None = None) -> dict[str, Any]:
    def some(chance: random.Random) -> list[str]:
        known = ["dog", "red cat", "wooden chair", "mug", "tree", "man", "woman", "car"]
        return chance.sample(known, chance.randint(1, 4))

    chosen = (names or some)(chance)
    return {"entities": [{"name": name, "is_person": name.split()[-1:] in _PEOPLE} for name in chosen]}


def _judgment(chance: random.Random) -> dict[str, Any]:
    answers = {question.name: chance.choice(["Yes", "No"]) for question in QUESTIONS}
    result: dict[str, Any] = dict(answers)
    for dimension in dict.fromkeys(question.dimension for question in QUESTIONS):
        wrong = [q.about for q in questions_of(dimension) if answers[q.name] == q.defect]
        result[f"{dimension}_description"] = f"Look at: {', '.join(wrong)}." if wrong else "Nothing is wrong."
        assert bool(wrong) == is_flawed(dimension, answers)
    return result


def _parts(chance: random.Random) -> dict[str, Any]:
    return {part: f"The {part.replace('_', ' ')} is odd." if chance.random() < 0.4 else None for part in BODY_PARTS}


def _merge(chance: random.Random) -> dict[str, Any]:
    return {"plausibility_description": f"Merged remark {chance.randint(0, 10**6)}."}


def all_bytes(run: RunFolder) -> dict[str, bytes]:
    """Every shard of every stage, by stage and number."""
    found = {}
    for stage in ("intake", *STAGES):
        for shard in run.shard_numbers:
            path = run.shard_path(stage, shard)
            found[f"{stage}/{shard}"] = path.read_bytes()
    return found
