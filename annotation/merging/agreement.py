"""How far people agree with each other and with the machine, from the votes that were merged."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from annotation.merging.alpha import AgreementMeasures, Share, VoteTable
from annotation.merging.fields import LIKE_DRAFT_IOU, normalize_label, same_text
from annotation.merging.forms import DraftForm
from annotation.merging.votes import Vote
from qreal_tasks.benchmark import ANSWERS, BODY_PARTS, QUESTION_NAMES, Dimension
from qreal_tasks.boxes import iou_matrix
from qreal_tasks.metrics.bootstrap import Estimate, estimate_intervals
from qreal_tasks.metrics.sums import FloatArray

RESAMPLES = 2_000
DROP = "drop"
"""The question of dropping; its Yes is to drop."""
ASKED = (*QUESTION_NAMES, DROP)

Changed = Mapping[str, float | None]
"""Share of an annotator's votes in which they changed the label, the box, a description, a part."""


@dataclass(frozen=True)
class QuestionAgreement:
    """How far all people agree on one question."""

    name: str
    entities: int
    """How many have at least two votes."""
    votes: int
    measures: Mapping[str, Estimate]
    """``alpha.MEASURES``. Where nearly all say the same, alpha is low however far they agree: read prevalence too."""
    machine: Estimate | None
    """Agreement of the drafted answer with the majority; None for ``drop``."""
    machine_n: int


@dataclass(frozen=True)
class AnnotatorAgreement:
    """How one person votes, compared with the majority."""

    name: str
    votes: int
    dropped: int
    with_majority: Mapping[str, float | None]
    """Question to the share of their answers that are the majority's, of which they are a part themselves."""
    yes: Mapping[str, float | None]
    """Question to the share of Yes."""
    median_seconds: float | None
    changed: Changed


@dataclass(frozen=True)
class AgreementReport:
    """The whole report, on the entities with at least one vote."""

    entities: int
    images: int
    votes: int
    questions: tuple[QuestionAgreement, ...]
    annotators: tuple[AnnotatorAgreement, ...]
    independent_only: bool
    """Agreement between people counts some of the votes only: those that did not depend on others'."""


def measure_agreement(
    forms: Mapping[str, DraftForm],
    votes: Mapping[str, Sequence[Vote]],
    *,
    independent: Mapping[str, Sequence[Vote]] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> AgreementReport:
    """Measure how far people agree.

    Args:
        forms: by entity.
        votes: by entity, one a person, none of an adjudicator.
        independent: the votes among them that were asked for whatever others had answered; None for all. People agree
            with each other by these alone: a third who is asked where two differ would make them seem to differ more.
        resamples, seed: for the intervals, which come from a bootstrap over images.
    """
    entities = [entity for entity in forms if votes.get(entity)]
    names = sorted({vote.annotator for entity in entities for vote in votes[entity]})
    images = tuple(forms[entity].image_id for entity in entities)
    counted = votes if independent is None else independent
    tables = {name: VoteTable(images, _make_table(entities, names, votes, _make_reader(name))) for name in ASKED}
    measured = {name: VoteTable(images, _make_table(entities, names, counted, _make_reader(name))) for name in ASKED}
    drafted = [forms[entity] for entity in entities]
    questions = tuple(_measure_question(name, tables[name], measured[name], drafted, resamples, seed) for name in ASKED)
    cast = [vote for entity in entities for vote in votes[entity]]
    people = tuple(
        _measure_person(place, name, tables, [vote for vote in cast if vote.annotator == name])
        for place, name in enumerate(names)
    )
    some_only = sum(len(counted.get(entity, ())) for entity in entities) < len(cast)
    return AgreementReport(len(entities), len(set(images)), len(cast), questions, people, some_only)


def _measure_question(
    name: str, table: VoteTable, measured: VoteTable, forms: Sequence[DraftForm], resamples: int, seed: int
) -> QuestionAgreement:
    agreement = AgreementMeasures(measured)
    measures = estimate_intervals(agreement, resamples=resamples, seed=seed)
    machine, machine_n = None, 0
    if name != DROP:
        drafted = np.array([float(ANSWERS.index(form.answers[name])) for form in forms])
        equal = np.where(np.isnan(table.majority), np.nan, drafted == table.majority)
        share = Share(table.image_ids, equal)
        machine, machine_n = estimate_intervals(share, resamples=resamples, seed=seed)["share"], share.n
    return QuestionAgreement(name, agreement.entities, agreement.votes, measures, machine, machine_n)


def _measure_person(
    place: int, name: str, tables: Mapping[str, VoteTable], votes: Sequence[Vote]
) -> AnnotatorAgreement:
    with_majority, yes = {}, {}
    for question, table in tables.items():
        mine, majority = table.values[:, place], table.majority
        both = ~np.isnan(mine) & ~np.isnan(majority)
        with_majority[question] = _mean(mine[both] == majority[both])
        yes[question] = _mean(mine[~np.isnan(mine)])
    seconds = [vote.seconds for vote in votes if vote.seconds is not None]
    median = float(np.median(seconds)) if seconds else None
    keeping = [vote for vote in votes if vote.drop is None]
    dropped = len(votes) - len(keeping)
    return AnnotatorAgreement(name, len(votes), dropped, with_majority, yes, median, _measure_changes(keeping))


def _measure_changes(votes: Sequence[Vote]) -> Changed:
    """What was changed, over votes that keep the entity."""

    def share(differs: Callable[[Vote], bool], among: Sequence[Vote] = votes) -> float | None:
        return _mean(np.array([differs(vote) for vote in among]))

    with_parts = [vote for vote in votes if vote.shown["parts"] is not None]
    return {
        "label": share(lambda vote: normalize_label(vote.label) != normalize_label(vote.shown["label"])),
        "box": share(lambda vote: iou_matrix([vote.bbox_px], [vote.shown["bbox_px"]])[0, 0] < LIKE_DRAFT_IOU),
        **{f"{dimension}_description": share(partial(_edits, dimension)) for dimension in Dimension},
        "parts": share(_edits_parts, with_parts),
    }


def _edits(dimension: str, vote: Vote) -> bool:
    return not same_text(vote.descriptions[dimension], vote.shown["descriptions"][dimension])


def _edits_parts(vote: Vote) -> bool:
    left, shown = vote.parts or {}, vote.shown["parts"]
    return not all(same_text(left.get(part), shown.get(part)) for part in BODY_PARTS)


def _make_reader(name: str) -> Callable[[Vote], float]:
    """A function from a vote to its number: 1 for Yes, 0 for No, nan for no answer."""
    if name == DROP:
        return lambda vote: float(vote.drop is not None)
    return lambda vote: np.nan if vote.answers is None else float(ANSWERS.index(vote.answers[name]))


def _make_table(
    entities: Sequence[str], names: Sequence[str], votes: Mapping[str, Sequence[Vote]], read: Callable[[Vote], float]
) -> FloatArray:
    place = {name: number for number, name in enumerate(names)}
    table = np.full((len(entities), len(names)), np.nan)
    for row, entity in enumerate(entities):
        for vote in votes.get(entity, ()):
            table[row, place[vote.annotator]] = read(vote)
    return table


def _mean(values: Any) -> float | None:
    return float(np.mean(values)) if len(values) else None
