"""A final answer that is stated decides, for verdicts and for entities, whatever stands around it."""

from __future__ import annotations

import pytest
from entity_styles import CAT, DOG, as_json, read

from qreal_tasks.answers import Reason, parse_entities, parse_judgment

LOOKS_FINE = "The hand at [10, 20, 30, 40] looks fine."


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"{LOOKS_FINE} <answer>[]</answer>", id="answer tags"),
        pytest.param(f"{LOOKS_FINE} <answer>none</answer>", id="answer tags, a word"),
        pytest.param(f"{LOOKS_FINE} <answer>\n```json\n[]\n```\n</answer>", id="answer tags, a fence"),
        pytest.param(f"{LOOKS_FINE} <answer>[]", id="answer tag that nothing closes"),
        pytest.param(f"{LOOKS_FINE} <final_answer>[]</final_answer>", id="final_answer"),
        pytest.param(f"{LOOKS_FINE} <CONCLUSION>[]</CONCLUSION>", id="LLaVA-CoT"),
        pytest.param(f"{LOOKS_FINE} <|begin_of_solution|>[]<|end_of_solution|>", id="OpenThinker"),
        pytest.param(f"{LOOKS_FINE} <|begin_of_box|>[]<|end_of_box|>", id="GLM's marks"),
        pytest.param(f"I first thought {as_json([DOG])} but no. <answer>[]</answer>", id="JSON before the tags"),
        pytest.param(f"<answer>[]</answer> {LOOKS_FINE}", id="explained behind the tags"),
        pytest.param(r"Checked (10, 20, 30, 40). \boxed{[]}", id="boxed"),
        pytest.param(r"Checked (10, 20, 30, 40). The answer is $\boxed{\text{None}}$.", id="boxed text"),
        pytest.param(f"{LOOKS_FINE}\nFinal answer: []", id="final answer"),
        pytest.param(f"{LOOKS_FINE}\n**Final Answer:** `[]`", id="final answer in bold"),
        pytest.param(f"{LOOKS_FINE}\n\n### Final Answer\n\n[]", id="final answer as a heading"),
        pytest.param(f"{LOOKS_FINE} Final answer: no flawed entities.", id="final answer in words"),
        pytest.param(f"{LOOKS_FINE} Answer: none", id="answer"),
        pytest.param(f"{LOOKS_FINE}\nSo the answer is: []", id="so the answer is"),
        pytest.param(f"{LOOKS_FINE} Therefore the answer is [].", id="therefore the answer is"),
        pytest.param(f"{LOOKS_FINE}\n最终答案：[]", id="Chinese"),
        pytest.param("The man is at (10, 20, 30, 40) and looks natural.\n```json\n[]\n```", id="a fence at the end"),
        pytest.param(
            "All parts of the person in region [100, 50, 400, 900] are correct, therefore the list is empty:\n[]",
            id="a last line",
        ),
        pytest.param(f"{LOOKS_FINE} So I return `[]`.<|im_end|>", id="the end of the text"),
        pytest.param(f"[]\n{LOOKS_FINE}", id="the first line"),
        pytest.param(f"[]. {LOOKS_FINE}", id="the first sentence"),
        pytest.param(f"```json\n[]\n```\n\n{LOOKS_FINE}", id="a fence at the beginning"),
        pytest.param(f'{LOOKS_FINE} {{"entities": []}}', id="an empty list in an object"),
        pytest.param(f'{LOOKS_FINE}\n{{"entities": "none"}}', id="none in an object"),
        pytest.param('[{"bbox_2d": [], "label": "none", "description": ""}]', id="an entity that is none"),
        pytest.param('{"thinking": "a hand at [10, 20, 30, 40]?", "entities": []}', id="thoughts in JSON"),
        pytest.param('{"bboxes": [], "labels": []}', id="Florence-2 finds nothing"),
        pytest.param(f"{LOOKS_FINE} So there are no flawed entities.", id="a last sentence"),
        pytest.param(f"{LOOKS_FINE} Therefore, no such entities were found in the image.", id="a last sentence, found"),
        pytest.param(f"{LOOKS_FINE} I did not find any flawed entities.", id="a last sentence, not any"),
        pytest.param(f"There are no flawed entities. {LOOKS_FINE}", id="a first sentence"),
        pytest.param("- man (10, 20, 30, 40): natural\n\nFlawed entities: none", id="a last line in words"),
        pytest.param(f"**Flawed entities:** []\n\n{LOOKS_FINE}", id="behind a name"),
        pytest.param(f"Here is the list: []. {LOOKS_FINE}", id="behind a colon"),
        pytest.param("The answer is an empty list.", id="an empty list in words"),
    ],
)
def test_an_empty_list_that_is_stated_is_an_empty_list(text: str) -> None:
    answer = parse_entities(text)
    assert (answer.entities, answer.reason, answer.dropped, answer.truncated) == ((), None, {}, False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(f"Perhaps (1, 2, 3, 4). <answer>{as_json([DOG])}</answer>", [DOG], id="answer tags"),
        pytest.param(f"<answer>{as_json([CAT])}</answer> or <answer>{as_json([DOG])}</answer>", [DOG], id="the last"),
        pytest.param(f"Perhaps {as_json([CAT])}.\nFinal answer: {as_json([DOG])}", [DOG], id="final answer"),
        pytest.param(f"Draft: {as_json([CAT])}. Corrected: {as_json([DOG])}", [DOG], id="the last list"),
        pytest.param(f"Not []: what I see is\n{as_json([DOG])}", [DOG], id="an empty list before the list"),
        pytest.param(f"{as_json([DOG])}\nSo [] would be wrong here.", [DOG], id="an empty list in a sentence behind"),
        pytest.param(f"{as_json([DOG])}\nAnswer: Yes", [DOG], id="a label with no list behind it"),
        pytest.param(f"{as_json([DOG])}\nThe cat at [1, 2, 3, 4] is fine.", [DOG], id="a box in prose behind"),
        pytest.param(f"{as_json([DOG])}\n{as_json([CAT])}", [DOG, CAT], id="lists with nothing between"),
        pytest.param(f"1. {as_json([DOG])}\n2. {as_json([CAT])}", [DOG, CAT], id="numbered lists"),
        pytest.param(f"A dog: {as_json([DOG])[1:-1]} A cat: {as_json([CAT])[1:-1]}", [DOG, CAT], id="objects alone"),
        pytest.param(
            "An empty list [] would be wrong: the dog at [12, 30, 200, 180] has five legs.",
            [("dog", DOG[1], "An empty list [] would be wrong: the dog at [12, 30, 200, 180] has five legs.")],
            id="an empty list in a sentence is not stated",
        ),
        pytest.param(
            "The dog at [12, 30, 200, 180] has five legs. I see no unnatural objects on the table.",
            [("dog", DOG[1], "The dog at [12, 30, 200, 180] has five legs.")],
            id="none in one place",
        ),
        pytest.param(
            "The dog at [12, 30, 200, 180] has five legs. The rest has no issues.",
            [("dog", DOG[1], "The dog at [12, 30, 200, 180] has five legs.")],
            id="none of a rest",
        ),
        pytest.param(
            "The dog at <|begin_of_box|>[[12,30,200,180]]<|end_of_box|> has five legs.",
            [("dog", DOG[1], "The dog at [[12,30,200,180]] has five legs.")],
            id="GLM's marks around a bare box",
        ),
    ],
)
def test_the_entities_that_are_stated_last_count(text: str, expected: list[object]) -> None:
    assert read(text) == expected


def test_what_a_later_list_replaces_is_counted() -> None:
    answer = parse_entities(f"Draft: {as_json([CAT, DOG])}\nOn reflection both are fine.\n[]")
    assert (answer.entities, answer.reason, answer.dropped) == ((), None, {"replaced": 2})


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"{LOOKS_FINE} <answer>see above</answer>", id="tags"),
        pytest.param(f"{LOOKS_FINE}\nFinal answer: No", id="a label, and boxes only in prose"),
    ],
)
def test_a_stated_answer_without_entities_is_unread(text: str) -> None:
    assert parse_entities(text).reason is Reason.NO_ENTITY


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        pytest.param("Yes, it looks so at first. <answer>No</answer>", "No", id="answer tags"),
        pytest.param("<answer>Yes</answer> or rather <answer>No</answer>", "No", id="the last tags"),
        pytest.param("<answer>No", "No", id="a tag that nothing closes"),
        pytest.param("Write <answer></answer>.\nNo", "No", id="empty tags of a prompt"),
        pytest.param("Yes? <|begin_of_box|>No<|end_of_box|>", "No", id="GLM's marks"),
        pytest.param(r"Yes at first, but \boxed{\text{No}}", "No", id="boxed"),
        pytest.param("Yes. Final answer: no", "No", id="final answer against the first word"),
        pytest.param("Answer: Yes. On reflection:\n**Final answer**: No", "No", id="final answer against answer"),
        pytest.param("Yes, it seems.\n\n### Final Answer\n\nNo", "No", id="a heading"),
        pytest.param("No, nothing. Answer: Yes", "Yes", id="answer against the first word"),
        pytest.param('{"thinking": "Yes, it might", "final_answer": "No"}', "No", id="JSON"),
        pytest.param("最终答案：不是", "No", id="Chinese"),
        pytest.param("<answer>maybe</answer> Yes", None, id="no verdict between the tags"),
        pytest.param("Answer: Yes\nAnswer: No", None, id="two answers"),
    ],
)
def test_the_verdict_that_is_stated_last_counts(text: str, answer: str | None) -> None:
    assert parse_judgment(text).answer == answer


LISTED = "1. **Hand** [10, 20, 30, 40]: six fingers\n2. **Dog** [50, 60, 70, 80]: five legs"
TABLE = (
    "| Entity | Coordinates | Explanation |\n|---|---|---|\n"
    "| Hand | [10, 20, 30, 40] | six fingers |\n| Dog | [50, 60, 70, 80] | five legs |"
)
TAGGED = "hand <box>[[10, 20, 30, 40]]</box> six fingers\ndog <box>[[50, 60, 70, 80]]</box> five legs"


@pytest.mark.parametrize("entities", [LISTED, TABLE, TAGGED])
@pytest.mark.parametrize(
    "ending",
    [
        "**Conclusion:** The image has two implausible entities.",
        "Conclusion: Both entities look unnatural.",
        "Final answer: 2",
        "Answer: Yes",
        "The answer is that two entities are implausible.",
        "Verdict: implausible",
        "Final output: see above",
        "Final answer: none of the other entities is flawed.",
    ],
)
def test_a_closing_sentence_without_entities_decides_nothing(entities: str, ending: str) -> None:
    assert [box for _, box, _ in read(f"{entities}\n\n{ending}")] == [(10, 20, 30, 40), (50, 60, 70, 80)]


@pytest.mark.parametrize("ending", ["Answer: No.", "Conclusion: nothing is wrong.", "**Verdict:** None whatsoever"])
def test_a_plain_no_at_the_end_leaves_boxes_in_sentences_out(ending: str) -> None:
    assert parse_entities(f"{LOOKS_FINE}\n{ending}").entities == ()
