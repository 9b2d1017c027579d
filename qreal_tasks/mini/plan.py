"""What is going to be drawn: generators, prompts, splits, entities and their flaws. Nothing is drawn here.

The shares of Yes answers are met by quota, not by chance: within a split, every entity gets a propensity for
each question from its generator, its image and noise, and as many of the most inclined get the flaw as the
share asks for. So a set of any size has the paper's prevalence, and generators still differ.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from qreal_tasks.benchmark import Answer
from qreal_tasks.mini.catalogue import TEXT_CARRIERS, kinds_for
from qreal_tasks.mini.flaws import P1, P2, P3, P4, R2, Flaw, FlawKind
from qreal_tasks.mini.prompts import GENERATORS, WORDS, Generator, Prompt, write_prompts

YES_SHARES: Mapping[str, float] = {
    "realism_q1": 0.404,
    "realism_q2": 0.417,
    "plausibility_q1": 0.43,
    "plausibility_q2": 0.62,
    "plausibility_q3": 0.60,
    "plausibility_q4": 0.112,
}
"""Near what the paper's tables imply."""
ODD_HUES = ("bright blue", "vivid green", "deep purple", "hot pink")
"""Of skin and fur; what grows may be green, so plants and fruit leave that out."""
_RARE = {
    "floating": 0.5,
    "grey": 0.6,
    "material_arms": 0.6,
    "balloons": 0.8,
    "neon_light": 0.7,
    "blotches": 0.7,
}
"""Weights against 1. Floating is the one flaw that a crop shows only by its tilt."""


@dataclass(frozen=True)
class EntityPlan:
    """One entity to draw. ``word`` is what its lettering should say, ``text`` what is written."""

    figure: str
    label: str
    framing: str
    seed: str
    rendered: bool = False
    flaws: tuple[Flaw, ...] = ()
    word: str = ""
    text: str = ""

    def flaw(self, name: str) -> Flaw | None:
        """The planted flaw of that name, if any."""
        return next((flaw for flaw in self.flaws if flaw.kind.name == name), None)

    def has(self, name: str, side: str = "") -> bool:
        """Whether the flaw is planted (on that side)."""
        flaw = self.flaw(name)
        return flaw is not None and (not side or flaw.choice == side)

    @property
    def answers(self) -> dict[str, str]:
        """The six answers, known from what is planted."""
        asked = {flaw.kind.question for flaw in self.flaws}

        def yes(condition: bool) -> str:
            return str(Answer.YES if condition else Answer.NO)

        return {
            "realism_q1": yes(self.rendered),
            R2: yes(R2 not in asked),
            **{name: yes(name in asked) for name in (P1, P2, P3, P4)},
        }


@dataclass(frozen=True)
class ImagePlan:
    """One image to draw."""

    image_id: str
    split: str
    generator: Generator
    prompt: Prompt
    seed: str
    entities: tuple[EntityPlan, ...] = ()

    @property
    def is_portrait(self) -> bool:
        """Whether it shows a single large person."""
        return self.prompt.framing != "scene"


def plan_images(images: int, seed: int, portrait_share: float, test_share: float) -> list[ImagePlan]:
    """All images of a set, in the order of its rows.

    Args:
        images: how many.
        seed: of everything random.
        portrait_share: of the prompts that ask for a portrait.
        test_share: of the prompts that go to the test split; whole prompts, so that none is in both.
    """
    plans: list[ImagePlan] = []
    for split, prompts in write_prompts(images, seed, portrait_share, test_share).items():
        blank = _assign_generators(prompts, split, seed)
        plans += _plant(blank, random.Random(f"{seed}/{split}/flaws"))
    return plans


def _assign_generators(prompts: Sequence[Prompt], split: str, seed: int) -> list[ImagePlan]:
    """Deal the generators out like cards: each appears equally often, and never twice for one prompt."""
    rng = random.Random(f"{seed}/{split}/generators")
    deck: list[Generator] = []
    plans: list[ImagePlan] = []
    for prompt in prompts:
        for _ in range(prompt.images):
            if not deck:
                deck = rng.sample(GENERATORS, len(GENERATORS))
            taken = {p.generator for p in plans if p.prompt is prompt}
            generator = next((g for g in deck if g not in taken), deck[0])
            deck.remove(generator)
            own = f"{seed}/{prompt.prompt_id}/{generator.name}"
            image_id = f"mini-{hashlib.sha256(own.encode()).hexdigest()[:12]}"
            plans.append(ImagePlan(image_id, split, generator, prompt, own))
    return plans


def _plant(blank: Sequence[ImagePlan], rng: random.Random) -> list[ImagePlan]:
    """Fill images with entities and the entities with flaws."""
    owners = [(i, j) for i, plan in enumerate(blank) for j in range(len(plan.prompt.cast))]
    wanted = _answers_by_quota(blank, owners, rng)
    entities: dict[int, list[EntityPlan]] = {i: [] for i in range(len(blank))}
    for at, (i, j) in enumerate(owners):
        plan = blank[i]
        figure, label = plan.prompt.cast[j]
        own = random.Random(f"{plan.seed}/{j}")
        framing = "half" if plan.prompt.framing == "half" else "full"
        entity = EntityPlan(figure, label, framing, f"{plan.seed}/{j}/figure", at in wanted["realism_q1"])
        asked = {name for name in (R2, P1, P2, P3, P4) if (at in wanted[name]) != (name == R2)}
        entity = replace(entity, word=_choose_word(figure, plan.is_portrait, P4 in asked, own))
        entities[i].append(_with_flaws(entity, asked, own))
    return [replace(plan, entities=tuple(entities[i])) for i, plan in enumerate(blank)]


def _answers_by_quota(
    blank: Sequence[ImagePlan], owners: Sequence[tuple[int, int]], rng: random.Random
) -> dict[str, set[int]]:
    """For each question, the positions of the entities whose answer is Yes."""
    mood = [(rng.gauss(0, 1.1), rng.gauss(0, 0.5)) for _ in blank]
    wanted: dict[str, set[int]] = {}
    for name, share in YES_SHARES.items():
        scores = []
        for at, (i, j) in enumerate(owners):
            generator = blank[i].generator
            if name == R2:
                # Drawn entities more often have unnatural light, but the two answers must not be the same.
                score = 0.6 * generator.realism + rng.gauss(0, 1.0) + (at in wanted["realism_q1"])
            elif name == "realism_q1":
                # A scene has one style mostly.
                score = 1.3 * generator.realism + mood[i][0] + rng.gauss(0, 0.6)
            else:
                score = -1.3 * generator.plausibility + mood[i][1] + rng.gauss(0, 1.0)
            if name == P4 and not carries_text(blank[i].prompt.cast[j][0], blank[i].is_portrait):
                score = -math.inf
            scores.append(score)
        eligible = sum(score > -math.inf for score in scores)
        count = min(round(share * len(owners)), eligible)
        wanted[name] = set(sorted(range(len(owners)), key=lambda at: -scores[at])[:count])
    return wanted


def carries_text(figure: str, is_portrait: bool) -> bool:
    """Whether it can have lettering; on the shirt of a person in a scene that would be too small to read."""
    return figure in TEXT_CARRIERS and (is_portrait or figure != "person")


def _choose_word(figure: str, is_portrait: bool, garbled: bool, rng: random.Random) -> str:
    """The lettering of an entity, or "": signs always have some, other carriers half of the time."""
    if not carries_text(figure, is_portrait) or not (garbled or figure == "sign" or rng.random() < 0.5):
        return ""
    return rng.choice(WORDS[figure])


def _with_flaws(entity: EntityPlan, questions: set[str], rng: random.Random) -> EntityPlan:
    """Plant one flaw for each question, no two in the same region."""
    flaws: list[Flaw] = []
    for name in (R2, P1, P2, P3, P4):
        if name not in questions:
            continue
        used = {flaw.kind.region for flaw in flaws}
        kinds = [k for k in kinds_for(entity.figure, name, entity.framing) if k.region not in used]
        if entity.rendered:
            # A shaded render without shading would be a drawing.
            kinds = [k for k in kinds if k.name != "flat"]
        kind = rng.choices(kinds, [_RARE.get(k.name, 1.0) for k in kinds])[0]
        flaws.append(plant(kind, entity.figure, rng))
    text = garble(entity.word, rng) if P4 in questions else entity.word
    return replace(entity, flaws=tuple(flaws), text=text)


def plant(kind: FlawKind, figure: str, rng: random.Random) -> Flaw:
    """A flaw of that kind with its particulars drawn."""
    hues = [hue for hue in ODD_HUES if figure in ("person", "animal") or hue != "vivid green"]
    return Flaw(kind, rng.choice(kind.choices), rng.choice(hues) if kind.name == "odd_hue" else "")


def garble(word: str, rng: random.Random) -> str:
    """The word with some letters replaced by signs that no word has; never the word itself.

    >>> garble("STOP", random.Random(0)) != "STOP"
    True
    """
    letters = list(word)
    for at in rng.sample(range(len(letters)), max(2, len(letters) // 2)):
        letters[at] = rng.choice("#%&?@$=")
    return "".join(letters)
