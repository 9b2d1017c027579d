"""What a comparison of generators comes to: a sentence for each pair, notes on how to read it, and plain values."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from qreal_tasks import __version__
from qreal_tasks.benchmark import BODY_PARTS, QUESTION_NAMES, question
from qreal_tasks.metrics.significance import SIGNIFICANCE
from qreal_tasks.pages.numbers import decimals, interval
from qreal_tasks.screening.comparison.comparison import DIMENSIONS, ComparedRow, GeneratorComparison, GeneratorPair
from qreal_tasks.screening.comparison.groups import PairedBy
from qreal_tasks.screening.comparison.moved_images import MOVED
from qreal_tasks.screening.comparison.rates import FlawRate

FORMAT = 1
"""Of ``comparison.json``."""
_OUTSIDE = 0.05
"""How far a corrected flaw rate may be outside of 0 to 1 by chance."""
_CORRECTED = (
    "Flaw rate of a dimension: estimated share of flawed images, from the mean P of the images (averaged within a "
    "prompt first), corrected for the P of labelled flawed and clean images. This holds where P of a flawed image, and "
    "of a clean one, is as on the labelled images: best they come from the generators that are compared."
)
_PLAIN = (
    "Flaw rate: mean P of the images, averaged within a prompt first. Without a calibration it is no share of flawed "
    "images, and differences come out too small; their p-values hold."
)


def conclude(comparison: GeneratorComparison) -> str:
    """Say of every group, against the baseline, in which dimensions it is better or worse.

    What counts is a p-value, corrected for the number of tests, of at most 5 %.
    """
    return " ".join(_conclude_pair(pair, comparison.pairing) for pair in comparison.pairs)


def _conclude_pair(pair: GeneratorPair, pairing: PairedBy) -> str:
    found: dict[str, list[str]] = {"better": [], "worse": [], "not shown to differ": []}
    for name, row in pair.group(DIMENSIONS).items():
        found[weigh(row)].append(f"{name} ({_describe_rates(row)})")
    told = [f"{verdict} in {' and '.join(names)}" for verdict, names in found.items() if names]
    n = max(row.difference.n for row in pair.group(DIMENSIONS).values())
    over = f"over {n:,} {pairing}{'s' * (n != 1)}" if pairing is not PairedBy.NONE else "as independent groups"
    return f"{pair.run} against {pair.against}, {over}: {'; '.join(told)}."


def weigh(row: ComparedRow) -> str:
    """``better``, ``worse`` or ``not shown to differ``."""
    value = row.difference.value
    if value is None or row.p_corrected is None or row.p_corrected > SIGNIFICANCE:
        return "not shown to differ"
    return "worse" if value > 0 else "better"


def _describe_rates(row: ComparedRow) -> str:
    ends = interval(row.difference)
    by = f"; difference {decimals(row.difference.value)}{f', {ends}' if ends else ''}"
    return f"flaw rate {shown_rate(row.run)} against {shown_rate(row.against)}{by}"


def shown_rate(rate: FlawRate) -> str:
    """A flaw rate as a share: a corrected one may come out a little below 0 or above 1.

    >>> shown_rate(FlawRate(-0.01, -0.05, 0.03, 40))
    '.000'
    """
    return decimals(None if rate.value is None else min(1.0, max(0.0, rate.value)))


def shown_ends(rate: FlawRate) -> FlawRate:
    """The same for both ends of its interval."""
    value, low, high = (None if end is None else min(1.0, max(0.0, end)) for end in (rate.value, rate.low, rate.high))
    return FlawRate(value, low, high, rate.n)


def label_row(name: str) -> tuple[str, str]:
    """A row's name for tables, and what it is about."""
    if name in QUESTION_NAMES:
        return name.replace("_", " "), question(name).about
    return name.replace("_", " "), ""


def write_notes(comparison: GeneratorComparison) -> list[str]:
    """How to read the numbers, and what was left out."""
    calibration = comparison.calibration
    notes = [_PLAIN if calibration is None else _CORRECTED]
    if calibration is not None:
        notes.append("Questions and body parts are not corrected: theirs are the mean P, and the share of images.")
        if calibration.data.is_drawn:
            notes.append("The calibration was fitted on pictures that this project drew; on others it says little.")
    if comparison.pairing is PairedBy.NONE:
        notes.append("Nothing pairs the images, so the groups are compared as independent ones; intervals are wider.")
    else:
        notes.append(
            f"Images are paired by {comparison.pairing}; a difference is over those of which both sides are judged. "
            f"Worse and better: severity higher or lower by {decimals(MOVED)} or more."
        )
    wider = ", or Welch's where that is wider" if comparison.pairing is PairedBy.NONE else ""
    notes.append(
        f"Intervals are 95 %, by Student's t over prompts{wider}; p-values are two-sided, and corrected by Holm's "
        "method: those of dimensions for each other, and so those of questions and of body parts."
    )
    if any(pair.group(BODY_PARTS) for pair in comparison.pairs):
        notes.append(
            "A body part counts in an image where a description of human_plausibility names it: by its label "
            "(“Hands: …”) or, without labels, by a word for it (“six fingers”)."
        )
    notes += describe_impossible(comparison)
    for group in comparison.groups:
        notes += [
            f"{n:,} images of {group.name} have no P of {one} and are left out."
            for one, n in group.unknown.items()
            if n
        ]
    return [*notes, *comparison.notes]


def describe_impossible(comparison: GeneratorComparison) -> list[str]:
    """Corrected rates that no share can have: the labelled images do not stand for these."""
    found = [
        f"{decimals(rate.value)} for {group.name} in {name}"
        for group in comparison.groups
        for name, rate in group.rates.items()
        if rate.value is not None and not -_OUTSIDE <= rate.value <= 1 + _OUTSIDE
    ]
    if comparison.calibration is None or not found:
        return []
    return [
        f"The correction gives flaw rates outside of 0 to 1 ({'; '.join(found)}), so P of flawed or of clean images is "
        "not as on the labelled ones: the order and the p-values hold, differences are too large. Fit the calibration "
        "on images of these generators."
    ]


def to_json(comparison: GeneratorComparison) -> dict[str, Any]:
    """All of it in JSON types."""
    calibration = comparison.calibration
    return {
        "format": FORMAT,
        "version": __version__,
        "conclusion": conclude(comparison),
        "pairing": str(comparison.pairing),
        "calibration": None if calibration is None else calibration.model_dump(mode="json"),
        "groups": [{**asdict(group), "folder": group.folder.name} for group in comparison.groups],
        "pairs": [
            {
                "run": pair.run,
                "against": pair.against,
                **{
                    kind: {name: {**asdict(row), "verdict": weigh(row)} for name, row in pair.group(names).items()}
                    for kind, names in (
                        ("dimensions", DIMENSIONS),
                        ("questions", QUESTION_NAMES),
                        ("parts", BODY_PARTS),
                    )
                },
                "moved": None if pair.moved is None else asdict(pair.moved),
            }
            for pair in comparison.pairs
        ],
        "notes": write_notes(comparison),
    }
