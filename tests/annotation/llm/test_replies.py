"""The forms of replies: strict schemas, what a schema cannot say, and what is read where no server enforces one."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from annotating import _judgment
from pydantic import BaseModel, ValidationError

from annotation.errors import AnnotationError
from annotation.llm.outcome import Outcome, read_outcome
from annotation.llm.prompts import load_prompt, quoted
from annotation.llm.replies import EntitiesReply, Form, JudgmentReply, MergeReply, PartsReply, strict_schema
from annotation.run.schemas import State
from qreal_tasks.benchmark import BODY_PARTS, QUESTION_NAMES
from qreal_tasks.llm.scripted_server import completion

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
    result = strict_schema(form)
    assert result["json_schema"]["strict"] is True
    found = objects(result["json_schema"]["schema"])
    assert found
    for one in found:
        assert one["additionalProperties"] is False
        assert sorted(one["required"]) == sorted(one["properties"])
    text = json.dumps(result)
    assert not [word for word in _UNSUPPORTED if f'"{word}":' in text]


def test_the_questions_and_parts_are_those_of_the_benchmark() -> None:
    assert list(JudgmentReply.model_fields)[: len(QUESTION_NAMES)] == list(QUESTION_NAMES)
    assert list(PartsReply.model_fields) == list(BODY_PARTS)
    assert Form("quality", 8).choices == ("Excellent", "Good", "Fair", "Poor", "Bad")
    assert Form("quality", 8).reply is None


@pytest.mark.parametrize("dimension", ["realism", "plausibility"])
def test_a_flaw_needs_a_description(dimension: str) -> None:
    result = _judgment(random.Random(0))
    result |= {"realism_q1": "No", "plausibility_q3": "Yes"}
    JudgmentReply.model_validate(result)
    with pytest.raises(ValidationError, match=f"{dimension}_description is empty"):
        JudgmentReply.model_validate({**result, f"{dimension}_description": "  "})
    for text in ("N/A", "None.", "...", "-"):
        with pytest.raises(ValidationError, match=f"{dimension}_description says nothing"):
            JudgmentReply.model_validate({**result, f"{dimension}_description": text})
    with pytest.raises(ValidationError):
        JudgmentReply.model_validate({**result, "realism_q1": "perhaps"})


@pytest.mark.parametrize(
    ("name", "version"), [("entities", 1), ("judgment", 2), ("parts", 1), ("merge", 2), ("combine", 2), ("quality", 1)]
)
def test_packaged_prompts(name: str, version: int) -> None:
    prompt = load_prompt(name)
    assert prompt.name == name
    assert prompt.title.startswith(f"{name}@{version}:")


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


JUDGED = {**_judgment(random.Random(1)), "realism_q1": "Yes", "plausibility_q4": "No"}
REPLY = json.dumps(JUDGED)


JUDGING = Form("judgment", 100)


def outcome(text: str | None, form: Form = JUDGING, finish_reason: str = "stop", **result: Any) -> Outcome:
    body: Any = completion(text, finish_reason=finish_reason).body
    body["choices"][0]["message"] |= result
    return read_outcome(body, form)


REASONED = {
    "reasoning in tags": f"<think>Six fingers? {{}}</think>{REPLY}",
    "only the closing tag, the template has opened it": f"Six fingers? {{}}\n</think>\n\n{REPLY}",
    "tags in capitals": f"<THINK>Six fingers?</THINK>\n{REPLY}",
    "tags of another name": f"<thinking>Six fingers?</thinking>{REPLY}",
    "Kimi's marks": f"◁think▷Six fingers?◁/think▷{REPLY}",
    "Mistral's marks": f"[THINK]Six fingers?[/THINK]{REPLY}",
    "gpt-oss's channels": f"<|channel|>analysis<|message|>Six?<|end|><|channel|>final<|message|>{REPLY}",
    "several blocks": f"<think>Six?</think>\n<think>No, five.</think>\n{REPLY}",
    "an empty block": f"<think>\n\n</think>\n\n{REPLY}",
    "a reply inside the reasoning": f"<think>Maybe {REPLY.replace('Yes', 'No')}?</think>{REPLY}",
    "reasoning, then a fence": f"<think>Six?</think>\n```JSON\n{REPLY}\n```",
    "a token at the end of the turn": f"<think>Six?</think>{REPLY}<|im_end|>",
    "reasoning marks inside a description": json.dumps({**JUDGED, "plausibility_description": "a sign says THINK"}),
}


@pytest.mark.parametrize("case", REASONED)
def test_reasoning_before_the_reply_is_taken_away(case: str) -> None:
    found = outcome(REASONED[case])
    assert (found.state, found.reason) == (State.DONE, "")
    assert found.said["realism_q1"] == "Yes"


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_reasoning_in_a_field_of_its_own_is_no_part_of_the_reply(name: str) -> None:
    assert outcome(REPLY, JUDGING, **{name: "Six fingers? {"}).said == JUDGED


UNFINISHED = {
    "cut by length": ("<think>Six fing", {"finish_reason": "length"}, "cut off at 100 tokens inside its reasoning"),
    "cut by length, in a field of its own": (
        None,
        {"finish_reason": "length", "reasoning_content": "Six fing"},
        "cut off at 100 tokens inside its reasoning",
    ),
    "in capitals": ("<THINK>Six fing", {"finish_reason": "length"}, "cut off at 100 tokens inside its reasoning"),
    "a second block": (
        "<think>Six?</think><think>Fi",
        {"finish_reason": "length"},
        "cut off at 100 tokens inside its reasoning",
    ),
    "the server does not say that it cut": (f"<think>Six? {REPLY}", {}, "ends inside its reasoning: «<think>Six?"),
    "cut after the reasoning": (
        f"<think>Six?</think>{REPLY[:40]}",
        {"finish_reason": "length"},
        "cut off at 100 tokens; raise max_tokens",
    ),
    "nothing after it": ("<think>Six?</think>", {}, "no JSON"),
}


@pytest.mark.parametrize("case", UNFINISHED)
@pytest.mark.parametrize("form", [JUDGING, Form("quality", 100)], ids=["reply", "choice"])
def test_reasoning_that_does_not_end_is_the_reason(case: str, form: Form) -> None:
    text, result, reason = UNFINISHED[case]
    found = outcome(text, form, **result)
    assert found.state is State.FAILED
    if form.choices and "inside its reasoning" not in reason:
        reason = "none of Excellent"
    assert reason in found.reason


def test_a_level_after_reasoning_is_read() -> None:
    found = outcome("<think>Blurred, so poor?</think>\n\nFair.", Form("quality", 100))
    assert (found.state, found.said) == (State.DONE, [0, 0, 1, 0, 0])


VERDICTS = {
    "Yes": ("yes", "YES", "Yes.", " Yes\n", "**Yes**", "Yes, it does.", "yeah", "Ｙｅｓ", "是", "true", True),
    "No": ("no", "NO", "No.", "nope", "No, the text is fine.", "不是", "False", False),
}


@pytest.mark.parametrize(("answer", "spelling"), [(a, s) for a, spellings in VERDICTS.items() for s in spellings])
def test_an_answer_is_read_as_the_evaluation_reads_it(answer: str, spelling: str | bool) -> None:
    result = {**JUDGED, "plausibility_q4": spelling, "plausibility_description": "Letters without a meaning."}
    assert outcome(json.dumps(result, ensure_ascii=False)).said["plausibility_q4"] == answer


@pytest.mark.parametrize(
    "spelling", ["", "y", "maybe", "Yes or no", "No visible text", 1, 0, None, ["Yes"], {"a": "Yes"}]
)
def test_what_the_evaluation_reads_no_verdict_from_is_none(spelling: object) -> None:
    found = outcome(json.dumps({**JUDGED, "realism_q1": spelling}))
    assert found.state is State.FAILED
    assert "realism_q1: Input should be 'Yes' or 'No'" in found.reason


def test_a_flaw_that_is_told_in_another_spelling_still_needs_its_description() -> None:
    found = outcome(json.dumps({**JUDGED, "plausibility_q3": "YES.", "plausibility_description": ""}))
    assert "flawed in plausibility but plausibility_description is empty" in found.reason


@pytest.mark.parametrize(
    ("result", "is_person"), [("Yes", True), ("NO.", False), ("true", True), (False, False), (1, True)]
)
def test_whether_an_entity_is_a_person_is_read_in_the_same_way(result: object, is_person: bool) -> None:
    found = outcome(json.dumps({"entities": [{"name": "man", "is_person": result}]}), Form("entities", 100))
    assert found.said == {"entities": [{"name": "man", "is_person": is_person}]}


@pytest.mark.parametrize(
    ("text", "flaw"),
    [
        *(
            (text, None)
            for text in (None, "No", "NO.", "none", "None.", "N/A", "nothing", "null", "不", "", "...", "-")
        ),
        *((text, text) for text in ("No fingers.", "None of the fingers has a nail.", "Yes", "The left one is bent.")),
    ],
)
def test_a_part_of_which_only_no_is_said_has_no_flaw(text: str | None, flaw: str | None) -> None:
    found = outcome(json.dumps({**dict.fromkeys(BODY_PARTS), "hands": text}), Form("parts", 100))
    assert found.said["hands"] == flaw


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(f"Here it is: {REPLY}", "no JSON: Expecting value", id="text before"),
        pytest.param(f"{REPLY} I hope it helps", "no JSON: 'I hope it helps' follows the value", id="text behind"),
        pytest.param(REPLY[:-1] + ",}", "no JSON", id="trailing comma"),
        pytest.param(REPLY.replace('"', "'"), "no JSON", id="single quotes"),
        pytest.param("[" * 100_000, "no JSON", id="nested without end"),
        pytest.param(json.dumps({**JUDGED, "more": 1}), "more: Extra inputs", id="a key too many"),
        pytest.param(REPLY[:-1] + ', "more": NaN}', "NaN is no JSON", id="what Python alone reads"),
        pytest.param(REPLY.replace("Nothing is", "\\ud83d", 1), "Invalid JSON", id="half a surrogate pair"),
        pytest.param("null", "should be an object", id="null"),
    ],
)
def test_anything_else_beside_the_reply_is_not_guessed_at(text: str, reason: str) -> None:
    found = outcome(text)
    assert found.state is State.FAILED
    assert "reply not as asked (" in found.reason
    assert reason in found.reason
    found.reason.encode()
