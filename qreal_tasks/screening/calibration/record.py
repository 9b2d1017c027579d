"""What a calibration file says: how a model's probabilities become honest ones, and from which on an image is flagged.

calibration = load_calibration(Path("calibration.json"))
p = calibration.apply(raw, Dimension.REALISM)
flagged = p >= calibration.threshold(Dimension.REALISM)

``qreal screen calibrate`` writes the file, from images of which people said what is flawed (``fit.py``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from qreal_tasks.benchmark import Dimension
from qreal_tasks.files.atomic import write_whole
from qreal_tasks.files.regular import read_text

_SURE = 1e-12
"""P nearer to 0 or 1 counts as that, since its logit would have no end."""
_FARTHEST = 700.0
"""Logit from which on down a probability is 0 in a float's precision, and its exponential none."""

Probability = Annotated[float, Field(ge=0, le=1)]
GoalName = Literal["precision", "recall"]
Calibrate = Callable[[float, Dimension], float]
"""The calibrated probability of a flaw in an image, for the model's."""


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class FittedValue(_Frozen):
    """A number with its 95 % interval: percentiles of a bootstrap over prompts."""

    value: float
    low: float | None
    high: float | None
    n: int
    """Images behind it."""


class ReliabilityBin(_Frozen):
    """The images whose P lies in one of ten equal parts of 0 to 1."""

    p: Probability
    """Mean P."""
    flawed: FittedValue
    """Share of them that is flawed."""


class Reliability(_Frozen):
    """How far P is from the share of flawed images."""

    ece: FittedValue
    """Expected calibration error: mean over the images of the distance between P and share in their bin."""
    bins: tuple[ReliabilityBin | None, ...]
    """Ten; None for an empty one."""


class LabelledMeans(_Frozen):
    """Mean calibrated P of the images that are flawed and of those that are not, and how surely it is known.

    The mean P of other images lies between the two, the nearer to the first the more of them are flawed.
    """

    flawed: Probability
    clean: Probability
    covariance: tuple[float, float, float]
    """Variance of the first, covariance, variance of the second."""


class TemperatureAlone(_Frozen):
    """What a temperature without a shift gives: it makes P less sure or surer, and cannot move it across .5."""

    temperature: Annotated[float, Field(gt=0)]
    reliability: Reliability


class DimensionCalibration(_Frozen):
    """One dimension."""

    temperature: Annotated[float, Field(gt=0)]
    """Divides the logit of P."""
    shift: float = 0.0
    """Is added to that; a file without one was fitted with a temperature alone."""
    threshold: Probability
    """Images whose calibrated P is at least this are flagged."""
    goal: GoalName
    wanted: Probability
    """The precision or recall that the threshold was to reach."""
    precision: FittedValue
    """At the threshold, on the labelled images."""
    recall: FittedValue
    flagged: FittedValue
    """Share of the labelled images."""
    n_flawed: int
    n_clean: int
    auc: FittedValue
    """Of P, over the images; no calibration changes it."""
    means: LabelledMeans
    before: Reliability
    after: Reliability
    alone: TemperatureAlone | None = None

    @property
    def achieved(self) -> FittedValue:
        """What the goal asks for, as reached on the labelled images."""
        return self.precision if self.goal == "precision" else self.recall


class LabelledData(_Frozen):
    """The images that a calibration was fitted on."""

    name: str
    split: str
    images: int
    prompts: int
    is_drawn: bool
    """``qreal mini`` drew them: a calibration on them says nothing about other pictures."""


class Calibration(_Frozen):
    """What a calibration file holds."""

    format: Literal[1] = 1
    model: dict[str, Any]
    """Which model, asked how: what decides the probabilities of a run, as its ``screening.json`` says."""
    data: LabelledData
    dimensions: dict[Dimension, DimensionCalibration]

    def apply(self, p: float, dimension: Dimension) -> float:
        """The calibrated probability of an image: ``sigmoid(logit(p) / temperature + shift)``."""
        fitted = self.dimensions[dimension]
        return temper(p, fitted.temperature, fitted.shift)

    def threshold(self, dimension: Dimension) -> float:
        """The calibrated probability from which on an image is flagged."""
        return self.dimensions[dimension].threshold

    def explain_mismatch(self, asked: Mapping[str, Any]) -> str | None:
        """Say why it cannot be used for a model and what that is asked; None where it was fitted for just these.

        Args:
            asked: what decides the probabilities, as ``asking.identify_asking`` says.
        """
        differing = [name for name, value in asked.items() if self.model.get(name) != value]
        if not differing:
            return None
        return (
            f"was fitted for another model or other questions ({', '.join(differing)} differ), so its probabilities "
            "mean nothing here; fit one with `qreal screen calibrate`"
        )


def temper(p: float, temperature: float, shift: float = 0.0) -> float:
    """A probability with its logit divided by the temperature, then moved by the shift.

    A temperature above 1 brings it nearer to .5, one below away from there; a shift below 0 makes it smaller.

    >>> temper(0.5, 3.0), round(temper(0.9, 2.0), 3), round(temper(0.9, 2.0, -1.0), 3)
    (0.5, 0.75, 0.525)
    """
    inside = min(max(p, _SURE), 1 - _SURE)
    logit = math.log(inside / (1 - inside)) / temperature + shift
    return 1 / (1 + math.exp(-logit)) if logit > -_FARTHEST else 0.0


def load_calibration(path: Path) -> Calibration:
    """Read what ``qreal screen calibrate`` wrote.

    Raises:
        ValueError: it is no calibration file; names the first field that is not as expected.
        OSError: it cannot be read.
    """
    try:
        found = Calibration.model_validate_json(read_text(path))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: no UTF-8 ({error.reason}); expected a file of qreal screen calibrate") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise ValueError(f"{path}: {place}: {first['msg']}; expected a file of qreal screen calibrate") from None
    if missing := [str(one) for one in Dimension if one not in found.dimensions]:
        raise ValueError(f"{path}: nothing about {', '.join(missing)}; fit it anew with qreal screen calibrate")
    return found


def save_calibration(calibration: Calibration, path: Path) -> None:
    """Write a calibration file in one step.

    Raises:
        OSError: it cannot be written.
    """
    write_whole(path, calibration.model_dump_json(indent=1) + "\n")
