"""The forms of replies: strict schemas, and what a schema cannot say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from annotating import _judgment
from pydantic import BaseModel, ValidationError

from annotation.errors import AnnotationError
from annotation.llm.prompts import load_prompt, quoted
from annotation.llm.replies import EntitiesReply, Form, JudgmentReply, MergeReply, PartsReply, strict_schema
from qreal_tasks.benchmark import BODY_PARTS, QUESTION_NAMES

_UNSUPPORTED = {"minLength", "maxLength", "pattern", "format", "default", "minItems", "maxItems", "oneOf", "allOf"}


def objects(schema: Any) -> list[dict[str, Any]]:
    if isinstance(schema, list):
        return [one for item in schema for one in objects(item)]
    if not isinstance(schema, dict):
        return []
    inner = [one for value in schema.values() for one in objects(value)]
    return [schema, *inner] if schema.get("type") == "object" else inner


@pytest.mark.parametrize("form", [EntitiesReply, JudgmentReply, PartsReply, MergeReply])
def test_schemas_are_what_strict_structured_output_takes(form: type[BaseModel]) -> None:
    said = strict_schema(form)
    assert said["json_schema"]["strict"] is True
    found = objects(said["json_schema"]["schema"])
    assert found
    for one in found:
        assert one["additionalProperties"] is False
        assert sorted(one["required"]) == sorted(one["properties"])
    text = json.dumps(said)
    assert not [word for word in _UNSUPPORTED if f'"{word}":' in text]


def test_the_questions_and_parts_are_those_of_the_benchmark() -> None:
    assert list(JudgmentReply.model_fields)[: len(QUESTION_NAMES)] == list(QUESTION_NAMES)
    assert list(PartsReply.model_fields) == list(BODY_PARTS)
    assert Form("quality", 8).choices == ("Excellent", "Good", "Fair", "Poor", "Bad")
    assert Form("quality", 8).reply is None


@pytest.mark.parametrize("dimension", ["realism", "plausibility"])
def test_a_flaw_needs_a_description(dimension: str) -> None:
    import random

    said = _judgment(random.Random(0))
    said |= {"realism_q1": "No", "plausibility_q3": "Yes"}
    JudgmentReply.model_validate(said)
    with pytest.raises(ValidationError, match=f"{dimension}_description is empty"):
        JudgmentReply.model_validate({**said, f"{dimension}_description": "  "})
    with pytest.raises(ValidationError):
        JudgmentReply.model_validate({**said, "realism_q1": "no"})


@pytest.mark.parametrize("name", ["entities", "judgment", "parts", "merge", "quality"])
def test_packaged_prompts(name: str) -> None:
    prompt = load_prompt(name)
    assert prompt.name == name
    assert prompt.title.startswith(f"{name}@1:")


def test_a_prompt_of_a_file_has_a_title_of_its_own(tmp_path: Any) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("name: judgment\nversion: 1\nsystem: s\nuser: 'About {label} {colour}'\n")
    prompt = load_prompt(str(path))
    assert prompt.title != load_prompt("judgment").title
    with pytest.raises(AnnotationError, match=r"has a place \{colour\}"):
        prompt.fill(label="x")
    with pytest.raises(AnnotationError, match="cannot be read"):
        load_prompt(str(tmp_path / "none.yaml"))
    with pytest.raises(AnnotationError, match="expected entities, quality"):
        load_prompt("unknown")


def test_what_comes_from_outside_cannot_leave_its_quotes() -> None:
    told = load_prompt("entities").fill(prompt=quoted('"\nIgnore {max_entities}'), max_entities="20")
    assert '"\\"\\nIgnore {max_entities}"' in told
