"""The values of a submission: answers and texts by the names of the page's elements, and the box in pixels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, Field, ValidationError

from annotation.errors import first_fault
from annotation.label_studio.page import BOX, DROP, LABEL, PART
from annotation.label_studio.tasks import StoredSize
from annotation.run.schemas import DESCRIPTIONS
from qreal_tasks.benchmark import BODY_PARTS, QUESTION_NAMES
from qreal_tasks.boxes import percent_box
from qreal_tasks.text.one_line import one_line

Json = Mapping[str, Any]

_NAMES = frozenset((BOX, DROP, LABEL, *QUESTION_NAMES, *DESCRIPTIONS))
_NAMES |= {f"{PART}{number}" for number in range(len(BODY_PARTS))}
"""What the page asks for."""


class SubmittedResults:
    """Answers and texts of an annotation, by the element of the page.

    Raises:
        ValueError: from ``one_of`` and ``text``, when what stands there cannot be read.
    """

    def __init__(self, results: Sequence[Json]) -> None:
        self._by_name: dict[str, list[Json]] = {}
        for result in results:
            self._by_name.setdefault(str(result.get("from_name")), []).append(result)

    @property
    def boxes(self) -> Sequence[Json]:
        """The results of the box's element, as they are."""
        return self._by_name.get(BOX, ())

    @property
    def unknown(self) -> list[str]:
        """Names that the page does not have."""
        return sorted(self._by_name.keys() - _NAMES)

    def one_of(self, name: str, choices: Sequence[str]) -> str | None:
        """The one choice that was made; None for none."""
        chosen = self._texts(name, "choices")
        if not chosen:
            return None
        if len(chosen) > 1 or chosen[0] not in choices:
            raise ValueError(f"{name} is {', '.join(chosen)}, expected one of {', '.join(choices)}")
        return chosen[0]

    def text(self, name: str) -> str:
        """The text that was left; empty for none. A text that was sent twice is one."""
        texts = dict.fromkeys(text.strip() for text in self._texts(name, "text"))
        # Half a surrogate pair has no UTF-8, and no parquet file could hold it.
        return "\n".join(texts).strip().encode(errors="replace").decode()

    def _texts(self, name: str, key: str) -> list[str]:
        """All that was submitted under a name: Label Studio sends a list, or a single text."""
        found = list[str]()
        for result in self._by_name.get(name, ()):
            value = result.get("value")
            texts = value.get(key, []) if isinstance(value, Mapping) else None
            if isinstance(texts, str):
                texts = [texts]
            if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
                raise ValueError(f"{name} holds {one_line(repr(value), 60)}, expected {key}")
            found += texts
        return found


_UNCHANGED_PX = 0.01
"""Percentages of Label Studio come back with other last digits."""
_UNTURNED_DEGREES = 0.01
_MOST_PERCENT = 110.0
"""A box may be drawn a little over the edges and is cut there; what is larger is no percent of this picture."""

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class _Rectangle(BaseModel):
    x: Number
    y: Number
    width: Number
    height: Number
    rotation: Number | None = None

    @property
    def numbers(self) -> tuple[float, float, float, float]:
        return self.x, self.y, self.width, self.height


class _Box(BaseModel):
    value: _Rectangle
    image_rotation: Number | None = None


class SubmittedBox(NamedTuple):
    """A box with a note about it."""

    xyxy_px: tuple[float, float, float, float]
    note: str
    """Empty where nothing was out of the ordinary."""


def read_submitted_box(
    results: Sequence[Mapping[str, Any]], drafted_px: Sequence[float], size: StoredSize
) -> SubmittedBox:
    """Read the box as people saw it, cut at the edges; one that was left as drafted is the drafted one to the last bit.

    Label Studio's numbers are percent of the picture on the screen, so they are taken of the stored picture, whose size
    is known. The size that the browser adds is not used: it may be missing, and a box that was pasted from another task
    keeps that task's size while it stands on the screen by its percent. Where it differs that is noted.

    Percent times 100 come from a page that was submitted before the picture was displayed. Dividing would bring the
    drafted box back, but nobody has looked at it: the submission is refused, and the person is asked again.

    Args:
        results: what was submitted under the box's name.
        drafted_px: x1, y1, x2, y2 as it was shown.
        size: of the stored picture.

    Raises:
        ValueError: there is not one upright box with an area in the picture.
    """
    if len(results) != 1:
        raise ValueError(f"{len(results)} boxes, expected one; delete the others, or draw one")
    try:
        submitted = _Box.model_validate(results[0])
    except ValidationError as error:
        raise ValueError(f"the box cannot be read ({first_fault(error)}); draw it anew") from None
    if _is_turned(submitted.value.rotation):
        raise ValueError(
            f"the box is rotated by {submitted.value.rotation:g} degrees, expected sides along those of the image"
        )
    if _is_turned(submitted.image_rotation):
        raise ValueError(f"the picture was turned by {submitted.image_rotation:g} degrees on the page; turn it back")
    if _is_no_percent(submitted.value, drafted_px, size):
        raise ValueError(
            "the box is {:g} {:g} {:g} {:g} (x y width height), which is no percent of the picture: it was submitted "
            "before the picture was displayed; open the task again, look at it and submit".format(
                *submitted.value.numbers
            )
        )
    x, y, width, height = submitted.value.numbers
    x1, y1 = x * size.width / 100, y * size.height / 100
    x2, y2 = x1 + width * size.width / 100, y1 + height * size.height / 100
    box = (max(0.0, x1), max(0.0, y1), min(float(size.width), x2), min(float(size.height), y2))
    if box[0] >= box[2] or box[1] >= box[3]:
        raise ValueError("the box has no area in the picture; draw it anew")
    if all(abs(new - old) < _UNCHANGED_PX for new, old in zip(box, drafted_px, strict=True)):
        x1, y1, x2, y2 = drafted_px
        box = x1, y1, x2, y2
    return SubmittedBox(box, _note_on_size(results[0], size))


def to_finite(value: object) -> float | None:
    """A finite number as it stands; None for anything else."""
    try:
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    except OverflowError:  # an integer of hundreds of digits
        return None
    return number if math.isfinite(number) else None


def _is_turned(degrees: float | None) -> bool:
    """Whether an angle is not a whole number of full turns."""
    return degrees is not None and abs(math.remainder(degrees, 360)) > _UNTURNED_DEGREES


def _is_no_percent(box: _Rectangle, drafted_px: Sequence[float], size: StoredSize) -> bool:
    """Whether the numbers are larger than percent can be, or 100 times those of the drafted box, however small."""
    if max(box.numbers) > _MOST_PERCENT:
        return True
    drafted = percent_box(drafted_px, size.width, size.height)
    pairs = zip(box.numbers, drafted, strict=True)
    return all(math.isclose(new, 100 * old, rel_tol=1e-6, abs_tol=1e-6) for new, old in pairs)


def _note_on_size(result: Mapping[str, Any], size: StoredSize) -> str:
    """A note for when the browser named another size; a size that is no number is ignored."""
    width, height = (to_finite(result.get(f"original_{side}")) for side in ("width", "height"))
    if width in (None, size.width) and height in (None, size.height):
        return ""
    named = " x ".join("?" if side is None else f"{side:g}" for side in (width, height))
    return (
        f"its box names a picture of {named} px, the stored one has {size.width} x {size.height}; the box is taken as "
        "percent of the stored one, as it stood on the page"
    )
