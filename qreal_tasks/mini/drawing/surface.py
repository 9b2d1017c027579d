"""Materials that an entity may seem to be made of: patterns over its whole surface, integer arithmetic only."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from qreal_tasks.mini.drawing.shapes import Rgb

Pixels = NDArray[np.int32]
"""Colours of shape (height, width, 3), or one number each of shape (height, width)."""


def colour_surface(name: str, base: Rgb, x: Pixels, y: Pixels, cell: int) -> Pixels:
    """The colours of a material.

    Args:
        name: a key of ``MATERIALS``.
        base: the colour that the part would have; it shines through, so that parts can still be told apart.
        x, y: columns and rows of the picture, shape (height, width); one pattern runs across all parts.
        cell: about the size of what repeats, px.
    """
    return MATERIALS[name](np.array(base, np.int32), x, y, cell)


def _either(second: NDArray[np.bool_], first_colour: Pixels, second_colour: Pixels) -> Pixels:
    return np.where(second[..., None], second_colour, first_colour).astype(np.int32)


def _mixed(base: Pixels, colour: Rgb, share: int = 6) -> Pixels:
    """The colour with ``8 - share`` eighths of the base."""
    return np.asarray((np.array(colour, np.int32) * share + base * (8 - share)) // 8)


def _contrast(base: Pixels) -> Pixels:
    """A dark shade of a bright colour, a bright one of a dark colour."""
    brightness = int(base @ [77, 150, 29]) // 256
    return np.asarray(base * 64 // 256 if brightness > 110 else base * 90 // 256 + 150)


def _disc(x: Pixels, y: Pixels, step: int, radius: int) -> NDArray[np.bool_]:
    """Discs on a square lattice."""
    dx, dy = x % step - step // 2, y % step - step // 2
    return np.asarray(dx * dx + dy * dy < radius * radius)


def _tiles(base: Pixels, x: Pixels, y: Pixels, cell: int) -> Pixels:
    return _either((x // cell + y // cell) % 2 == 1, base, _contrast(base))


def _stripes(base: Pixels, x: Pixels, y: Pixels, cell: int) -> Pixels:
    return _either(((x + y) // cell) % 2 == 1, base, _contrast(base))


def _bricks(base: Pixels, x: Pixels, y: Pixels, cell: int) -> Pixels:
    mortar = max(cell // 5, 3)
    joint = (y % cell < mortar) | ((x + y // cell % 2 * cell) % (2 * cell) < mortar)
    return _either(joint, _mixed(base, (168, 76, 56), 5), np.array((232, 226, 212)))


def _cheese(base: Pixels, x: Pixels, y: Pixels, cell: int) -> Pixels:
    """Large holes, and small ones between them, whose upper wall is in the shade."""
    step = 2 * cell
    found = _mixed(base, (250, 206, 72), 7)
    for shift, radius in ((0, step * 5 // 16), (cell, max(step // 7, 3))):
        hole = _disc(x + shift, y + shift, step, radius)
        found = _either(hole, found, np.array((112, 68, 16)))
        found = _either(hole & _disc(x + shift, y + shift - radius // 2, step, radius), found, np.array((208, 152, 40)))
    return found


def _metal(base: Pixels, x: Pixels, y: Pixels, cell: int) -> Pixels:
    """Plates of two cells that shine in slanting bands, with a small rivet in each quarter."""
    shine = (x + y) % (4 * cell) < cell
    plates = _either(shine, _mixed(base, (136, 146, 158), 7), np.array((212, 220, 228)))
    plates = _either((x % (2 * cell) < 3) | (y % (2 * cell) < 3), plates, np.array((44, 48, 56)))
    return _either(_disc(x, y, cell, max(cell // 6, 2)), plates, np.array((60, 64, 72)))


def _boards(base: Pixels, x: Pixels, y: Pixels, cell: int) -> Pixels:
    """Upright boards of two tones with dark joints and streaks of grain."""
    tone = _either(x // cell % 2 == 1, _mixed(base, (176, 120, 68)), _mixed(base, (140, 92, 48)))
    grain = (x * 5 + np.abs(y % (6 * cell) - 3 * cell)) % cell < max(cell // 6, 2)
    streaked = _either(grain, tone, tone * 3 // 4)
    return _either(x % cell < 3, streaked, np.array((56, 36, 24)))


def _wool(base: Pixels, x: Pixels, y: Pixels, cell: int) -> Pixels:
    """Columns of stitches, each a V."""
    across = np.abs(x % cell - cell // 2)
    stitch = (y - across * 3 // 2) % (cell * 3 // 4)
    yarn = _either(stitch < max(cell // 5, 2), _mixed(base, (244, 236, 220), 3), base * 2 // 5)
    return _either(x % cell < 2, yarn, base * 2 // 5)


def _blocks(base: Pixels, x: Pixels, y: Pixels, cell: int) -> Pixels:
    """Red, yellow and blue bricks, each with a stud that has a bright and a dark side."""
    step = cell * 3 // 2
    row, column = y // step, x // step
    colours = np.array([(212, 48, 44), (248, 204, 48), (44, 104, 204)], np.int32)
    found = _mixed_rows(base, colours[(column + 2 * row) % 3])
    radius = step * 5 // 16
    found = _either(_disc(x - 2, y - 2, step, radius), found, found * 3 // 5)
    found = _either(_disc(x, y, step, radius), found, np.minimum(found * 5 // 4 + 16, 255))
    return _either((x % step < 3) | (y % step < 3), found, found // 3)


def _mixed_rows(base: Pixels, colours: Pixels) -> Pixels:
    return np.asarray((colours * 7 + base) // 8)


MATERIALS: Mapping[str, Callable[[Pixels, Pixels, Pixels, int], Pixels]] = {
    "chequered tiles": _tiles,
    "striped plastic": _stripes,
    "brickwork": _bricks,
    "cheese with holes": _cheese,
    "riveted metal": _metal,
    "wooden boards": _boards,
    "knitted wool": _wool,
    "toy blocks": _blocks,
}
