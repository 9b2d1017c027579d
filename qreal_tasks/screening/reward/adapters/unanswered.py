"""Rewards for code that takes numbers only: what stands in the place of a picture without an answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from enum import StrEnum

from qreal_tasks.screening.reward.image_reward import ImageReward


class Unanswered(StrEnum):
    """What an unanswered picture's reward becomes where None cannot be held."""

    ERROR = "error"
    """An error. The default: a trainer that is not told makes all weights NaN of one NaN, and 0 would be a lie that
    punishes the generator for the model's silence."""
    NAN = "nan"
    """NaN, for code that leaves such samples out of means and losses."""
    MEAN = "mean"
    """The mean of the answered pictures of the same call: neither praise nor blame, as far as the call is a group."""


class UnansweredError(RuntimeError):
    """Some pictures have no reward, and the caller takes nothing but numbers."""


def as_numbers(found: Sequence[ImageReward], rule: Unanswered) -> list[float]:
    """The rewards as floats.

    Raises:
        UnansweredError: some are None and the rule is ``ERROR``, or all are and it is ``MEAN``.
    """
    known = [one.reward for one in found if one.reward is not None]
    lost = [(number, one) for number, one in enumerate(found, start=1) if one.reward is None]
    if not lost or rule is Unanswered.NAN:
        return [math.nan if one.reward is None else one.reward for one in found]
    if rule is Unanswered.MEAN and known:
        mean = sum(known) / len(known)
        return [mean if one.reward is None else one.reward for one in found]
    number, first = lost[0]
    where, reason = next(iter(first.unread.items()), ("reward", "no reason given"))
    mend = "; give unanswered='mean' or 'nan' to go on" if rule is Unanswered.ERROR else ""
    raise UnansweredError(
        f"{len(lost)} of {len(found)} pictures have no reward, the first is picture {number} ({where}: {reason}){mend}"
    )
