"""The reward: forms of pictures, what the number is made of, maps, the cache, and pictures without an answer."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from brightness_engine import BrightnessEngine, noise, silent_picture
from labelled import fit_made_up
from PIL import Image

from qreal_tasks.api.asking import Model
from qreal_tasks.benchmark import Dimension
from qreal_tasks.images import PictureError
from qreal_tasks.models.requests import Request, Response
from qreal_tasks.screening.asking import AskingSettings, identify_asking
from qreal_tasks.screening.assessment import any_of
from qreal_tasks.screening.calibration.record import save_calibration
from qreal_tasks.screening.reward.image_reward import ImageReward
from qreal_tasks.screening.reward.pixel_batches import read_batch
from qreal_tasks.screening.reward.reward import QRealReward

PICTURES = noise(5)


@pytest.fixture
def reward() -> QRealReward:
    return QRealReward(BrightnessEngine())


def test_the_number_is_the_mean_over_both_dimensions_of_the_probability_of_no_flaw(reward: QRealReward) -> None:
    [found] = reward(PICTURES[:1])
    for one in Dimension:
        p_flaw = any_of(entity.p_flaw[one] for entity in found.entities)
        assert p_flaw is not None
        assert found.dimensions[one] == pytest.approx(1 - p_flaw)
    both = [found.dimensions[one] for one in Dimension]
    assert found.reward == pytest.approx(sum(p for p in both if p is not None) / 2)
    assert 0 < float(found.reward or 0) < 1
    reasons = {entity.label: entity.reasons["realism"] for entity in found.entities}
    assert reasons == {"left": "Its left is dark.", "right": "Its right is dark."}


def test_black_is_worth_nothing_and_white_everything(reward: QRealReward) -> None:
    black, white = reward([Image.new("RGB", (20, 12), colour) for colour in ("black", "white")])
    assert (black.reward, white.reward) == (0.0, 1.0)


def torch_forms() -> dict[str, Any]:
    import torch

    exact = torch.from_numpy(PICTURES).permute(0, 3, 1, 2)
    floats = exact.float() / 255
    return {
        "tensor of uint8": exact,
        "tensor of float32": floats,
        "list of tensors": list(floats),
        "tensor of float64": floats.double(),
        "tensor that is a view with gradients": floats.clone().requires_grad_(),
        "list of tensors and arrays": [floats[0], *PICTURES[1:]],
    }


NUMPY_FORMS = {
    "array of uint8": PICTURES,
    "array of float32": PICTURES.astype(np.float32) / 255,
    "list of arrays": list(PICTURES),
    "tuple of PIL images": tuple(Image.fromarray(one) for one in PICTURES),
    "list with an alpha channel": [np.dstack([one, np.full(one.shape[:2], 255, np.uint8)]) for one in PICTURES],
}


@pytest.mark.slow
def test_every_form_is_the_same_pixels() -> None:
    expected = [one.tobytes() for one in PICTURES]
    for name, form in (NUMPY_FORMS | torch_forms()).items():
        assert [one.tobytes() for one in read_batch(form)] == expected, name


@pytest.mark.slow
@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_half_precision_is_rounded_once(name: str) -> None:
    """A bfloat16 of .9 is .8984: 229 of 255. Multiplied in bfloat16 it would be 230."""
    import torch

    given = (torch.from_numpy(PICTURES).permute(0, 3, 1, 2).float() / 255).to(getattr(torch, name))
    for picture, tensor in zip(read_batch(given), given, strict=True):
        exact = np.rint(tensor.float().numpy().transpose(1, 2, 0) * 255)
        assert np.array_equal(np.asarray(picture), exact)


def _tensor(*shape: int, low: float = 0.0, high: float = 1.0) -> Any:
    import torch

    return torch.linspace(low, high, math.prod(shape)).reshape(shape)


WRONG: dict[str, tuple[Any, str]] = {
    "-1 to 1": (
        lambda: _tensor(2, 3, 4, 4, low=-1),
        r"floats from -1 to 1, expected 0 to 1; (images / 2 + 0.5).clamp(0, 1) brings -1 to 1 there",
    ),
    "-1 to 1, in one picture of two": (lambda: [_tensor(3, 4, 4), _tensor(3, 4, 4, low=-1)], "brings -1 to 1 there"),
    "-1 to 1 in NumPy": (
        lambda: np.linspace(-1, 1, 96, dtype=np.float32).reshape(2, 4, 4, 3),
        "(images / 2 + 0.5).clip(0, 1) brings -1 to 1 there",
    ),
    "0 to 255 in floats": (lambda: _tensor(2, 3, 4, 4, high=255), "(images / 255).clamp(0, 1) brings 0 to 255 there"),
    "not clipped": (lambda: _tensor(2, 3, 4, 4, low=-0.01, high=1.02), ".clamp(0, 1) cuts off what is a little"),
    "NaN": (lambda: [PICTURES[0], _tensor(3, 4, 4) * float("nan")], "picture 2 holds NaN or infinity"),
    "no pixels": (lambda: [Image.new("RGB", (0, 5))], "picture 1: 0 x 5 px, expected at least one pixel"),
    "integers of 64 bits": (lambda: _tensor(1, 3, 4, 4).long(), "picture 1: an array of shape (4, 4, 3) and int64"),
    "colours last in a tensor": (lambda: _tensor(2, 8, 8, 3), ".permute(2, 0, 1) puts the colours first"),
    "colours first in an array": (lambda: np.zeros((2, 3, 8, 8), np.uint8), ".transpose(1, 2, 0) puts the colours"),
    "one tensor": (lambda: _tensor(3, 4, 4), "one picture, expected a list of them; put it in a list"),
    "one PIL image": (lambda: Image.new("RGB", (4, 4)), "Image, expected a list of PIL images"),
    "a video": (lambda: _tensor(1, 2, 3, 4, 4), "a tensor of shape (1, 2, 3, 4, 4), expected"),
    "no picture": (lambda: [PICTURES[0], 7], "picture 2: int, expected"),
    "no such file": (lambda: [Path("none.png")], "picture 1: cannot be read: No such file"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_no_picture_is_refused_in_one_line_and_nothing_is_asked(name: str) -> None:
    make, expected = WRONG[name]
    engine = BrightnessEngine()
    with pytest.raises(PictureError) as error:
        QRealReward(engine)(make())
    assert expected in str(error.value)
    assert "\n" not in str(error.value)
    assert engine.batches == []


def test_as_many_prompts_as_pictures(reward: QRealReward) -> None:
    assert reward(PICTURES, ["a dog"] * 5) == reward(PICTURES)
    with pytest.raises(ValueError, match="2 prompts for 5 pictures"):
        reward(PICTURES, ["a dog"] * 2)
    assert reward([]) == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"dtype": "float99"}, "dtype float99: torch has no such type, expected auto, bfloat16"),
        ({"device": "gpu"}, "device gpu: Expected one of cpu, cuda"),
        ({"device": "cuda:99"}, "device cuda:99: torch finds .* on this machine"),
    ],
)
def test_a_device_or_type_that_is_not_there_is_said_in_one_line(options: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValueError, match=expected) as error:
        QRealReward("mini", **options)
    assert "\n" not in str(error.value)


class FailingAt(BrightnessEngine):
    """Fails whenever it is asked about a picture of this width, whatever is asked beside."""

    asked = 0
    """How often."""

    def run(self, requests: Sequence[Request], known: Collection[int] = frozenset()) -> Iterator[tuple[int, Response]]:
        self.asked += 1
        if any(one.image.width == 7 for one in requests):
            raise RuntimeError("out of memory; key sk-abcdefgh1234")
        yield from super().run(requests, known)


def test_a_picture_that_the_model_fails_at_is_none_of_the_others_business() -> None:
    reward = QRealReward(FailingAt())
    odd = np.zeros((20, 7, 3), np.uint8)
    first, failed, last = reward([PICTURES[0], odd, PICTURES[1]], maps=True)
    assert [first, last] == QRealReward(BrightnessEngine())([PICTURES[0], PICTURES[1]])
    assert (failed.reward, failed.map, failed.width, failed.height) == (None, None, 7, 20)
    assert failed.unread == {"image": "the model failed: RuntimeError: out of memory; key <key>"}
    assert reward.counts.unanswered == 1
    with pytest.raises(RuntimeError, match="out of memory"):
        reward([odd, odd + 1])  # it is not the pictures


def test_a_picture_that_fails_in_a_batch_of_its_own_costs_the_others_nothing() -> None:
    odd = np.zeros((20, 7, 3), np.uint8)
    for pictures in ([odd, PICTURES[0], PICTURES[1]], [PICTURES[0], PICTURES[1], odd]):
        for batch_size in (1, 2):
            found = QRealReward(FailingAt(), batch_size=batch_size)(pictures)
            assert [one.reward is None for one in found] == [one is odd for one in pictures]


def test_a_model_that_fails_at_everything_is_not_asked_about_every_picture() -> None:
    engine = FailingAt()
    with pytest.raises(RuntimeError, match="out of memory"):
        QRealReward(engine, batch_size=4)([np.full((20, 7, 3), at, np.uint8) for at in range(200)])
    assert engine.asked < 60


def test_no_answer_is_none_and_counted_and_asked_again() -> None:
    engine = BrightnessEngine()
    reward = QRealReward(engine)
    for call in (1, 2):
        first, silent = reward([PICTURES[0], silent_picture()], maps=True)
        assert first.reward is not None
        assert (silent.reward, silent.map, silent.dimensions) == (None, None, dict.fromkeys(Dimension))
        assert silent.unread == dict.fromkeys(("detect", "realism", "plausibility"), "empty answer")
        assert (reward.counts.images, reward.counts.unanswered) == (2 * call, call)
    assert engine.batches == [2, 1], "the second call asks about the silent picture alone"
    assert reward.counts.cached == 1


def test_equal_pixels_are_asked_once_and_the_cache_forgets_the_oldest() -> None:
    engine = BrightnessEngine()
    reward = QRealReward(engine, batch_size=2, cached=3)
    first = reward([*PICTURES[:2], Image.fromarray(PICTURES[0])])
    assert first[0] == first[2]
    assert (engine.batches, reward.counts.cached) == ([2], 1)
    assert reward(PICTURES[:2]) == first[:2]
    assert engine.batches == [2]
    reward([PICTURES[2], PICTURES[0], PICTURES[3]])  # 1 was used longest ago
    assert engine.batches == [2, 2]
    reward(PICTURES[[0, 2, 3]])
    assert engine.batches == [2, 2]
    reward(PICTURES[1:2])
    assert engine.batches == [2, 2, 1]


def test_without_a_cache_every_call_asks() -> None:
    engine = BrightnessEngine()
    reward = QRealReward(engine, cached=0)
    assert reward(PICTURES) == reward(PICTURES)
    assert engine.batches == [5, 5]


def test_a_store_keeps_answers_for_the_next_process(tmp_path: Path) -> None:
    first, second = BrightnessEngine(), BrightnessEngine()
    found = [QRealReward(Model(engine, store=tmp_path / "answers.sqlite"))(PICTURES) for engine in (first, second)]
    assert found[0] == found[1]
    assert (first.batches, second.batches) == ([5], [])


def test_the_map_is_one_minus_the_importance_of_what_lies_over_a_pixel() -> None:
    equal = QRealReward(BrightnessEngine(), weighting="equal")
    [found] = equal(PICTURES[:1], maps=True)
    assert found.map is not None
    assert found.map.shape == (12, 20)
    assert found.map.dtype == np.dtype(np.float32)
    for entity in found.entities:
        p_flaw = any_of(entity.p_flaw.values())
        assert p_flaw is not None
        x1, y1, x2, y2 = map(int, entity.box_px)
        assert found.map[y1:y2, x1:x2] == pytest.approx(1 - p_flaw)
    [by_area] = QRealReward(BrightnessEngine())(PICTURES[:1], maps=True)
    assert by_area.map is not None
    assert 1 - by_area.map == pytest.approx((1 - found.map) / 2), "each covers half of the picture"


def test_boxes_over_one_pixel_combine_as_independent_flaws() -> None:
    text = json.dumps([{"bbox_2d": [0, 0, 500, 1000], "label": "a"}, {"bbox_2d": [400, 0, 1000, 1000], "label": "b"}])
    [found] = QRealReward(BrightnessEngine(text=text), weighting="side")(PICTURES[:1], maps=True)
    left, right = sorted(found.entities, key=lambda one: one.box_px)
    assert found.map is not None
    assert left.importance is not None
    assert right.importance is not None
    assert found.map[0, 0] == pytest.approx(1 - left.importance)
    assert found.map[5, 8] == pytest.approx((1 - left.importance) * (1 - right.importance))
    assert found.map[11, 19] == pytest.approx(1 - right.importance)


def test_a_picture_without_entities_has_no_flaw() -> None:
    [found] = QRealReward(BrightnessEngine(text="[]"))(PICTURES[:1], maps=True)
    assert found.reward == 1.0
    assert found.map is not None
    assert (found.map == 1).all()


def test_a_record_survives_json(reward: QRealReward) -> None:
    for one in reward([*PICTURES, silent_picture()]):
        assert ImageReward.from_dict(json.loads(json.dumps(one.to_dict()))) == one


def test_a_calibration_makes_honest_numbers_of_whole_pictures_and_leaves_the_rest(tmp_path: Path) -> None:
    model = Model(BrightnessEngine())
    made = fit_made_up(**identify_asking(AskingSettings(model="brightness"), model))
    save_calibration(made, tmp_path / "calibration.json")
    calibrated = QRealReward(model, calibration=tmp_path / "calibration.json")
    assert calibrated.calibration == made
    for raw, one in zip(QRealReward(model)(PICTURES, maps=True), calibrated(PICTURES, maps=True), strict=True):
        expected = {name: 1 - made.apply(1 - (value or 0.0), name) for name, value in raw.dimensions.items()}
        assert one.dimensions == pytest.approx(expected)
        assert one.reward == pytest.approx(sum(expected.values()) / 2)
        assert (one.entities, one.questions) == (raw.entities, raw.questions)
        assert np.array_equal(one.map, raw.map)  # type: ignore[arg-type]


def test_a_calibration_of_another_model_or_other_questions_is_refused(tmp_path: Path) -> None:
    model = Model(BrightnessEngine())
    asked = identify_asking(AskingSettings(model="brightness"), model)
    with pytest.raises(ValueError, match=r"fitted for .* other questions \(sets differ\)"):
        QRealReward(model, sets=("realism",), calibration=fit_made_up(**asked))
    with pytest.raises(ValueError, match=r"\(model differ\).*a model that is loaded already is told by its folder"):
        QRealReward(model, calibration=fit_made_up(**asked | {"model": {"content": "0"}}))
    with pytest.raises(OSError, match="No such file"):
        QRealReward("no such model", calibration=tmp_path / "none.json")


def test_what_cannot_work_is_refused_before_anything_is_loaded() -> None:
    with pytest.raises(ValueError, match="nothing would find an entity"):
        QRealReward("no such model", sets=(), detect=False)
    with pytest.raises(ValueError, match=r"sets is \('beauty',\), expected some of realism, plausibility"):
        QRealReward("no such model", sets=("beauty",))
    with pytest.raises(ValueError, match="batch_size 0"):
        QRealReward("no such model", batch_size=0)
    with pytest.raises(TypeError, match="dtype: options of a Model that is loaded already"):
        QRealReward(Model(BrightnessEngine()), dtype="float32")


def test_a_model_that_was_given_stays_open() -> None:
    model = Model(BrightnessEngine())
    with QRealReward(model) as reward:
        reward(PICTURES[:1])
    assert model.ask(PICTURES[0]).entities


def test_nothing_of_it_imports_torch_by_itself() -> None:
    adapters = [f"reward.adapters.{one}" for one in ("flow_grpo", "flow_factory", "trl")]
    modules = ("reward.reward", "reward.client", *adapters, "serving.app")
    imports = "; ".join(f"import qreal_tasks.screening.{one}" for one in modules)
    code = f"import sys; {imports}; print(sorted({{'torch', 'transformers', 'trl'}} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
