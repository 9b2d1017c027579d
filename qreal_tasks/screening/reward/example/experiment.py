"""Two uses of the reward on a pretend generator: to choose among pictures, and to change what is drawn."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from qreal_tasks.screening.reward.example.generator import HABITS, Drawing, draw, write_scenes
from qreal_tasks.screening.reward.example.policy import HabitPolicy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from qreal_tasks.mini.plan import ImagePlan
    from qreal_tasks.screening.reward.adapters.choosing import AnyReward

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Curve:
    """What the reward says and what is true, side by side."""

    at: list[int]
    """Candidates that were chosen from, or the step of training."""
    reward: list[float]
    true_flaw_rate: list[float]
    """The share of the two dimensions that are truly flawed, the mean over the pictures."""


@dataclass(frozen=True)
class ExampleResult:
    """Both curves, and what the policy learnt."""

    best_of_n: Curve
    policy: Curve
    habits: dict[str, tuple[float, float]]
    """Habit to its probability before and after."""
    images: int
    unanswered: int


@dataclass(frozen=True)
class _Judged:
    """Pictures of some scenes: rewards and true flaw rates, scenes x members, NaN where there was no answer."""

    rewards: NDArray[np.float64]
    flaw_rates: NDArray[np.float64]


def run_example(
    reward: AnyReward,
    seed: int = 0,
    *,
    scenes: int = 10,
    candidates: int = 8,
    steps: int = 12,
    groups: int = 6,
    members: int = 4,
    tell: Tell = lambda text: None,
) -> ExampleResult:
    """Choose the best of N pictures, then let a policy learn to draw better ones; the truth is looked at, never used.

    Args:
        reward: what is maximised.
        seed: of the scenes, the pictures and the choices.
        scenes: of which the best of up to ``candidates`` pictures is chosen.
        steps: of training, each with ``members`` new pictures of each of ``groups`` scenes, the same in every step.
        tell: is given a line now and then.
    """
    rng = np.random.default_rng(seed)
    policy = HabitPolicy(len(HABITS))
    drawn = itertools.count()

    def judge(planned: Sequence[ImagePlan], choices: NDArray[np.bool_]) -> _Judged:
        pictures = [[draw(scene, one, next(drawn)) for one in own] for scene, own in zip(planned, choices, strict=True)]
        return _judge(reward, pictures)

    before = policy.p
    choices = policy.sample(scenes * candidates, rng).reshape(scenes, candidates, -1)
    best = _best_of_n(judge(write_scenes(scenes, seed), choices))
    tell(f"best of {candidates}: true flaw rate {best.true_flaw_rate[-1]:.2f}, of one {best.true_flaw_rate[0]:.2f}")
    rows: list[tuple[float, float]] = []
    planned = write_scenes(groups, seed + 1)
    for step in range(steps):
        choices = policy.sample(groups * members, rng).reshape(groups, members, -1)
        judged = judge(planned, choices)
        policy.learn(choices, judged.rewards)
        rows.append((float(np.nanmean(judged.rewards)), float(judged.flaw_rates.mean())))
        tell(f"step {step + 1} of {steps}: reward {rows[-1][0]:.2f}, true flaw rate {rows[-1][1]:.2f}")
    curve = Curve(list(range(1, steps + 1)), [one[0] for one in rows], [one[1] for one in rows])
    habits = {name: (float(a), float(b)) for name, a, b in zip(HABITS, before, policy.p, strict=True)}
    return ExampleResult(best, curve, habits, reward.counts.images, reward.counts.unanswered)


def _judge(reward: AnyReward, pictures: Sequence[Sequence[Drawing]]) -> _Judged:
    found = iter(reward([one.pixels for own in pictures for one in own]))
    rewards = [[math.nan if (value := next(found).reward) is None else value for _ in own] for own in pictures]
    return _Judged(np.array(rewards), np.array([[one.flaw_rate for one in own] for own in pictures]))


def _best_of_n(judged: _Judged) -> Curve:
    """The expected reward and flaw rate of the best of N, over all ways to take N of a scene's pictures."""
    count = judged.rewards.shape[1]
    order = np.argsort(np.where(np.isnan(judged.rewards), -1, judged.rewards), axis=1, kind="stable")
    rewards = np.take_along_axis(np.nan_to_num(judged.rewards), order, axis=1)
    rates = np.take_along_axis(judged.flaw_rates, order, axis=1)
    curve = Curve([], [], [])
    for chosen_from in range(1, count + 1):
        # The picture at place k from below is the best of those taken in so many of all ways.
        ways = [math.comb(place, chosen_from - 1) for place in range(count)]
        weights = np.array(ways) / math.comb(count, chosen_from)
        curve.at.append(chosen_from)
        curve.reward.append(float((rewards * weights).sum(axis=1).mean()))
        curve.true_flaw_rate.append(float((rates * weights).sum(axis=1).mean()))
    return curve
