"""What a model is asked about new images, by which model, and what that makes of the numbers.

asking = AskingSettings(model="Qwen/Qwen2.5-VL-7B-Instruct")
with PictureAsker(asking) as asker:
    findings = asker.ask(pictures)
identify_asking(asking)  # what decides the numbers: for recipes, and to hold a calibration against a run
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from qreal_tasks.api.asking import SETS, Model
from qreal_tasks.api.pictures import open_pictures
from qreal_tasks.api.questions import ask_pictures, make_plan
from qreal_tasks.benchmark import IMAGEQA_SETS, PROMPT_VERSION
from qreal_tasks.boxes import Space
from qreal_tasks.files.settings import BaseUrl, Settings
from qreal_tasks.models.detector.settings import DetectionSettings
from qreal_tasks.screening.detected_boxes import DetectedBoxes
from qreal_tasks.shipped import NO_ADAPTER, is_shipped
from qreal_tasks.text.one_line import one_line
from qreal_tasks.text.redaction import redact

if TYPE_CHECKING:
    from PIL import Image

    from qreal_tasks.api.findings import PictureFindings
    from qreal_tasks.models.requests import Request, Response

_FORM = 1
"""Changes when other numbers come from the same model, asked the same."""
GIVE_UP_AFTER = 20
"""Pictures, from the first, at all of which a model fails: it is not the pictures then."""
_SECRETS = ("api_key",)
_HOW_FAST = frozenset(
    {
        *("batch_size", "device", "device_map", "prices", "concurrency"),
        *("timeout_s", "max_retries", "first_wait_s", "outage_s"),
    }
)
"""Options of engines that change no number, but for the last digits."""


class OneModel(Settings):
    """A model and where it is."""

    model: str = Field(min_length=1)
    """Folder or hub id of a model, folder of an adapter, ``mini``, or the name that a server knows it by."""
    adapter: str | None = None
    """Folder of an adapter on ``model``."""
    server: BaseUrl | None = None
    """Address of an OpenAI-compatible server, with ``/v1``; null loads the model on this machine."""
    box_space: Space | None = None
    """In which the model writes boxes; null for what its family was trained to write."""
    options: dict[str, Any] = Field(default_factory=dict)
    """Of the engine: ``dtype``, ``batch_size`` … or, with a server, ``concurrency``, ``max_pixels`` …"""

    @field_validator("options")
    @classmethod
    def _hold_no_secret(cls, options: dict[str, Any]) -> dict[str, Any]:
        for name in _SECRETS:
            if name in options:
                raise ValueError(f"{name} is no option of a file that others see; set OPENAI_API_KEY")
        return options

    @model_validator(mode="after")
    def _is_one_place(self) -> Self:
        if self.server and self.adapter:
            raise ValueError("adapter is of a model on this machine; a server has its own name for one with an adapter")
        if is_shipped(self.adapter):
            raise ValueError(NO_ADAPTER)
        return self


class AskingSettings(OneModel):
    """Which model is asked, and what."""

    crop_model: OneModel | None = None
    """Another model for the six questions about each entity; null asks the one that finds the entities."""
    sets: tuple[str, ...] = SETS
    """ImageQA prompts: they give the reasons, and entities that the model finds flawed."""
    detect: bool = True
    """Ask for all entities too, flawed or not."""
    prompts: Literal["benchmark", "paper"] = "benchmark"
    detector: DetectionSettings | None = None
    """Looks for the names that the model gives, and gives the boxes; null takes the model's own."""

    @field_validator("sets")
    @classmethod
    def _are_known(cls, sets: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := [one for one in sets if one not in IMAGEQA_SETS]:
            raise ValueError(f"unknown {', '.join(unknown)}, expected some of {', '.join(IMAGEQA_SETS)}")
        return tuple(dict.fromkeys(sets))

    @model_validator(mode="after")
    def _find_entities(self) -> Self:
        if not self.sets and not self.detect:
            raise ValueError("neither sets nor detect: nothing would find an entity; give sets, or detect")
        return self


class PictureAsker:
    """Asks about pictures as settings say, with models that stay loaded.

    Args:
        model: in place of the one that the settings name, loaded already.

    Raises:
        ValueError: there is no such model, or an option does not suit it.
        OSError: it cannot be loaded.
        StoppedRun: there is no key and OpenAI itself is asked.
    """

    def __init__(self, asking: AskingSettings, model: Model | None = None) -> None:
        self._asking = asking
        self._model = model or _open(asking)
        if asking.crop_model is not None:
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", message=".*boxes are ASSUMED")  # it writes none
                judging = _open(asking.crop_model)
            self._model = Model(TwoModels(self._model, judging))
        self._boxes = None if asking.detector is None else DetectedBoxes(asking.detector)

    def ask(self, pictures: Sequence[Image.Image]) -> list[PictureFindings]:
        """Ask about pictures at once; errors as ``Model.ask``."""
        asked = self._asking
        if self._boxes is not None:
            plan = make_plan(asked.sets, asked.detect, asked.prompts, self._model.box_space)
            opened = open_pictures(pictures)
            return ask_pictures(opened, [None] * len(opened), plan, self._model.answer, self._boxes.relocate)
        return self._model.ask(list(pictures), sets=asked.sets, detect=asked.detect, prompts=asked.prompts)

    def cost(self) -> float | None:
        """Dollars spent so far; None where no prices were given, or no server is asked."""
        return self._model.cost()

    def close(self) -> None:
        """Let go of the models."""
        self._model.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def identify_asking(asking: AskingSettings, model: Model | None = None) -> dict[str, Any]:
    """What decides the numbers of an image, in JSON types: the model's weights or name, and what it is asked.

    Where the model is, and how fast it is asked, is no part: the same weights in another folder or behind another
    address give the same numbers. No model is loaded; the files of one on this machine are read, a second per gigabyte.

    Args:
        model: as ``PictureAsker`` takes it.

    Raises:
        ValueError: there is no such model.
        OSError: its files cannot be read.
    """
    own = {"loaded": model.identity()} if model is not None else _identify(asking)
    crops = asking.crop_model
    return {
        "model": own if crops is None else {**own, "crop_model": _identify(crops)},
        "sets": list(asking.sets),
        "detect": asking.detect,
        "prompts": asking.prompts,
        "detector": None if asking.detector is None else _identify_detector(asking.detector),
        "form": [_FORM, PROMPT_VERSION],
    }


def _identify(one: OneModel) -> dict[str, Any]:
    deciding = {name: value for name, value in sorted(one.options.items()) if name not in _HOW_FAST}
    about = {"box_space": None if one.box_space is None else str(one.box_space), "options": deciding}
    if one.server is not None:
        return {"served": one.model, **about}
    from qreal_tasks.models.sources import resolve_model

    source = resolve_model(one.adapter or one.model, one.model if one.adapter else None)
    from qreal_tasks.models.local.engine import ENGINE_VERSION
    from qreal_tasks.models.local.weights.loading import hash_adapter

    return {
        **_identify_weights(source.pretrained, source.revision),
        "adapter": source.adapter and hash_adapter(source.adapter),
        "engine": ENGINE_VERSION,
        **about,
    }


def _identify_detector(settings: DetectionSettings) -> dict[str, Any]:
    deciding = settings.model_dump(mode="json", exclude={"model", "revision", "device", "batch_size"})
    return {**_identify_weights(settings.model, settings.revision), **deciding}


def _identify_weights(model: str, revision: str | None) -> dict[str, Any]:
    from qreal_tasks.models.local.weights.loading import hash_model_folder, identify_model
    from qreal_tasks.models.sources import find_local_folder

    folder = find_local_folder(model)
    if folder is not None:
        return {"content": hash_model_folder(folder)}
    return identify_model(model, revision, _read_hub_config(model, revision))


def _read_hub_config(name: str, revision: str | None) -> Any:
    """Settings of a model of the hub: they know its commit."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(name, revision=revision)


def _open(one: OneModel) -> Model:
    space = None if one.box_space is None else str(one.box_space)
    try:
        if one.adapter is not None:
            return Model(one.adapter, base=one.model, box_space=space, **one.options)
        return Model(one.model, server=one.server, box_space=space, **one.options)
    except TypeError as error:  # an option that the engine does not know
        raise ValueError(f"options of {one.model}: {error}") from error


def describe_failure(error: Exception) -> str:
    """What is recorded of a picture that the model fails at alone."""
    return redact(f"the model failed: {type(error).__name__}: {one_line(str(error), 300)}")


class TwoModels:
    """Two models as one engine: one finds the entities, the other judges their crops."""

    def __init__(self, finding: Model, judging: Model) -> None:
        self._finding, self._judging = finding, judging
        self.box_space = finding.box_space

    def identity(self) -> Mapping[str, Any]:
        return {"finding": self._finding.identity(), "judging": self._judging.identity()}

    def run(self, requests: Sequence[Request], known: Collection[int] = frozenset()) -> Iterator[tuple[int, Response]]:
        for model, with_choices in ((self._finding, False), (self._judging, True)):
            places = [
                at for at, one in enumerate(requests) if at not in known and bool(one.choices) is with_choices
            ]  # only the six questions have choices
            if places:
                yield from zip(places, model.answer([requests[at] for at in places]), strict=True)

    def cost(self) -> float | None:
        costs = [one for one in (self._finding.cost(), self._judging.cost()) if one is not None]
        return sum(costs) if costs else None
