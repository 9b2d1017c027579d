"""The split by prompt: never shared, as large as asked, balanced, and the seed's alone."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence

import pytest

from annotation.errors import AnnotationError
from annotation.publish.split import (
    ImageFacts,
    Split,
    default_test_images,
    group_prompts,
    rank_quality_thirds,
    split_by_prompt,
)


def images(prompts: int, sizes: Sequence[int], seed: int = 0, scored: bool = True) -> list[ImageFacts]:
    """Prompts with ``sizes`` images each, by ten generators; every eighth prompt is a portrait's."""
    chance = random.Random(seed)
    return [
        ImageFacts(
            f"{prompt}-{generator}", f"p{prompt}", f"g{generator}", prompt % 8 == 0, chance.random() if scored else None
        )
        for prompt in range(prompts)
        for generator in chance.sample(range(10), chance.choice(sizes))
    ]


PAPER = images(534, (5, 6, 7))
"""As large as the paper's set."""


def chosen_of(found: Split, among: Sequence[ImageFacts]) -> list[ImageFacts]:
    return [image for image in among if found.of(image.prompt_id) == "test"]


@pytest.mark.parametrize("seed", range(5))
def test_a_set_of_the_papers_size_is_balanced(seed: int) -> None:
    found = split_by_prompt(PAPER, 400, seed)
    chosen = chosen_of(found, PAPER)
    assert found.test_images == len(chosen) == 400
    share = 400 / len(PAPER)
    expected, counted = (Counter(image.generator for image in among) for among in (PAPER, chosen))
    assert all(abs(counted[generator] - share * count) <= 2 for generator, count in expected.items()), counted
    # Portraits come by whole prompts of up to seven images: half of one is as near as it gets.
    expected_portraits, portraits = (sum(image.is_portrait for image in among) for among in (PAPER, chosen))
    assert abs(portraits - share * expected_portraits) <= 3.5
    thirds = Counter(
        third
        for image, third in zip(PAPER, rank_quality_thirds(PAPER), strict=True)
        if found.of(image.prompt_id) == "test"
    )
    assert all(abs(count - 400 / 3) <= 2 for count in thirds.values()), thirds


def test_the_seed_decides_and_the_order_of_the_images_does_not() -> None:
    found = split_by_prompt(PAPER, 400, 0)
    assert split_by_prompt(PAPER[::-1], 400, 0) == found
    assert split_by_prompt(PAPER, 400, 1).test_prompts != found.test_prompts


@pytest.mark.parametrize(
    ("wanted", "nearest"),
    [pytest.param(1, {10}, id="at least one prompt"), (13, {10}), (15, {10, 20}), (27, {30}), (95, {90})],
)
def test_the_nearest_count_when_prompts_do_not_divide(wanted: int, nearest: set[int]) -> None:
    assert split_by_prompt(images(10, (10,)), wanted, 0).test_images in nearest


def test_without_scores_the_rest_is_balanced() -> None:
    among = images(100, (5, 6), scored=False)
    assert rank_quality_thirds(among) == [None] * len(among)
    found = split_by_prompt(among, 60, 0)
    assert found.test_images == 60
    counted = Counter(image.generator for image in chosen_of(found, among))
    assert all(abs(count - 6) <= 2 for count in counted.values()), counted


def test_many_prompts_with_one_image_each() -> None:
    among = [ImageFacts(f"i{n}", f"p{n}", f"g{n % 10}", n % 8 == 0, n / 3088) for n in range(3088)]
    assert split_by_prompt(among, default_test_images(len(among)), 0).test_images == 400


@pytest.mark.parametrize(
    ("among", "wanted", "message"),
    [
        (images(1, (10,)), 1, "have 1 prompt between them"),
        (images(2, (10,)), 20, "20 test images of 20"),
        ([], 1, "0 prompt"),
    ],
)
def test_what_cannot_be_split_is_said(among: list[ImageFacts], wanted: int, message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        split_by_prompt(among, wanted, 0)


def test_two_prompts_give_one_to_each() -> None:
    found = split_by_prompt(images(2, (10,)), 3, 0)
    assert len(found.test_prompts) == 1


@pytest.mark.parametrize("seed", range(5))
def test_ids_of_one_text_stay_together(seed: int) -> None:
    """Ids of earlier runs, or of a table: a prompt typed in two ways is one prompt all the same."""
    among = [ImageFacts(f"i{n}", f"p{n}", "g", False, None) for n in range(40)]
    texts = ["a caf\u00e9", "a cafe\u0301", "\ufeffA  Caf\u00e9", "a caf\u00e9\u200b"]
    prompts = [(f"p{n}", f"{texts[n % 4]} {n // 4}") for n in range(40)]
    found = split_by_prompt(among, 12, seed, prompts)
    for first in range(0, 40, 4):
        assert len({found.of(f"p{n}") for n in range(first, first + 4)}) == 1
    assert found.test_images == 12
    assert split_by_prompt(among, 12, seed, prompts[::-1]) == found


def test_the_prompts_of_images_that_are_not_published_go_with_their_text() -> None:
    among = [ImageFacts(f"i{n}", f"p{n}", "g", False, None) for n in range(10)]
    prompts = [(f"p{n}", f"scene {n}") for n in range(10)] + [(f"q{n}", f"Scene  {n}") for n in range(12)]
    found = split_by_prompt(among, 3, 0, prompts)
    assert [found.of(f"q{n}") for n in range(10)] == [found.of(f"p{n}") for n in range(10)]
    assert {found.of("q10"), found.of("q11")} == {"train"}


@pytest.mark.parametrize(
    ("prompts", "groups"),
    [
        pytest.param([("b", "x"), ("a", "X "), ("c", "y")], {"b": "a", "a": "a", "c": "c"}, id="one text, two ids"),
        pytest.param([("b", "x"), ("b", "y"), ("c", "y")], {"b": "b", "c": "b"}, id="one id, two texts"),
        pytest.param([("a", "x"), ("b", "x"), ("b", "y"), ("c", "y")], dict.fromkeys("abc", "a"), id="a chain"),
        pytest.param([("a", ""), ("b", "\u200b"), ("c", " ")], {"a": "a", "b": "b", "c": "c"}, id="no texts"),
    ],
)
def test_groups(prompts: list[tuple[str, str]], groups: dict[str, str]) -> None:
    assert group_prompts(prompts) == groups


def test_one_prompt_under_many_ids_cannot_be_split() -> None:
    among = [ImageFacts(f"i{n}", f"p{n}", "g", False, None) for n in range(4)]
    with pytest.raises(AnnotationError, match="have 1 prompt between them"):
        split_by_prompt(among, 1, 0, [(f"p{n}", "a dog" + "\u200b" * n) for n in range(4)])
