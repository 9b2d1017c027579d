"""Which prompts are tested on: images of one prompt never stand in both splits.

The test split is to be a small picture of the whole: of each generator, each third of quality and the portraits it
takes the same share. Prompts are drawn by the seed and then exchanged while that brings it nearer, the number of images
first and the balance second.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from annotation.errors import AnnotationError

PAPER_TEST_IMAGES = 400
PAPER_IMAGES = 3_088

_COUNT_WEIGHT = 1e6
"""An image too many or too few weighs more than any imbalance."""
_MOST_STEPS = 1_000
_NOTHING = 1e-6
"""A gain below it may be rounding."""
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class ImageFacts:
    """What an image is balanced by."""

    image_id: str
    prompt_id: str
    generator: str
    is_portrait: bool
    quality: float | None
    """Mean over its entities; None where nothing was scored."""


@dataclass(frozen=True)
class Split:
    """The test prompts; all others are for training."""

    test_prompts: frozenset[str]
    wanted_images: int
    test_images: int
    """As near to ``wanted_images`` as was found; prompts are not divided."""

    def of(self, prompt_id: str) -> str:
        """``test`` or ``train``; images of an unknown prompt are no test images."""
        return "test" if prompt_id in self.test_prompts else "train"


def wanted_test_images(images: int) -> int:
    """400, or the paper's share (13 %) of a smaller set.

    >>> wanted_test_images(3088), wanted_test_images(309)
    (400, 40)
    """
    return min(PAPER_TEST_IMAGES, max(1, round(images * PAPER_TEST_IMAGES / PAPER_IMAGES)))


def split_of(images: Sequence[ImageFacts], test_images: int, seed: int) -> Split:
    """The split; the same images and seed give the same, whatever the order of the images.

    Raises:
        AnnotationError: there are fewer than two prompts, or not fewer test images than images.
    """
    prompts = sorted({image.prompt_id for image in images}, key=lambda prompt: _drawn(seed, prompt))
    if len(prompts) < 2:
        raise AnnotationError(
            f"{len(images)} images have {len(prompts)} prompt between them; a dataset is split by prompt, so it needs "
            "two at least. Give every image its prompt or prompt_id and make the run anew."
        )
    if not 0 < test_images < len(images):
        raise AnnotationError(f"{test_images} test images of {len(images)}: expected some and not all")
    features = _features(images, prompts)
    chosen = _chosen(features, test_images)
    return Split(
        frozenset(prompt for prompt, taken in zip(prompts, chosen, strict=True) if taken),
        test_images,
        int(features[chosen, 0].sum()),
    )


def quality_thirds(images: Sequence[ImageFacts]) -> list[int | None]:
    """Of each image its third of the mean quality, 0 the lowest; None without a score."""
    scored = [image.quality for image in images if image.quality is not None]
    if not scored:
        return [None] * len(images)
    low, high = np.quantile(scored, [1 / 3, 2 / 3])
    return [None if image.quality is None else int(image.quality > low) + int(image.quality > high) for image in images]


def _features(images: Sequence[ImageFacts], prompts: Sequence[str]) -> FloatArray:
    """(prompts, features): images, portraits, images by generator, images by third of quality."""
    generators = sorted({image.generator for image in images})
    place = {prompt: row for row, prompt in enumerate(prompts)}
    found = np.zeros((len(prompts), 2 + len(generators) + 3))
    for image, third in zip(images, quality_thirds(images), strict=True):
        row = found[place[image.prompt_id]]
        row[0] += 1
        row[1] += image.is_portrait
        row[2 + generators.index(image.generator)] += 1
        if third is not None:
            row[2 + len(generators) + third] += 1
    return found


def _chosen(features: FloatArray, test_images: int) -> NDArray[np.bool_]:
    """Prompts whose sums are near ``share * total``, scaled so that a small group counts as much as a large one."""
    total = features.sum(axis=0)
    target = total * test_images / total[0]
    weight = 1 / np.maximum(target, 1.0)
    weight[0] = _COUNT_WEIGHT
    scaled, goal = features * np.sqrt(weight), target * np.sqrt(weight)
    # The order of the prompts is the seed's: those that fill the split first, but never all of them.
    chosen = np.cumsum(features[:, 0]) <= test_images
    chosen[0], chosen[-1] = True, False
    for _ in range(_MOST_STEPS):
        rest = scaled[chosen].sum(axis=0) - goal
        move = _best_move(scaled, chosen, rest)
        if move is None:
            break
        chosen[list(move)] ^= True
    return chosen


def _best_move(scaled: FloatArray, chosen: NDArray[np.bool_], rest: FloatArray) -> tuple[int, ...] | None:
    """The change that brings the sums nearest: a prompt more, one less, or one for another; None when none helps.

    A change by v turns ``|rest|^2`` into ``|rest + v|^2``. Neither split becomes empty.
    """
    signed = np.where(chosen[:, None], -scaled, scaled)
    gain = (signed**2).sum(axis=1) + 2 * signed @ rest
    taken, left = np.flatnonzero(chosen), np.flatnonzero(~chosen)
    pair = gain[taken][:, None] + gain[left][None, :] + 2 * signed[taken] @ signed[left].T
    at = np.unravel_index(int(np.argmin(pair)), pair.shape)
    moves: list[tuple[float, tuple[int, ...]]] = [(float(pair[at]), (int(taken[at[0]]), int(left[at[1]])))]
    single = [*(taken if len(taken) > 1 else ()), *(left if len(left) > 1 else ())]
    moves += [(float(gain[place]), (int(place),)) for place in single]
    best, move = min(moves)
    return move if best < -_NOTHING else None


def _drawn(seed: int, prompt: str) -> str:
    return hashlib.sha256(f"{seed} {prompt}".encode()).hexdigest()
