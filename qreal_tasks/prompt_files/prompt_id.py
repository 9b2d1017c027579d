"""The id of one prompt: it says all that is needed to read the answer, in whatever file that comes back.

>>> str(PromptId("qreal_imageqa_realism", "img-7", Space.RESIZED_PIXELS, (1036, 784)))
'qreal_imageqa_realism@resized_pixels(1036x784):img-7'
>>> parse_prompt_id("qreal_objectqa_realism_q1:img-7#0")
PromptId(task='qreal_objectqa_realism_q1', sample_id='img-7#0', space=None, input_size=None)
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from qreal_tasks.benchmark import LEAVES
from qreal_tasks.boxes import Space
from qreal_tasks.images import Size

_ID = re.compile(
    r"(?P<task>qreal_\w+)(?:@(?P<space>\w+)(?:\((?P<width>\d{1,6})x(?P<height>\d{1,6})\))?)?:(?P<sample>.+)"
)


@dataclass(frozen=True)
class PromptId:
    """One sample of one task, and how its boxes were asked for."""

    task: str
    """A leaf task (``benchmark.LEAVES``), which says the style of the prompt too."""
    sample_id: str
    """The entity, or the image."""
    space: Space | None = None
    """Of ImageQA alone; None where nobody declared one, so that the default was asked for."""
    input_size: Size | None = None
    """The size that the model is fed, where boxes are asked for in its pixels."""

    def __str__(self) -> str:
        size = "({}x{})".format(*self.input_size) if self.input_size else ""
        space = f"@{self.space}{size}" if self.space else ""
        return f"{self.task}{space}:{self.sample_id}"


def parse_prompt_id(text: str) -> PromptId | None:
    """The id that a text is, None when it is none."""
    found = _ID.fullmatch(text.strip())
    if found is None or found["task"] not in LEAVES:
        return None
    space, width = found["space"], found["width"]
    if space is not None and space not in tuple(Space):
        return None
    size = (int(width), int(found["height"])) if width else None
    return PromptId(found["task"], found["sample"], Space(space) if space else None, size)
