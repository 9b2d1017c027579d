"""The size in which pictures are sent to a server, and whether it feeds its model that size.

A family that writes boxes in pixels writes them in those of the picture behind its processor, and a server does not
report that size. So the client brings the picture to it, and holds it against the tokens that the server counts: before
the first question with two blank pictures, then with every answer that comes with a count of picture tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from PIL import Image

from qreal_tasks.boxes import Space
from qreal_tasks.images import Size, sides_in_range
from qreal_tasks.llm.errors.messages import MalformedAnswer, short
from qreal_tasks.llm.errors.retry import StoppedRun
from qreal_tasks.models.families import Family
from qreal_tasks.models.requests import Request, Response
from qreal_tasks.models.resizing import ResizeRule

_MARKS = (0, 2)
"""Tokens that servers count beside those of the picture: none, or its begin and end."""


@dataclass(frozen=True)
class Counted:
    """What a server says of a prompt's tokens; None where it says nothing."""

    picture: int | None
    prompt: int | None


@dataclass(frozen=True)
class PictureSizes:
    """In what size pictures are sent, and what the model then sees."""

    family: str = ""
    rule: ResizeRule | None = None
    """The family's rule with the limits of the server; None to send pictures as they are, extreme sides apart."""

    @classmethod
    def of(
        cls, space: Space, family: Family | None, min_pixels: int | None = None, max_pixels: int | None = None
    ) -> PictureSizes:
        """The sizes for boxes in ``space``: only ``Space.RESIZED_PIXELS`` depends on what the model is fed.

        Args:
            min_pixels, max_pixels: as the server has them; default those that the family's weights come with.

        Raises:
            ValueError: the family must be known and is not, or limits are given that would not hold.
        """
        limits = {"min_pixels": min_pixels, "max_pixels": max_pixels}
        given = {name: value for name, value in limits.items() if value is not None}
        if space is not Space.RESIZED_PIXELS:
            if given:
                named = ", ".join(f"{name}={value}" for name, value in given.items())
                raise ValueError(
                    f"{named}: pictures are sent in their own size, for boxes in {space} do not depend on it; leave "
                    "the limits out, and give them to the server"
                )
            return cls()
        if family is None or family.resize is None:
            known = "is not known" if family is None else f"is {family.name}, of which no rule is known"
            raise ValueError(
                f"boxes in {space} take the family's rule for the size of pictures, and the model's family {known}: "
                "give family=, for instance family=qwen2_5_vl, or declare another space (QREAL_BOX_SPACE)"
            )
        return cls(family.name, replace(family.resize, **given))

    def sent(self, size: Size) -> Size:
        """The size that a picture of this one is sent in."""
        return self.rule.sent(size) if self.rule else sides_in_range(size)

    def reported(self, response: Response, size: Size) -> Response:
        """The response with the size that the model was fed for a picture of this one."""
        return replace(response, input_size=self.rule.fed(size)) if self.rule else response

    def identity(self) -> dict[str, Any] | None:
        """What of the pictures an answer depends on: JSON types only; None where they are sent as they are."""
        return {"family": self.family, **asdict(self.rule)} if self.rule else None

    def probes(self, requests: Sequence[Request]) -> list[Request]:
        """Two questions whose prompts differ in the size of a blank picture alone, none when no size matters.

        They are the largest and the smallest size of ``requests``, or the smallest there is when all are alike.
        """
        if self.rule is None or not requests:
            return []
        sizes = sorted({request.image.size for request in requests}, key=self.rule.tokens)
        smallest = sizes[0] if self.rule.tokens(sizes[0]) < self.rule.tokens(sizes[-1]) else (1, 1)
        return [Request(Image.new("RGB", size, "white"), ".", max_new_tokens=1) for size in (sizes[-1], smallest)]

    def compare(self, sizes: Sequence[Size], counted: Sequence[Counted], address: str) -> str | None:
        """Hold what the server counted for pictures of two sizes against the rule; a notice when that cannot be.

        Args:
            sizes: of the ``probes``.

        Raises:
            StoppedRun: the server feeds its model another size.
        """
        for size, found in zip(sizes, counted, strict=True):
            self.check(size, found, address)
        if self.rule is None or any(found.picture is not None for found in counted):
            return None
        expected = self.rule.tokens(sizes[0]) - self.rule.tokens(sizes[1])
        large, small = (found.prompt for found in counted)
        if large is None or small is None or not expected:
            return (
                f"counts no tokens that show the size of pictures: {self._believed()} is believed, and if the server "
                "has others all boxes are wrong (vLLM counts them with --enable-prompt-tokens-details)"
            )
        if large - small != expected:
            first, second = (f"{width} x {height}" for width, height in map(self.rule.sent, sizes))
            raise self._disagrees(
                address, f"{expected} more for one of {first} than for one of {second} pixels", large - small
            )
        return None

    def check(self, size: Size, counted: Counted, address: str) -> None:
        """Hold the picture tokens that the server counted, if it did, against those of a picture of this size.

        Raises:
            StoppedRun: they differ, so the model was fed another size.
        """
        if self.rule is None or counted.picture is None:
            return
        expected = self.rule.tokens(size)
        if counted.picture - expected not in _MARKS:
            width, height = self.rule.sent(size)
            raise self._disagrees(address, f"{expected} for one of {width} x {height} pixels", counted.picture)

    def _disagrees(self, address: str, expected: str, counted: int) -> StoppedRun:
        return StoppedRun(
            f"{address} does not feed its model the pictures that it is sent. Expected picture tokens by the rule of "
            f"{self.family} with {self._believed()}: {expected}; the server counted {counted}. Boxes in its pixels "
            "would be wrong. Give min_pixels and max_pixels in --model_args as the server has them (vLLM: "
            "--mm-processor-kwargs, or preprocessor_config.json of the weights), or the right family="
        )

    def _believed(self) -> str:
        return f"min_pixels={self.rule.min_pixels}, max_pixels={self.rule.max_pixels}" if self.rule else ""


def counted_tokens(completion: object) -> Counted:
    """The tokens of a prompt as the server counted them, those of the picture as vLLM, SGLang or Qwen's API say it.

    >>> counted_tokens({"usage": {"prompt_tokens": 30, "prompt_tokens_details": {"multimodal_tokens": {"image": 4}}}})
    Counted(picture=4, prompt=30)

    Raises:
        MalformedAnswer: it is no chat completion.
    """
    if not isinstance(completion, dict):
        raise MalformedAnswer(f"{short(str(completion))[:80]!r} is no chat completion")
    usage = _mapping(completion.get("usage"))
    details = _mapping(usage.get("prompt_tokens_details"))
    by_kind = _mapping(details.get("multimodal_tokens"))
    return Counted(_count(by_kind.get("image", details.get("image_tokens"))), _count(usage.get("prompt_tokens")))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
