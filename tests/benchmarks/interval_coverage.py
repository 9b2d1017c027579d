"""How often the 95 % intervals hold the truth when errors come in clusters: images, not entities, are independent.

    python tests/benchmarks/interval_coverage.py

Each repeat draws 400 new images from one superpopulation, in which the entities of an image share how often the answer
is Yes, how hard they are to judge and which answer the model leans to, and the boxes of an image share how far they are
off and how many are missed. The interval is the project's (``metrics.bootstrap.intervals``) over images; beside it the
same function over entities, pairs or boxes, as if they were independent. The point estimates are the same in both. The
truth is the metric on a sample of the superpopulation that is 250 times as large, whose own error widens nothing that
can be seen here (.05 points of coverage).

Ends with status 1 unless every interval over images covers in 93 to 97 % of the repeats and no other one does.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from qreal_tasks.metrics.bootstrap import Estimate, estimate_intervals
from qreal_tasks.metrics.grounding import GroundingTable, grounding_sums
from qreal_tasks.metrics.judgment import JudgmentTable
from qreal_tasks.metrics.matching import match
from qreal_tasks.metrics.ranking import Ranking
from qreal_tasks.metrics.sums import Ratio, aggregate
from qreal_tasks.records import GroundingRecord, JudgmentRecord, Region

IMAGES, REPEATS, RESAMPLES = 400, 1000, 1000
TRUTH_IMAGES = 100_000
LOW, HIGH = 0.93, 0.97
OBJECTQA, IMAGEQA = ("acc", "f1", "auc"), ("iou", "detection_rate")
METRICS = tuple([("ObjectQA", m) for m in OBJECTQA] + [("ImageQA", m) for m in IMAGEQA])
_SIDE_PX = 1024


@dataclass(frozen=True)
class Entities:
    """Answers to one question about the entities of some images, each array of shape (n_entities,)."""

    image: np.ndarray
    is_yes: np.ndarray
    p_yes: np.ndarray
    read: np.ndarray
    """False where the answer could not be read."""


def draw_entities(rng: np.random.Generator, images: int) -> Entities:
    """About six entities an image; its effects are shared by all of them."""
    image = np.repeat(np.arange(images), 1 + rng.poisson(4.8, images))
    share, hardness, leaning = (rng.normal(0, sd, images)[image] for sd in (0.8, 1.1, 0.8))
    n = len(image)
    is_yes = share - 0.3 + rng.logistic(0, 1, n) > 0
    margin = 1.4 + hardness + rng.logistic(0, 0.8, n)
    logit = np.where(is_yes, margin, -margin) + leaning
    return Entities(image, is_yes, np.round(1 / (1 + np.exp(-logit)), 3), rng.random(n) > 0.01)


def judgments(found: Entities) -> list[JudgmentRecord]:
    """The same as records of a run."""
    return [
        JudgmentRecord(
            *("plausibility_q1", f"i{image}#{number}", f"i{image}", "g", False, "dog", "Yes" if is_yes else "No"),
            *("", ("Yes" if p_yes > 0.5 else "No") if read else None, None if read else "empty", p_yes, None),
            *("1", "", "", "simulated"),
        )
        for number, (image, is_yes, p_yes, read) in enumerate(
            zip(found.image.tolist(), found.is_yes.tolist(), found.p_yes.tolist(), found.read.tolist(), strict=True)
        )
    ]


def true_objectqa(rng: np.random.Generator, images: int) -> dict[str, float]:
    """The three metrics of a large sample, worked out from its arrays."""
    found = draw_entities(rng, images)
    said_yes = found.p_yes > 0.5
    right = found.read & (said_yes == found.is_yes)
    tp, wrong = float((right & found.is_yes).sum()), float((~right).sum())
    ranking = Ranking.of(found.p_yes.tolist(), found.is_yes.tolist(), found.image.tolist())
    auc = ranking.scores(np.ones((1, images))).auc[0]
    return {"acc": float(right.mean()), "f1": 2 * tp / (2 * tp + wrong), "auc": float(auc)}


def draw_groundings(rng: np.random.Generator, images: int) -> list[GroundingRecord]:
    """Up to some seven flawed entities an image; one image in six is clean."""
    return [_grounding(rng, f"i{number}") for number in range(images)]


def _grounding(rng: np.random.Generator, image_id: str) -> GroundingRecord:
    count = 0 if rng.random() < 1 / 6 else 1 + rng.poisson(2.8)
    missed, spread = rng.beta(0.8, 2.0), math.exp(rng.normal(math.log(0.12), 1.0))
    corners, sizes = rng.uniform(0, 700, (count, 2)), rng.uniform(60, 320, (count, 2))
    reference = np.concatenate([corners, corners + sizes], axis=1)
    noise = rng.normal(0, spread, (count, 4)) * np.concatenate([sizes, sizes], axis=1)
    seen = (reference + noise)[rng.random(count) > missed]
    invented = rng.uniform(0, 700, (rng.poisson(rng.gamma(0.3, 1.5)), 2))
    invented = np.concatenate([invented, invented + rng.uniform(60, 320, invented.shape)], axis=1)
    return GroundingRecord(
        *("realism", image_id, "g", False, _SIDE_PX, _SIDE_PX, "pixels", None, "", None),
        *(_regions(np.concatenate([seen, invented])), {}, 0, _regions(reference), "1", "", "", "simulated"),
    )


def _regions(boxes: np.ndarray) -> tuple[Region, ...]:
    boxes = np.clip(boxes, 0, _SIDE_PX)
    low, high = np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:]) + 1e-3
    return tuple(Region("thing", tuple(box), "") for box in np.concatenate([low, high], axis=1).tolist())


def true_imageqa(seed: int, images: int) -> dict[str, list[Ratio]]:
    """Sums per image of a part of the large sample."""
    rng = np.random.default_rng(seed)
    sums = [grounding_sums(record) for record in draw_groundings(rng, images)]
    return {metric: [row[metric] for row in sums] for metric in IMAGEQA}


def as_if_independent(records: list[GroundingRecord]) -> GroundingTable:
    """The same point estimates with a unit for each pair (``iou``) and each predicted box (``detection_rate``).

    A pair weighs one over the pairs of its image, so that the ratio of sums is still the mean over images of means.
    """
    iou: list[Ratio] = []
    detection: list[Ratio] = []
    for record in records:
        pairs = match(record.predicted, record.reference)
        iou += [Ratio(pair.iou / len(pairs), 1 / len(pairs)) for pair in pairs]
        hits = sum(pair.iou > 0.5 for pair in pairs)
        boxes = len(record.predicted) if record.reference else 0
        detection += [Ratio(number < hits, 1) for number in range(boxes)]
    units = max(len(iou), len(detection))
    padded = {"iou": iou, "detection_rate": detection}
    return GroundingTable(
        tuple(map(str, range(units))),
        {metric: tuple(rows + [Ratio(0, 0)] * (units - len(rows))) for metric, rows in padded.items()},
    )


def one_repeat(repeat: int, images: int = IMAGES, resamples: int = RESAMPLES) -> dict[str, dict[str, list[Estimate]]]:
    """Task and metric to the interval over images and the one over entities, pairs or boxes."""
    rng = np.random.default_rng([1, repeat])
    answers, grounded = draw_entities(rng, images), draw_groundings(rng, images)
    clustered = JudgmentTable.of(judgments(answers))
    alone = JudgmentTable.of(judgments(replace(answers, image=np.arange(len(answers.image)))))
    found: dict[str, dict[str, list[Estimate]]] = {}
    for task, metrics, tables in (
        ("ObjectQA", OBJECTQA, (clustered, alone)),
        ("ImageQA", IMAGEQA, (GroundingTable.of(grounded), as_if_independent(grounded))),
    ):
        both = [estimate_intervals(table, resamples=resamples, seed=repeat) for table in tables]
        found[task] = {metric: [estimates[metric] for estimates in both] for metric in metrics}
    return found


@dataclass(frozen=True)
class Coverage:
    """Share of repeats whose interval holds the truth, and the mean width of the intervals."""

    covered: float
    width: float


def coverages(
    repeats: int,
    images: int = IMAGES,
    resamples: int = RESAMPLES,
    truth_images: int = TRUTH_IMAGES,
    mapped: Callable[..., Iterable[Any]] = map,
) -> Iterator[tuple[str, str, float, Coverage, Coverage]]:
    """Task, metric, truth, interval over images, independent interval.

    Args:
        mapped: ``map``, or that of a pool of processes.
    """
    truth: dict[str, dict[str, float | None]] = {
        "ObjectQA": dict(true_objectqa(np.random.default_rng(2), truth_images)),
        "ImageQA": {},
    }
    part = max(1, truth_images // 40)
    large = list(mapped(partial(true_imageqa, images=part), range(1000, 1000 + truth_images // part)))
    done = list(mapped(partial(one_repeat, images=images, resamples=resamples), range(repeats)))
    for metric in IMAGEQA:
        truth["ImageQA"][metric] = aggregate(ratio for rows in large for ratio in rows[metric])
    for task, metric in METRICS:
        value = truth[task][metric]
        assert value is not None
        by_image, alone = (
            Coverage(
                float(np.mean([e.low <= value <= e.high for e in estimates])),
                float(np.mean([e.high - e.low for e in estimates])),
            )
            for estimates in ([found[task][metric][which] for found in done] for which in (0, 1))
        )
        yield task, metric, value, by_image, alone


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=REPEATS)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    error = math.sqrt(0.95 * 0.05 / arguments.repeats)
    print(
        f"{arguments.repeats:,} repeats of {IMAGES} images, {RESAMPLES:,} resamples; error of a coverage: ±{error:.3f}"
    )
    print(f"{'':26}{'':>8}{'over images':>18}{'independent':>18}")
    print(f"{'':26}{'truth':>8}{'covers':>10}{'width':>8}{'covers':>10}{'width':>8}")
    passed = True
    with ProcessPoolExecutor(arguments.workers) as pool:
        for task, metric, value, by_image, alone in coverages(arguments.repeats, mapped=pool.map):
            numbers = f"{by_image.covered:>10.3f}{by_image.width:>8.3f}{alone.covered:>10.3f}{alone.width:>8.3f}"
            print(f"{task + ' ' + metric:26}{value:>8.3f}{numbers}")
            passed &= LOW <= by_image.covered <= HIGH and not LOW <= alone.covered <= HIGH
    print("as required" if passed else f"NOT as required: {LOW:.0%} to {HIGH:.0%} over images, and not if independent")
    sys.exit(not passed)


if __name__ == "__main__":
    main()
