"""The reward as TRL's trainers take one: a function of keyword lists, for ``reward_funcs``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qreal_tasks.screening.reward.adapters.choosing import choose_reward

RewardFunc = Callable[..., list[float | None]]


def make_reward_func(model: Any, *, column: str = "image", **options: Any) -> RewardFunc:
    """A function for ``reward_funcs``, which TRL calls with ``prompts``, ``completions`` and every column as lists::

        trainer = GRPOTrainer(..., reward_funcs=[make_reward_func("http://127.0.0.1:8000"), preference])

    It returns a float for each sample, and None where the picture has no answer or there is no picture: TRL leaves
    these out. The share of pictures without an answer is logged as ``qreal_unanswered`` where the trainer has a log.

    Args:
        model: a reward, the address of ``qreal serve``, or a model to be loaded.
        column: the list that holds the pictures, which may be ``completions``. A sample with several pictures, in a
            list, has the mean of their rewards.
        options: of the reward.
    """
    reward = choose_reward(model, **options)

    def qreal_reward(
        *, prompts: Sequence[Any] | None = None, completions: Sequence[Any] | None = None, **columns: Any
    ) -> list[float | None]:
        lists = columns | {"prompts": prompts, "completions": completions}
        if lists.get(column) is None:
            there = ", ".join(name for name, value in lists.items() if isinstance(value, list | tuple))
            raise ValueError(f"no column {column!r} with pictures, found {there}; give column=")
        samples = [_pictures_of(one) for one in lists[column]]
        found = reward([picture for pictures in samples for picture in pictures])
        rewards = iter([one.reward for one in found])
        log = columns.get("log_metric")
        if callable(log) and found:
            log("qreal_unanswered", sum(one.reward is None for one in found) / len(found))
        return [_mean([next(rewards) for _ in pictures]) for pictures in samples]

    return qreal_reward


def _pictures_of(sample: Any) -> Sequence[Any]:
    if sample is None:
        return []
    return sample if isinstance(sample, list | tuple) else [sample]


def _mean(rewards: Sequence[float | None]) -> float | None:
    known = [one for one in rewards if one is not None]
    return sum(known) / len(known) if known and len(known) == len(rewards) else None
