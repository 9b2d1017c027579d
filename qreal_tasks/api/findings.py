"""What a model said about a picture: its entities, where they are, and what is wrong with each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageDraw, ImageFont

from qreal_tasks.benchmark import Dimension, is_flawed, questions_of
from qreal_tasks.images import draw_frame

if TYPE_CHECKING:
    import pandas as pd

    from qreal_tasks.records import Region

Box = tuple[float, float, float, float]
_COLOURS = {True: (200, 30, 45), False: (20, 125, 70), None: (90, 90, 90)}
_SAID = {True: ": flawed", False: "", None: ": unread"}
"""By whether an entity is flawed; None where nobody could tell."""


@dataclass(frozen=True)
class QuestionAnswer:
    """The answer to one of the six questions."""

    answer: str | None
    """"Yes" or "No"; None when it could not be read as either."""
    p_yes: float | None
    """P(Yes) against P(No); None when the model gives none."""
    reason: str | None = None
    """Why ``answer`` is None."""
    mass: float | None = None
    """Probability that the spellings of Yes and No cover together."""
    raw: str = ""
    """The model's text, untouched."""

    def __str__(self) -> str:
        answer = self.answer or f"unread ({self.reason})"
        return answer if self.p_yes is None else f"{answer} ({self.p_yes:.2f})"


@dataclass(frozen=True, repr=False)
class EntityFindings:
    """One entity of a picture."""

    label: str
    box_px: Box
    """x1, y1, x2, y2 in pixels of the picture, turned as its EXIF orientation says."""
    answers: Mapping[str, QuestionAnswer]
    """By the names of the six questions."""
    descriptions: Mapping[str, str]
    """ImageQA set to what is wrong; of the sets whose answer names this entity."""
    found_by: tuple[str, ...]
    """What its box comes from: "given", "detect", or ImageQA sets."""

    def is_flawed(self, dimension: str) -> bool | None:
        """Whether the six answers say that it is flawed in ``realism`` or ``plausibility``, by the benchmark's rule;
        None when an answer that decides it could not be read."""
        one = Dimension(dimension)
        asked = {q.name: self.answers[q.name].answer for q in questions_of(one) if q.name in self.answers}
        if any(asked.get(q.name) == q.defect for q in questions_of(one)):
            return True
        known = {name: answer for name, answer in asked.items() if answer is not None}
        return is_flawed(one, known) if len(known) == len(questions_of(one)) else None

    @property
    def flawed(self) -> bool | None:
        """Whether it is flawed in either dimension; None when that cannot be told."""
        both = [self.is_flawed(one) for one in Dimension]
        return True if True in both else None if None in both else False

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self) | {"flawed": {str(one): self.is_flawed(one) for one in Dimension}}

    def __repr__(self) -> str:
        box = ", ".join(f"{value:g}" for value in self.box_px)
        answers = ", ".join(f"{name} {answer}" for name, answer in self.answers.items())
        told = "".join(f"\n    {name}: {text}" for name, text in self.descriptions.items())
        return f"{self.label or 'entity'} [{box}]: {answers}{told}"


@dataclass(frozen=True)
class ImageAnswer:
    """The answer to one question about the whole picture."""

    regions: tuple[Region, ...]
    """Valid boxes only, clipped to the picture."""
    reason: str | None
    """Why nothing could be read; None when it was read, also as an empty list."""
    dropped: Mapping[str, int]
    """Entities left out, counted by reason."""
    input_size: tuple[int, int] | None
    """Width and height that the model was fed, where the engine reports it."""
    raw: str
    """The model's text, untouched."""


@dataclass(frozen=True, repr=False)
class PictureFindings:
    """All that a model said about one picture."""

    name: str
    """Path of the picture, or its position among those given."""
    image: Image.Image
    """The picture as the model was shown it."""
    entities: tuple[EntityFindings, ...]
    image_answers: Mapping[str, ImageAnswer]
    """ImageQA set, or "detect", to the answer about the whole picture; empty when the entities were given."""

    @property
    def unread(self) -> dict[str, str]:
        """What could not be read, and why: of the whole picture, and by entity and question."""
        found = {name: one.reason for name, one in self.image_answers.items() if one.reason is not None}
        for number, entity in enumerate(self.entities, start=1):
            for name, one in entity.answers.items():
                if one.answer is None:
                    found[f"entity {number} {name}"] = one.reason or "no reason given"
        return found

    def draw(self) -> Image.Image:
        """A copy of the picture with the boxes of its entities, numbered: red and named flawed when the six answers
        say that one is, green when they say that it is not, grey and named unread when they cannot be read."""
        drawn = self.image.copy()
        for entity in self.entities:
            draw_frame(drawn, entity.box_px, _COLOURS[entity.flawed])
        font = ImageFont.load_default(size=max(11, round(max(drawn.size) / 40)))
        for number, entity in enumerate(self.entities, start=1):
            text = f"{number} {entity.label}".strip() + _SAID[entity.flawed]
            _write_label(drawn, text, entity.box_px, _COLOURS[entity.flawed], font)
        return drawn

    def to_dict(self) -> dict[str, Any]:
        """Plain values; the picture itself is left out."""
        return {
            "name": self.name,
            "width": self.image.width,
            "height": self.image.height,
            "entities": [entity.to_dict() for entity in self.entities],
            "image_answers": {name: asdict(one) for name, one in self.image_answers.items()},
        }

    def to_pandas(self) -> pd.DataFrame:
        """A frame with a row for each entity: label, box, the six answers with P(Yes), flaws, descriptions."""
        import pandas as pd

        return pd.DataFrame(list(self._rows()))

    def _rows(self) -> Iterator[dict[str, Any]]:
        told = dict.fromkeys(name for entity in self.entities for name in entity.descriptions)
        for entity in self.entities:
            yield {
                "picture": self.name,
                "label": entity.label,
                **dict(zip(("x1", "y1", "x2", "y2"), entity.box_px, strict=True)),
                **{name: one.answer for name, one in entity.answers.items()},
                **{f"p_yes_{name}": one.p_yes for name, one in entity.answers.items()},
                **{f"{one}_flawed": entity.is_flawed(one) for one in Dimension},
                **{f"{name}_description": entity.descriptions.get(name) for name in told},
            }

    def __repr__(self) -> str:
        size = f"{self.image.width} x {self.image.height} px"
        lines = [f"{self.name} ({size}): {len(self.entities)} entities"]
        lines += [f"  {number} {entity!r}" for number, entity in enumerate(self.entities, start=1)]
        lines += [f"  {name} could not be read: {reason}" for name, reason in self.unread.items() if " " not in name]
        return "\n".join(lines)


def _write_label(image: Image.Image, text: str, box_px: Box, colour: tuple[int, int, int], font: Any) -> None:
    """White on the colour, above the box, or inside of it where there is no room."""
    pen = ImageDraw.Draw(image)
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    width, height = right - left + 6, bottom - top + 6
    x = min(max(0, box_px[0]), max(0, image.width - width))
    y = box_px[1] - height if box_px[1] >= height else box_px[1]
    pen.rectangle((x, y, x + width, y + height), fill=colour)
    pen.text((x + 3 - left, y + 3 - top), text, fill="white", font=font)
