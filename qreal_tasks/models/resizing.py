"""The size in which a family's processor feeds a picture to its model, for clients that must know it beforehand.

>>> rule = ResizeRule(factor=28, min_pixels=56 * 56, max_pixels=1280 * 28 * 28)
>>> rule.fed((1600, 1200)), rule.tokens((1600, 1200))
((1148, 840), 1230)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from qreal_tasks.images import Size, ratio_in_range, sides_in_range


@dataclass(frozen=True)
class ResizeRule:
    """How Qwen's processors choose a size: sides in multiples of a factor, the area within limits, the ratio kept.

    Raises:
        ValueError: a limit is not positive, or they contradict each other.
    """

    factor: int
    """Side in pixels of the square that becomes one token."""
    min_pixels: int
    max_pixels: int

    def __post_init__(self) -> None:
        if not 1 <= self.min_pixels <= self.max_pixels:
            raise ValueError(
                f"min_pixels is {self.min_pixels} and max_pixels {self.max_pixels}, expected 1 or more and min_pixels "
                "not above max_pixels"
            )
        if self.max_pixels < self.factor**2:
            raise ValueError(f"max_pixels is {self.max_pixels}, expected at least one token of {self.factor**2} pixels")

    def fed(self, size: Size) -> Size:
        """Width and height that the model sees of a picture of this size, extreme sides brought into range first."""
        return self._once(sides_in_range(size))

    def sent(self, size: Size) -> Size:
        """The size to send a picture in, so that a processor with this rule feeds it as ``fed(size)``.

        That is the size itself wherever the rule leaves it as it is: whatever rounding a server has, nothing is left
        for it to do. A few sizes are no end of the rule, such as those for which no multiple of the factor lies
        between the limits. Those pictures are sent as they are, for the server to resize.
        """
        fed = self.fed(size)
        return fed if ratio_in_range(fed) and self._once(fed) == fed else sides_in_range(size)

    def tokens(self, size: Size) -> int:
        """Tokens that a picture of this size takes in a prompt."""
        width, height = self.fed(size)
        return width * height // self.factor**2

    def _once(self, size: Size) -> Size:
        factor = self.factor
        sides = [round(side / factor) * factor for side in size]
        area = math.prod(sides)
        if area > self.max_pixels:
            times = math.sqrt(math.prod(size) / self.max_pixels)
            sides = [max(factor, math.floor(side / times / factor) * factor) for side in size]
        elif area < self.min_pixels:
            times = math.sqrt(self.min_pixels / math.prod(size))
            sides = [math.ceil(side * times / factor) * factor for side in size]
        return sides[0], sides[1]
