"""Descriptions as a person would write them about a drawn entity: every sentence follows from what was planted."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from qreal_tasks.benchmark import BODY_PARTS, QUESTIONS, Dimension, is_flawed
from qreal_tasks.files.package_tables import load_table
from qreal_tasks.mini.answers import derive_answers
from qreal_tasks.mini.flaws import CATALOGUE, Flaw
from qreal_tasks.mini.plan import EntityPlan

_TABLE: dict[str, Any] = load_table(Path(__file__).with_suffix(".yaml"))


def describe_flaw(flaw: Flaw, entity: EntityPlan, dimension: Dimension) -> str:
    """The flaw in words, for one of the two descriptions; the same each time it is asked for."""
    he, him, his = _TABLE["pronouns"].get(entity.label, ("it", "it", "its"))
    words = {
        "label": entity.label,
        "It": he.capitalize(),
        "it": him,
        "Its": his.capitalize(),
        "its": his,
        "choice": flaw.choice,
        "colour": flaw.colour,
        "text": entity.text,
    }
    is_look = dimension is Dimension.REALISM and flaw.kind.look
    return _pick(flaw.kind.look if is_look else flaw.kind.say, entity, flaw.kind.name).format(**words)


def describe_entity(entity: EntityPlan, dimension: Dimension) -> str:
    """The entity's description in one dimension, beginning with ``No issue`` when there is none."""
    realism = dimension is Dimension.REALISM
    shown = [flaw for flaw in entity.flaws if is_flawed(dimension, derive_answers([flaw.kind.question], rendered=True))]
    found = [describe_flaw(flaw, entity, dimension) for flaw in shown]
    if realism and not entity.rendered:
        found.insert(0, _pick(_TABLE["drawn"], entity, "drawn").format(label=entity.label))
    elif realism and found:
        found.insert(0, _pick(_TABLE["rendered"], entity, "solid").format(label=entity.label))
    return " ".join(found) or _pick(_TABLE["fine"][dimension], entity, dimension.value).format(label=entity.label)


def find_kinds(description: str) -> frozenset[str]:
    """Names of the flaws whose sentences stand in a description, and ``drawn`` where it says that something is drawn.

    >>> sorted(find_kinds("The dog is drawn as a cartoon with dark outlines. There are three legs."))
    ['drawn', 'extra_leg']
    """
    return frozenset(name for name, pattern in _SENTENCES if pattern.search(description))


def describe_parts(entity: EntityPlan) -> dict[str, str]:
    """The seven body part descriptions of a portrait; they say what the plausibility description says."""
    texts = {}
    for part in BODY_PARTS:
        shown = [flaw for flaw in entity.flaws if flaw.kind.part == part]
        found = [describe_flaw(flaw, entity, Dimension.PLAUSIBILITY) for flaw in shown]
        own = _TABLE["fine_part_of_half"] if entity.framing == "half" else {}
        fine = own.get(part, _TABLE["fine_part"][part])
        texts[part] = " ".join(found) or _pick(fine, entity, part).format(label=entity.label)
    return texts


def make_up_quality(entity: EntityPlan) -> float:
    """A made-up quality score between 0 and 1: lower with every defect, plus noise."""
    defects = sum(entity.answers[q.name] == q.defect for q in QUESTIONS)
    noise = random.Random(f"{entity.seed}/quality").gauss(0, 0.05)
    return round(min(max(0.92 - 0.13 * defects + noise, 0.0), 1.0), 3)


def _compile(sentence: str, choices: Sequence[str] = ()) -> re.Pattern[str]:
    """A pattern for a sentence of the tables: what may stand in its places."""
    parts = re.split(r"(\{\w+\})", sentence)
    places = {"{choice}": f"(?:{'|'.join(map(re.escape, choices))})", "{It}": "(?:It|He|She|They)"}
    return re.compile("".join(places.get(one, "[^.]+?") if one.startswith("{") else re.escape(one) for one in parts))


_SENTENCES = [
    *((kind.name, _compile(one, kind.choices)) for kind in CATALOGUE for one in (*kind.say, *kind.look)),
    *(("drawn", _compile(one)) for one in _TABLE["drawn"]),
]


def _pick(options: Sequence[str], entity: EntityPlan, topic: str) -> str:
    return random.Random(f"{entity.seed}/words/{topic}").choice(options)
