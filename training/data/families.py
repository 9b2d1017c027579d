"""What training must know of a model family, as data. What processors and configs say themselves is not repeated here.

>>> TUNED_FAMILIES["llava_next"].answer("Yes")
' Yes</s>'
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from qreal_tasks.boxes import Space
from qreal_tasks.models.families import find_box_space

_LANGUAGE_LAYERS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
"""All linear layers of the language model and none of the vision tower: ``all-linear`` and bare names hit both."""


@dataclass(frozen=True)
class TunedFamily:
    """What training must know of one model family."""

    model_type: str
    before_answer: str
    """What the model writes between the end of the prompt and the answer."""
    end_of_turn: str
    """The token that ends an answer."""
    vision: str
    """The vision tower, as an attribute of the model without output head."""
    projector: tuple[str, ...]
    """What maps its features into the language model."""
    pixel_limits: tuple[str, ...]
    """The settings that bound how large a picture the model sees; others are refused."""
    loss_mean_over: Literal["batch", "step"]
    """What a token's loss is averaged over when gradients are accumulated: the tokens of its own batch, or those of
    the whole optimiser step. As transformers does for the family; it matters where answers differ in length."""
    lora_targets: str = _LANGUAGE_LAYERS

    @property
    def box_space(self) -> Space:
        """The space that it writes boxes in."""
        return find_box_space(self.model_type)

    def answer(self, text: str) -> str:
        """``text`` as the model's turn, from the end of the prompt to the end of the turn."""
        return f"{self.before_answer}{text}{self.end_of_turn}"


_PIXELS = ("min_pixels", "max_pixels")

TUNED_FAMILIES = {
    family.model_type: family
    for family in (
        TunedFamily("qwen2_5_vl", "", "<|im_end|>", "visual", ("visual.merger",), _PIXELS, "batch"),
        TunedFamily(
            "qwen3_vl", "", "<|im_end|>", "visual", ("visual.merger", "visual.deepstack_merger_list"), _PIXELS, "batch"
        ),
        TunedFamily("internvl", "", "<|im_end|>", "vision_tower", ("multi_modal_projector",), ("max_patches",), "step"),
        # The tokenizer makes one token of the blank and the first word.
        TunedFamily("llava_next", " ", "</s>", "vision_tower", ("multi_modal_projector",), (), "step"),
    )
}
"""By ``model_type`` of the config."""


def find_family(model_type: str) -> TunedFamily:
    """Find the family of a ``model_type``.

    Raises:
        ValueError: it is not one that training is tested with; the message says what to do.
    """
    if model_type not in TUNED_FAMILIES:
        hint = (
            ". This is InternVL's original form; write the native one with `qreal convert-internvl`"
            if model_type == "internvl_chat"
            else ". A new family is an entry in training/data/families.py and the tests over FAMILIES"
        )
        raise ValueError(f"model type {model_type} is not known, expected one of {', '.join(TUNED_FAMILIES)}{hint}")
    return TUNED_FAMILIES[model_type]
