"""The pretend generators, and the prompts that they are all given."""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qreal_tasks.dataset.drawn import make_prompt_id
from qreal_tasks.files.package_tables import load_table

IMAGES_PER_PROMPT = 5
MIN_IMAGES = 20
"""Four prompts: a portrait and another one for each split."""


@dataclass(frozen=True)
class Generator:
    """A pretend image generator; skills in standard deviations, higher is better."""

    name: str
    realism: float
    plausibility: float


@dataclass(frozen=True)
class _Company:
    """Figures that may meet, at most ``most`` of them, and where."""

    figures: list[str]
    places: list[str]
    most: int
    weight: int


_TABLE: dict[str, Any] = load_table(Path(__file__).with_suffix(".yaml"))
GENERATORS = tuple(Generator(name, *skills) for name, skills in _TABLE["generators"].items())
CAST: Mapping[str, Sequence[str]] = _TABLE["cast"]
"""Figures and what they may be called."""
LETTERING: Mapping[str, Sequence[str]] = _TABLE["lettering"]
"""Figures that can carry text, and what it says."""
PLACES: Mapping[str, Sequence[str]] = _TABLE["places"]
_COMPANIES = tuple(_Company(**row) for row in _TABLE["companies"])
_OFTEN = {"person": 2.0, "animal": 3.2, "plant": 2.8}
"""Weights against 1, in scenes: the first plausibility question is about what lives."""


@dataclass(frozen=True)
class ImagePrompt:
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


def write_prompts(images: int, seed: int, portrait_share: float, test_share: float) -> dict[str, list[ImagePrompt]]:
    """The prompts of both splits, at least one portrait and one scene in each.

    No text occurs twice, so that a prompt cannot reach both splits under two names.
    """
    author = _Author(random.Random(f"{seed}/prompts"))
    count = -(-images // IMAGES_PER_PROMPT)
    portraits = min(max(round(portrait_share * count), 2), count - 2)
    framings = ["half" if at % 3 else "full" for at in range(portraits)] + ["scene"] * (count - portraits)
    written = []
    for at, framing in enumerate(framings):
        left = images - IMAGES_PER_PROMPT * (count - 1) if at == count - 1 else IMAGES_PER_PROMPT
        written.append(author.write(make_prompt_id(seed, at), framing, left))
    test = {
        prompt.prompt_id
        for group in (written[:portraits], written[portraits:])
        for prompt in author.rng.sample(group, min(max(round(test_share * len(group)), 1), len(group) - 1))
    }
    return {
        "train": [prompt for prompt in written if prompt.prompt_id not in test],
        "test": [prompt for prompt in written if prompt.prompt_id in test],
    }


@dataclass
class _Author:
    """Writes prompts, and remembers what it wrote so that none repeats and no figure is forgotten."""

    rng: random.Random
    seen: set[str] = field(default_factory=set)
    used: Counter[str] = field(default_factory=Counter)
    deck: list[_Company] = field(default_factory=list)

    def write(self, prompt_id: str, framing: str, images: int) -> ImagePrompt:
        """One prompt with a new text; a large set runs out of texts and then counts versions."""
        place, cast = self._portrait() if framing != "scene" else self._scene()
        for attempt in itertools.count():
            text = _wording(place, [label for _, label in cast], framing, self.rng)
            text += f" Version {len(self.seen)}." if attempt >= 20 else ""
            if text not in self.seen:
                break
        self.seen.add(text)
        return ImagePrompt(prompt_id, text, place, cast, framing, images)

    def _portrait(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """A place and one person."""
        return self.rng.choice([place for place in PLACES if place != "table"]), (self._named("person", ""),)

    def _scene(self) -> tuple[str, tuple[tuple[str, str], ...]]:
        """A place and one to three figures of different kinds, among them the least used so far."""
        if not self.deck:
            whole = [company for company in _COMPANIES for _ in range(company.weight)]
            self.deck = self.rng.sample(whole, len(whole))
        company = self.deck.pop()
        place = self.rng.choice(company.places)
        count = min(self.rng.choices((1, 2, 3), (2, 5, 4))[0], company.most)
        first = min(company.figures, key=lambda figure: self.used[figure] / _OFTEN.get(figure, 1.0))
        others = self.rng.sample([figure for figure in company.figures if figure != first], count - 1)
        chosen = self.rng.sample([first, *others], count)
        self.used.update(chosen)
        return place, tuple(self._named(figure, place) for figure in chosen)

    def _named(self, figure: str, place: str) -> tuple[str, str]:
        """The figure with a label, the least used that may be there."""
        labels = _TABLE["indoor_animals"] if (figure, place) == ("animal", "room") else CAST[figure]
        label = min(self.rng.sample(labels, len(labels)), key=lambda label: self.used[f"{figure} {label}"])
        self.used[f"{figure} {label}"] += 1
        return figure, label


def _wording(place: str, labels: Sequence[str], framing: str, rng: random.Random) -> str:
    """An English sentence for the prompt."""
    things = [f"{'an' if label[0] in 'aeiou' else 'a'} {label}" for label in labels]
    listed = things[0] if len(things) == 1 else f"{', '.join(things[:-1])} and {things[-1]}"
    manner = {"half": "A half-length portrait of ", "full": "A full-length portrait of "}.get(framing)
    text = (rng.choice(_TABLE["manners"]) if manner is None else manner) + listed
    return f"{text[0].upper()}{text[1:]} {rng.choice(PLACES[place])}{rng.choice(_TABLE['times'])}."
