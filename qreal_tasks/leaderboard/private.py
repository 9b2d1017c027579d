"""What a submission must not publish: where something lies, how it is reached, what opens it."""

from __future__ import annotations

import re

_OF_THIS_PROJECT = """
    detect filter describe merge_adapter dtype device_map attn_implementation min_pixels max_pixels max_patches
    batch_size logprobs top_logprobs image_detail image_format seed temperature
"""
_OF_THE_HARNESS = """
    torch_dtype quantization load_in_4bit load_in_8bit use_flash_attention_2 trust_remote_code chat_template
    conv_template system_prompt reasoning_prompt enable_thinking reasoning_effort max_new_tokens max_tokens max_length
    max_model_len max_num max_dynamic_patch min_image_pixels max_image_size image_first interleave_visuals
    limit_mm_per_prompt mm_processor_kwargs modality top_p top_k do_sample num_beams repetition_penalty
    tensor_parallel_size data_parallel_size
"""
ARGUMENTS = frozenset((_OF_THIS_PROJECT + _OF_THE_HARNESS).split())
"""Arguments of backends that a result may depend on. Others may say where something is, or open it, and stay out."""

_SHAPES = {
    "a path": re.compile(r"(?<![\w./<])(~?/|\.\.?/|[A-Za-z]:\\)[\w.-]|\\\\\w"),
    "an address": re.compile(r"\w://|(?<![\w.-])(\[[\da-f:]+\]|[a-z\d][\w-]*(\.[\w-]+)*):\d{2,5}(?!\w)", re.IGNORECASE),
    "a key": re.compile(r"(?<![a-zA-Z\d])(sk-[\w-]{8,}|hf_[a-zA-Z\d]{12,}|gh[pousr]_\w{12,}|AKIA[A-Z\d]{12,})"),
}


def private_part(text: str) -> str | None:
    """What in a text is private: "a path", "an address" or "a key"; None when nothing looks like one.

    >>> [private_part(text) for text in ("/data/me/model", "gpu7.lab:8000", "sk-0123456789", "org/name", "qwen:72b")]
    ['a path', 'an address', 'a key', None, None]
    """
    return next((name for name, shape in _SHAPES.items() if shape.search(text)), None)
