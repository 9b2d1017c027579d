"""How long scoring a full-size run takes, against the import of the harness that produced it.

    python tests/benchmarks/scoring.py

Scored: 2,316 entities x 6 questions and 400 images x 3 sets with descriptions, every metric with its interval
from 10,000 resamples. Each repeat is a process of its own, start and imports included, taken in turns with
``import lmms_eval.evaluator``; the table gives medians. The floor is what no implementation of this bootstrap
can avoid with these building blocks: one running total over every scored item per resample, and the products
of weights and sums, at the rates this machine reaches in the same run.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

import numpy as np

from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTION_NAMES
from qreal_tasks.metrics.grounding import GroundingTable, grounding_intervals, score_grounding
from qreal_tasks.metrics.judgment import COUNTS
from qreal_tasks.metrics.objectqa import objectqa_intervals, score_objectqa
from qreal_tasks.records import GroundingRecord, JudgmentRecord, Region

ENTITIES, IMAGES, RESAMPLES = 2316, 400, 10_000
YES_SHARE = (0.402, 0.404, 0.433, 0.631, 0.600, 0.112)
LABELS = ("person", "dog", "table", "tree", "sign")


def judgments(rng: np.random.Generator) -> list[JudgmentRecord]:
    """Answers that are right about three times in four, P(Yes) with ties, a few unread answers."""
    image = np.sort(rng.integers(0, IMAGES, ENTITIES))
    found = []
    for name, share in zip(QUESTION_NAMES, YES_SHARE, strict=True):
        for entity in range(ENTITIES):
            yes = rng.random() < share
            p_yes = round(float(rng.beta(4, 2) if yes else rng.beta(2, 4)), 3)
            answer = None if rng.random() < 0.01 else ("Yes" if p_yes > 0.5 else "No")
            found.append(
                JudgmentRecord(
                    question=name,
                    entity_id=f"image{image[entity]:03}#{entity}",
                    image_id=f"image{image[entity]:03}",
                    generator="pretend",
                    is_portrait=False,
                    label=LABELS[entity % len(LABELS)],
                    reference="Yes" if yes else "No",
                    raw=answer or "",
                    answer=answer,
                    reason=None if answer else "neither Yes nor No",
                    p_yes=p_yes,
                    mass=0.98,
                    prompt_version="1",
                    pre_prompt="",
                    post_prompt="",
                    data="synthetic",
                )
            )
    return found


def groundings(rng: np.random.Generator, set_name: str) -> list[GroundingRecord]:
    """Up to seven flawed entities an image, found with some noise, some missed and some invented."""
    found = []
    for image in range(IMAGES):
        reference = tuple(_region(rng.uniform(0, 700, 2), rng) for _ in range(rng.integers(0, 8)))
        seen = [_moved(r, rng) for r in reference if rng.random() < 0.7]
        invented = [_region(rng.uniform(0, 700, 2), rng) for _ in range(rng.integers(0, 3))]
        predicted = tuple(seen + invented)
        found.append(
            GroundingRecord(
                set_name=set_name,
                image_id=f"image{image:03}",
                generator="pretend",
                is_portrait=False,
                width=1024,
                height=1024,
                space="norm1000",
                input_size=None,
                raw="",
                reason=None,
                predicted=predicted,
                dropped={},
                clipped=0,
                reference=reference,
                prompt_version="1",
                pre_prompt="",
                post_prompt="",
                data="synthetic",
                scores=tuple(float(s) for s in rng.random(min(len(predicted), len(reference)))),
            )
        )
    return found


def _region(corner: np.ndarray, rng: np.random.Generator) -> Region:
    x, y = corner
    w, h = rng.uniform(50, 300, 2)
    return Region(str(rng.choice(LABELS)), (float(x), float(y), float(x + w), float(y + h)), "something is wrong")


def _moved(region: Region, rng: np.random.Generator) -> Region:
    x1, y1, x2, y2 = (float(v + d) for v, d in zip(region.bbox_px, rng.normal(0, 20, 4), strict=True))
    return Region(region.label, (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2)), region.description)


def score_everything() -> tuple[float, int]:
    """Seconds for every metric with its interval, and how many intervals there were."""
    rng = np.random.default_rng(0)
    answers, sets = judgments(rng), {name: groundings(rng, name) for name in IMAGEQA_SETS}
    start = time.perf_counter()
    score_objectqa(answers)
    intervals = sum(len(group) for group in objectqa_intervals(answers, resamples=RESAMPLES).values())
    for records in sets.values():
        score_grounding(records)
        intervals += len(grounding_intervals(records, resamples=RESAMPLES))
    return time.perf_counter() - start, intervals


def floor_seconds() -> float:
    """Running totals over all scored items and products with all sums, at this machine's rates."""
    rng = np.random.default_rng(0)
    block = rng.integers(0, 4, (ENTITIES, 113)).astype(float)
    totals = _median_seconds(lambda: np.cumsum(block, axis=0)) / block.size
    n_sets = len(GroundingTable.of(()).sums)
    columns = 6 * (len(COUNTS) + 10) + 3 * 2 * n_sets
    weights, sums = rng.random((RESAMPLES, IMAGES)), rng.random((IMAGES, columns))
    return totals * RESAMPLES * ENTITIES * 6 + _median_seconds(lambda: weights @ sums)


def _median_seconds(work) -> float:  # type: ignore[no-untyped-def]
    taken = []
    for _ in range(9):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def _process(*arguments: str) -> tuple[float, str]:
    """Wall seconds and output of a Python process."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], check=True, capture_output=True, text=True)
    return time.perf_counter() - start, done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--once", action="store_true", help="score once in this process and print the seconds")
    arguments = parser.parse_args()
    if arguments.once:
        print(*score_everything())
        return
    ours, scoring, harness, n_intervals = [], [], [], ""
    for _ in range(arguments.repeats):
        wall, printed = _process(__file__, "--once")
        seconds, n_intervals = printed.split()
        ours.append(wall)
        scoring.append(float(seconds))
        harness.append(_process("-c", "import lmms_eval.evaluator")[0])
    rows = (
        ("import lmms_eval.evaluator, whole process", statistics.median(harness)),
        ("score everything, whole process", statistics.median(ours)),
        (f"  of it scoring, {n_intervals} intervals", statistics.median(scoring)),
        ("  floor: running totals and products", floor_seconds()),
    )
    print(f"median of {arguments.repeats} interleaved repeats, {RESAMPLES:,} resamples")
    for name, taken in rows:
        print(f"{name:45}{taken:8.2f} s")
    print(f"{'import / whole process':45}{rows[0][1] / rows[1][1]:8.2f}")
    print(f"{'scoring / floor':45}{rows[2][1] / rows[3][1]:8.2f}")


if __name__ == "__main__":
    main()
