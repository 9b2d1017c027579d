"""Table of model families: what differs between them and is not in their processors.

>>> find_family_by_name("Qwen/Qwen2.5-VL-7B-Instruct-AWQ").box_space
<Space.RESIZED_PIXELS: 'resized_pixels'>
>>> find_family_by_name("gpt-4o") is None
True
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from qreal_tasks.boxes import DEFAULT_BOX_SPACE, Space
from qreal_tasks.models.resizing import ResizeRule


@dataclass(frozen=True)
class Family:
    """Models that write boxes alike."""

    name: str
    """The name in ``family=``."""
    box_space: Space
    """The space that they were trained to write boxes in."""
    source: str
    """Where that is documented."""
    names: str
    """A regular expression that is found in their names, in lower case, from the beginning of a word."""
    model_types: tuple[str, ...] = ()
    """``model_type`` of their configs."""
    resize: ResizeRule | None = None
    """Rule of the processor, with the limits that the published weights come with."""


FAMILIES = (
    Family(
        "qwen2_vl",
        Space.NORM1000,
        "technical report, arXiv 2409.12191",
        r"qwen[-_]?2[-_]?vl",
        ("qwen2_vl",),
        ResizeRule(28, 3136, 12845056),
    ),
    Family(
        "qwen2_5_vl",
        Space.RESIZED_PIXELS,
        "its maintainers in QwenLM/Qwen3-VL issue 676: pixels of the picture behind the processor",
        r"qwen[-_]?2[-_.]?5[-_]?vl",
        ("qwen2_5_vl",),
        ResizeRule(28, 3136, 12845056),
    ),
    Family(
        "qwen3_vl",
        Space.NORM1000,
        "its README: relative coordinates from 0 to 1000",
        r"qwen[-_]?3[-_]?vl",
        ("qwen3_vl", "qwen3_vl_moe"),
        ResizeRule(32, 65536, 16777216),
    ),
    Family(
        "qwen3_5",
        Space.NORM1000,
        "its maintainers in QwenLM/Qwen3.8-Flash-Next issue 4: as before from 0 to 1000",
        r"qwen[-_]?3[-_.][5-8](?![\d.]*b)",
        ("qwen3_5", "qwen3_5_moe"),
        ResizeRule(32, 65536, 16777216),
    ),
    Family(
        "internvl",
        Space.NORM1000,
        "its documentation, grounding data in chat_data_format",
        r"internvl[-_]?[2-9]|internvl[-_]chat[-_]v1[-_.]5",
        ("internvl", "internvl_chat"),
    ),
    Family(
        "llava",
        Space.UNIT,
        "the grounding data of LLaVA-1.5",
        r"llava[-_]?(v?1[-_.][56]|next(?![-_](video|interleave)))|llava$",
        ("llava", "llava_next"),
    ),
    Family(
        "gemini",
        Space.NORM1000_YX,
        "Gemini API, image understanding: box_2d is [ymin, xmin, ymax, xmax] from 0 to 1000",
        r"gemini[-_](?!embedding)",
    ),
    Family(
        "glm4v",
        Space.NORM1000,
        "the grounding skill in zai-org/GLM-V",
        r"glm[-_]?4[-_.][1-9]v",
        ("glm4v", "glm4v_moe"),
    ),
    Family(
        "minicpmv",
        Space.NORM1000,
        "its maintainers in OpenBMB/MiniCPM-V issues 772 and 982",
        r"minicpm[-_]?[vo]",
        ("minicpmv", "minicpmo"),
    ),
    Family(
        "deepseek_vl2",
        Space.NORM1000,
        "its maintainers in deepseek-ai/DeepSeek-VL2 issue 100: 0 to 999",
        r"deepseek[-_]?vl[-_]?2",
        ("deepseek_vl_v2",),
    ),
)
"""Only what is documented; a family that is not here has its space declared by who uses it."""

_SHARING_PROVEN = frozenset({"internvl", "llava_next", "qwen2_5_vl", "qwen3_vl"})
"""Families whose shared, batched form is tested against one question at a time."""


def find_family_by_type(model_type: str) -> Family | None:
    """The family of a config's ``model_type``."""
    return next((family for family in FAMILIES if model_type in family.model_types), None)


def find_family_by_name(name: str) -> Family | None:
    """The family that a model's name, hub id or path tells, the last part of a path first.

    None when no part tells one, or a part tells two: a model merged or distilled from two may write like either.
    """
    for part in reversed(re.split(r"[/\\]", name.lower().rstrip("/\\"))):
        part = part.partition(":")[0]  # Ollama's tags
        found = [family for family in FAMILIES if re.search(rf"(?<![a-z0-9])(?:{family.names})", part)]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def find_named_family(name: str) -> Family:
    """The family that somebody names: as in the table, by a ``model_type``, or by a model of it.

    Raises:
        ValueError: there is none of that name.
    """
    by_name = next((family for family in FAMILIES if family.name == name), None)
    found = by_name or find_family_by_type(name) or find_family_by_name(name)
    if found is None:
        names = ", ".join(family.name for family in FAMILIES)
        raise ValueError(
            f"family={name} is not known, expected one of {names}; for another one leave it out and set QREAL_BOX_SPACE"
        )
    return found


def find_box_space(model_type: str) -> Space:
    """The space that models of this ``model_type`` are asked to write boxes in."""
    family = find_family_by_type(model_type)
    return DEFAULT_BOX_SPACE if family is None else family.box_space


def takes_shared_prefix(config: Any) -> bool:
    """Whether questions may share a prefix and a row behind it, and rows a batch.

    It takes attention that follows a mask everywhere and a cache that forgets nothing. Layers that slide or are linear
    do not, and some families need more beside the tokens than their processors give for text alone. What is not known
    to be right is asked one question at a time.
    """
    text = config.get_text_config()
    kinds = getattr(text, "layer_types", None)
    if kinds is not None:
        full = set(kinds) <= {"full_attention"}
    else:
        full = getattr(text, "sliding_window", None) is None or not getattr(text, "use_sliding_window", True)
    return full and config.model_type in _SHARING_PROVEN
