"""Which submitted numbers are not the recomputed ones."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from qreal_tasks.leaderboard.submission.problems import Refusal, Rule
from qreal_tasks.metrics.bootstrap import RESAMPLES
from qreal_tasks.results.run_folder import Run
from qreal_tasks.results.score import RunScores, expected_live, is_same_value, to_json

SEED = 0


def build_scores(run: Run, scores: RunScores, resamples: int = RESAMPLES) -> dict[str, Any]:
    """What ``scores.json`` holds: the live run's numbers, and all recomputed ones with their intervals."""
    recomputed = to_json(scores)
    return {
        "resamples": resamples,
        "seed": SEED,
        "live": {task.task: dict(task.live) for task in run.tasks},
        "objectqa": recomputed["objectqa"],
        "imageqa": recomputed["imageqa"],
    }


def find_wrong_claims(claimed: Mapping[str, Any], recomputed: Mapping[str, Any]) -> list[Refusal]:
    """Every number, name or gap in ``claimed`` that is not in ``recomputed``, without the live numbers."""
    expected = json.loads(json.dumps(recomputed))
    ours = {key: value for key, value in expected.items() if key != "live"}
    theirs = {key: value for key, value in claimed.items() if key != "live"}
    return [Refusal(Rule.NUMBER, f"scores.json: {line}") for line in _unequal(theirs, ours, "")]


def _unequal(claimed: object, found: object, path: str) -> Iterator[str]:
    if isinstance(claimed, Mapping) and isinstance(found, Mapping):
        for key in [*found, *(key for key in claimed if key not in found)]:
            where = f"{path}.{key}" if path else str(key)
            if key not in claimed:
                yield f"{where:.200} is missing, recomputed {_short(found[key])}"
            elif key not in found:
                yield f"{where:.200} is no number of the benchmark; leave it out"
            else:
                yield from _unequal(claimed[key], found[key], where)
    elif isinstance(claimed, list) and isinstance(found, list) and len(claimed) == len(found):
        for number, (one, other) in enumerate(zip(claimed, found, strict=True)):
            yield from _unequal(one, other, f"{path}.{number}")
    elif not is_same_value(claimed, found):
        yield f"{path} is {_short(claimed)}, recomputed {_short(found)}"


def find_wrong_live(claimed: object, run: Run, scores: RunScores) -> list[Refusal]:
    """Where the numbers that the live run reported are not those of the samples."""
    if not isinstance(claimed, Mapping):
        return [
            Refusal(Rule.NUMBER, f"scores.json: live is {_short(claimed)}, expected the live run's numbers by task")
        ]
    lines = [f"live {task} is of no task in the samples" for task in claimed if task not in {t.task for t in run.tasks}]
    for task in run.tasks:
        numbers = claimed.get(task.task)
        if not isinstance(numbers, Mapping):
            lines.append(f"live {task.task} is {_short(numbers)}, expected the live run's numbers")
            continue
        expected = expected_live(task, scores)
        for name in sorted(expected.keys() | numbers.keys()):
            if name not in expected:
                lines.append(f"live {task.task} {name:.80} is no metric of this task")
            elif name not in numbers:
                lines.append(f"live {task.task} {name} is missing, recomputed {_short(expected[name])}")
            elif not is_same_value(numbers[name], expected[name]):
                lines.append(f"live {task.task} {name} is {_short(numbers[name])}, recomputed {_short(expected[name])}")
    return [Refusal(Rule.NUMBER, f"scores.json: {line}") for line in lines]


def _short(value: object) -> str:
    return f"{value!r:.80}"
