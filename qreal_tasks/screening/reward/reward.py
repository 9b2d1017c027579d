"""A reward for training image generators: how free of flaws a model finds their pictures."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from qreal_tasks.api.asking import SETS, Model
from qreal_tasks.api.questions import make_plan
from qreal_tasks.boxes import DEFAULT_BOX_SPACE
from qreal_tasks.images import pixels_digest
from qreal_tasks.llm.errors.retry import StoppedRun
from qreal_tasks.screening.asking import GIVE_UP_AFTER, AskingSettings, describe_failure, identify_asking
from qreal_tasks.screening.assessment import Weighting, assess
from qreal_tasks.screening.calibration.record import Calibration, load_calibration
from qreal_tasks.screening.reward.image_reward import ImageReward
from qreal_tasks.screening.reward.pixel_batches import read_batch

if TYPE_CHECKING:
    from PIL import Image

    from qreal_tasks.api.asking import Prompts
    from qreal_tasks.models.store import Engine

logger = logging.getLogger(__name__)


_NO_OPTIONS_OF_ENGINES = frozenset({"server", "base", "box_space", "store", "api_key"})
"""Options of ``Model`` that it does not hand to the engine, and a secret, which decides nothing."""


@dataclass
class RewardCounts:
    """What a reward was asked for since it was made."""

    images: int = 0
    unanswered: int = 0
    """Images whose reward is None."""
    cached: int = 0
    """Images that were not asked about, since equal pixels had their reward already."""


class QRealReward:
    """A reward from 0 to 1 for every picture of a batch: how free of flaws a model finds it.

    ::

        reward = QRealReward("mini")
        for one in reward(images, maps=True):
            print(one.reward, one.dimensions, one.map)

    A picture whose answers leave a dimension open, or at which alone the model fails, has the reward None and is
    counted as unanswered in ``counts``; it is never 0. The same pictures in the same order get the same rewards; what
    shares a batch may change the last digits of one. Threads may share it: they take turns.

    Args:
        model: folder or hub id, name behind ``server``, an engine, or a ``Model`` (which is then not closed).
        sets, detect: what is asked about a picture, as in ``Model.ask``; by default what ``qreal screen`` asks.
            ``sets=()`` asks for all entities alone, which is fastest; there are no reasons then.
        style: the prompts: ``benchmark`` or ``paper``, as ``prompts`` of ``Model.ask``.
        weighting: of the importance of entities, and so of the map.
        calibration: file of ``qreal screen calibrate``, or its content: the rewards of whole pictures are then made of
            calibrated probabilities. Those of questions and entities, and the map, stay as the model gives them.
        batch_size: pictures that are asked about at once.
        cached: pictures whose rewards are kept in memory, those used last; 0 for none. ``store`` of ``Model`` keeps
            answers in a file beside, also for the next run.
        options: of ``Model``: ``server``, ``store``, ``base``, ``device``, ``dtype`` …

    Raises:
        ValueError: an argument is out of range, or does not suit the model; the calibration is of another one.
        OSError: the model cannot be loaded, or the calibration cannot be read.
    """

    def __init__(
        self,
        model: str | Path | Model | Engine,
        *,
        sets: Sequence[str] = SETS,
        detect: bool = True,
        style: Prompts = "benchmark",
        weighting: Weighting | str = Weighting.AREA,
        calibration: str | Path | Calibration | None = None,
        batch_size: int = 16,
        cached: int = 4096,
        **options: Any,
    ) -> None:
        if batch_size < 1 or cached < 0:
            raise ValueError(
                f"batch_size {batch_size}, cached {cached}: expected 1 or more pictures, and 0 or more of them"
            )
        if not sets and not detect:
            raise ValueError("neither sets nor detect: nothing would find an entity; give sets, or detect=True")
        make_plan(sets, detect, style, DEFAULT_BOX_SPACE)  # refuses what is not known, before the model is loaded
        self._weighting = Weighting(weighting)
        if isinstance(model, Model) and options:
            raise TypeError(f"{', '.join(options)}: options of a Model that is loaded already; give them to Model")
        self._asked: dict[str, Any] = {"sets": tuple(sets), "detect": detect, "prompts": style}
        if isinstance(calibration, str | Path):
            calibration = load_calibration(Path(calibration).expanduser())
        if calibration is not None and isinstance(model, str | Path):  # refused before the model is loaded
            _check_calibration(calibration, _identify_named(model, options, self._asked))
        self._owned = not isinstance(model, Model)
        self.model: Model = model if isinstance(model, Model) else Model(model, **options)
        if calibration is not None and not isinstance(model, str | Path):
            settings = AskingSettings(model=self.model.name, **self._asked)
            _check_calibration(calibration, identify_asking(settings, self.model))
        self.calibration = calibration
        self._batch_size, self._most = batch_size, cached
        self._kept: OrderedDict[str, ImageReward] = OrderedDict()
        self._turn = threading.Lock()
        self.counts = RewardCounts()

    def __call__(self, images: Any, prompts: Sequence[str] | None = None, *, maps: bool = False) -> list[ImageReward]:
        """The reward of every picture, in their order.

        Args:
            images: PIL images, arrays or tensors, as ``read_batch`` takes them.
            prompts: one for each picture, as trainers hand them over. A flaw is one whatever was asked for, so they
                change nothing; only their number is checked.
            maps: with a map of rewards, height x width, for each picture.

        Raises:
            PictureError: something is no picture, or in another range of values; nothing was asked then.
            ValueError: there is not one prompt for each picture.
            StoppedRun: the model's server cannot be asked at all.
            Exception: what the model raised, when it fails at every picture, or at the first twenty.
        """
        pictures = read_batch(images)
        if prompts is not None and len(prompts) != len(pictures):
            raise ValueError(f"{len(prompts)} prompts for {len(pictures)} pictures, expected one for each, or None")
        with self._turn:
            found = self._judge(pictures)
        return [one.with_map() for one in found] if maps else found

    def close(self) -> None:
        """Let go of the model, unless it was given as a ``Model``."""
        if self._owned:
            self.model.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _judge(self, pictures: Sequence[Image.Image]) -> list[ImageReward]:
        keys = [pixels_digest(one) for one in pictures]
        known = {key: self._kept[key] for key in keys if key in self._kept}
        unknown = {key: one for key, one in zip(keys, pictures, strict=True) if key not in known}
        self.counts.cached += len(keys) - len(unknown)
        waiting = list(unknown)
        first: Exception | None = None
        failed = 0
        for start in range(0, len(waiting), self._batch_size):
            batch = waiting[start : start + self._batch_size]
            for key, one in zip(batch, self._ask([unknown[key] for key in batch]), strict=True):
                if isinstance(one, Exception):
                    first, failed = first or one, failed + 1
                    known[key] = ImageReward.without(unknown[key].size, describe_failure(one))
                else:
                    known[key] = one
            if first and failed == start + len(batch) >= min(GIVE_UP_AFTER, len(waiting)):
                raise first
        self._keep(keys, known)
        found = [known[key] for key in keys]
        self.counts.images += len(found)
        self.counts.unanswered += sum(one.reward is None for one in found)
        return found

    def _ask(self, pictures: Sequence[Image.Image]) -> list[ImageReward | Exception]:
        """The rewards of a batch. Where the model fails at that, it is asked about one after the other; where it fails
        at one alone, the error stands for that.
        """
        try:
            findings = self.model.ask(list(pictures), **self._asked)
        except (StoppedRun, OSError, MemoryError):
            raise
        except Exception as error:  # whatever a model's code raises
            if len(pictures) > 1:
                return [one for picture in pictures for one in self._ask([picture])]
            logger.warning("the model failed at a picture", exc_info=error)
            return [error]
        calibrate = None if self.calibration is None else self.calibration.apply
        return [ImageReward.from_assessment(assess(one, self._weighting), calibrate) for one in findings]

    def _keep(self, keys: Sequence[str], known: dict[str, ImageReward]) -> None:
        """Answered ones alone: what failed on the way may be answered the next time."""
        for key in keys:
            if known[key].reward is not None:
                self._kept[key] = known[key]
                self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)


def _identify_named(model: str | Path, options: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the numbers of a model that ``Model(model, **options)`` would load, as ``identify_asking``."""
    named = str(model.expanduser().absolute()) if isinstance(model, Path) else model
    of_engine = {name: one for name, one in options.items() if name not in _NO_OPTIONS_OF_ENGINES}
    base = options.get("base")
    return identify_asking(
        AskingSettings(
            model=base or named,
            adapter=named if base else None,
            server=options.get("server"),
            box_space=options.get("box_space"),
            options=of_engine,
            **asked,
        )
    )


def _check_calibration(calibration: Calibration, asked: Mapping[str, Any]) -> None:
    if reason := calibration.explain_mismatch(asked):
        loaded = "; a model that is loaded already is told by its folder, hub id or server only, so give that"
        raise ValueError(f"the calibration {reason}{loaded if 'loaded' in asked['model'] else ''}")
