"""One submitted record against the dataset, its own text, and what values may be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from qreal_tasks.answers import MOST_MASS, MOST_OF_A_REASON
from qreal_tasks.benchmark import PROMPT_VERSION
from qreal_tasks.boxes import Space
from qreal_tasks.judge.records import list_pairs
from qreal_tasks.leaderboard.submission.problems import Refusal, Rule
from qreal_tasks.leaderboard.submission.references import References
from qreal_tasks.records import GroundingRecord, JudgmentRecord, Record, Region
from qreal_tasks.samples import NO_INPUT_SIZE
from qreal_tasks.text.one_line import first_unseen
from qreal_tasks.text.redaction import find_private

_OF_THE_DATASET = ("image_id", "generator", "is_portrait", "label", "width", "height")
_FROM_THE_TEXT = ("answer", "reason", "predicted", "dropped", "clipped")

MOST_RAW = 2**20
"""Characters of one answer: some hundred thousand tokens."""


def check_record(record: Record, task: str, references: References, *, from_file: bool = False) -> list[Refusal]:
    """Every reason why the record cannot be what a run on this dataset left behind.

    Args:
        from_file: a file of predictions brought the answer, and such a file may give P(Yes) without its mass.
    """
    where = f"{task} {record.sample_id}"
    if len(record.raw) > MOST_RAW:
        message = f"raw has {len(record.raw):,} characters, expected at most {MOST_RAW:,}; no model writes that many"
        return [Refusal(Rule.TOO_LARGE, f"{where}: {message}")]
    found = [Refusal(kind, f"{where}: {message}") for kind, message in _impossible(record, from_file)]
    if isinstance(record, GroundingRecord) and record.space not in tuple(Space):
        return found
    expected = references.expected(record)
    if expected is not None:
        found += [Refusal(kind, f"{where}: {message}") for kind, message in _differences(record, expected)]
    if isinstance(record, GroundingRecord) and record.scores is not None and not found:
        found += [Refusal(Rule.JUDGE, f"{where}: {message}") for message in _scores_without_a_judge(record)]
    return found


def _impossible(record: Record, from_file: bool) -> Iterator[tuple[Rule, str]]:
    if record.prompt_version != PROMPT_VERSION:
        yield (
            Rule.VERSION,
            f"prompt version {record.prompt_version!r:.40}, expected {PROMPT_VERSION!r}; run it with this release",
        )
    yield from _impossible_reasons(record)
    if isinstance(record, JudgmentRecord):
        if record.p_yes is not None and not 0 <= record.p_yes <= 1:
            yield Rule.IMPOSSIBLE, f"p_yes is {record.p_yes!r}, expected a probability from 0 to 1 or null"
        if record.mass is not None and not 0 <= record.mass <= MOST_MASS:
            yield Rule.IMPOSSIBLE, f"mass is {record.mass!r}, expected a probability from 0 to 1 or null"
        if (record.p_yes is None) != (record.mass is None) and not (from_file and record.mass is None):
            message = f"p_yes is {record.p_yes!r} and mass is {record.mass!r}, expected both or neither; run it again"
            yield Rule.IMPOSSIBLE, message
        elif record.p_yes is not None and record.mass == 0:
            yield Rule.IMPOSSIBLE, f"p_yes is {record.p_yes!r} of a mass of 0, expected null for both; run it again"
        return
    if record.space not in tuple(Space):
        yield Rule.IMPOSSIBLE, f"space is {record.space!r:.40}, expected one of {', '.join(Space)}"
    elif record.space == Space.RESIZED_PIXELS and record.input_size is None and record.reason in (None, NO_INPUT_SIZE):
        yield (
            Rule.IMPOSSIBLE,
            "boxes in resized_pixels without input_size cannot be placed; use a backend that reports it, or another "
            "space",
        )
    if record.input_size is not None and not all(0 < side <= 100_000 for side in record.input_size):
        yield Rule.IMPOSSIBLE, f"input_size is {record.input_size}, expected two sides in pixels"
    yield from _impossible_scores(record)


def _impossible_reasons(record: Record) -> Iterator[tuple[Rule, str]]:
    """Reasons are shown on the board, and nothing but their form can be checked."""
    given = {"reason": [] if record.reason is None else [record.reason]}
    if isinstance(record, GroundingRecord):
        given |= {"dropped": list(record.dropped), "unjudged": list(record.unjudged)}
    for field, reasons in given.items():
        for reason in reasons:
            if not 0 < len(reason) <= MOST_OF_A_REASON:
                found = f"{field} has a reason of {len(reason)} characters, expected 1 to {MOST_OF_A_REASON}"
                yield Rule.IMPOSSIBLE, found
            elif (unseen := first_unseen(reason)) is not None:
                found = f"{field} has a reason with U+{ord(unseen):04X}, a control or invisible character"
                yield Rule.IMPOSSIBLE, f"{found}; a run writes none, pack it again"
            elif private := find_private(reason):  # not repeated: the reasons of a refusal are published too
                yield Rule.PRIVATE, f"{field} has a reason with what looks like {private}; pack it again"


def _impossible_scores(record: GroundingRecord) -> Iterator[tuple[Rule, str]]:
    if record.judge_said:
        yield Rule.JUDGE, "holds what the judge's server wrote, which no submission holds; pack it again"
    if record.scores is None:
        if record.judge is not None or record.unjudged:
            yield Rule.JUDGE, "names a judge, but has no scores; judge it again"
        return
    pairs = min(len(record.predicted), len(record.reference))
    unscored = sum(score is None for score in record.scores)
    if record.judge is None:
        yield Rule.JUDGE, "has scores, but names no judge"
    if len(record.scores) != pairs:
        yield Rule.JUDGE, f"{len(record.scores)} scores for {pairs} matched pairs; judge it again"
    for score in record.scores:
        if score is not None and not 0 <= score <= 1:
            yield Rule.JUDGE, f"score is {score!r}, expected a number from 0 to 1 or null"
    if sum(record.unjudged.values()) != unscored or any(count < 1 for count in record.unjudged.values()):
        yield Rule.JUDGE, f"unjudged counts {sum(record.unjudged.values())} pairs, but {unscored} scores are null"


def _scores_without_a_judge(record: GroundingRecord) -> Iterator[str]:
    """Pairs whose score follows without asking anyone (``judge.without_asking``): 0 for nothing said, none for
    nothing to say. A judge that was stopped leaves both unjudged."""
    for pair, score in zip(list_pairs(record), record.scores or (), strict=True):
        if score is not None and not pair.reference.strip():
            yield f"a pair with an empty reference has score {score}, expected null"
        elif score and not pair.predicted.strip():
            yield f"a pair with an empty description has score {score}, expected 0"


def _differences(record: Record, expected: Record) -> Iterator[tuple[Rule, str]]:
    for name in _OF_THE_DATASET:
        if hasattr(record, name) and getattr(record, name) != getattr(expected, name):
            yield Rule.REFERENCE, _said(name, getattr(record, name), getattr(expected, name), "the dataset says")
    if isinstance(record, JudgmentRecord) and isinstance(expected, JudgmentRecord):
        if record.reference != expected.reference:
            yield Rule.REFERENCE, _said("reference answer", record.reference, expected.reference, "the dataset says")
    elif isinstance(record, GroundingRecord) and isinstance(expected, GroundingRecord):
        yield from ((Rule.REFERENCE, message) for message in _regions(record.reference, expected.reference))
    for name in _FROM_THE_TEXT:
        mine, theirs = getattr(record, name, None), getattr(expected, name, None)
        if mine == theirs:
            continue
        if name == "predicted":
            yield Rule.PARSED, f"{len(mine or ())} predicted boxes that are not the {len(theirs or ())} of its text"
        else:
            yield Rule.PARSED, _said(name, mine, theirs, "its text reads")


def _regions(submitted: tuple[Region, ...], expected: tuple[Region, ...]) -> Iterator[str]:
    if len(submitted) != len(expected):
        yield f"{len(submitted)} reference entities, the dataset has {len(expected)}"
        return
    for mine, theirs in zip(submitted, expected, strict=True):
        for name, words in (
            ("entity_id", "id"),
            ("label", "label"),
            ("bbox_px", "box"),
            ("description", "description"),
        ):
            if getattr(mine, name) != getattr(theirs, name):
                message = _said(f"reference {words}", getattr(mine, name), getattr(theirs, name), "the dataset says")
                yield f"entity {theirs.entity_id}: {message}"


def _said(name: str, mine: Any, theirs: Any, source: str) -> str:
    return f"{name} is {mine!r:.80}, {source} {theirs!r:.80}"
