"""Plans of what is going to be drawn: generators, prompts, splits, entities and flaws. Nothing is drawn here.

The shares of Yes answers are met by quota, not by chance: within a split, every entity gets a propensity for
each question from its generator, its image and noise, and as many of the most inclined get the flaw as the
share asks for. So a set of any size has the paper's prevalence, and generators still differ.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from qreal_tasks.dataset.drawn import make_image_id
from qreal_tasks.mini.answers import derive_answers
from qreal_tasks.mini.flaws import LIVING, P1, P2, P3, P4, R1, R2, THINGS, Flaw, FlawKind, list_kinds
from qreal_tasks.mini.prompts import GENERATORS, LETTERING, Generator, ImagePrompt, write_prompts

YES_SHARES: Mapping[str, float] = {R1: 0.402, R2: 0.388, P1: 0.433, P2: 0.631, P3: 0.585, P4: 0.112}
"""What the paper's tables imply, but for ``R2`` and ``P3``, which are .404 and .600 there: an impossible material
fails both, so their shares of Yes add up to less than 1, and what is missing is the share of wrong colour or light
alone."""
_SECOND = {P2: 0.25, R2: 0.2}
"""The share of entities that get a flaw of this question's own although another flaw decides its answer already."""
_THING = 0.5
"""How much more inclined a thing is to be inconsistent with reality than what lives and has no flaw of its build."""
ODD_HUES = {
    "bright blue": (56, 112, 232),
    "vivid green": (64, 196, 72),
    "deep purple": (128, 60, 176),
    "hot pink": (244, 92, 176),
}
"""Unnatural colours of skin and fur; what grows may be green, so plants and fruit leave that out."""
_OFTEN = {"floating": 0.4, "balloons": 0.7, "grey": 0.6, "neon_light": 0.7, "odd_hue": 3.0}
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
        return derive_answers((flaw.kind.question for flaw in self.flaws), rendered=self.rendered)


@dataclass(frozen=True)
class ImagePlan:
    """One image to draw."""

    image_id: str
    split: str
    generator: Generator
    prompt: ImagePrompt
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


def _assign_generators(prompts: Sequence[ImagePrompt], split: str, seed: int) -> list[ImagePlan]:
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
            plans.append(ImagePlan(make_image_id(own), split, generator, prompt, own))
    return plans


def _plant(blank: Sequence[ImagePlan], rng: random.Random) -> list[ImagePlan]:
    """Fill images with entities and the entities with flaws."""
    owners = [(i, j) for i, plan in enumerate(blank) for j in range(len(plan.prompt.cast))]
    rendered, planted = _flaws_by_quota(blank, owners, rng)
    entities: dict[int, list[EntityPlan]] = {i: [] for i in range(len(blank))}
    for at, (i, j) in enumerate(owners):
        plan = blank[i]
        figure, label = plan.prompt.cast[j]
        own = random.Random(f"{plan.seed}/{j}")
        framing = "half" if plan.prompt.framing == "half" else "full"
        entity = EntityPlan(figure, label, framing, f"{plan.seed}/{j}/figure", at in rendered)
        asked = {name for name, chosen in planted.items() if at in chosen}
        entity = replace(entity, word=_choose_word(figure, plan.is_portrait, P4 in asked, own))
        entities[i].append(plant_flaws(entity, asked, own))
    return [replace(plan, entities=tuple(entities[i])) for i, plan in enumerate(blank)]


def _flaws_by_quota(
    blank: Sequence[ImagePlan], owners: Sequence[tuple[int, int]], rng: random.Random
) -> tuple[set[int], dict[str, set[int]]]:
    """Positions of the entities that are rendered, and by question of those that get a flaw planted for it.

    ``answers`` lets one flaw decide several questions, so what is planted for a question is what its share still
    lacks after the flaws that decide it as well.
    """
    everyone = set(range(len(owners)))
    figures = [blank[i].prompt.cast[j][0] for i, j in owners]
    generators = [blank[i].generator for i, _ in owners]
    style, odd = ([rng.gauss(0, deviation) for _ in blank] for deviation in (1.1, 0.5))

    def most(share: float, among: set[int], lean: Callable[[int], float]) -> set[int]:
        """Choose as many of ``among`` as ``share`` asks for of all entities, the most inclined first."""
        scores = {at: lean(at) for at in sorted(among)}
        return set(sorted(scores, key=lambda at: -scores[at])[: max(round(share * len(owners)), 0)])

    def clumsy(at: int) -> float:
        return -1.3 * generators[at].plausibility + odd[owners[at][0]] + rng.gauss(0, 1.0)

    # A scene has one style mostly.
    rendered = most(
        YES_SHARES[R1], everyone, lambda at: 1.3 * generators[at].realism + style[owners[at][0]] + rng.gauss(0, 0.6)
    )
    build = most(YES_SHARES[P1], {at for at in everyone if figures[at] in LIVING}, clumsy)
    # Drawn entities more often have unnatural surfaces, but the two answers must not be the same.
    material = most(YES_SHARES[P3], everyone, lambda at: clumsy(at) - 0.6 * generators[at].realism - (at in rendered))
    carriers = {at for at, (i, _) in enumerate(owners) if carries_text(figures[at], blank[i].is_portrait)}

    def beside(share: float, deciding: set[int], question: str, lean: Callable[[int], float]) -> set[int]:
        rest = most(share - len(deciding) / len(owners), everyone - deciding, lean)
        return rest | most(_SECOND[question] * len(deciding) / len(owners), deciding, lean)

    return rendered, {
        P1: build,
        P2: beside(YES_SHARES[P2], build, P2, lambda at: clumsy(at) + _THING * (figures[at] in THINGS)),
        P3: material,
        P4: most(YES_SHARES[P4], carriers, clumsy),
        R2: beside(1 - YES_SHARES[R2], material, R2, lambda at: rng.gauss(0, 1.0) - 0.6 * generators[at].realism),
    }


def carries_text(figure: str, is_portrait: bool) -> bool:
    """Whether it can have lettering; on the shirt of a person in a scene that would be too small to read."""
    return figure in LETTERING and (is_portrait or figure != "person")


def _choose_word(figure: str, is_portrait: bool, garbled: bool, rng: random.Random) -> str:
    """The lettering of an entity, or "": signs always have some, other carriers half of the time."""
    if not carries_text(figure, is_portrait) or not (garbled or figure == "sign" or rng.random() < 0.5):
        return ""
    return rng.choice(LETTERING[figure])


def plant_flaws(entity: EntityPlan, questions: set[str], rng: random.Random) -> EntityPlan:
    """Plant one flaw for each question, no two in the same region."""
    flaws: list[Flaw] = []
    for name in (P1, P2, P3, P4, R2):
        if name not in questions:
            continue
        used = {flaw.kind.region for flaw in flaws}
        kinds = [k for k in list_kinds(entity.figure, name, entity.framing) if k.region not in used]
        if entity.rendered:
            # A shaded render without shading would be a drawing.
            kinds = [k for k in kinds if k.name != "flat"]
        kind = rng.choices(kinds, [_OFTEN.get(k.name, 1.0) for k in kinds])[0]
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
