"""The curves of the example as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qreal_tasks.screening.reward.example.experiment import Curve, ExampleResult

_REWARD, _FLAWS = "#1f6fb8", "#c4561d"


def write_chart(result: ExampleResult, path: Path) -> None:
    """Draw both curves side by side into a PNG.

    Raises:
        ImportError: matplotlib is not installed.
        OSError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.4), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    _draw(left, result.best_of_n, "Choosing: the best of N pictures", "N, pictures to choose from")
    _draw(right, result.policy, "Training: a policy that learns from the reward", "step")
    left.set_ylabel("mean over the pictures")
    right.legend(loc="upper right")
    figure.suptitle("Drawn scenes, flaws known by construction; training never sees them", fontsize=10)
    figure.savefig(path, dpi=110, format="png")


def _draw(axes: Any, curve: Curve, title: str, below: str) -> None:
    axes.plot(curve.at, curve.reward, "o-", color=_REWARD, label="reward of the model")
    axes.plot(curve.at, curve.true_flaw_rate, "s--", color=_FLAWS, label="true flaw rate")
    axes.set_title(title, fontsize=11)
    axes.set_xlabel(below)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xticks(curve.at if len(curve.at) <= 12 else curve.at[:: len(curve.at) // 8])
    axes.grid(alpha=0.25)
