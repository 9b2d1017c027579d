"""The reward that an adapter's options name: one that exists, a server's, or a model to be loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qreal_tasks.screening.reward.client import RemoteReward
from qreal_tasks.screening.reward.reward import QRealReward

AnyReward = QRealReward | RemoteReward


def choose_reward(model: Any, trainer_device: Any = None, /, **options: Any) -> AnyReward:
    """A reward as it is, ``http://…`` as ``RemoteReward``, anything else as ``QRealReward``.

    Args:
        model: a reward, the address of ``qreal serve``, or what ``QRealReward`` takes.
        trainer_device: on which a model of this process is loaded where ``options`` name no other.
        options: of ``QRealReward`` or ``RemoteReward``.

    Raises:
        TypeError: options for a reward that exists already.
    """
    if isinstance(model, QRealReward | RemoteReward):
        if options:
            raise TypeError(f"{', '.join(options)}: options of a reward that exists already; give them when making it")
        return model
    if isinstance(model, str) and model.startswith(("http://", "https://")):
        return RemoteReward(model, **options)
    if trainer_device is not None and isinstance(model, str | Path) and "server" not in options:
        options = {"device": str(trainer_device)} | options
    return QRealReward(model, **options)
