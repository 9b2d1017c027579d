"""Yes or No from a text."""

import pytest
from entity_styles import FAILED

from qreal_tasks.answers import Reason, parse_judgment
from qreal_tasks.benchmark import QUESTION_NAMES, objectqa_prompt


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        pytest.param("Yes", "Yes", id="the word"),
        pytest.param("yes.", "Yes", id="lower case, full stop"),
        pytest.param("**Yes**.", "Yes", id="bold"),
        pytest.param("_No_", "No", id="underscores are no letters"),
        pytest.param('"No"', "No", id="quoted"),
        pytest.param("(Yes)", "Yes", id="brackets"),
        pytest.param("A. Yes", "Yes", id="option"),
        pytest.param("(B) No", "No", id="option in brackets"),
        pytest.param("No<|im_end|>", "No", id="special token"),
        pytest.param("Yes, because there is no visible seam, no.", "Yes", id="the opening verdict decides"),
        pytest.param("No, it does not. Otherwise yes.", "No", id="the opening verdict decides, No"),
        pytest.param("No it does not", "No", id="a clause follows without a comma"),
        pytest.param("No - the dog is fine", "No", id="dash"),
        pytest.param('```json\n{"answer": "Yes"}\n```', "Yes", id="JSON in a fence"),
        pytest.param('{"answer": "Yes', "Yes", id="JSON cut off"),
        pytest.param('{"reason": "no seam, yes", "answer": "No"}', "No", id="a label beats the rest"),
        pytest.param('{"answer": true}', "Yes", id="a labelled boolean"),
        pytest.param("Answer: No", "No", id="label"),
        pytest.param("The answer to this question is **no**.", "No", id="label in a sentence"),
        pytest.param("Final answer: Yes", "Yes", id="final answer"),
        pytest.param("<answer>Yes</answer> No text is visible", "Yes", id="a closing tag is no label"),
        pytest.param(r"\boxed{Yes}", "Yes", id="boxed"),
        pytest.param("Is it? Yes.\nIs it not? No.\n\nNo", "No", id="a last line of its own decides"),
        pytest.param("The hand has six fingers, so yes.", "Yes", id="the only verdict in a sentence"),
        pytest.param("Yes or no? Yes", "Yes", id="behind an echo of the choices"),
        pytest.param("Yes/No: No", "No", id="behind the choices with a slash"),
        pytest.param("<think>No. Or yes?</think>Yes", "Yes", id="after the reasoning"),
        pytest.param("the seam, no\n</think>\nYes", "Yes", id="reasoning that the prompt opened"),
        pytest.param("Yeah", "Yes", id="yeah"),
        pytest.param("Nope.", "No", id="nope"),
        pytest.param("是", "Yes", id="Chinese yes"),
        pytest.param("不是。", "No", id="Chinese no"),
        pytest.param("答案是否", "No", id="Chinese label without a space"),
        pytest.param("“No”", "No", id="typographic quotes"),
        pytest.param("Ｙｅｓ。", "Yes", id="full-width"),
    ],
)
def test_a_verdict_is_read(text: str, answer: str) -> None:
    judgment = parse_judgment(text)
    assert (judgment.answer, judgment.reason) == (answer, None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param("", Reason.EMPTY, id="nothing"),
        pytest.param(" \n\x00\u200b", Reason.EMPTY, id="nothing visible"),
        pytest.param(FAILED, Reason.REQUEST_FAILED, id="the failure marker, whatever it quotes"),
        pytest.param("<think>Yes", Reason.UNFINISHED_REASONING, id="reasoning without an end"),
        pytest.param("Yes and no", Reason.AMBIGUOUS, id="hedge"),
        pytest.param("Yes or No", Reason.AMBIGUOUS, id="the choices"),
        pytest.param("A. Yes\nB. No", Reason.AMBIGUOUS, id="the options"),
        pytest.param("yes, no", Reason.AMBIGUOUS, id="a list of both"),
        pytest.param("neither yes nor no", Reason.AMBIGUOUS, id="neither"),
        pytest.param("maybe yes", Reason.AMBIGUOUS, id="taken back"),
        pytest.param("Yes. It is fine.\n\nNo", Reason.AMBIGUOUS, id="two firm verdicts that differ"),
        pytest.param("It is hard to say", Reason.NO_VERDICT, id="undecided"),
        pytest.param("yesterday nothing None Noël not", Reason.NO_VERDICT, id="words that only begin alike"),
        pytest.param("There is no visible text.", Reason.NO_VERDICT, id="no as a determiner"),
        pytest.param("No visible text.", Reason.NO_VERDICT, id="also at the start"),
        pytest.param("no-one", Reason.NO_VERDICT, id="hyphen"),
        pytest.param("是否", Reason.NO_VERDICT, id="Chinese whether"),
    ],
)
def test_what_is_no_verdict_says_why(text: str, reason: Reason) -> None:
    judgment = parse_judgment(text)
    assert (judgment.answer, judgment.reason) == (None, reason)


@pytest.mark.parametrize("name", QUESTION_NAMES)
def test_an_echo_of_the_prompt_is_no_answer(name: str) -> None:
    prompt = objectqa_prompt(name)
    assert parse_judgment(prompt).reason is Reason.AMBIGUOUS
    assert parse_judgment(f"{prompt}\nNo").answer == "No"
