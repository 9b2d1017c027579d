"""The reward as Flow-Factory takes one: a class that a config names by its full path.

rewards:
  - name: qreal
    reward_model: qreal_tasks.screening.reward.adapters.flow_factory.QRealRewardModel
    weight: 0.3
    batch_size: 16
    qreal_model: http://127.0.0.1:8000
    unanswered: mean
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qreal_tasks.benchmark import Dimension
from qreal_tasks.screening.reward.adapters.choosing import choose_reward
from qreal_tasks.screening.reward.adapters.unanswered import Unanswered, as_numbers

if TYPE_CHECKING:
    import torch

_LOADED = sys.modules.get("flow_factory.rewards.abc")
_Pointwise: Any = object if _LOADED is None else _LOADED.PointwiseRewardModel
"""Flow-Factory asks its own kinds of reward only, and has been imported when it imports this class."""


@dataclass(frozen=True)
class RewardOutput:
    """What the trainer reads: a float tensor with a reward for each sample."""

    rewards: torch.Tensor
    extra_info: Mapping[str, list[float | None]]
    """Rewards of both dimensions."""


class QRealRewardModel(_Pointwise):  # type: ignore[misc]
    """A pointwise reward of prompts and images, as PIL images or as tensors C x H x W in 0 to 1.

    Args:
        config: the entry of the config that names the class. Keys of ours: ``qreal_model``, the address of ``qreal
            serve`` or a model that every process loads on its device; ``qreal_options``, options of the reward;
            ``unanswered``, ``error`` (by default), ``nan`` or ``mean``.
        accelerator: the trainer's, whose device is used.

    Raises:
        ValueError: the config has no ``qreal_model``.
    """

    required_fields = ("prompt", "image")
    use_tensor_inputs = False

    def __init__(self, config: Any, accelerator: Any) -> None:
        if _Pointwise is not object:
            super().__init__(config, accelerator)
        self.config, self.accelerator = config, accelerator
        self.device = getattr(accelerator, "device", None)
        self.model = None  # the trainer moves what is here from device to device
        named = getattr(config, "qreal_model", None)
        if not named:
            raise ValueError(
                "the config of the reward has no qreal_model: give the address of `qreal serve`, or a model"
            )
        self._rule = Unanswered(getattr(config, "unanswered", None) or Unanswered.ERROR)
        self._reward = choose_reward(named, self.device, **(getattr(config, "qreal_options", None) or {}))

    def __call__(self, prompt: Sequence[str], image: Sequence[Any] | None = None) -> RewardOutput:
        """The rewards of a batch.

        Raises:
            ValueError: there are no images, as for a model of video or sound.
            UnansweredError: a picture has none, and the config says nothing of it.
        """
        import torch

        if image is None:
            raise ValueError("no images: this reward is for generators of images")
        found = self._reward(list(image), prompt)
        extra: dict[str, list[float | None]] = {str(one): [each.dimensions[one] for each in found] for one in Dimension}
        return RewardOutput(torch.tensor(as_numbers(found, self._rule), dtype=torch.float32), extra)
