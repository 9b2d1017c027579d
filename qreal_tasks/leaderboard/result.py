"""What the board keeps of a checked submission: numbers, headlines with their draws, and no samples."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from qreal_tasks.benchmark import QUESTION_NAMES
from qreal_tasks.leaderboard.lints import MOST_LEFT_OUT, find_notes
from qreal_tasks.leaderboard.submission.check import CheckedSubmission
from qreal_tasks.leaderboard.submission.claims import SEED
from qreal_tasks.leaderboard.submission.manifest import SubmissionManifest
from qreal_tasks.leaderboard.submission.problems import Refusal
from qreal_tasks.leaf_tasks import MEAN, MEAN_SETS, Half, half_of
from qreal_tasks.metrics.bootstrap import RESAMPLES, percentiles, resample_weights
from qreal_tasks.metrics.catalogue import HALVES, PAPER_IMAGEQA
from qreal_tasks.metrics.grounding import GroundingTable, score_grounding
from qreal_tasks.metrics.objectqa import OVERALL, ObjectQATable
from qreal_tasks.metrics.sums import FloatArray, mean_of_all, none_if_nan
from qreal_tasks.records import GroundingRecord, JudgmentRecord, Record
from qreal_tasks.results.score import GroupScores, RunScores
from qreal_tasks.text.redaction import without_private

OBJECTQA_AUC, IMAGEQA_F1, IMAGEQA_JOINT = "objectqa_auc", "imageqa_f1_at_50", "imageqa_joint_score"
HEADLINES = (OBJECTQA_AUC, IMAGEQA_F1, IMAGEQA_JOINT)
"""What ranks are made of: mean AUC of the six questions; F1 at .5 and joint score, means over realism and
plausibility."""

MEAN_METRICS = (
    *("f1_at_50", "joint_score", "penalized_overlap", *PAPER_IMAGEQA),
    *("recall_at_50", "false_alarm", "unparsed"),
)
"""What has a mean over the sets of ``MEAN_SETS``."""

MetricValue = Mapping[str, float | None]
"""``value``, ``low``, ``high``."""


@dataclass(frozen=True)
class Ends:
    """Both ends of an interval, as ``pages.numbers.interval`` takes them."""

    low: float | None
    high: float | None

    @classmethod
    def of(cls, number: MetricValue) -> Ends:
        return cls(number.get("low"), number.get("high"))


@dataclass(frozen=True)
class Result:
    """One submission, accepted or refused."""

    folder: str
    problems: tuple[Refusal, ...]
    manifest: SubmissionManifest | None
    groups: Mapping[str, Mapping[str, MetricValue]]
    """``objectqa.<question, dimension or overall>`` and ``imageqa.<set or mean>`` to metric to number."""
    baselines: Mapping[str, Mapping[str, Mapping[str, float | None]]]
    """The same groups to name to metric to value, of answers that need no model."""
    generators: Mapping[str, MetricValue]
    """Generator to what was reached on its images: ``images``, ``acc``, ``auc``, ``f1_at_50``."""
    notes: tuple[str, ...]
    draws: Mapping[str, FloatArray]
    """Headline to its value on each draw of images."""
    unranked: Mapping[str, str]
    """Headline to why it does not rank."""
    answers: Mapping[str, str]
    """Half to what its answers hash to, ``digest_answers``: copies have the same."""


def refuse(folder: str, *problems: Refusal, manifest: SubmissionManifest | None = None) -> Result:
    """What is kept of a refused submission: only its reasons, which are published, and quote it."""
    told = tuple(Refusal(problem.kind, without_private(problem.message)) for problem in problems)
    return Result(folder, told, manifest, {}, {}, {}, (), {}, {}, {})


def build_result(checked: CheckedSubmission, resamples: int = RESAMPLES) -> Result:
    """The numbers of a check; a refused submission keeps only its reasons."""
    if checked.problems or checked.run is None or checked.scores is None:
        return refuse(checked.folder, *checked.problems, manifest=checked.manifest)
    groups = list_numbers(checked.scores)
    records = checked.run.records
    means, draws = compute_image_means(records, resamples)
    if means:
        groups[f"imageqa.{MEAN}"] = means
    if judgments := checked.run.judgments():
        draws[OBJECTQA_AUC] = _objectqa_draws(judgments, resamples)
    return Result(
        folder=checked.folder,
        problems=(),
        manifest=checked.manifest,
        groups=groups,
        baselines={key: group.baselines for key, group in _rows(checked.scores)},
        generators=_by_generator(records),
        notes=tuple(find_notes(checked.scores)),
        draws=draws,
        unranked=_unranked(groups),
        answers={
            half.value: digest_answers(some)
            for half in Half
            if (some := [record for record in records if half_of(record) is half])
        },
    )


def digest_answers(records: Iterable[Record]) -> str:
    """SHA-256 of what a model gave: sample, text and P(Yes); what may be written beside them changes nothing."""
    lines = sorted(
        json.dumps([record.question, record.entity_id, record.raw, record.p_yes])
        if isinstance(record, JudgmentRecord)
        else json.dumps([record.set_name, record.image_id, record.raw])
        for record in records
    )
    return hashlib.sha256("\n".join(lines).encode("ascii")).hexdigest()


def find_headline(result: Result, name: str) -> MetricValue | None:
    """The number that a headline ranks by; None where the submission has none."""
    group, metric = {
        OBJECTQA_AUC: (f"objectqa.{OVERALL}", "auc"),
        IMAGEQA_F1: (f"imageqa.{MEAN}", "f1_at_50"),
        IMAGEQA_JOINT: (f"imageqa.{MEAN}", "joint_score"),
    }[name]
    found = result.groups.get(group, {}).get(metric)
    return found if found is not None and found["value"] is not None else None


def _rows(scores: RunScores) -> Iterator[tuple[str, GroupScores]]:
    return ((f"{half}.{name}", group) for half in HALVES for name, group in scores.groups(half).items())


def list_numbers(scores: RunScores) -> dict[str, dict[str, MetricValue]]:
    """Every metric of every row with the ends of its interval, where it has one."""
    found: dict[str, dict[str, MetricValue]] = {}
    for key, group in _rows(scores):
        found[key] = {}
        for metric, value in group.metrics.items():
            ends = group.intervals.get(metric)
            low, high = (ends.low, ends.high) if ends else (None, None)
            found[key][metric] = {"value": value, "low": low, "high": high}
    return found


def _objectqa_draws(records: Sequence[JudgmentRecord], resamples: int) -> FloatArray:
    table = ObjectQATable(records)
    parts = [
        table.resampled(weights)[OVERALL, "auc"]
        for weights in resample_weights(len(table.image_ids), resamples=resamples, seed=SEED)
    ]
    return np.concatenate(parts).astype(np.float32)


def compute_image_means(
    records: Sequence[Record], resamples: int
) -> tuple[dict[str, MetricValue], dict[str, FloatArray]]:
    """Means over realism and plausibility, drawn together: both sets ask about the same images."""
    tables = [
        GroundingTable.of([r for r in records if isinstance(r, GroundingRecord) and r.set_name == name])
        for name in MEAN_SETS
    ]
    if not all(table.image_ids for table in tables) or tables[0].image_ids != tables[1].image_ids:
        return {}, {}
    points = [table.point() for table in tables]
    parts: dict[str, list[FloatArray]] = {metric: [] for metric in MEAN_METRICS}
    for weights in resample_weights(len(tables[0].image_ids), resamples=resamples, seed=SEED):
        drawn = [table.resampled(weights) for table in tables]
        for metric in MEAN_METRICS:
            parts[metric].append(np.mean([one[metric] for one in drawn], axis=0))
    found: dict[str, MetricValue] = {}
    for metric in MEAN_METRICS:
        value = mean_of_all([point[metric] for point in points])
        low, high, _ = percentiles(value, np.concatenate(parts[metric]))
        found[metric] = {"value": value, "low": low, "high": high}
    draws = {IMAGEQA_F1: "f1_at_50", IMAGEQA_JOINT: "joint_score"}
    return found, {name: np.concatenate(parts[metric]).astype(np.float32) for name, metric in draws.items()}


def _by_generator(records: Sequence[Record]) -> dict[str, MetricValue]:
    found: dict[str, MetricValue] = {}
    by_generator: dict[str, list[Record]] = {}
    for record in records:
        by_generator.setdefault(record.generator, []).append(record)
    for generator, mine in sorted(by_generator.items()):
        judgments = [record for record in mine if isinstance(record, JudgmentRecord)]
        row: dict[str, float | None] = {"images": len({record.image_id for record in mine})}
        if judgments:
            table = ObjectQATable(judgments)
            once = table.resampled(np.ones((1, len(table.image_ids))))
            row |= {metric: none_if_nan(float(once[OVERALL, metric][0])) for metric in ("acc", "auc")}
        row["f1_at_50"] = _mean_f1(mine)
        found[generator] = row
    return found


def _mean_f1(records: Sequence[Record]) -> float | None:
    return mean_of_all(
        [
            score_grounding([r for r in records if isinstance(r, GroundingRecord) and r.set_name == name])["f1_at_50"]
            for name in MEAN_SETS
        ]
    )


def _unranked(groups: Mapping[str, Mapping[str, MetricValue]]) -> dict[str, str]:
    """Headlines that rest on too few of the items; the worst question or set decides, since a mean hides it."""
    questions, sets = [f"objectqa.{name}" for name in QUESTION_NAMES], [f"imageqa.{name}" for name in MEAN_SETS]
    found: dict[str, str] = {}
    for name, among, metric, what in (
        (OBJECTQA_AUC, questions, "without_p", "of the items have no P(Yes)"),
        (OBJECTQA_AUC, questions, "unparsed", "of the answers could not be read, so that P(Yes) cannot be checked"),
        (IMAGEQA_JOINT, sets, "unjudged", "of the pairs are unjudged"),
    ):
        shares = {group: groups.get(group, {}).get(metric, {}).get("value") or 0 for group in among}
        worst = max(shares, key=lambda group: shares[group])
        if shares[worst] > MOST_LEFT_OUT:
            why = f"{worst.partition('.')[2]}: {shares[worst]:.1%} {what}; at most {MOST_LEFT_OUT:.1%} may be"
            found.setdefault(name, why)
    return found
