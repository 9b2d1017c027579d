"""Texts in any script and form are learnt as they are, and what a tokenizer does not know is named before training."""

from __future__ import annotations

import json
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qreal_tasks.dataset.source import locate
from qreal_tasks.models.local.chat import Chat
from training.config import ConfigError, TrainConfig
from training.data.collator import Collator, check_labels
from training.data.families import TUNED_FAMILIES
from training.data.round_trip import RoundTrip
from training.model import read_outline
from training.plan import TrainPlan, make_plan
from training.run.sft import train

pytestmark = pytest.mark.slow

DECOMPOSED = unicodedata.normalize("NFD", "Die Hände des Königs sind é")
TEXTS = {
    "decomposed": DECOMPOSED,
    "decomposed Vietnamese": unicodedata.normalize("NFD", "Tiếng Việt: bàn tay có sáu ngón"),
    "decomposed Korean": unicodedata.normalize("NFD", "손가락이 여섯"),
    "order of marks": "a\u0323\u0302 and a\u0302\u0323",
    "singletons": "\u212b \u2126 \u0958",
    "composed": unicodedata.normalize("NFC", DECOMPOSED),
    "compatibility characters": "ﬁve ½ ＡＢ №",
    "unseen characters": "zero\u200bwidth, mark\ufeff, joined 👩\u200d🔬",
    "many scripts": "狐の手 مرحبا Привет \ue000",
    "blanks": "two  blanks,\ta tab\nand a line",
}


def planned(config: TrainConfig) -> TrainPlan:
    return make_plan(config, locate(config.data), read_outline(config))


def proofreads(plan: TrainPlan) -> None:
    chat = Chat(plan.outline.processor)
    check_labels(Collator(chat, plan.rows, plan.outline.empty.model), chat, plan.train)


def described(text: str, row: int = 0) -> Callable[[Any], None]:
    """Puts the text into a row's description, in both configs."""

    def put(rows: Any) -> None:
        changed = rows["objectqa"]["train"][row]
        changed |= {"realism_q1": 0, "realism_description": text}
        for image in rows["imageqa"]["train"]:
            for entity in image["entities"]:
                if entity["entity_id"] == changed["entity_id"]:
                    entity |= {"realism_q1": 0, "realism_flawed": True, "realism_description": text}

    return put


def labelled(text: str, row: int = 0) -> Callable[[Any], None]:
    """Puts the text into a row's label, in both configs."""

    def put(rows: Any) -> None:
        changed = rows["objectqa"]["train"][row]
        changed["label"] = text
        for image in rows["imageqa"]["train"]:
            for entity in image["entities"]:
                if entity["entity_id"] == changed["entity_id"]:
                    entity["label"] = text

    return put


@pytest.mark.parametrize("family", TUNED_FAMILIES)
def test_text_of_any_form_comes_back(family: str, config: Callable[..., TrainConfig]) -> None:
    round_trip = RoundTrip(read_outline(config(family)).processor.tokenizer)
    assert {name: round_trip.find_lost(text) for name, text in TEXTS.items()} == dict.fromkeys(TEXTS, ())


@pytest.mark.parametrize("family", TUNED_FAMILIES)
def test_a_decomposed_description_can_be_learnt(
    family: str, config: Callable[..., TrainConfig], small_dataset: Callable[..., Path]
) -> None:
    data = str(small_dataset(described(DECOMPOSED)))
    plan = planned(config(family, task="describe", data=data, held_out={"share": 0}))
    assert any(DECOMPOSED in answer for row in plan.train for answer in row["answers"])
    proofreads(plan)


@pytest.mark.parametrize("task", ["imageqa", "detect", "filter"])
@pytest.mark.parametrize("family", TUNED_FAMILIES)
def test_decomposed_labels_can_be_learnt(
    family: str, task: str, config: Callable[..., TrainConfig], small_dataset: Callable[..., Path]
) -> None:
    data = str(small_dataset(labelled(unicodedata.normalize("NFD", "Königin"))))
    proofreads(planned(config(family, task=task, data=data, held_out={"share": 0})))


def test_a_decomposed_description_is_learnt_as_the_tokens_of_the_composed_one(
    config: Callable[..., TrainConfig], small_dataset: Callable[..., Path]
) -> None:
    keys = {"task": "describe", "held_out": {"share": 0}, "max_steps": 1, "batch_size": 2}
    recipe = config(**keys, data=str(small_dataset(described(DECOMPOSED))))
    plan = planned(recipe)
    chat = Chat(plan.outline.processor)
    (prompt,), (answer,) = next((r["prompts"], r["answers"]) for r in plan.train if DECOMPOSED in r["answers"][0])
    composed = unicodedata.normalize("NFC", answer)
    assert composed != answer
    assert chat.answer_ids(prompt, answer) == chat.answer_ids(prompt, composed)
    assert (train(recipe) / "final" / "adapter_model.safetensors").is_file()


@pytest.fixture(params=["llava_next", "qwen2_5_vl"])
def knows_little(request: pytest.FixtureRequest, tiny_model: Callable[[str], Path], tmp_path: Path) -> tuple[str, str]:
    """A family, and a model of it whose tokenizer lacks bytes: LLaVA's writes ``<unk>``, Qwen's leaves them out."""
    folder = tmp_path / "little"
    shutil.copytree(tiny_model(request.param), folder)
    settings = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    model = settings["model"]
    if request.param == "llava_next":
        model |= {"byte_fallback": False, "unk_token": "<unk>"}
        letters = [letter for letter in map(chr, range(33, 127)) if letter not in model["vocab"]]
        for number, letter in enumerate(letters):  # in the place of bytes, which are not used any more
            model["vocab"][letter] = model["vocab"].pop(f"<0x{number:02X}>")
    else:
        lacking = {"ç", "ð"}  # the first bytes of 狐 and of 🦊, as byte-level tokenizers write them
        model["merges"] = [pair for pair in model["merges"] if not lacking & {*"".join(pair)}]
        model["vocab"] = {token: at for token, at in model["vocab"].items() if not lacking & {*token}}
    (folder / "tokenizer.json").write_text(json.dumps(settings), encoding="utf-8")
    return request.param, str(folder)


@pytest.mark.parametrize(
    ("task", "put", "question"),
    [("describe", described, "realism"), ("filter", labelled, "realism"), ("filter", labelled, "plausibility")],
    ids=["in an answer", "in a question", "in another question"],
)
def test_characters_that_a_tokenizer_does_not_know_are_named_with_their_row(
    task: str,
    put: Callable[..., Any],
    question: str,
    knows_little: tuple[str, str],
    config: Callable[..., TrainConfig],
    small_dataset: Callable[..., Path],
) -> None:
    family, model = knows_little
    keys = {"task": task, "model": model, "held_out": {"share": 0}, "sets": [question]}
    planned(config(family, **keys, data=str(small_dataset())))
    with pytest.raises(ConfigError) as error:
        planned(config(family, **keys, data=str(small_dataset(put("A 狐 and a 🦊.", row=-1)))))
    result = str(error.value)
    assert result.startswith(f"img1#1, {question}: the tokenizer of {model} cannot write 狐 (U+72D0 CJK"), result
    assert "🦊 (U+1F98A FOX FACE); something else would be learnt in their place" in result
    assert "Replace or take out these characters in the data set, or train a model that knows them" in result


def test_all_that_is_not_known_is_said_at_once(
    tiny_model: Callable[[str], Path], config: Callable[..., TrainConfig], small_dataset: Callable[..., Path]
) -> None:
    """LLaVA's tokenizer writes blanks as U+2581, so that one is read back as a blank."""

    def put(rows: Any) -> None:
        described("A ▁ here.", 1)(rows)
        described("And ▁ there.", 2)(rows)

    with pytest.raises(ConfigError, match=r"^img0#1, realism: .* write ▁ \(U\+2581 .*\) \(2 questions hold such"):
        planned(config("llava_next", task="describe", data=str(small_dataset(put)), held_out={"share": 0}))


def test_what_is_lost_only_beside_others_is_named_too() -> None:
    class Joins:
        """Knows every character, and writes ``ab`` as ``a``."""

        def __call__(self, text: str, add_special_tokens: bool) -> dict[str, list[int]]:
            return {"input_ids": [ord(c) for c in text.replace("ab", "a")]}

        def decode(self, ids: list[int], **_: Any) -> str:
            return "".join(map(chr, ids))

    assert RoundTrip(Joins()).find_lost("a b, b a") == ()
    assert RoundTrip(Joins()).find_lost("grab") == ("b",)
