"""Reasoning before, around and behind an answer is cut, whatever marks it stands between."""

from __future__ import annotations

import pytest
from entity_styles import CAT, DOG, as_json, read

from qreal_tasks.answers import Reason, parse_entities, parse_judgment
from qreal_tasks.answers.reasoning import declare_marks, parse_marks, read_declared_marks

MARKS: dict[str, tuple[str, str]] = {
    "DeepSeek-R1, Qwen3": ("<think>", "</think>"),
    "thinking": ("<thinking>", "</thinking>"),
    "capitals": ("<THINK>", "</THINK>"),
    "an attribute": ('<think type="x">', "</think>"),
    "two attributes": ("<thought id=1 lang='en'>", "</thought>"),
    "blanks": ("< think >", "</ think >"),
    "another name of the same family": ("<think>", "</thinking>"),
    "LLaVA-CoT": ("<SUMMARY>Two?</SUMMARY><REASONING>", "</REASONING><CONCLUSION>"),
    "reflection": ("<reflection>", "</reflection>"),
    "analysis": ("<analysis>", "</analysis>"),
    "thoughts": ("<thoughts>", "</thoughts>"),
    "scratchpad": ("<scratchpad>", "</scratchpad>"),
    "inner monologue": ("<inner_monologue>", "</inner_monologue>"),
    "Kimi": ("◁think▷", "◁/think▷"),
    "Magistral": ("[THINK]", "[/THINK]"),
    "Gemma 4": ("<|channel>thought\n", "<channel|>"),
    "gpt-oss": ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    "gpt-oss, JSON": ("<|channel|>analysis<|message|>", "<|channel|>final <|constrain|>json<|message|>"),
    "gpt-oss without its tokens": ("analysis", "assistantfinal"),
    "OpenThinker": ("<|begin_of_thought|>", "<|end_of_thought|>\n<|begin_of_solution|>"),
    "Seed-OSS": ("<seed:think>", "</seed:think>"),
    "LongCat": ("<longcat_think>", "</longcat_think>"),
    "K2 Horizon": ("<ifm|think_fast>", "</ifm|think_fast>"),
    "Command A": ("<|START_THINKING|>", "<|END_THINKING|><|START_RESPONSE|>"),
    "start and end behind the name": ("<|thinking_start|>", "<|thinking_end|>"),
    "Apertus": ("<|inner_prefix|>", "<|inner_suffix|>"),
    "MedGemma": ("<unused94>thought\n", "<unused95>"),
    "openPangu": ("[unused16]", "[unused17]"),
    "Granite": ("Here is my thought process: ", "\nHere's my response: "),
    "HuatuoGPT": ("## Thinking\n\n", "\n\n## Final Response\n\n"),
    "escaped for HTML": ("&lt;think&gt;", "&lt;/think&gt;"),
    "full width": ("＜think＞", "＜/think＞"),
    "with an answer's marks": ("<think>\n", "\n</think>\n<answer>"),
    "reasoning inside of reasoning": ("<think><analysis>", "</analysis>Yes, so it is.</think>"),
    "twice": ("<think>First.</think><think>", "</think>"),
    "a closing mark alone": ("", "</think>"),
    "Kimi's alone": ("", "◁/think▷"),
    "Magistral's alone": ("", "[/THINK]"),
    "Gemma's alone": ("", "<channel|>"),
    "Cohere's alone": ("", "<|END_THINKING|>"),
}


@pytest.mark.parametrize(("opening", "closing"), MARKS.values(), ids=MARKS.keys())
def test_what_stands_between_marks_is_no_answer(opening: str, closing: str) -> None:
    verdict = parse_judgment(f"{opening}Yes, it might be deformed. Answer: yes?{closing}No")
    assert (verdict.answer, verdict.reason) == ("No", None)
    assert read(f"{opening}Perhaps {as_json([DOG])} is an issue{closing}{as_json([CAT])}") == [CAT]
    none = parse_entities(f"{opening}Perhaps the hand at [10, 20, 30, 40]{closing}[]")
    assert (none.entities, none.reason, none.dropped) == ((), None, {})


@pytest.mark.parametrize("opening", sorted({opening for opening, _ in MARKS.values() if opening}))
def test_reasoning_without_an_end_is_unread(opening: str) -> None:
    assert parse_judgment(f"{opening}Yes, it might be deformed").reason is Reason.UNFINISHED_REASONING
    assert parse_entities(f"{opening}Perhaps {as_json([DOG])}").reason is Reason.UNFINISHED_REASONING


@pytest.mark.parametrize(
    ("text", "answer", "reason"),
    [
        pytest.param("Yes<reflection>Am I sure? No?</reflection>", "Yes", None, id="reasoning behind the answer"),
        pytest.param("<think>No</think>No. <think>Or</think>Yes", "Yes", None, id="the last part counts"),
        pytest.param(
            "<think>a<reflection>No</reflection>Yes", None, Reason.UNFINISHED_REASONING, id="inner mark closed"
        ),
        pytest.param("<think>Yes</reflection>Yes", None, Reason.UNFINISHED_REASONING, id="another mark closes nothing"),
        pytest.param("<think>Yes</think>", None, Reason.EMPTY, id="nothing behind"),
        pytest.param("Yes</think>", None, Reason.EMPTY, id="nothing behind a mark alone"),
        pytest.param("<think/>Yes", "Yes", None, id="a mark that closes itself"),
        pytest.param("Yes, the mirror [reflection] is odd.", "Yes", None, id="brackets in a sentence"),
        pytest.param("Yes, I thought so; a thinking man.", "Yes", None, id="the words without marks"),
        pytest.param("<Yes>", "Yes", None, id="other marks"),
    ],
)
def test_marks_that_do_not_pair(text: str, answer: str | None, reason: Reason | None) -> None:
    judgment = parse_judgment(text)
    assert (judgment.answer, judgment.reason) == (answer, reason)


def test_a_user_names_other_marks(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "<<Yes, it might.>> No"
    assert parse_judgment(text).answer != "No"
    named = parse_marks(" << >> ; ~a ~b;")
    assert named == (("<<", ">>"), ("~a", "~b"))
    assert parse_judgment(text, reasoning_marks=named).answer == "No"
    assert parse_judgment("yes ~B No", reasoning_marks=named).answer == "No"
    assert parse_judgment("<< yes", reasoning_marks=named).reason is Reason.UNFINISHED_REASONING
    assert parse_judgment("<think>Yes</think>No", reasoning_marks=named).answer == "No"
    answer = parse_entities(f"<<{as_json([DOG])}>>{as_json([CAT])}", reasoning_marks=named)
    assert [entity.label for entity in answer.entities] == ["cat"]

    assert read_declared_marks() == ()
    monkeypatch.setenv("QREAL_REASONING_MARKS", "{{ }}")
    assert read_declared_marks() == (("{{", "}}"),)
    declare_marks(None)
    assert read_declared_marks() == (("{{", "}}"),)
    declare_marks("[COT] [/COT]")
    assert read_declared_marks() == (("[COT]", "[/COT]"),)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("◁think▷", "expected an opening and a closing mark with a blank between"),
        ("a b c", "expected an opening and a closing mark"),
        ("a a", "expected an opening and a closing mark"),
        ("a b; c", "reasoning marks 'c': expected"),
        ("a " + "b" * 101, "at most 100 characters"),
        ("; ".join(f"<{n}> </{n}>" for n in range(17)), "17 pairs of reasoning marks, expected at most 16"),
    ],
)
def test_marks_that_are_no_pairs_are_refused(text: str, result: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=result):
        parse_marks(text)
    monkeypatch.setenv("QREAL_REASONING_MARKS", text)
    with pytest.raises(ValueError, match=f"QREAL_REASONING_MARKS: .*{result}"):
        read_declared_marks()
