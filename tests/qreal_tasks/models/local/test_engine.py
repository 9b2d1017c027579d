"""The engine against the plain way to ask a model, for every family."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score
from straightforward import Plain, picture, talkative
from transformers import AutoProcessor

from qreal_tasks.answers import NO_VERDICT
from qreal_tasks.benchmark import ANSWERS, QUESTION_NAMES, imageqa_prompt, objectqa_prompt
from qreal_tasks.boxes import Space
from qreal_tasks.models import families
from qreal_tasks.models.local import prefix
from qreal_tasks.models.local.batching import count_tokens_to_write
from qreal_tasks.models.local.engine import TransformersEngine
from qreal_tasks.models.local.generation import decode_answer, decode_tokens
from qreal_tasks.models.requests import Request, Response

pytestmark = pytest.mark.slow

FAMILIES = ("qwen2_5_vl", "qwen3_vl", "internvl", "llava_next")
CROPS = ((90, 60), (200, 130), (60, 150), (300, 40), (31, 29), (224, 224))

# Tokens of the tiny vocabularies: with a space before the word, and without.
YES = {"Yes", "ĠYes", "▁Yes", "yes", "Ġyes", "▁yes", "YES"}
NO = {"No", "ĠNo", "▁No", "no", "Ġno", "▁no", "NO"}


def questions(count_of: Callable[[int], int] = lambda at: at % 6 + 1) -> list[Request]:
    """Crops of different size and label, with one to six questions each, mixed as the harness mixes them."""
    crops = [picture(*size, seed=at) for at, size in enumerate(CROPS)]
    asked = [
        Request(crop, objectqa_prompt(name), ANSWERS)
        for at, crop in enumerate(crops)
        for name in QUESTION_NAMES[: count_of(at)]
    ]
    return [asked[at] for at in np.random.default_rng(0).permutation(len(asked))]


def yes_and_no(plain: Plain, request: Request) -> tuple[float, float]:
    """Probability of all spellings of either word at the first token."""
    vocabulary, p = plain.processor.tokenizer.get_vocab(), plain.first_token(request.image, request.text)
    yes, no = (sum(float(p[vocabulary[t]]) for t in words if t in vocabulary) for words in (YES, NO))
    return yes, no


def p_yes(response: Response) -> float:
    assert response.p is not None, response.unanswered
    return response.p[response.choices.index("Yes")]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("batch_size", [1, 4, "auto"])
def test_scores_are_those_of_one_question_at_a_time(
    family: str, batch_size: int | Literal["auto"], tiny_model: Callable[[str], Path]
) -> None:
    plain, engine = Plain(tiny_model(family)), TransformersEngine(str(tiny_model(family)), batch_size=batch_size)
    requests = questions()
    answers = dict(engine.run(requests))
    assert sorted(answers) == list(range(len(requests)))
    truth, scores = [], []
    for at, request in enumerate(requests):
        yes, no = yes_and_no(plain, request)
        assert p_yes(answers[at]) == pytest.approx(yes / (yes + no), abs=1e-5)
        assert answers[at].mass == pytest.approx(yes + no, abs=1e-5)
        truth.append(at % 2)
        scores.append(yes / (yes + no))
    ours = roc_auc_score(truth, [p_yes(answers[at]) for at in range(len(requests))])
    assert ours == roc_auc_score(truth, scores)
    assert np.ptp(scores) > 0.1, "the model ignores what it is asked, the test proves nothing"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_that_is_not_known_is_asked_one_question_at_a_time(
    family: str, tiny_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(families, "_SHARING_PROVEN", frozenset())
    plain, engine = Plain(tiny_model(family)), TransformersEngine(str(tiny_model(family)))
    requests = [*questions(lambda at: 2), Request(picture(80, 60, 1), "Where is it?", max_new_tokens=5)]
    for at, response in engine.run(requests):
        request = requests[at]
        ids = plain.generated(request.image, request.text, request.max_new_tokens)
        assert plain.processor.tokenizer.decode(ids).startswith(response.text)
        if not request.choices:
            continue
        yes, no = yes_and_no(plain, request)
        # The bound of the others: the last digits of float32 sums depend on the number of threads.
        assert p_yes(response) == pytest.approx(yes / (yes + no), abs=1e-5)


@pytest.mark.parametrize(
    ("model_type", "text", "shared"),
    [
        ("qwen2_5_vl", {}, True),
        ("qwen2_5_vl", {"layer_types": ["full_attention", "sliding_attention"]}, False),
        ("qwen3_vl", {"layer_types": ["linear_attention", "full_attention"]}, False),
        ("llava_next", {"sliding_window": 4096}, False),
        ("llava_next", {"sliding_window": None}, True),
        ("internvl", {"sliding_window": 4096, "use_sliding_window": False}, True),
        ("gemma3", {}, False),
    ],
)
def test_only_what_is_proven_shares_a_prefix(model_type: str, text: dict[str, Any], shared: bool) -> None:
    config = SimpleNamespace(model_type=model_type, get_text_config=lambda: SimpleNamespace(**text))
    assert families.takes_shared_prefix(config) is shared


@pytest.mark.parametrize("family", FAMILIES)
def test_questions_in_rows_score_as_in_one_row(
    family: str, tiny_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form for attention without free masks (FlashAttention), on a CPU's attention."""
    engine = TransformersEngine(str(tiny_model(family)), batch_size=4)
    requests = questions()
    expected = dict(engine.run(requests))
    monkeypatch.setattr(prefix, "takes_any_mask", lambda config: False)
    masks: list[torch.Tensor] = []
    real = engine.model.forward

    def forward(**given: Any) -> Any:
        masks.append(given["attention_mask"])
        return real(**given)

    monkeypatch.setattr(engine.model, "forward", forward)
    for at, response in engine.run(requests):
        assert p_yes(response) == pytest.approx(p_yes(expected[at]), abs=1e-5)
        assert response.mass == pytest.approx(expected[at].mass, abs=1e-5)
        assert response.text == expected[at].text
    assert {mask.ndim for mask in masks} == {2}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("seed", range(3))
def test_the_rest_of_a_run_has_the_digits_of_the_whole_run(
    family: str, seed: int, tiny_model: Callable[[str], Path]
) -> None:
    engine = TransformersEngine(str(tiny_model(family)))
    requests = questions()
    whole = dict(engine.run(requests))
    rng = random.Random(seed)
    known = set(rng.sample(range(len(requests)), rng.randrange(1, len(requests))))
    rest = dict(engine.run(requests, known))
    assert set(whole) - known <= set(rest)
    assert rest == {at: whole[at] for at in rest}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("rows", ["one", "each", "each later"])
def test_generates_what_the_model_generates_unbatched(
    family: str, rows: str, tiny_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is written beside it, about the same picture or another."""
    if rows == "each":
        monkeypatch.setattr(prefix, "takes_any_mask", lambda config: False)
    if rows == "each later":  # as of answers that grow longer than their prompt
        real = prefix.SharedPrompts.go_on

        def go_on(self: prefix.SharedPrompts, tokens: Any) -> torch.Tensor:
            self._answered += 1000 * (self._answered == 2)
            return real(self, tokens)

        monkeypatch.setattr(prefix.SharedPrompts, "go_on", go_on)
    plain, engine = Plain(tiny_model(family)), TransformersEngine(str(tiny_model(family)), batch_size=4)
    requests = [
        Request(picture(*size, seed=at), imageqa_prompt(name, Space.NORM1000, *size), max_new_tokens=most)
        for at, size in enumerate(CROPS)
        for name, most in (("realism", 5), ("plausibility", 9))
    ]
    tokenizer = plain.processor.tokenizer
    for at, response in engine.run(requests):
        request = requests[at]
        ids = plain.generated(request.image, request.text, request.max_new_tokens)
        assert not set(ids[:-1]) & plain.stops
        expected = tokenizer.decode(ids[:-1] if ids[-1] in plain.stops else ids, skip_special_tokens=False)
        assert response.text == expected
        assert response.p is None


@pytest.mark.parametrize("family", FAMILIES)
def test_a_picture_is_looked_at_once_for_all_answers_that_are_written(
    family: str, tiny_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = TransformersEngine(str(tiny_model(family)))
    image = picture(80, 60, 1)
    looks: list[int] = []
    real = engine.model.model.get_image_features

    def look(*given: Any, **named: Any) -> Any:
        looks.append(1)
        return real(*given, **named)

    monkeypatch.setattr(engine.model.model, "get_image_features", look)
    assert len(dict(engine.run([Request(image, text, max_new_tokens=3) for text in "abc"]))) == 3
    assert len(looks) == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_the_first_answers_that_are_written_have_a_gigabyte_of_keys_and_values(
    family: str, tiny_model: Callable[[str], Path]
) -> None:
    model = TransformersEngine(str(tiny_model(family))).model
    layers = model(input_ids=torch.tensor([[5, 6, 7, 8]]), use_cache=True).past_key_values.layers
    of_four = sum(one.nbytes for layer in layers for one in (layer.keys, layer.values))
    assert count_tokens_to_write(model) == 4 * 2**30 // of_four


@pytest.mark.parametrize("shares", [True, False])
def test_output_that_is_not_finite_is_no_answer(
    shares: bool, tiny_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shares:
        monkeypatch.setattr(families, "_SHARING_PROVEN", frozenset())
    engine = TransformersEngine(str(tiny_model("qwen2_5_vl")))
    with torch.no_grad():
        engine.model.get_output_embeddings().weight.fill_(torch.nan)
    image = picture(80, 60, 1)
    asked = [Request(image, "Is it?", ("Yes", "No")), Request(image, "Where is it?", max_new_tokens=3)]
    for _, response in engine.run(asked):
        assert response.text == ""
        assert response.unanswered == "the model's output is not finite"


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("rows", ["one", "each"])
def test_answers_that_go_on_are_those_of_one_question_at_a_time(
    family: str, rows: str, tiny_model: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Up to the end of each turn, or the limit of each question, whatever is answered beside it."""
    folder = shutil.copytree(tiny_model(family), tmp_path / "model")
    talkative(folder, seed=2, ends=3)
    if rows == "each":
        monkeypatch.setattr(prefix, "takes_any_mask", lambda config: False)
    plain, engine = Plain(folder), TransformersEngine(str(folder), batch_size=4)
    requests = [replace(one, max_new_tokens=(1, 3, 12)[at % 3]) for at, one in enumerate(questions())]
    vocabulary = plain.processor.tokenizer.get_vocab()
    words = [[vocabulary[t] for t in words if t in vocabulary] for words in (YES, NO)]
    lengths = set()
    for at, response in engine.run(requests):
        written = plain.write(requests[at].image, requests[at].text, requests[at].max_new_tokens)
        kept = written.ids[:-1] if written.ids[-1] in plain.stops else written.ids
        lengths.add(len(kept))
        assert response.text == plain.processor.tokenizer.decode(kept, skip_special_tokens=False)
        if response.p is not None:  # of which of its words is a matter of test_engines_agree.py
            yes, no = (written.p[:, ids].sum(1) for ids in words)
            at_words = [at for at, token in enumerate(kept) if token in {*words[0], *words[1]}]
            assert any(p_yes(response) == pytest.approx(yes[at] / (yes + no)[at], abs=1e-5) for at in at_words)
    assert 1 in lengths, "no answer ends with its first token"
    assert max(lengths) > 1, "no answer goes on"


@pytest.mark.parametrize(
    ("family", "space", "size"),
    [
        ("qwen2_5_vl", Space.RESIZED_PIXELS, (196, 140)),  # multiples of 28
        ("qwen3_vl", Space.NORM1000, (192, 128)),  # multiples of 32
        ("internvl", Space.NORM1000, (200, 130)),
        ("llava_next", Space.UNIT, (200, 130)),
    ],
)
def test_box_space_and_input_size(
    family: str, space: Space, size: tuple[int, int], tiny_model: Callable[[str], Path]
) -> None:
    engine = TransformersEngine(str(tiny_model(family)))
    [(_, response)] = engine.run([Request(picture(200, 130, 0), "Where?", max_new_tokens=2)])
    assert engine.box_space is space
    assert response.input_size == size


def odd_pictures() -> dict[str, Image.Image]:
    base = picture(80, 50, 3)
    return {
        "palette": base.quantize(16),
        "transparent": Image.merge("RGBA", (*base.split(), base.split()[0])),
        "grey with alpha": base.convert("LA"),
        "one bit": base.convert("1"),
        "CMYK": base.convert("CMYK"),
        "16 bits": Image.fromarray(np.asarray(base.convert("L"), dtype=np.uint16) * 257),
        "one pixel": Image.new("RGB", (1, 1), "red"),
        "three rows": base.resize((70, 3)),
        "a line": base.resize((1000, 1)),
        "a post": base.resize((2, 900)),
    }


@pytest.mark.parametrize("family", FAMILIES)
def test_odd_pictures_are_answered(family: str, tiny_model: Callable[[str], Path]) -> None:
    pictures = odd_pictures()
    requests = [Request(image, objectqa_prompt("realism_q1"), ANSWERS) for image in pictures.values()]
    answers = dict(TransformersEngine(str(tiny_model(family)), batch_size=4).run(requests))
    assert {name: answers[at].unanswered for at, name in enumerate(pictures)} == dict.fromkeys(pictures)


def test_one_bad_picture_or_text_costs_no_other_answer(tiny_model: Callable[[str], Path], tmp_path: Path) -> None:
    picture(60, 60, 0).save(tmp_path / "cut.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "cut.png").read_bytes()[:90])
    requests = [
        Request(picture(90, 60, 1), "Is it real?", ANSWERS),
        Request(Image.open(tmp_path / "cut.png"), "Is it real?", ANSWERS),
        Request(picture(90, 60, 2), "Is <|image_pad|> real?", ANSWERS),
        Request(picture(90, 60, 3), "Is it real?", ANSWERS),
    ]
    answers = dict(TransformersEngine(str(tiny_model("qwen2_5_vl"))).run(requests))
    assert answers[0].unanswered is None
    assert "unreadable picture" in str(answers[1].unanswered)
    assert "placeholder" in str(answers[2].unanswered)
    assert answers[3].unanswered is None


def test_box_tokens_stay_and_end_of_turn_goes(tiny_model: Callable[[str], Path]) -> None:
    engine = TransformersEngine(str(tiny_model("internvl")))
    ids = engine._tokenizer("<ref>dog</ref><box>[[1, 2, 30, 40]]</box>")["input_ids"]
    assert decode_answer(engine._tokenizer, ids) == "<ref>dog</ref><box>[[1, 2, 30, 40]]</box>"
    assert engine._tokenizer.convert_tokens_to_ids("<|im_end|>") in engine._stops


@pytest.mark.parametrize("family", FAMILIES)
def test_tokens_are_the_parts_of_the_text(family: str, tiny_model: Callable[[str], Path]) -> None:
    tokenizer = AutoProcessor.from_pretrained(tiny_model(family)).tokenizer
    for text in ("Yes, it is.", " **No**\n\n", "是的 🐶 Yes é", "Yes 😀"):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        parts = decode_tokens(tokenizer, ids)
        assert (len(parts), "".join(parts)) == (len(ids), decode_answer(tokenizer, ids))
        cut = decode_tokens(tokenizer, ids[:-1])  # perhaps within a character, which then is none
        assert decode_answer(tokenizer, ids[:-1]).rstrip("\ufffd") == "".join(cut)


def test_choices_that_cannot_be_scored_are_refused(tiny_model: Callable[[str], Path]) -> None:
    engine = TransformersEngine(str(tiny_model("qwen2_5_vl")))
    image = picture(60, 60, 0)
    with pytest.raises(ValueError, match="'Indubitably' is never one token"):
        list(engine.run([Request(image, "Is it?", ("Indubitably", "No"))]))
    with pytest.raises(ValueError, match="same token"):
        list(engine.run([Request(image, "Is it?", ("no", "No"))]))


@pytest.mark.parametrize(
    ("family", "limits", "message"),
    [
        ("llava_next", {"max_pixels": 10_000}, "no such limit"),
        ("internvl", {"min_pixels": 10_000}, "no such limit"),
        ("qwen2_5_vl", {"max_patches": 2}, "no such limit"),
        ("qwen2_5_vl", {"batch_size": 0}, "expected auto"),
        ("qwen2_5_vl", {"max_pixels": "256*28*28"}, "max_pixels is '256\\*28\\*28', expected a whole number"),
        ("qwen2_5_vl", {"max_pixels": 0}, "expected a whole number of 1 or more"),
        ("qwen2_5_vl", {"min_pixels": 50_000, "max_pixels": 10_000}, "more than max_pixels"),
    ],
)
def test_arguments_that_do_not_suit_are_refused(
    family: str, limits: dict[str, Any], message: str, tiny_model: Callable[[str], Path]
) -> None:
    with pytest.raises(ValueError, match=message):
        TransformersEngine(str(tiny_model(family)), **limits)


def test_picture_limits_hold_and_are_part_of_the_identity(tiny_model: Callable[[str], Path]) -> None:
    folder = str(tiny_model("qwen2_5_vl"))
    plain, small = TransformersEngine(folder), TransformersEngine(folder, max_pixels=100 * 100)
    [(_, response)] = small.run([Request(picture(400, 400, 0), "Where?", max_new_tokens=2)])
    assert response.input_size == (84, 84)
    tiles = TransformersEngine(str(tiny_model("internvl")), max_patches=2)
    image = picture(300, 200, 0)
    assert tiles._chat.ask(image, ["Where?"]).picture["pixel_values"].shape[0] == 3  # two and the thumbnail
    assert plain.identity() != small.identity()
    assert json.loads(json.dumps(plain.identity())) == plain.identity()


def test_declared_marks_of_reasoning_are_part_of_the_identity(
    tiny_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """P is that of the token behind them."""
    engine = TransformersEngine(str(tiny_model("qwen2_5_vl")))
    before = engine.identity()
    monkeypatch.setenv("QREAL_REASONING_MARKS", "<mull> </mull>")
    assert engine.identity() != before


@pytest.mark.parametrize("family", FAMILIES)
def test_adapter_is_used_merged_or_not_and_named_by_content(
    family: str, tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    from peft import LoraConfig, get_peft_model

    plain = Plain(tiny_model(family))
    target = r".*language_model.*\.(q_proj|v_proj|down_proj)"
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(1)  # with it every answer begins with its word, whose token is what ``yes_and_no`` looks at
        adapted = get_peft_model(plain.model, LoraConfig(r=4, target_modules=target))
        for name, weight in adapted.named_parameters():
            if "lora_B" in name:
                weight.normal_(0, 0.1)
    adapted.save_pretrained(tmp_path / "one")
    plain.model = adapted
    requests = questions(lambda at: 2)
    base = dict(TransformersEngine(str(tiny_model(family))).run(requests))
    identities = []
    for merged in (True, False):
        engine = TransformersEngine(str(tiny_model(family)), adapter=str(tmp_path / "one"), merge_adapter=merged)
        identities.append(engine.identity())
        for at, response in engine.run(requests):
            yes, no = yes_and_no(plain, requests[at])
            assert p_yes(response) == pytest.approx(yes / (yes + no), abs=1e-5)
            assert abs(p_yes(response) - p_yes(base[at])) > 1e-6
    assert identities[0]["adapter"] == identities[1]["adapter"]
    assert len(identities[0]["adapter"]) == 64


def test_an_adapter_that_does_not_fit_is_refused(tiny_model: Callable[[str], Path], tmp_path: Path) -> None:
    """PEFT warns and goes on with the base model, whose answers would be stored under the adapter's name."""
    from peft import LoraConfig, PromptTuningConfig, get_peft_model
    from safetensors.torch import load_file, save_file

    plain = Plain(tiny_model("qwen2_5_vl"))
    get_peft_model(plain.model, LoraConfig(r=4, target_modules=r".*language_model.*q_proj")).save_pretrained(tmp_path)
    path = tmp_path / "adapter_model.safetensors"
    save_file({key.replace("layers.0", "blocks.0"): value for key, value in load_file(path).items()}, path)
    with pytest.raises(ValueError, match="does not fit qwen2_5_vl"):
        TransformersEngine(str(tiny_model("qwen2_5_vl")), adapter=str(tmp_path))

    text = Plain(tiny_model("qwen2_5_vl")).model
    text.config.num_attention_heads, text.config.hidden_size = 4, 64
    prompts = PromptTuningConfig(
        task_type="CAUSAL_LM", num_virtual_tokens=2, token_dim=64, num_layers=2, num_attention_heads=4
    )
    get_peft_model(text, prompts).save_pretrained(tmp_path / "prompts")
    with pytest.raises(ValueError, match="PROMPT_TUNING"):
        TransformersEngine(str(tiny_model("qwen2_5_vl")), adapter=str(tmp_path / "prompts"))


def test_a_processor_that_refuses_every_picture_ends_the_run(tiny_model: Callable[[str], Path]) -> None:
    engine = TransformersEngine(str(tiny_model("qwen2_5_vl")))
    engine._chat.processor.image_processor.size = {}
    requests = [Request(picture(40 + n, 40, n), "Is it?", ANSWERS) for n in range(25)]
    with pytest.raises(ValueError, match="refused the first 25 questions"):
        list(engine.run(requests))


def test_a_change_of_any_tensor_changes_the_identity(tiny_model: Callable[[str], Path], tmp_path: Path) -> None:
    for name, at in (("one", None), ("two", 1000)):
        shutil.copytree(tiny_model("qwen2_5_vl"), tmp_path / name / "model")
        weights = tmp_path / name / "model" / "model.safetensors"
        content = bytearray(weights.read_bytes())
        if at is not None:
            content[-at] ^= 1
        weights.write_bytes(content)
    one, two = (TransformersEngine(str(tmp_path / name / "model")).identity()["content"] for name in ("one", "two"))
    assert one != two


def test_missing_adapter_is_named(tiny_model: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no adapter_config"):
        TransformersEngine(str(tiny_model("qwen2_5_vl")), adapter=str(tmp_path))


@pytest.mark.parametrize(
    ("ending", "opened"),
    [
        ("<think>\n", "<think>"),
        ("<think>\n\n</think>\n\n", ""),
        ("</think>", ""),
        ("", ""),
    ],
)
def test_a_template_that_opens_reasoning_is_read_as_such(
    ending: str, opened: str, tiny_model: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    """The model writes no mark that closes it, so what it writes is no answer."""
    engine = TransformersEngine(str(tiny_model("qwen2_5_vl")))
    processor = engine._chat.processor
    processor.chat_template = processor.chat_template + ending
    requests = [*questions(lambda at: 2), Request(picture(80, 60, 1), "Where is it?", max_new_tokens=5)]
    found = dict(engine.run(requests))
    assert sorted(found) == list(range(len(requests)))
    for at, response in found.items():
        assert response.choices == requests[at].choices
        assert response.unanswered is None
        assert response.text.startswith(opened)
        if opened and requests[at].choices:
            assert (response.p, response.no_p) == (None, NO_VERDICT)
    assert ("its chat template opens reasoning" in caplog.text) is bool(opened)


def test_a_small_model_leaves_the_threads_of_its_caller_alone(
    tiny_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    torch.set_num_threads(2)  # the fixture of this folder sets them back
    engine = TransformersEngine(str(tiny_model("qwen2_5_vl")))
    inside: list[int] = []
    engine.model.register_forward_pre_hook(lambda *_: inside.append(torch.get_num_threads()))
    outside = [torch.get_num_threads() for _ in engine.run(questions(lambda _: 2))]
    assert set(inside) == {1}
    assert set(outside) == {2}
    assert torch.get_num_threads() == 2
