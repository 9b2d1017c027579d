"""What came of a run, in numbers and in sentences."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES, QUESTIONS, Dimension
from qreal_tasks.intake.reasons import reason_kind
from qreal_tasks.results.reasons import describe_answer
from qreal_tasks.screening.rows import RowState, ScreeningRow

_MOST_KINDS = 6
"""Reasons of unread images that are told apart; a server's messages may all differ."""
THRESHOLD = 0.5
"""From which probability on an image counts as flawed, without a calibration that says better."""


@dataclass
class FlawShare:
    """How many images are flawed, of those of which it could be told."""

    flawed: int = 0
    told: int = 0

    @property
    def value(self) -> float | None:
        return self.flawed / self.told if self.told else None

    def add(self, flawed: bool | None) -> None:
        """Count one image; None where it could not be told."""
        self.told += flawed is not None
        self.flawed += bool(flawed)

    def to_json(self) -> dict[str, Any]:
        return {"flawed": self.flawed, "told": self.told, "share": self.value}


@dataclass
class ImageCounts:
    """Counts over the images of a run, or of one generator in it."""

    images: int = 0
    states: Counter[str] = field(default_factory=Counter)
    either: FlawShare = field(default_factory=FlawShare)
    dimensions: dict[Dimension, FlawShare] = field(default_factory=lambda: {one: FlawShare() for one in Dimension})
    questions: dict[str, FlawShare] = field(default_factory=lambda: {name: FlawShare() for name in QUESTION_NAMES})
    severity: float = 0.0
    """Sum over the images that have one."""
    with_severity: int = 0

    def add(self, row: ScreeningRow, thresholds: Mapping[Dimension, float]) -> None:
        """Count one image."""
        self.images += 1
        self.states[row["state"]] += 1
        p = {Dimension.REALISM: row["p_realism"], Dimension.PLAUSIBILITY: row["p_plausibility"]}
        flawed = {one: None if value is None else value >= thresholds[one] for one, value in p.items()}
        for one in Dimension:
            self.dimensions[one].add(flawed[one])
        self.either.add(True if True in flawed.values() else None if None in flawed.values() else False)
        for name in QUESTION_NAMES:
            value = row["p_question"][name]
            self.questions[name].add(None if value is None else value >= THRESHOLD)
        if row["severity"] is not None:
            self.severity += row["severity"]
            self.with_severity += 1

    def to_json(self) -> dict[str, Any]:
        return {
            "images": self.images,
            "states": {state.value: self.states[state] for state in RowState},
            "flawed": {"either": self.either.to_json()}
            | {str(one): share.to_json() for one, share in self.dimensions.items()},
            "questions": {name: share.to_json() for name, share in self.questions.items()},
            "mean_severity": self.severity / self.with_severity if self.with_severity else None,
        }


@dataclass
class ScreeningSummary:
    """What came of a run."""

    thresholds: Mapping[Dimension, float]
    """From which probability of an image on it counts as flawed."""
    calibrated: bool
    whole: ImageCounts = field(default_factory=ImageCounts)
    generators: dict[str, ImageCounts] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    """By kind of reason."""
    unread: Counter[str] = field(default_factory=Counter)
    """By the first answer that was not read, and why."""
    notes: Counter[str] = field(default_factory=Counter)
    """Images by kind of what is to be known of their prompts."""

    def add(self, row: ScreeningRow) -> None:
        """Count one image."""
        self.whole.add(row, self.thresholds)
        self.generators.setdefault(row["generator"] or "", ImageCounts()).add(row, self.thresholds)
        if row["state"] == RowState.REFUSED.value:
            self.refused[reason_kind(row["reason"] or "")] += 1
        elif row["state"] == RowState.UNREAD.value:
            self.unread[_describe_unread(row["reason"] or "")] += 1

    @property
    def told(self) -> int:
        """Images of which it could be told whether they are flawed."""
        return self.whole.either.told

    @property
    def untold(self) -> int:
        """Images of which it could not."""
        return self.whole.images - self.told

    def to_json(self) -> dict[str, Any]:
        """Plain values; what is undefined is None."""
        return {
            "format": 1,
            **self.whole.to_json(),
            "thresholds": {str(one): value for one, value in self.thresholds.items()},
            "calibrated": self.calibrated,
            "refused": dict(self.refused.most_common()),
            "generators": [
                {"generator": name or None, **one.to_json()} for name, one in sorted(self.generators.items())
            ],
        }

    def list_lines(self) -> Iterator[str]:
        """What there is to say, a line each."""
        states = self.whole.states
        counted = ", ".join(f"{states[state]:,} {state}" for state in RowState if states[state])
        yield f"{_count(self.whole.images, 'image')}: {counted}"
        for kind, count in self.refused.most_common():
            yield f"  {count:,} refused: {kind}"
        for kind, count in self.unread.most_common(_MOST_KINDS):
            yield f"  {count:,} unread: {kind}"
        if others := self.unread.most_common()[_MOST_KINDS:]:
            yield f"  {sum(count for _, count in others):,} unread: {len(others):,} other reasons"
        for kind, count in self.notes.most_common(_MOST_KINDS):
            yield f"  note on {_count(count, 'image')}: {kind}"
        how = "calibrated" if self.calibrated else "uncalibrated: an image counts as flawed from P = 0.5 on"
        either = self.whole.either
        if either.told:
            dimensions = ", ".join(
                f"{_percent(share)} in {one}" for one, share in self.whole.dimensions.items() if share.told
            )
            yield f"{either.flawed:,} of {either.told:,} told are flawed ({_percent(either)}): {dimensions} ({how})"
            worst = max(QUESTIONS, key=lambda one: self.whole.questions[one.name].value or 0.0)
            share = self.whole.questions[worst.name]
            if share.flawed:
                yield f"  most often: {worst.about} ({worst.name}), {_percent(share)}"
        if len(self.generators) > 1:
            for name, one in sorted(self.generators.items()):
                shown = _percent(one.either) if one.either.told else "none told"
                yield f"  {name or 'no generator'}: {_count(one.images, 'image')}, {shown} flawed"

    def exceeds(self, most: float) -> str | None:
        """The sentence for a run with more flawed images than may be, or None.

        Args:
            most: share of the images that could be told.
        """
        share = self.whole.either
        if share.value is None or share.value <= most:
            return None
        beside = f"; {self.untold:,} more could not be told" if self.untold else ""
        return (
            f"{share.flawed:,} of {share.told:,} images are flawed ({_percent(share)}), more than the {most:.1%} that "
            f"--max-flawed allows{beside}"
        )


def _describe_unread(reason: str) -> str:
    """A row's reason without what belongs to its image alone, as a sentence.

    >>> _describe_unread("entity 3 realism_q1: no_verdict"), _describe_unread("the model failed: ValueError: 7")
    ('realism_q1: the answer held neither Yes nor No', 'the model failed')
    """
    where, _, code = re.sub(r"^entity \d+ ", "", reason).partition(": ")
    if where in ("detect", *IMAGEQA_SETS, *QUESTION_NAMES):
        return f"{where}: the answer {describe_answer(code)}"
    return reason_kind(reason)


def _percent(share: FlawShare) -> str:
    return "-" if share.value is None else f"{share.value:.1%}"


def _count(count: int, unit: str) -> str:
    return f"{count:,} {unit}{'' if count == 1 else 's'}"
