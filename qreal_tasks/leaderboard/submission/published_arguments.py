"""The arguments of backends that a submission publishes."""

from __future__ import annotations

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
