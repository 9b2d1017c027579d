"""One model, asked on this machine and behind a server: the same responses, whatever the form of its answers."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from saying import END, write_chain
from served_weights import ServedWeights
from straightforward import picture, talkative

from qreal_tasks.answers import NO_VERDICT, NOT_FOUND
from qreal_tasks.benchmark import ANSWERS, QUESTION_NAMES, objectqa_prompt
from qreal_tasks.boxes import Space
from qreal_tasks.llm.completions import EMPTY, OUT_OF_TOKENS
from qreal_tasks.llm.scripted_server import ScriptedServer
from qreal_tasks.models import families
from qreal_tasks.models.local.engine import TransformersEngine
from qreal_tasks.models.requests import Request, Response
from qreal_tasks.models.server.engine import OpenAIEngine

pytestmark = pytest.mark.slow

Place = Mapping[str, float]

YES: Place = {"Yes": 0.55, " yes": 0.1, "YES": 0.05, "No": 0.15, " no": 0.05, "The": 0.08}
"""P(Yes) = .7 / .9, and so on for the others."""
NO: Place = {"No": 0.6, " no": 0.05, "Yes": 0.2, " Yes": 0.05, "Maybe": 0.1}
LOWER: Place = {"yes": 0.6, "no": 0.3}
BLANK: Place = {" No": 0.5, "No": 0.1, " Yes": 0.2, "yes": 0.1}
MISLEADING: Place = {"Yes": 0.25, "No": 0.15}
"""Listed where no answer stands."""
ENDS: Place = {END: 0.9, ".": 0.1}
SETTLED: Place = {" Yes": 0.5, " No": 0.4}


def other(token: str) -> Place:
    return {token: 0.55, **MISLEADING}


@dataclasses.dataclass(frozen=True)
class Form:
    """An answer, token by token, and what is to be recorded of it."""

    places: Sequence[Place]
    text: str
    at: Place | None = None
    """The place that P is of."""
    no_p: str | None = None
    unanswered: str | None = None


FORMS = {
    "bare": Form([YES, ENDS], "Yes", YES),
    "full stop": Form([LOWER, {".": 1.0}, ENDS], "yes.", LOWER),
    "blank before": Form([BLANK, ENDS], " No", BLANK),
    "line break before": Form([other("\n\n"), NO, ENDS], "\n\nNo", NO),
    "goes on": Form([YES, {",": 1.0}, other(" because"), {" so": 1.0}, ENDS], "Yes, because so", YES),
    "goes on to the limit": Form([NO, {",": 1.0}, {" ha": 1.0}, {" ha": 1.0}], "No," + 6 * " ha", NO),
    "sentence": Form(
        [other("The"), {" answer": 1.0}, other(" is"), BLANK, {".": 1.0}, ENDS], "The answer is No.", BLANK
    ),
    "markup": Form([other("**"), NO, {"**.": 1.0}, ENDS], "**No**.", NO),
    "JSON": Form([other('{"answer": "'), NO, {'"}': 1.0}, ENDS], '{"answer": "No"}', NO),
    "no verdict first": Form(
        [NO, {" text": 1.0}, {" is visible.": 1.0}, SETTLED, ENDS], "No text is visible. Yes", SETTLED
    ),
    "withdrawn": Form(
        [YES, {".": 1.0}, {" Wait,": 1.0}, {" no": 0.8, " yes": 0.1}, ENDS], "Yes. Wait, no", no_p=NO_VERDICT
    ),
    "withdrawn and settled": Form(
        [YES, {"? Wait.": 1.0}, {" Final answer:": 1.0}, BLANK, ENDS], "Yes? Wait. Final answer: No", BLANK
    ),
    "reasoning": Form(
        [other("<think>"), {"Yes": 0.9, "No": 0.1}, {"?": 1.0}, {"</think>": 1.0}, NO, ENDS],
        "<think>Yes?</think>No",
        NO,
    ),
    "unfinished reasoning": Form(
        [other("<think>"), YES, {" hm": 1.0}, {" hm": 1.0}], "<think>Yes" + 6 * " hm", no_p=NO_VERDICT
    ),
    "word of two tokens": Form([other("Ye"), {"s": 1.0}, ENDS], "Yes", no_p=NOT_FOUND),
    "word joined to a mark": Form([{"**Yes": 0.6, **MISLEADING}, {"**": 1.0}, ENDS], "**Yes**", no_p=NOT_FOUND),
    "other characters": Form([YES, {", 🐶": 1.0}, {"…": 1.0}, ENDS], "Yes, 🐶…", YES),
    "nothing readable": Form([other("Hm"), {",": 1.0}, {" who": 1.0}, ENDS], "Hm, who", no_p=NO_VERDICT),
    "both": Form([YES, {" and": 1.0}, {" no": 0.8}, ENDS], "Yes and no", no_p=NO_VERDICT),
    "end at once": Form([ENDS], "", unanswered=EMPTY),
    "blank": Form([{"\n\n": 1.0}, ENDS], "\n\n", unanswered=EMPTY),
    "blank to the limit": Form([{" \n": 1.0}, {" \n": 1.0}], 8 * " \n", unanswered=OUT_OF_TOKENS),
}
LIMIT = 8


def requests(**settings: int) -> list[Request]:
    crops = [picture(*size, seed=at) for at, size in enumerate(((90, 60), (200, 130), (60, 150)))]
    names = QUESTION_NAMES[:2]
    return [Request(crop, objectqa_prompt(name), ANSWERS, **settings) for name in names for crop in crops]


def local(folder: Path, asked: Sequence[Request]) -> list[Response]:
    found = dict(TransformersEngine(str(folder), dtype="float32").run(asked))
    return [found[at] for at in range(len(asked))]


def served(weights: ServedWeights, asked: Sequence[Request], by_ids: bool) -> list[Response]:
    with ScriptedServer(weights, vocabulary=weights.vocabulary if by_ids else None) as server:
        engine = OpenAIEngine("m", base_url=server.url, family="qwen2_5_vl", box_space=Space.RESIZED_PIXELS)
        found = dict(engine.run(asked))
        assert all(("logprob_token_ids" in one.body) is by_ids for one in server.asked if one.body.get("logprobs"))
    return [found[at] for at in range(len(asked))]


def assert_same(one: Sequence[Response], other: Sequence[Response], within: float = 1e-6) -> None:
    for at, (a, b) in enumerate(zip(one, other, strict=True)):
        assert dataclasses.replace(a, p=None, mass=None) == dataclasses.replace(b, p=None, mass=None), at
        assert a.p == (None if b.p is None else pytest.approx(b.p, abs=within)), at
        assert a.mass == (None if b.mass is None else pytest.approx(b.mass, abs=within)), at


@pytest.mark.parametrize("by_ids", [True, False], ids=["by ids", "the likeliest"])
@pytest.mark.parametrize("name", FORMS)
def test_one_answer_is_one_response(name: str, by_ids: bool, tiny_model: Callable[[str], Path], tmp_path: Path) -> None:
    form = FORMS[name]
    folder = write_chain(tmp_path / "model", tiny_model("qwen2_5_vl"), form.places)
    asked = requests(max_new_tokens=LIMIT)
    here = local(folder, asked)
    there = served(ServedWeights(folder, lists_end=by_ids), asked, by_ids)
    assert_same(here, there)
    for request, response in zip(asked, there, strict=True):
        assert (response.text, response.no_p, response.unanswered) == (form.text, form.no_p, form.unanswered)
        assert response.input_size == tuple(max(28, round(side / 28) * 28) for side in request.image.size)
        at = [(token.strip().casefold(), p) for token, p in (form.at or {}).items()]
        sums = [sum(p for token, p in at if token == choice.casefold()) for choice in response.choices]
        mass = sum(sums)
        assert response.mass == (pytest.approx(mass, abs=1e-6) if form.at else None)
        assert response.p == (pytest.approx([one / mass for one in sums], abs=1e-6) if form.at else None)


def test_answers_of_many_kinds_side_by_side(tiny_model: Callable[[str], Path], tmp_path: Path) -> None:
    """Probabilities that depend on picture and question, answers that end at once or go on, six questions a crop.

    The crops have sizes that no processor changes. Every spelling is asked for by its id: of a thousand alike tokens,
    twenty are a small part.
    """
    folder = shutil.copytree(tiny_model("qwen2_5_vl"), tmp_path / "model")
    talkative(folder, seed=2, ends=3)
    crops = [picture(*size, seed=at) for at, size in enumerate(((84, 56), (196, 140), (56, 168), (308, 56)))]
    asked = [
        Request(crop, objectqa_prompt(name), ANSWERS, max_new_tokens=LIMIT) for name in QUESTION_NAMES for crop in crops
    ]
    here = local(folder, asked)
    assert_same(here, served(ServedWeights(folder), asked, by_ids=True))
    alone = [local(folder, [one])[0] for one in asked]
    assert_same(here, alone)
    assert len({response.text for response in here}) > 3
    p_yes = [response.p[response.choices.index("Yes")] for response in here if response.p]
    assert np.ptp(p_yes) > 0.1
    assert any(response.no_p for response in here)


@pytest.mark.parametrize("name", ["goes on", "sentence", "markup", "reasoning", "end at once"])
def test_a_model_that_is_asked_one_question_at_a_time_is_no_exception(
    name: str, tiny_model: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_chain(tmp_path / "model", tiny_model("qwen2_5_vl"), FORMS[name].places)
    asked = requests(max_new_tokens=LIMIT)
    sharing = local(folder, asked)
    monkeypatch.setattr(families, "_SHARING_PROVEN", frozenset())
    assert_same(local(folder, asked), sharing)


@pytest.mark.parametrize("name", ["bare", "goes on", "sentence", "no verdict first"])
def test_with_one_token_the_first_is_all_that_both_know(
    name: str, tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = write_chain(tmp_path / "model", tiny_model("qwen2_5_vl"), FORMS[name].places)
    asked = requests(max_new_tokens=1)
    here = local(folder, asked)
    assert_same(here, served(ServedWeights(folder), asked, by_ids=True))
    assert {response.text for response in here} == {max(FORMS[name].places[0], key=FORMS[name].places[0].__getitem__)}


def test_declared_marks_of_reasoning_hold_for_both(
    tiny_model: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QREAL_REASONING_MARKS", "~~ ~/")
    folder = write_chain(tmp_path / "model", tiny_model("qwen2_5_vl"), [other("~~"), YES, {"?~/": 1.0}, NO, ENDS])
    asked = requests(max_new_tokens=LIMIT)
    here = local(folder, asked)
    assert_same(here, served(ServedWeights(folder), asked, by_ids=True))
    assert all(response.p == pytest.approx((0.65 / 0.9, 0.25 / 0.9), abs=1e-6) for response in here)


def test_reasoning_that_the_template_opens_differs_by_its_mark_alone(
    tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    """A server does not say how its template ends, so the mark is in the text of this machine alone; P is one."""
    base = shutil.copytree(tiny_model("qwen2_5_vl"), tmp_path / "base")
    template = base / "chat_template.jinja"
    template.write_text(template.read_text() + "{{ '<think>\\n' }}")
    folder = write_chain(tmp_path / "model", base, [YES, {"?": 1.0}, {"</think>": 1.0}, NO, ENDS])
    asked = requests(max_new_tokens=LIMIT)
    here, there = local(folder, asked), served(ServedWeights(folder), asked, by_ids=True)
    assert {response.text for response in here} == {"<think>\nYes?</think>No"}
    assert_same([dataclasses.replace(r, text=r.text.removeprefix("<think>\n")) for r in here], there)
