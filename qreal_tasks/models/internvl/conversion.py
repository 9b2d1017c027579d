"""Conversion of original InternVL 2.5 checkpoints, which transformers can only run as remote code, to its native form.

>>> convert(Path("InternVL2_5-8B"), Path("InternVL2_5-8B-native"))  # doctest: +SKIP

The layout is that of ``internvl_chat`` in github.com/OpenGVLab/InternVL: InternViT, a projector ``mlp1``, and InternLM2
or Qwen2. InternLM2 is Llama with other names and one fused matrix for queries, keys and values.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from transformers import (
    AddedToken,
    GenerationConfig,
    GotOcr2ImageProcessor,
    InternVLConfig,
    InternVLProcessor,
    InternVLVideoProcessor,
    LlamaTokenizer,
    Qwen2Tokenizer,
)

from qreal_tasks.files.atomic import new_folder
from qreal_tasks.files.regular import read_text
from qreal_tasks.models.internvl.weights import check_weights, weight_files, write_weights

_MODEL_TYPES = {"InternLM2ForCausalLM": "llama", "Qwen2ForCausalLM": "qwen2"}

# What the native model and processor always do: name, the only value they stand for, the original's default.
_FIXED = (
    ("template", "internvl2_5", None),
    ("ps_version", "v2", "v1"),
    ("select_layer", -1, -1),
    ("dynamic_image_size", True, False),
    ("use_thumbnail", True, False),
    ("pad2square", False, False),
)
_TOP_KEYS = ("downsample_ratio", "min_dynamic_patch", "max_dynamic_patch")
_SIZES = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "hidden_act")
_TEXT_KEYS = (*_SIZES, "num_key_value_heads", "vocab_size", "max_position_embeddings", "rms_norm_eps", "rope_theta")
_VISION_KEYS = (*_SIZES, "image_size", "patch_size", "norm_type", "layer_norm_eps", "qkv_bias", "qk_normalization")

_ROLES = {
    "start_image_token": "<img>",
    "end_image_token": "</img>",
    "context_image_token": "<IMG_CONTEXT>",
    # InternVLProcessor wants one and the original has none; a new token would have no embedding.
    "video_token": "<quad>",
}
_IMAGENET_MEAN, _IMAGENET_STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
_SYSTEM = "你是书生·万象，英文名是InternVL，是由上海人工智能实验室、清华大学及多家合作单位联合开发的多模态大语言模型。"
_CHAT_TEMPLATE = (
    "{% if messages[0].role != 'system' %}{{ '<|im_start|>system\n" + _SYSTEM + "<|im_end|>\n' }}{% endif %}"
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' }}"
    "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
    "{% if part.type == 'text' %}{{ part.text }}{% elif part.type == 'image' %}{{ '<IMG_CONTEXT>\n' }}"
    "{% else %}{{ raise_exception('expected text and pictures, not ' + part.type) }}{% endif %}"
    "{% endfor %}{% endif %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def convert(source: Path, target: Path) -> None:
    """Write the checkpoint of ``source`` to ``target`` so that transformers' Auto classes load it.

    Everything is checked before anything is written. Weights keep their type, and one file of them is in memory at a
    time. The prompt is the template ``internvl2_5`` with its system message, as in the original's ``chat``.

    Args:
        source: folder with ``config.json``, ``*.safetensors`` and the tokenizer's files, as on the hub.
        target: folder that is empty or does not exist; appears whole, or not at all.

    Raises:
        ValueError: what is in ``source`` is no such checkpoint, not whole, or of a kind that the native model does not
            compute; or ``target`` holds files.
        OSError: a file is missing or cannot be written.
    """
    if target.is_dir() and any(target.iterdir()):
        raise ValueError(f"{target} is not empty, expected a new or an empty folder")
    original = _read_config(source)
    tokenizer = _tokenizer(source, original["llm_config"])
    config = _native_config(original, tokenizer)
    files = weight_files(source)
    check_weights(files, config)
    with new_folder(target) as beside:
        _processor(original, tokenizer, config).save_pretrained(beside)
        ends = {tokenizer.convert_tokens_to_ids("<|im_end|>"), tokenizer.eos_token_id}
        GenerationConfig(
            bos_token_id=tokenizer.bos_token_id, eos_token_id=sorted(ends), pad_token_id=tokenizer.pad_token_id
        ).save_pretrained(beside)
        write_weights(files, config, beside)
        config.save_pretrained(beside)


def _read_config(source: Path) -> dict[str, Any]:
    where = source / "config.json"
    config = _json(where)
    if config.get("architectures") != ["InternVLChatModel"]:
        found = config.get("architectures")
        raise ValueError(f"{where}: architectures is {found}, expected ['InternVLChatModel'], an original checkpoint")
    for name, only, default in _FIXED:
        if config.get(name, default) != only:
            raise ValueError(f"{where}: {name} is {config.get(name, default)!r}, only {only!r} can be converted")
    llm, vision = config.get("llm_config") or {}, config.get("vision_config") or {}
    if (architecture := (llm.get("architectures") or [None])[0]) not in _MODEL_TYPES:
        raise ValueError(f"{where}: llm_config is of {architecture}, expected one of {', '.join(_MODEL_TYPES)}")
    for name, section, keys in (
        ("", config, _TOP_KEYS),
        ("llm_config.", llm, _TEXT_KEYS),
        ("vision_config.", vision, _VISION_KEYS),
    ):
        if missing := [name + key for key in keys if key not in section]:
            raise ValueError(f"{where} lacks {', '.join(missing)}; download the checkpoint again")
    if config.get("force_image_size") not in (None, vision["image_size"]):
        raise ValueError(
            f"{where}: force_image_size is {config['force_image_size']} and vision_config.image_size "
            f"{vision['image_size']}, expected the same"
        )
    return config


def _json(path: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(read_text(path))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON ({error}); download it again") from error
    return content


def _native_config(original: Mapping[str, Any], tokenizer: Any) -> Any:
    llm, vision = original["llm_config"], original["vision_config"]
    architecture = llm["architectures"][0]
    text = {key: llm[key] for key in _TEXT_KEYS if key != "rope_theta"}
    text |= {key: llm.get(key) for key in ("bos_token_id", "eos_token_id", "pad_token_id")}
    scaling = dict(llm.get("rope_scaling") or {})
    kind = scaling.pop("type", scaling.pop("rope_type", "default"))
    text |= {"rope_parameters": {"rope_type": kind, "rope_theta": float(llm["rope_theta"]), **scaling}}
    if architecture == "InternLM2ForCausalLM":
        text["attention_bias"] = llm.get("bias", True)
    else:
        text |= {key: llm[key] for key in ("use_sliding_window", "sliding_window", "max_window_layers") if key in llm}
    untied = {"tie_word_embeddings": False}  # whatever the config says: so does the original
    renamed = {"qkv_bias": "attention_bias", "qk_normalization": "use_qk_norm"}
    return InternVLConfig(
        architectures=["InternVLForConditionalGeneration"],
        text_config={"model_type": _MODEL_TYPES[architecture], **text, **untied},
        vision_config={renamed.get(key, key): vision[key] for key in _VISION_KEYS},
        image_token_id=tokenizer.convert_tokens_to_ids(_ROLES["context_image_token"]),
        image_seq_length=int((vision["image_size"] // vision["patch_size"]) ** 2 * original["downsample_ratio"] ** 2),
        downsample_ratio=original["downsample_ratio"],
        **untied,
        dtype=original.get("torch_dtype"),
    )


def _tokenizer(source: Path, llm: Mapping[str, Any]) -> Any:
    """The original's tokenizer, every token under the id that it has there."""
    settings = _json(source / "tokenizer_config.json")
    added = {int(at): AddedToken(**token) for at, token in settings.get("added_tokens_decoder", {}).items()}
    embedded = {token.content for at, token in added.items() if at < llm["vocab_size"]}
    if missing := [token for token in (*_ROLES.values(), "<|im_start|>", "<|im_end|>") if token not in embedded]:
        raise ValueError(
            f"{source / 'tokenizer_config.json'}: added_tokens_decoder lacks {', '.join(missing)} below the model's "
            f"{llm['vocab_size']} embeddings; download the checkpoint again"
        )
    if llm["architectures"][0] == "InternLM2ForCausalLM":
        tokenizer = _internlm2_tokenizer(source / "tokenizer.model", settings, added)
    else:
        tokenizer = Qwen2Tokenizer.from_pretrained(source, extra_special_tokens=_ROLES)
    wrong = {token.content: at for at, token in added.items() if tokenizer.convert_tokens_to_ids(token.content) != at}
    if wrong:
        raise ValueError(f"{source}: the tokenizer gives other ids than {wrong} of tokenizer_config.json")
    return tokenizer


def _internlm2_tokenizer(model: Path, settings: Mapping[str, Any], added: Mapping[int, AddedToken]) -> Any:
    """InternLM2's SentencePiece model as Llama's tokenizer.

    Added tokens take the place of unused pieces. Two pieces that make a piece are a merge; merges rank as the pieces
    do, which SentencePiece numbers from the best to the worst. Its own protobuf classes are not used: they often do not
    load beside the protobuf that other packages ask for.
    """
    from sentencepiece import SentencePieceProcessor

    try:
        pieces = SentencePieceProcessor(model_file=str(model))
    except (RuntimeError, OSError) as error:
        raise ValueError(f"{model} is no SentencePiece model ({error}); download it again") from error
    if (normal := pieces.normalize(" a  b")) != "▁a▁▁b":
        raise ValueError(f"{model} turns ' a  b' into {normal!r}, expected '▁a▁▁b': spaces kept and none added")
    vocabulary = [pieces.id_to_piece(at) for at in range(pieces.get_piece_size())]
    known = set(vocabulary)
    cuts = ((piece[:at], piece[at:]) for piece in vocabulary for at in range(1, len(piece)))
    merges = [(left, right) for left, right in cuts if left in known and right in known]
    vocabulary = [added[at].content if at in added else piece for at, piece in enumerate(vocabulary)]
    named = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>", "add_bos_token": True}
    return LlamaTokenizer(
        vocab={piece: at for at, piece in enumerate(vocabulary)},
        merges=merges,
        add_prefix_space=False,
        added_tokens_decoder=dict(added),
        extra_special_tokens=_ROLES,
        **{name: settings.get(name, default) for name, default in named.items()},
    )


def _processor(original: Mapping[str, Any], tokenizer: Any, config: Any) -> Any:
    side = original["vision_config"]["image_size"]
    pictures = {
        "size": {"height": side, "width": side},
        "image_mean": _IMAGENET_MEAN,
        "image_std": _IMAGENET_STD,
    }
    return InternVLProcessor(
        image_processor=GotOcr2ImageProcessor(
            crop_to_patches=True,
            min_patches=original["min_dynamic_patch"],
            max_patches=original["max_dynamic_patch"],
            **pictures,
        ),
        tokenizer=tokenizer,
        video_processor=InternVLVideoProcessor(**pictures),
        image_seq_length=config.image_seq_length,
        chat_template=_CHAT_TEMPLATE,
    )
