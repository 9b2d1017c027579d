"""Labelled images and a calibration fitted on them, without a model or a dataset."""

from __future__ import annotations

from typing import Any

import numpy as np

from qreal_tasks.benchmark import Dimension
from qreal_tasks.screening.calibration.fit import LabelledImage, fit_dimension
from qreal_tasks.screening.calibration.record import Calibration, LabelledData


def draw_labelled(
    n: int, rng: np.random.Generator, temperature: float = 1.0, rate: float = 0.4, shift: float = 0.0
) -> list[LabelledImage]:
    """Images of which P is the true probability of a flaw, made too sure by a temperature, and too high by a shift of
    its logit; three of each prompt."""
    logit = rng.normal(np.log(rate / (1 - rate)), 2.0, n)
    flawed = rng.random(n) < 1 / (1 + np.exp(-logit))
    p = 1 / (1 + np.exp(-(logit * temperature + shift)))
    return [
        LabelledImage(float(one), bool(is_so), f"prompt {at // 3}")
        for at, (one, is_so) in enumerate(zip(p, flawed, strict=True))
    ]


def fit_made_up(n: int = 300, temperature: float = 2.0, resamples: int = 200, **model: Any) -> Calibration:
    """A calibration for a precision of .8, on drawn labels."""
    rng = np.random.default_rng(0)
    return Calibration(
        model=model,
        data=LabelledData(name="made-up", split="test", images=n, prompts=n // 3, is_drawn=False),
        dimensions={
            one: fit_dimension(draw_labelled(n, rng, temperature), "precision", 0.8, resamples=resamples)
            for one in Dimension
        },
    )
