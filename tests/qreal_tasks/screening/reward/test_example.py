"""The example of training with a reward: what is drawn, the rule of learning, and that the reward is what helps."""

from __future__ import annotations

import json
import math
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from qreal_tasks.benchmark import Dimension
from qreal_tasks.screening.reward.example import experiment
from qreal_tasks.screening.reward.example.__main__ import app
from qreal_tasks.screening.reward.example.experiment import run_example
from qreal_tasks.screening.reward.example.generator import HABITS, Drawing, draw, write_scenes
from qreal_tasks.screening.reward.example.policy import HabitPolicy
from qreal_tasks.screening.reward.image_reward import ImageReward
from qreal_tasks.screening.reward.reward import RewardCounts


class KnowingReward:
    """A reward that knows the truth, or gives chance its way; every ninth picture has no answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, knows: bool) -> None:
        self.counts, self._knows = RewardCounts(), knows
        self._truth: dict[bytes, float] = {}
        self._chance = np.random.default_rng(5)
        monkeypatch.setattr(experiment, "draw", self._draw)

    def _draw(self, *given: Any) -> Drawing:
        drawing = draw(*given)
        self._truth[drawing.pixels.tobytes()] = drawing.flaw_rate
        return drawing

    def __call__(self, images: list[Any]) -> list[ImageReward]:
        return [self._judge(one) for one in images]

    def _judge(self, pixels: Any) -> ImageReward:
        self.counts.images += 1
        silent = self.counts.images % 9 == 0
        self.counts.unanswered += silent
        value = 1 - self._truth[pixels.tobytes()] if self._knows else float(self._chance.random())
        return ImageReward(None if silent else value, dict.fromkeys(Dimension), {}, (), 224, 224, {})


def test_every_habit_is_seen_and_without_any_there_is_no_flaw() -> None:
    scenes = write_scenes(6, seed=1)
    assert len({scene.prompt.prompt_id for scene in scenes}) == 6
    for number, scene in enumerate(scenes):
        clean = draw(scene, [False] * len(HABITS), number)
        assert (clean.pixels.shape, clean.flaw_rate) == ((224, 224, 3), 0)
        assert np.array_equal(draw(scene, [False] * len(HABITS), number).pixels, clean.pixels)
        for at, name in enumerate(HABITS):
            one = draw(scene, [place == at for place in range(len(HABITS))], number)
            # A wrong material is both unreal and implausible; a thing has no face or limbs to be wrong.
            possible = {0.0, 0.5} if name == "wrong build" else {1.0} if name == "wrong material" else {0.5}
            assert one.flaw_rate in possible, name
            assert (one.flaw_rate == 0) == np.array_equal(one.pixels, clean.pixels), name


def test_the_policy_climbs_the_gradient_of_the_mean_reward() -> None:
    """On all choices at once, the step is the exact gradient: of a reward that is habit 0 less, and of nothing else."""
    policy = HabitPolicy(2, start=0.5, rate=1.0)
    choices = np.array([[[a, b] for a in (False, True) for b in (False, True)]])
    policy.learn(choices, 1.0 - choices[..., 0])
    assert policy.logits.tolist() == pytest.approx([-0.5, 0.0])
    unknown = HabitPolicy(2, start=0.5, rate=1.0)
    unknown.learn(choices, [[math.nan] * 4])
    assert unknown.logits.tolist() == [0, 0]


def test_the_best_of_n_is_the_mean_over_all_ways_to_take_n() -> None:
    rng = np.random.default_rng(2)
    rewards, rates = rng.random((3, 5)), rng.random((3, 5))
    curve = experiment._best_of_n(experiment._Judged(rewards, rates))
    for place, count in enumerate(curve.at):
        best = [[max(taken, key=lambda at: own[at]) for taken in combinations(range(5), count)] for own in rewards]
        expected = [np.mean([table[row, best[row]].mean() for row in range(3)]) for table in (rewards, rates)]
        assert [curve.reward[place], curve.true_flaw_rate[place]] == pytest.approx(expected)


@pytest.mark.slow
def test_a_reward_that_knows_takes_the_flaws_away_and_one_that_does_not_leaves_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    knowing, guessing = (
        run_example(KnowingReward(monkeypatch, knows=knows), scenes=4, candidates=4, steps=8)  # type: ignore[arg-type]
        for knows in (True, False)
    )
    assert knowing.policy.true_flaw_rate[0] > 0.45
    assert np.mean(knowing.policy.true_flaw_rate[-2:]) < 0.25
    assert all(after < 0.15 for _, after in knowing.habits.values())
    assert knowing.best_of_n.true_flaw_rate[-1] < knowing.best_of_n.true_flaw_rate[0] - 0.2
    assert np.mean(guessing.policy.true_flaw_rate[-2:]) > 0.4
    assert (knowing.images, knowing.unanswered) == (4 * 4 + 8 * 6 * 4, 208 // 9)


@pytest.mark.slow
def test_the_shipped_model_makes_the_pictures_better(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, [str(tmp_path / "out"), "--steps", "4"])
    assert done.exit_code == 0, done.output
    result = json.loads((tmp_path / "out" / "reward.json").read_text(encoding="utf-8"))
    assert result["best_of_n"]["true_flaw_rate"][-1] < result["best_of_n"]["true_flaw_rate"][0] - 0.1
    assert result["best_of_n"]["reward"][-1] > result["best_of_n"]["reward"][0] + 0.1
    assert sum(after < before for before, after in result["habits"].values()) >= 4
    assert (tmp_path / "out" / "reward.png").read_bytes().startswith(b"\x89PNG")
    assert "4 of 4" in done.output
