"""Every number of a run, recomputed from its records by the functions that computed it live."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from qreal_tasks.answers import locate_regions, parse_entities, parse_judgment
from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES, Answer
from qreal_tasks.boxes import Space
from qreal_tasks.leaf_tasks import task_versions
from qreal_tasks.metrics.baselines import predict_whole_image, score_constant_answer
from qreal_tasks.metrics.bootstrap import Estimate
from qreal_tasks.metrics.catalogue import IMAGEQA_LIVE, OBJECTQA_LIVE
from qreal_tasks.metrics.feasibility import Feasibility, check_records
from qreal_tasks.metrics.grounding import grounding_intervals, score_grounding
from qreal_tasks.metrics.judgment import count_unparsed_reasons
from qreal_tasks.metrics.objectqa import objectqa_intervals, score_objectqa, split_by_question
from qreal_tasks.records import GroundingRecord, JudgmentRecord, Record
from qreal_tasks.results.run_folder import Run, TaskRun

TOLERANCE = 1e-9
"""Live and recomputed numbers are the same sums; only another machine's rounding may come between."""


@dataclass(frozen=True)
class GroupScores:
    """One row of a table: a question, a dimension's mean, or an ImageQA set."""

    metrics: Mapping[str, float | None]
    intervals: Mapping[str, Estimate]
    """Empty when no resampling was asked for."""
    baselines: Mapping[str, Mapping[str, float | None]]
    """Name to the metrics of an answer that needs no model."""
    unread: Mapping[str, int]
    """Answers that could not be read, by reason."""
    unjudged: Mapping[str, int] = field(default_factory=dict)
    """Pairs that the judge could not answer, by reason."""
    verdict: Feasibility | None = None
    """Whether AUC and decision can belong together; ObjectQA questions with P(Yes) only."""

    def best_baseline(self, metric: str) -> tuple[float, str] | None:
        """The best value that an answer without a model reaches, and which answer that is."""
        known = ((value, name) for name, row in self.baselines.items() if (value := row.get(metric)) is not None)
        return max(known, default=None)


@dataclass(frozen=True)
class RunScores:
    """All rows of a run."""

    run: Run
    objectqa: Mapping[str, GroupScores]
    """Questions that were asked, then the dimensions and the mean over all that are complete."""
    imageqa: Mapping[str, GroupScores]

    def groups(self, half: str) -> Mapping[str, GroupScores]:
        """The rows of ``objectqa`` or of ``imageqa``."""
        return self.objectqa if half == "objectqa" else self.imageqa

    @property
    def rows(self) -> dict[str, GroupScores]:
        """What was asked: the questions and the sets, without the means.

        A dimension's mean and an ImageQA set share a name, so they cannot stand in one mapping.
        """
        return {**{name: self.objectqa[name] for name in QUESTION_NAMES if name in self.objectqa}, **self.imageqa}


def score_run(run: Run, resamples: int = 10_000, seed: int = 0) -> RunScores:
    """Recompute a run.

    Args:
        resamples: of the bootstrap over images; 0 for no intervals.

    Raises:
        ValueError: records that contradict each other, an item twice, or an impossible value; names the record.
    """
    judgments = run.judgments()
    groundings = {name: run.groundings(name) for name in IMAGEQA_SETS}
    return RunScores(
        run=run,
        objectqa=_score_objectqa(judgments, resamples, seed) if judgments else {},
        imageqa={name: _score_imageqa(rs, resamples, seed) for name, rs in groundings.items() if rs},
    )


def _score_objectqa(records: Sequence[JudgmentRecord], resamples: int, seed: int) -> dict[str, GroupScores]:
    by_question = split_by_question(records)
    intervals = objectqa_intervals(records, resamples=resamples, seed=seed) if resamples else {}
    found: dict[str, GroupScores] = {}
    for group, metrics in score_objectqa(records).items():
        rows = by_question.get(group)
        asked = bool(rows) if rows is not None else metrics.get("acc") is not None
        if not asked:
            continue
        share = metrics.get("yes_share")
        alone = rows is not None and share is not None
        found[group] = GroupScores(
            metrics=metrics,
            intervals=intervals.get(group, {}),
            baselines={f"always {a}": score_constant_answer(share, a) for a in Answer}
            if alone and share is not None
            else {},
            unread=count_unparsed_reasons(rows or []),
            verdict=check_records(rows) if rows else None,
        )
    order = {name: position for position, name in enumerate(QUESTION_NAMES)}
    return dict(sorted(found.items(), key=lambda item: order.get(item[0], len(order))))


def _score_imageqa(records: Sequence[GroundingRecord], resamples: int, seed: int) -> GroupScores:
    reasons = Counter(r.reason for r in records if r.reason is not None)
    return GroupScores(
        metrics=score_grounding(records),
        intervals=grounding_intervals(records, resamples=resamples, seed=seed) if resamples else {},
        baselines={"whole image": score_grounding(predict_whole_image(records))},
        unread=dict(sorted(reasons.items())),
        unjudged=dict(sorted(sum((Counter(r.unjudged) for r in records), Counter[str]()).items())),
    )


def find_differences(run: Run, scores: RunScores) -> list[str]:
    """Where the live run's numbers are not the recomputed ones: task, metric, both numbers."""
    found = []
    for task in run.tasks:
        for metric, value in expected_live(task, scores).items():
            if metric not in task.live:
                if task.version != task_versions().get(task.task):
                    continue  # reported since a later version of the task
                found.append(f"{task.task} {metric}: not in the results, recomputed {value}")
            elif not is_same_value(task.live[metric], value):
                found.append(f"{task.task} {metric}: live {task.live[metric]!r:.80}, recomputed {value}")
        found += [f"{task.task} {contradiction}" for record in task.records if (contradiction := _misread(record))]
    return found


def expected_live(task: TaskRun, scores: RunScores) -> dict[str, float | None]:
    """What the live run must have reported for a task: how many records, and the metrics recomputed from them."""
    names = OBJECTQA_LIVE if task.name in QUESTION_NAMES else IMAGEQA_LIVE
    metrics = {name: scores.rows[task.name].metrics[name] for name in names} if task.name in scores.rows else {}
    return {"records": len(task.records), **metrics}


def _misread(record: Record) -> str | None:
    """How the parsed value of a record contradicts its own raw text, or None."""
    if isinstance(record, JudgmentRecord):
        read = parse_judgment(record.raw, reasoning_marks=record.reasoning_marks).answer
        return None if read == record.answer else f"{record.entity_id}: answer {record.answer}, its text reads {read}"
    if record.reason is not None:
        return None if not record.predicted else f"{record.image_id}: boxes in an answer that could not be read"
    entities = parse_entities(record.raw, reasoning_marks=record.reasoning_marks)
    located = locate_regions(entities, Space(record.space), record.width, record.height, record.input_size)
    if entities.reason is None and located.regions == record.predicted:
        return None
    return f"{record.image_id}: {len(record.predicted)} boxes that are not those of its text"


def is_same_value(reported: object, computed: object) -> bool:
    """Whether a reported value is the recomputed one: numbers within ``TOLERANCE``, all else exactly.

    >>> [is_same_value(*pair) for pair in ((1, 1.0), (10**400, 1.0), (True, 1.0), (None, None))]
    [True, False, False, True]
    """
    kinds = (type(reported), type(computed))
    if isinstance(reported, int | float) and isinstance(computed, int | float) and bool not in kinds:
        try:
            return math.isclose(reported, computed, rel_tol=0, abs_tol=TOLERANCE)
        except OverflowError:  # an integer that fits no float
            return False
    return kinds[0] is kinds[1] and reported == computed


def to_json(scores: RunScores) -> dict[str, Any]:
    """The scores as plain JSON values, undefined as null."""
    run = scores.run
    return {
        "model": run.model,
        "model_args": run.model_args,
        "data": run.data,
        "prompts": run.style,
        "drawn": run.is_drawn,
        "limit": run.limit,
        "predictions": run.origin and run.origin.model_dump(mode="json"),
        "judges": list(run.judges),
        "task_versions": {task.task: task.version for task in run.tasks},
        "objectqa": {name: asdict(group) for name, group in scores.objectqa.items()},
        "imageqa": {name: asdict(group) for name, group in scores.imageqa.items()},
    }
