"""Which prompts are tested on: images of one prompt never stand in both splits.

The test split is to be a small picture of the whole: of each generator, each third of quality and the portraits it
takes the same share. Prompts are drawn by the seed and then exchanged while that brings it nearer, the number of images
first and the balance second.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from annotation.errors import AnnotationError
from qreal_tasks.text.prompts import normalize_prompt

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
    """The ids of the test prompts."""
    wanted_images: int
    test_images: int
    """How many images are tested on: as near to ``wanted_images`` as was found; prompts are not divided."""

    def of(self, prompt_id: str) -> str:
        """``test`` or ``train``; images of an unknown prompt are no test images."""
        return "test" if prompt_id in self.test_prompts else "train"


def default_test_images(images: int) -> int:
    """How many images to test on: 400, or the paper's share (13 %) of a smaller set.

    >>> default_test_images(3088), default_test_images(309)
    (400, 40)
    """
    return min(PAPER_TEST_IMAGES, max(1, round(images * PAPER_TEST_IMAGES / PAPER_IMAGES)))


def split_by_prompt(
    images: Sequence[ImageFacts], test_images: int, seed: int, prompts: Iterable[tuple[str, str]] = ()
) -> Split:
    """Split images by prompt; the same images and seed give the same, whatever the order of the images.

    Args:
        images: those that are published.
        test_images: how many of them to test on.
        seed: draws the prompts.
        prompts: ids and texts, also of images that are not published: ids with one text go into one split.

    Raises:
        AnnotationError: there are fewer than two prompts, or not fewer test images than images.
    """
    group_of = group_prompts([*((image.prompt_id, "") for image in images), *prompts])

    def draw(group: str) -> str:
        return hashlib.sha256(f"{seed} {group}".encode()).hexdigest()

    groups = sorted({group_of[image.prompt_id] for image in images}, key=draw)
    if len(groups) < 2:
        raise AnnotationError(
            f"{len(images)} images have {len(groups)} prompt between them; a dataset is split by prompt, so it needs "
            "two at least. Give every image its prompt or prompt_id and make the run anew."
        )
    if not 0 < test_images < len(images):
        raise AnnotationError(
            f"{test_images} test images of {len(images)}: expected some and not all; give another --test-images"
        )
    features = _count_features(images, group_of, groups)
    chosen = _choose(features, test_images)
    tested = {group for group, taken in zip(groups, chosen, strict=True) if taken}
    return Split(
        frozenset(prompt_id for prompt_id, group in group_of.items() if group in tested),
        test_images,
        int(features[chosen, 0].sum()),
    )


def group_prompts(prompts: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Every ``prompt_id`` to the one that stands for its prompt: the first in order of those that share a text.

    A table may bring several ids of one prompt, and so did earlier versions of ``init``.

    Args:
        prompts: id and text of every image; an empty text is that of no prompt.

    >>> group_prompts([("b", "A dog"), ("a", "a  dog"), ("c", "A cat")])
    {'b': 'a', 'a': 'a', 'c': 'c'}
    """
    texts = dict.fromkeys(prompts)
    parent = {prompt_id: prompt_id for prompt_id, _ in texts}

    def root(prompt_id: str) -> str:
        while parent[prompt_id] != prompt_id:
            parent[prompt_id] = parent[parent[prompt_id]]
            prompt_id = parent[prompt_id]
        return prompt_id

    first: dict[str, str] = {}
    for prompt_id, prompt in texts:
        if text := normalize_prompt(prompt):
            one, other = sorted((root(first.setdefault(text, prompt_id)), root(prompt_id)))
            parent[other] = one
    return {prompt_id: root(prompt_id) for prompt_id in parent}


def rank_quality_thirds(images: Sequence[ImageFacts]) -> list[int | None]:
    """The third of the mean quality that each image is in, 0 the lowest; None without a score."""
    scored = [image.quality for image in images if image.quality is not None]
    if not scored:
        return [None] * len(images)
    low, high = np.quantile(scored, [1 / 3, 2 / 3])
    return [None if image.quality is None else int(image.quality > low) + int(image.quality > high) for image in images]


def _count_features(images: Sequence[ImageFacts], group_of: Mapping[str, str], groups: Sequence[str]) -> FloatArray:
    """(groups, features): images, portraits, images by generator, images by third of quality."""
    generators = sorted({image.generator for image in images})
    place = {group: row for row, group in enumerate(groups)}
    found = np.zeros((len(groups), 2 + len(generators) + 3))
    for image, third in zip(images, rank_quality_thirds(images), strict=True):
        row = found[place[group_of[image.prompt_id]]]
        row[0] += 1
        row[1] += image.is_portrait
        row[2 + generators.index(image.generator)] += 1
        if third is not None:
            row[2 + len(generators) + third] += 1
    return found


def _choose(features: FloatArray, test_images: int) -> NDArray[np.bool_]:
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
        move = _find_move(scaled, chosen, rest)
        if move is None:
            break
        chosen[list(move)] ^= True
    return chosen


def _find_move(scaled: FloatArray, chosen: NDArray[np.bool_], rest: FloatArray) -> tuple[int, ...] | None:
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
