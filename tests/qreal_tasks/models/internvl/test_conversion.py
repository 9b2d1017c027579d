"""Conversion of a tiny checkpoint that this file writes in the layout of the original InternVL 2.5."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import torch
from safetensors.torch import load_file, save_file
from straightforward import Plain, picture, talkative
from transformers import AutoModelForImageTextToText, AutoProcessor, InternVLConfig, InternVLForConditionalGeneration
from typer.testing import CliRunner

from qreal_tasks.benchmark import ANSWERS, IMAGEQA_SETS, QUESTION_NAMES, objectqa_prompt
from qreal_tasks.cli import app
from qreal_tasks.models.internvl.conversion import convert
from qreal_tasks.models.local.engine import TransformersEngine
from qreal_tasks.models.requests import Request
from qreal_tasks.models.tiny.parts import learn_byte_level_vocabulary
from qreal_tasks.subtasks import filter_prompt

pytestmark = pytest.mark.slow

# As in InternVL 2.5: the first in the place of pieces that SentencePiece keeps unused, the others behind its last.
IN_PLACE = ("<|im_end|>", "<|im_start|>")
BEHIND = ("<img>", "</img>", "<IMG_CONTEXT>", "<quad>", "</quad>", "<ref>", "</ref>", "<box>", "</box>")
TEXT: dict[str, Any] = {
    "vocab_size": 900,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "hidden_act": "silu",
    "max_position_embeddings": 64,
    "rms_norm_eps": 1e-5,
}
VISION: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "hidden_act": "gelu",
    "image_size": 56,
    "patch_size": 14,
    "norm_type": "layer_norm",
    "layer_norm_eps": 1e-6,
}
SYSTEM = "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。"


def native_model(language: str) -> Any:
    """What the original is expected to compute, weights drawn at random."""
    scaled = {"rope_type": "dynamic", "rope_theta": 1e6, "factor": 2.0}
    family = {"internlm2": {"model_type": "llama"}, "qwen2": {"model_type": "qwen2"}}[language]
    config = InternVLConfig(
        text_config={**TEXT, **family, "rope_parameters": scaled, "tie_word_embeddings": False},
        vision_config={**VISION, "attention_bias": True},
        image_token_id=899,
        tie_word_embeddings=False,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = InternVLForConditionalGeneration(config)
        with torch.no_grad():
            for weight in model.parameters():
                weight.copy_(torch.randn_like(weight) * 0.2 + (weight.ndim == 1))
    return model.eval()


def original_weights(native: dict[str, torch.Tensor], language: str) -> dict[str, torch.Tensor]:
    """Names and fused matrices of the original."""
    renamed = {}
    for name, weight in native.items():
        for pattern, original in (
            (r"^model\.vision_tower", "vision_model"),
            (r"^model\.multi_modal_projector\.layer_norm", "mlp1.0"),
            (r"^model\.multi_modal_projector\.linear_1", "mlp1.1"),
            (r"^model\.multi_modal_projector\.linear_2", "mlp1.3"),
            (r"^model\.language_model", "language_model.model"),
            (r"^lm_head", "language_model.output" if language == "internlm2" else "language_model.lm_head"),
            (r"cls_token$", "class_embedding"),
            (r"position_embeddings$", "position_embedding"),
            (r"patch_embeddings\.projection", "patch_embedding"),
            (r"encoder\.layer\.", "encoder.layers."),
            (r"attention\.projection_layer", "attn.proj"),
            (r"layernorm_before", "norm1"),
            (r"layernorm_after", "norm2"),
            (r"lambda_", "ls"),
        ):
            name = re.sub(pattern, original, name)
        renamed[name] = weight
    for layer in range(VISION["num_hidden_layers"]):
        for leaf in ("weight", "bias"):
            at = f"vision_model.encoder.layers.{layer}."
            parts = [renamed.pop(f"{at}attention.{part}_proj.{leaf}") for part in "qkv"]
            renamed[f"{at}attn.qkv.{leaf}"] = torch.cat(parts)
    return internlm2_weights(renamed) if language == "internlm2" else renamed


def internlm2_weights(llama: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    heads, groups = TEXT["num_attention_heads"], TEXT["num_key_value_heads"]
    size = TEXT["hidden_size"] // heads
    words = {
        "embed_tokens": "tok_embeddings",
        "self_attn.o_proj": "attention.wo",
        "mlp.gate_proj": "feed_forward.w1",
        "mlp.up_proj": "feed_forward.w3",
        "mlp.down_proj": "feed_forward.w2",
        "input_layernorm": "attention_norm",
        "post_attention_layernorm": "ffn_norm",
    }
    found = {}
    for name, weight in llama.items():
        for word, original in words.items() if name.startswith("language_model") else ():
            name = name.replace(word, original)
        found[name] = weight
    for layer in range(TEXT["num_hidden_layers"]):
        at = f"language_model.model.layers.{layer}."
        query, key, value = (torch.split(found.pop(f"{at}self_attn.{part}_proj.weight"), size) for part in "qkv")
        rows = []
        for group in range(groups):
            rows += [query[head] for head in range(heads) if head // (heads // groups) == group]
            rows += [key[group], value[group]]
        found[f"{at}attention.wqkv.weight"] = torch.cat(rows)
    return found


def sentencepiece_model(**changed: Any) -> bytes:
    """A real model, with the normalisation of InternLM2: none."""
    prompts = [filter_prompt(name, label) for name in IMAGEQA_SETS for label in ("dog", "red sign", "x")]
    prompts += [objectqa_prompt(name) for name in QUESTION_NAMES]
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*prompts, *["Yes", "No", "Yes No yes no"] * 20, SYSTEM]),
        model_writer=written,
        minloglevel=2,
        **{
            "model_type": "bpe",
            "vocab_size": TEXT["vocab_size"] - len(BEHIND),
            "byte_fallback": True,
            "normalization_rule_name": "identity",
            "add_dummy_prefix": False,
            "remove_extra_whitespaces": False,
            "user_defined_symbols": [f"[UNUSED_TOKEN_{at}]" for at in range(len(IN_PLACE))],
            **changed,
        },
    )
    return written.getvalue()


def write_tokenizer(folder: Path, language: str) -> None:
    places = [*range(3, 3 + len(IN_PLACE)), *range(TEXT["vocab_size"] - len(BEHIND), TEXT["vocab_size"])]
    added = dict(zip(places, (*IN_PLACE, *BEHIND), strict=True))
    settings: dict[str, Any] = {"tokenizer_class": "InternLM2Tokenizer", "eos_token": "</s>", "pad_token": "</s>"}
    if language == "internlm2":
        (folder / "tokenizer.model").write_bytes(sentencepiece_model())
    else:
        state = learn_byte_level_vocabulary()
        added = dict(enumerate(("<|endoftext|>", *IN_PLACE, *BEHIND), start=len(state["vocab"])))
        settings = {"tokenizer_class": "Qwen2Tokenizer", "eos_token": "<|im_end|>", "pad_token": "<|im_end|>"}
        (folder / "vocab.json").write_text(json.dumps(state["vocab"]), encoding="utf-8")
        merges = [" ".join(pair) for pair in state["merges"]]
        (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]), encoding="utf-8")
    flags = {"lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": True}
    settings["added_tokens_decoder"] = {str(at): {"content": token, **flags} for at, token in added.items()}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


def write_original(folder: Path, language: str, dtype: torch.dtype) -> None:
    """A folder like OpenGVLab/InternVL2_5-8B (internlm2) or -4B (qwen2)."""
    architecture = {"internlm2": "InternLM2ForCausalLM", "qwen2": "Qwen2ForCausalLM"}[language]
    positions = {"rope_theta": 1000000, "rope_scaling": {"factor": 2.0, "type": "dynamic"}}
    config = {
        "architectures": ["InternVLChatModel"],
        "model_type": "internvl_chat",
        "template": "internvl2_5",
        "ps_version": "v2",
        "select_layer": -1,
        "dynamic_image_size": True,
        "use_thumbnail": True,
        "force_image_size": 56,
        "downsample_ratio": 0.5,
        "min_dynamic_patch": 1,
        "max_dynamic_patch": 12,
        "torch_dtype": str(dtype).removeprefix("torch."),
        "llm_config": {**TEXT, **positions, "architectures": [architecture], "bias": False},
        "vision_config": {**VISION, "qkv_bias": True, "qk_normalization": False},
    }
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    weights = original_weights(native_model(language).state_dict(), language)
    names = sorted(weights)
    files = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, own in files.items():
        save_file({name: weights[name].to(dtype).contiguous() for name in own}, folder / file)
    where = {name: file for file, own in files.items() for name in own}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}), encoding="utf-8")
    write_tokenizer(folder, language)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, torch.dtype], Path]:
    made: dict[tuple[str, torch.dtype], Path] = {}

    def folder_of(language: str, dtype: torch.dtype) -> Path:
        if (language, dtype) not in made:
            made[language, dtype] = tmp_path_factory.mktemp(language) / "original"
            write_original(made[language, dtype], language, dtype)
        return made[language, dtype]

    return folder_of


@pytest.fixture(scope="module")
def native(original: Callable[[str, torch.dtype], Path]) -> Path:
    """The converted model with InternLM2, positions not scaled: a shared prefix is computed at its own length."""
    source = original("internlm2", torch.float32)
    longer, target = source.parent / "longer", source.parent / "native"
    shutil.copytree(source, longer)
    set_config(llm_config__max_position_embeddings=8192)(longer)
    convert(longer, target)
    return target


@pytest.mark.parametrize(
    ("language", "dtype"),
    [("internlm2", torch.float32), ("internlm2", torch.bfloat16), ("qwen2", torch.float32)],
)
def test_computes_as_the_model_that_the_layout_was_written_from(
    language: str, dtype: torch.dtype, original: Callable[[str, torch.dtype], Path], tmp_path: Path
) -> None:
    convert(original(language, dtype), tmp_path / "native")
    converted = AutoModelForImageTextToText.from_pretrained(tmp_path / "native", dtype="auto")
    assert {weight.dtype for weight in converted.parameters()} == {dtype}
    assert converted.config.image_seq_length == 4
    expected = native_model(language).to(dtype)
    ids = torch.arange(5, 105)[
        None
    ]  # more than max_position_embeddings, so that the scaling of positions has an effect
    ids[0, 10:14] = converted.config.image_token_id
    expected.config.image_token_id = converted.config.image_token_id
    inputs = {"input_ids": ids, "pixel_values": torch.linspace(-2, 2, 3 * 56 * 56).reshape(1, 3, 56, 56).to(dtype)}
    with torch.inference_mode():
        difference = converted(**inputs).logits - expected(**inputs).logits
    assert difference.abs().max() == 0


def test_the_engine_scores_and_generates(native: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(native, tmp_path / "talkative")
    talkative(folder)
    plain, engine = Plain(folder), TransformersEngine(str(folder), max_patches=2)
    plain.processor.image_processor.max_patches = 2
    texts = [objectqa_prompt(name) for name in QUESTION_NAMES]
    asked = [Request(picture(90, 60, 0), text, ANSWERS) for text in texts]
    asked.append(Request(picture(90, 60, 0), "What is it?", max_new_tokens=5))
    answers = dict(engine.run(asked))
    vocabulary = plain.processor.tokenizer.get_vocab()
    for at, text in enumerate(texts):
        p = plain.first_token(asked[at].image, text)
        yes, no = (
            sum(p[vocabulary[t]] for t in words if t in vocabulary)
            for words in (("Yes", "▁Yes", "yes", "▁yes", "YES", "▁YES"), ("No", "▁No", "no", "▁no", "NO", "▁NO"))
        )
        scored = dict(zip(answers[at].choices, answers[at].p or (), strict=True))
        assert scored["Yes"] == pytest.approx(yes / (yes + no), abs=1e-5)
    ids = plain.generated(asked[-1].image, "What is it?", 5)
    ends = plain.model.generation_config.eos_token_id
    assert answers[len(texts)].text == plain.processor.tokenizer.decode([i for i in ids if i not in ends])


def test_prompt_and_token_ids_are_those_of_the_original(
    native: Path, original: Callable[[str, torch.dtype], Path]
) -> None:
    processor = AutoProcessor.from_pretrained(native)
    shown = [{"type": "image"}, {"type": "text", "text": "Is  it\n real? é🐶"}]
    rendered = processor.apply_chat_template([{"role": "user", "content": shown}], add_generation_prompt=True)
    assert rendered == (
        f"<|im_start|>system\n{SYSTEM}<|im_end|>\n<|im_start|>user\n<IMG_CONTEXT>\nIs  it\n real? é🐶<|im_end|>\n"
        "<|im_start|>assistant\n"
    )
    source = original("internlm2", torch.float32)
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(source / "tokenizer.model"))
    settings = json.loads((source / "tokenizer_config.json").read_text(encoding="utf-8"))
    added = {token["content"]: int(at) for at, token in settings["added_tokens_decoder"].items()}
    expected = [pieces.bos_id()]
    for part in re.split("(" + "|".join(map(re.escape, added)) + ")", rendered):
        expected += [added[part]] if part in added else pieces.encode(part)
    assert processor.tokenizer(rendered)["input_ids"] == expected
    assert len(processor.tokenizer) == TEXT["vocab_size"]
    asked = processor(images=[picture(112, 56, 0)], text=[rendered])
    block = [added["<img>"], *[added["<IMG_CONTEXT>"]] * 4 * 3, added["</img>"]]  # two tiles and the whole picture
    at = expected.index(added["<IMG_CONTEXT>"])
    assert asked["input_ids"][0] == [*expected[:at], *block, *expected[at + 1 :]]
    ends = AutoModelForImageTextToText.from_pretrained(native).generation_config.eos_token_id
    assert ends == [pieces.eos_id(), added["<|im_end|>"]]


def set_config(**changed: Any) -> Callable[[Path], None]:
    """Change entries of config.json; ``section__key`` for one in a section, None to remove it."""

    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        for name, value in changed.items():
            *section, key = name.split("__")
            where = config[section[0]] if section else config
            where.pop(key) if value is None else where.update({key: value})
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")

    return change


def set_weights(change: Callable[[dict[str, torch.Tensor]], object]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        for file in folder.glob("*.safetensors"):
            weights = load_file(file)
            change(weights)
            save_file(weights, file)

    return write


def halve(weights: dict[str, torch.Tensor], name: str) -> None:
    if name in weights:
        weights[name] = weights[name][: len(weights[name]) // 2].contiguous()


WQKV = "language_model.model.layers.0.attention.wqkv.weight"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (set_config(architectures=["LlavaModel"]), r"config\.json: architectures is \['LlavaModel'\], expected"),
        (
            set_config(llm_config__architectures=["Phi3ForCausalLM"]),
            "llm_config is of Phi3ForCausalLM, expected one of",
        ),
        (set_config(template="Hermes-2"), "template is 'Hermes-2', only 'internvl2_5'"),
        (set_config(ps_version=None), "ps_version is 'v1', only 'v2'"),
        (set_config(force_image_size=448), "force_image_size is 448 and vision_config.image_size 56"),
        (set_config(llm_config__rope_theta=None), r"config\.json lacks llm_config\.rope_theta"),
        (set_config(vision_config__num_hidden_layers=3), r"no weights for model\.vision_tower.* and 15 more"),
        (set_config(llm_config__num_hidden_layers=1), r"no place for language_model\.model\.layers\.1\.\S+, .* more"),
        (set_config(llm_config__intermediate_size=80), r"gate_proj\.weight has shape \(96, 64\), expected \(80, 64\)"),
        (lambda folder: (folder / "config.json").write_text("{"), r"config\.json is not JSON"),
        (
            lambda folder: (folder / "model-00002-of-00002.safetensors").unlink(),
            "lacks the weights model-00002-of-0000",
        ),
        (
            lambda folder: (folder / "model-00001-of-00002.safetensors").write_text("version https://git-lfs"),
            r"00001-of-00002\.safetensors is no whole safetensors file",
        ),
        (
            set_weights(lambda w: w.pop(WQKV, None)),
            r"no weights for model\.language_model\.layers\.0\.self_attn\.k_proj",
        ),
        (set_weights(lambda w: w.setdefault("extra.weight", torch.ones(1))), r"no place for extra\.weight"),
        (set_weights(lambda w: halve(w, WQKV)), "wqkv.weight has 48 rows, expected 12 heads of 8"),
        (
            lambda folder: (folder / "tokenizer.model").write_text("pointer"),
            r"tokenizer\.model is no SentencePiece model",
        ),
        (lambda folder: (folder / "tokenizer.model").unlink(), r"tokenizer\.model is no SentencePiece model"),
        (
            lambda folder: (folder / "tokenizer.model").write_bytes(sentencepiece_model(add_dummy_prefix=True)),
            "turns ' a  b' into '▁▁a▁▁b', expected",
        ),
        (
            lambda folder: (folder / "tokenizer.model").write_bytes(sentencepiece_model(vocab_size=880)),
            "gives other ids than .*'<img>': 891",
        ),
        (
            lambda folder: (folder / "tokenizer_config.json").write_text("{}"),
            "added_tokens_decoder lacks <img>, </img>, .* below the model's 900 embeddings",
        ),
    ],
)
def test_what_is_wrong_is_said_and_nothing_written(
    spoil: Callable[[Path], object], message: str, original: Callable[[str, torch.dtype], Path], tmp_path: Path
) -> None:
    shutil.copytree(original("internlm2", torch.float32), tmp_path / "original")
    spoil(tmp_path / "original")
    with pytest.raises(ValueError, match=message):
        convert(tmp_path / "original", tmp_path / "native")
    assert not (tmp_path / "native").exists()


def test_command_fails_clearly(native: Path, tmp_path: Path) -> None:
    full = CliRunner().invoke(app, ["convert-internvl", str(tmp_path), str(native)])
    assert (full.exit_code, "not empty" in full.output) == (1, True)
    absent = CliRunner().invoke(app, ["convert-internvl", str(tmp_path), str(tmp_path / "new")])
    assert (absent.exit_code, "config.json" in absent.output) == (1, True)
