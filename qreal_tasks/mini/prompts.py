"""The pretend generators, and the prompts that they are all given."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

IMAGES_PER_PROMPT = 5
MIN_IMAGES = 20
"""Four prompts: a portrait and another one for each split."""


@dataclass(frozen=True)
class Generator:
    """A pretend image generator; skills in standard deviations, higher is better."""

    name: str
    realism: float
    plausibility: float


GENERATORS: tuple[Generator, ...] = (
    Generator("pretend-alder", 1.5, 1.4),
    Generator("pretend-birch", 1.2, 0.6),
    Generator("pretend-cedar", 0.8, 1.1),
    Generator("pretend-dogwood", 0.9, -0.5),
    Generator("pretend-elm", 0.0, 0.9),
    Generator("pretend-fig", 0.2, 0.0),
    Generator("pretend-gorse", -0.6, 0.3),
    Generator("pretend-hazel", -1.0, -0.9),
    Generator("pretend-ivy", -1.3, -0.4),
    Generator("pretend-juniper", -1.6, -1.5),
)
"""Invented. They differ in both dimensions, and the two orders are not the same."""

PEOPLE = ("man", "woman", "boy", "girl")
CAST: Mapping[str, Sequence[str]] = {
    "person": PEOPLE,
    "animal": ("dog", "cat", "horse", "sheep"),
    "plant": ("potted flower", "potted cactus", "potted tree"),
    "fruit": ("apple", "pear", "orange", "lemon"),
    "mug": ("mug",),
    "car": ("car",),
    "sign": ("sign",),
    "chair": ("chair",),
}
"""Figures and what they may be called."""
WORDS: Mapping[str, Sequence[str]] = {
    "person": ("TEAM", "SUN", "STAR", "HELLO"),
    "mug": ("TEA", "COFFEE", "MOM", "BEST"),
    "car": ("TAXI", "POST", "POLICE", "PIZZA"),
    "sign": ("STOP", "EXIT", "OPEN", "PARK", "BUS", "CAFE", "SLOW"),
}
PLACES: Mapping[str, Sequence[str]] = {
    "meadow": ("on a meadow", "in a park"),
    "street": ("on a city street", "in front of houses"),
    "beach": ("on a beach", "by the sea"),
    "room": ("in a living room", "in a bright room"),
    "desert": ("in the desert", "among sand dunes"),
    "snow": ("in the snow", "on a winter day"),
    "table": ("on a kitchen table", "on a wooden table"),
}
_COMPANY: Sequence[tuple[tuple[str, ...], tuple[str, ...]]] = (
    (("person", "animal", "plant", "sign", "chair"), ("meadow", "street", "beach", "desert", "snow")),
    (("person", "animal", "plant", "chair"), ("room",)),
    (("car", "animal", "plant", "sign"), ("meadow", "street", "beach", "desert", "snow")),
    (("mug", "fruit", "plant"), ("table", "table", "meadow", "beach")),
)
"""Figures that may meet, and where: a mug beside a man would look giant, a car in a room out of place."""
_COMPANY_WEIGHTS = (5, 2, 4, 5)
_INDOOR_ANIMALS = ("dog", "cat")
_MANNERS = ("", "A photo of ", "A picture of ", "A close view of ")
_TIMES = (
    "",
    " in the morning",
    " at noon",
    " in the afternoon",
    " on a clear day",
    " on a quiet day",
    " in May",
)


@dataclass(frozen=True)
class Prompt:
    """What all generators are asked for.

    Attributes:
        cast: figure and label of each entity, from left to right.
        framing: ``scene``, or for a portrait ``full`` (whole body) or ``half`` (from the waist up).
        images: how many images it gets, each from another generator.
    """

    prompt_id: str
    text: str
    place: str
    cast: tuple[tuple[str, str], ...]
    framing: str
    images: int


def write_prompts(
    images: int, seed: int, portrait_share: float, test_share: float
) -> dict[str, list[Prompt]]:
    """The prompts of both splits, at least one portrait and one scene in each.

    No text occurs twice, so that a prompt cannot reach both splits under two names.
    """
    rng = random.Random(f"{seed}/prompts")
    count = -(-images // IMAGES_PER_PROMPT)
    portraits = min(max(round(portrait_share * count), 2), count - 2)
    framings = ["half" if at % 3 else "full" for at in range(portraits)] + ["scene"] * (count - portraits)
    seen: set[str] = set()
    written = []
    for at, framing in enumerate(framings):
        left = images - IMAGES_PER_PROMPT * (count - 1) if at == count - 1 else IMAGES_PER_PROMPT
        written.append(_write(f"p{at:04d}", framing, left, rng, seen))
    test = {
        prompt.prompt_id
        for group in (written[:portraits], written[portraits:])
        for prompt in rng.sample(group, min(max(round(test_share * len(group)), 1), len(group) - 1))
    }
    return {
        "train": [prompt for prompt in written if prompt.prompt_id not in test],
        "test": [prompt for prompt in written if prompt.prompt_id in test],
    }


def _write(prompt_id: str, framing: str, images: int, rng: random.Random, seen: set[str]) -> Prompt:
    """One prompt whose text is not in ``seen``; a large set runs out of texts and then counts versions."""
    for attempt in itertools.count():
        place, cast = _choose_cast(framing, rng)
        text = _wording(place, [label for _, label in cast], framing, rng)
        text += f" Version {len(seen)}." if attempt >= 20 else ""
        if text not in seen:
            break
    seen.add(text)
    return Prompt(prompt_id, text, place, cast, framing, images)


def _choose_cast(framing: str, rng: random.Random) -> tuple[str, tuple[tuple[str, str], ...]]:
    """A place, and a person for a portrait or else one to three figures of different kinds."""
    if framing != "scene":
        return rng.choice([place for place in PLACES if place != "table"]), (("person", rng.choice(PEOPLE)),)
    figures, places = rng.choices(_COMPANY, _COMPANY_WEIGHTS)[0]
    place = rng.choice(places)
    chosen = rng.sample(figures, rng.choices((1, 2, 3), (2, 5, 4))[0])
    names = {
        figure: _INDOOR_ANIMALS if (figure, place) == ("animal", "room") else CAST[figure]
        for figure in chosen
    }
    return place, tuple((figure, rng.choice(names[figure])) for figure in chosen)


def _wording(place: str, labels: Sequence[str], framing: str, rng: random.Random) -> str:
    """An English sentence for the prompt."""
    things = [f"{'an' if label[0] in 'aeiou' else 'a'} {label}" for label in labels]
    listed = things[0] if len(things) == 1 else f"{', '.join(things[:-1])} and {things[-1]}"
    manner = {"half": "A half-length portrait of ", "full": "A full-length portrait of "}.get(framing)
    text = (rng.choice(_MANNERS) if manner is None else manner) + listed
    return f"{text[0].upper()}{text[1:]} {rng.choice(PLACES[place])}{rng.choice(_TIMES)}."
