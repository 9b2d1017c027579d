"""Temperature, thresholds and reliability of P on labelled images, and the file that holds them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelled import draw_labelled, fit_made_up

from qreal_tasks.benchmark import Dimension
from qreal_tasks.screening.calibration.fit import (
    CalibrationError,
    LabelledImage,
    find_threshold,
    fit_dimension,
    fit_scaling,
)
from qreal_tasks.screening.calibration.record import load_calibration, save_calibration, temper


def _labelled(pairs: list[tuple[float, bool]]) -> list[LabelledImage]:
    return [LabelledImage(p, flawed, f"prompt {at}") for at, (p, flawed) in enumerate(pairs)]


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_the_temperature_that_spoiled_p_is_found_and_p_is_honest_after(temperature: float) -> None:
    images = draw_labelled(4000, np.random.default_rng(1), temperature)
    fitted = fit_dimension(images, "precision", 0.8, resamples=50)
    assert fitted.temperature == pytest.approx(temperature, rel=0.1)
    assert fitted.after.ece.value < 0.03
    if temperature != 1:
        assert fitted.before.ece.value > 0.05
    for one in (one for one in fitted.after.bins if one is not None and one.flawed.n > 100):
        assert one.flawed.value == pytest.approx(one.p, abs=0.12)
    assert sum(one.flawed.n for one in fitted.before.bins if one is not None) == 4000


@pytest.mark.parametrize("shift", [3.0, -2.0])
def test_a_shift_is_found_that_no_temperature_mends(shift: float) -> None:
    images = draw_labelled(4000, np.random.default_rng(4), 1.5, shift=shift)
    fitted = fit_dimension(images, "precision", 0.8, resamples=50)
    assert (fitted.temperature, fitted.shift) == pytest.approx((1.5, -shift / 1.5), rel=0.1)
    assert fitted.alone is not None
    assert fitted.after.ece.value < 0.03 < 0.1 < fitted.alone.reliability.ece.value


def test_p_that_is_above_one_half_everywhere_is_no_reason_to_refuse() -> None:
    images = draw_labelled(1000, np.random.default_rng(6), 0.5, shift=5.0)
    assert min(one.p for one in images) > 0.5
    fitted = fit_dimension(images, "recall", 0.8, resamples=50)
    assert fitted.alone is not None
    assert fitted.alone.temperature == 20.0, "the warmest: alone it would take all P for chance"
    assert fitted.after.ece.value < 0.05
    assert fitted.flagged.value < 0.6


def test_the_scaling_is_the_logistic_regression_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    images = draw_labelled(500, np.random.default_rng(5), 2.0, shift=2.0)
    p, flawed = (np.array([getattr(one, name) for one in images]) for name in ("p", "flawed"))
    logit = np.log(p / (1 - p)).clip(-9.21, 9.21)
    found = LogisticRegression(C=np.inf, tol=1e-10).fit(logit[:, None], flawed)
    scaling = fit_scaling(p, flawed)
    assert 1 / scaling.temperature == pytest.approx(float(found.coef_[0, 0]), rel=1e-3)
    assert scaling.shift == pytest.approx(float(found.intercept_[0]), rel=1e-3)


def test_the_lowest_threshold_of_a_precision_and_the_highest_of_a_recall() -> None:
    images = draw_labelled(400, np.random.default_rng(2))
    p = np.array([one.p for one in images])
    flawed = np.array([one.flawed for one in images])
    for wanted in (0.7, 0.8, 0.9):
        threshold = find_threshold(p, flawed, "precision", wanted)
        assert threshold is not None
        assert flawed[p >= threshold].mean() >= wanted
        assert all(flawed[p >= lower].mean() < wanted for lower in p[p < threshold])
        threshold = find_threshold(p, flawed, "recall", wanted)
        assert threshold is not None
        assert (p >= threshold)[flawed].mean() >= wanted
        assert all((p >= higher)[flawed].mean() < wanted for higher in p if higher > p[p >= threshold].min())


def test_images_of_equal_p_stay_on_one_side() -> None:
    p = np.array([0.9] * 30 + [0.2] * 30)
    flawed = np.array([True] * 24 + [False] * 6 + [True] * 6 + [False] * 24)
    assert find_threshold(p, flawed, "precision", 0.8) == pytest.approx(0.55)
    assert find_threshold(p, flawed, "precision", 0.81) is None
    assert find_threshold(p, flawed, "recall", 0.8) == pytest.approx(0.55)


SPREAD = [(0.1 + 0.8 * at / 99, at % 3 == 0 or at > 60) for at in range(100)]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        pytest.param(_labelled([(0.9, True)] * 100), "100 flawed and 0 clean images", id="one-sided"),
        pytest.param(_labelled([(0.9, True)] * 19 + [(0.1, False)] * 99), "19 flawed and 99 clean", id="few"),
        pytest.param([], "0 flawed and 0 clean", id="none"),
        pytest.param(
            [LabelledImage(p, flawed, f"prompt {at % 9}") for at, (p, flawed) in enumerate(SPREAD)],
            "images of 9 prompts, expected at least 10",
            id="few prompts",
        ),
        pytest.param(
            _labelled([(p, p < 0.5) for p, _ in SPREAD]), r"does not tell flawed .* AUC \.000", id="upside down"
        ),
        pytest.param(
            _labelled([(0.9, at % 2 == 0) for at in range(50)] + [(0.2, at % 5 == 0) for at in range(50)]),
            r"no threshold reaches a precision of \.950: the highest is \.500, with 50 of 100 images flagged",
            id="out of reach",
        ),
    ],
)
def test_what_cannot_be_fitted_is_refused(images: list[LabelledImage], message: str) -> None:
    with pytest.raises(CalibrationError, match=message):
        fit_dimension(images, "precision", 0.95, resamples=100)


def test_p_of_one_half_stays_and_the_ends_have_a_value() -> None:
    p = np.linspace(0, 1, 201)
    tempered = np.array([temper(float(one), 3.0) for one in p])
    assert np.all(np.diff(tempered) > 0)
    assert tempered[100] == 0.5
    assert 0 < tempered[0] < tempered[1]
    assert all(0 <= temper(one, 0.1) <= 1 for one in (0.0, 1e-300, 1.0))


def test_a_file_holds_everything(tmp_path: Path) -> None:
    calibration = fit_made_up(name="model")
    save_calibration(calibration, tmp_path / "c.json")
    assert load_calibration(tmp_path / "c.json") == calibration
    for one in Dimension:
        fitted = calibration.dimensions[one]
        assert calibration.threshold(one) == fitted.threshold
        assert calibration.apply(0.9, one) == temper(0.9, fitted.temperature, fitted.shift)
        assert fitted.achieved == fitted.precision
        assert fitted.achieved.low is not None
        assert fitted.achieved.high is not None
        assert fitted.achieved.low <= fitted.achieved.value <= fitted.achieved.high


def test_a_file_of_a_temperature_alone_is_still_read(tmp_path: Path) -> None:
    content = json.loads(fit_made_up().model_dump_json())
    for fitted in content["dimensions"].values():
        del fitted["shift"], fitted["alone"]
    (tmp_path / "c.json").write_text(json.dumps(content))
    found = load_calibration(tmp_path / "c.json")
    for one in Dimension:
        assert found.apply(0.9, one) == temper(0.9, found.dimensions[one].temperature)


def _changed(**changes: Any) -> str:
    content = json.loads(fit_made_up().model_dump_json())
    for path, value in changes.items():
        *way, last = path.split("__")
        place = content
        for key in way:
            place = place[key]
        if value is None:
            del place[last]
        else:
            place[last] = value
    return json.dumps(content)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "c.json: the file: Invalid JSON"),
        ("[1]", "c.json: the file: .*expected a file of qreal screen calibrate"),
        (_changed(format=2), "format: Input should be 1"),
        (_changed(dimensions__realism=None), "nothing about realism"),
        (_changed(dimensions__realism__temperature=0), r"dimensions\.realism\.temperature: .*greater than 0"),
        (_changed(dimensions__realism__threshold=1.5), r"dimensions\.realism\.threshold: .*less than or equal to 1"),
        (_changed(dimensions__realism__threshold="0.5"), r"dimensions\.realism\.threshold: .*valid number"),
        (_changed(data=None), "data: Field required"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_calibration(path)


@pytest.mark.slow
def test_on_new_images_the_precision_is_inside_its_interval() -> None:
    """300 calibrations; the true precision at the threshold is known from 200,000 further images."""
    rng = np.random.default_rng(3)
    new = draw_labelled(200_000, rng, 2.0)
    p, flawed = np.array([one.p for one in new]), np.array([one.flawed for one in new])
    logits = np.log(p / (1 - p))
    inside, repeats = 0, 300
    for _ in range(repeats):
        fitted = fit_dimension(draw_labelled(400, rng, 2.0), "precision", 0.85, resamples=400)
        tempered = 1 / (1 + np.exp(-logits / fitted.temperature - fitted.shift))
        true = flawed[tempered >= fitted.threshold].mean()
        assert fitted.achieved.low is not None
        assert fitted.achieved.high is not None
        inside += fitted.achieved.low <= true <= fitted.achieved.high
    assert 0.9 <= inside / repeats <= 0.98, inside / repeats
