"""The reward as trainers call it, with the shapes and types that they hand over."""

from __future__ import annotations

import inspect
import math
import sys
from contextlib import nullcontext
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from brightness_engine import BrightnessEngine, noise, silent_picture
from PIL import Image
from reward_serving import served

from qreal_tasks.screening.reward.adapters.choosing import choose_reward
from qreal_tasks.screening.reward.adapters.flow_factory import QRealRewardModel
from qreal_tasks.screening.reward.adapters.flow_grpo import make_factory
from qreal_tasks.screening.reward.adapters.trl import make_reward_func
from qreal_tasks.screening.reward.adapters.unanswered import UnansweredError
from qreal_tasks.screening.reward.client import RemoteReward
from qreal_tasks.screening.reward.reward import QRealReward

pytestmark = pytest.mark.slow  # imports torch

PICTURES = noise(4)
WITH_SILENT = [*map(Image.fromarray, PICTURES), silent_picture()]


def _tensor(dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return (torch.from_numpy(PICTURES).permute(0, 3, 1, 2).float() / 255).to(dtype)


def _expected(given: Any = PICTURES) -> list[float]:
    rewards = [one.reward for one in QRealReward(BrightnessEngine())(given)]
    return [one for one in rewards if one is not None]


def _weighted(functions: dict[str, Any], weights: dict[str, float], *call: Any) -> list[float]:
    """What Flow-GRPO makes of several rewards: each is made for a device where it takes one, asked by position, and
    every score is multiplied and added."""
    total: list[float] = []
    for name, weight in weights.items():
        takes_device = "device" in functions[name].__code__.co_varnames
        score = functions[name]("cpu") if takes_device else functions[name]()
        scores, _ = score(*call)
        own = [weight * one for one in scores]
        total = [a + b for a, b in zip(total, own, strict=True)] if total else own
    return total


@pytest.mark.parametrize("images", [_tensor(), _tensor(torch.bfloat16), PICTURES], ids=["float32", "bfloat16", "uint8"])
def test_flow_grpo_weights_the_reward_beside_another(images: Any) -> None:
    functions = {
        "qreal": make_factory(BrightnessEngine()),
        "one": lambda: lambda images, prompts, metadata: ([1.0] * 4, {}),
    }
    found = _weighted(functions, {"one": 1.0, "qreal": 0.5}, images, ("a dog",) * 4, [{"seed": 1}] * 4)
    assert found == pytest.approx([1 + 0.5 * one for one in _expected(images)])
    assert torch.as_tensor(found).shape == (4,)


def test_flow_grpo_has_both_dimensions_in_its_log() -> None:
    scores, details = make_factory(BrightnessEngine(), unanswered="nan")()(WITH_SILENT, None, None)
    assert set(details) == {"qreal_realism", "qreal_plausibility"}
    for at, score in enumerate(scores[:4]):
        assert score == pytest.approx((details["qreal_realism"][at] + details["qreal_plausibility"][at]) / 2)
    assert all(math.isnan(one) for one in (scores[4], details["qreal_realism"][4]))


def test_where_none_cannot_be_held_the_rule_is_chosen_and_0_is_none_of_them() -> None:
    stop, nan, mean = (make_factory(BrightnessEngine(), unanswered=rule)() for rule in ("error", "nan", "mean"))
    with pytest.raises(
        UnansweredError,
        match=r"1 of 5 pictures have no reward, the first is picture 5 \(detect: empty answer\); give unanswered='me",
    ):
        stop(WITH_SILENT, None, None)
    expected = _expected()
    assert nan(WITH_SILENT, None, None)[0] == pytest.approx([*expected, math.nan], nan_ok=True)
    assert mean(WITH_SILENT, None, None)[0] == pytest.approx([*expected, sum(expected) / 4])
    with pytest.raises(UnansweredError, match="1 of 1 pictures have no reward"):
        mean([silent_picture()], None, None)
    with pytest.raises(ValueError, match="'zero' is not a valid Unanswered"):
        make_factory(BrightnessEngine(), unanswered="zero")


def _config(**keys: Any) -> SimpleNamespace:
    return SimpleNamespace(name="qreal", batch_size=16, device="cpu", dtype=torch.bfloat16, **keys)


@pytest.mark.parametrize(
    "image",
    [list(map(Image.fromarray, PICTURES)), list(_tensor()), list(_tensor(torch.float16))],
    ids=["PIL", "tensors", "tensors of half precision"],
)
def test_flow_factory_gets_a_float_tensor(image: list[Any]) -> None:
    model = QRealRewardModel(config=_config(qreal_model=BrightnessEngine()), accelerator=SimpleNamespace(device="cpu"))
    assert model.required_fields == ("prompt", "image")
    output = model(prompt=["a dog"] * 4, image=image)
    assert (output.rewards.dtype, output.rewards.shape) == (torch.float32, (4,))
    assert output.rewards.tolist() == pytest.approx(_expected(image))
    assert set(output.extra_info) == {"realism", "plausibility"}


def test_flow_factory_has_its_rules_and_options_in_its_config() -> None:
    accelerator = SimpleNamespace(device="cpu")
    keys = {"qreal_model": BrightnessEngine(), "unanswered": "mean", "qreal_options": {"sets": ()}}
    model = QRealRewardModel(_config(**keys), accelerator)
    output = model(prompt=["a dog"] * 5, image=WITH_SILENT)
    assert output.rewards[4] == pytest.approx(float(output.rewards[:4].mean()))
    assert output.extra_info["realism"][4] is None
    with pytest.raises(ValueError, match="no images: this reward is for generators of images"):
        model(prompt=["a dog"])
    with pytest.raises(ValueError, match="no qreal_model"):
        QRealRewardModel(_config(), accelerator)


def test_flow_factory_asks_only_its_own_kind_of_reward(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Flow-Factory is, the class is one of its pointwise rewards, and its own beginnings are kept."""
    import importlib

    from qreal_tasks.screening.reward.adapters import flow_factory

    class Pointwise:
        def __init__(self, config: Any, accelerator: Any) -> None:
            self.began = (config, accelerator)

    package = ModuleType("flow_factory.rewards.abc")
    package.__dict__["PointwiseRewardModel"] = Pointwise
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "flow_factory.rewards.abc", package)
        patch.delitem(sys.modules, flow_factory.__name__)
        fresh = importlib.import_module(flow_factory.__name__)
        config, accelerator = _config(qreal_model=BrightnessEngine()), SimpleNamespace(device="cpu")
        model = fresh.QRealRewardModel(config, accelerator)
        assert isinstance(model, Pointwise)
        assert model.began == (config, accelerator)
        assert fresh.QRealRewardModel.__call__(
            model, prompt=["a dog"] * 4, image=list(_tensor())
        ).rewards.tolist() == pytest.approx(_expected())


def test_trl_calls_it_with_lists_and_takes_none() -> None:
    """By the method of the trainer that calls every reward function."""
    from trl import GRPOTrainer

    logged: dict[str, float] = {}
    function, other = make_reward_func(BrightnessEngine()), lambda prompts, **_: [1.0] * len(prompts)
    samples: list[dict[str, Any]] = [
        *({"prompt": "a dog", "image": one} for one in WITH_SILENT),
        {"prompt": "a dog", "image": None},
        {"prompt": "two dogs", "image": WITH_SILENT[:2]},
    ]
    trainer = SimpleNamespace(
        accelerator=SimpleNamespace(device="cpu", gather=lambda one: one),
        reward_funcs=[function, other],
        reward_processing_classes=[None, None],
        reward_func_names=[function.__name__, "other"],
        environments=None,
        state=None,
        chat_template_kwargs={},
        _log_completion_extra=None,
        _log_metric=logged.__setitem__,
    )
    calculate: Any = inspect.unwrap(GRPOTrainer._calculate_rewards)  # without the measuring of time
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("trl.trainer.grpo_trainer.profiling_context", lambda *_: nullcontext())
        patch.setattr("trl.trainer.grpo_trainer.gather", lambda one: one)
        table = calculate(trainer, samples, [one["prompt"] for one in samples], ["?"] * 7, [[0]] * 7)
    expected = _expected()
    assert table[:, 0].tolist() == pytest.approx([*expected, math.nan, math.nan, sum(expected[:2]) / 2], nan_ok=True)
    assert logged == {"qreal_unanswered": pytest.approx(1 / 7)}


def test_trl_may_hold_pictures_elsewhere() -> None:
    completions = make_reward_func(BrightnessEngine(), column="completions")
    assert completions(prompts=["a dog"] * 4, completions=list(_tensor())) == pytest.approx(_expected())
    with pytest.raises(
        ValueError, match=r"no column 'image' with pictures, found picture, prompts, completions; give column="
    ):
        make_reward_func(BrightnessEngine())(prompts=["a"], completions=["b"], picture=[PICTURES[0]])


def test_every_form_takes_the_address_of_a_server() -> None:
    with served() as one:
        assert make_factory(one.url)("cuda:3")(PICTURES, None, None)[0] == pytest.approx(_expected())
        model = QRealRewardModel(_config(qreal_model=one.url), SimpleNamespace(device="cuda:3"))
        assert model(prompt=["a dog"] * 4, image=list(_tensor())).rewards.tolist() == pytest.approx(_expected())
        assert make_reward_func(one.url)(image=list(PICTURES)) == pytest.approx(_expected())


def test_a_reward_that_exists_is_taken_as_it_is() -> None:
    own = QRealReward(BrightnessEngine())
    assert choose_reward(own, "cuda:1") is own
    with RemoteReward("http://127.0.0.1:9") as remote:
        assert choose_reward(remote) is remote
    with pytest.raises(TypeError, match="sets: options of a reward that exists already"):
        choose_reward(own, sets=())


def test_a_model_is_loaded_on_the_device_of_the_trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[dict[str, Any]] = []

    class Recorded:
        def __init__(self, model: str, **options: Any) -> None:
            asked.append(options)

    monkeypatch.setattr("qreal_tasks.screening.reward.adapters.choosing.QRealReward", Recorded)
    make_factory("some/model", dtype="bfloat16")(torch.device("cuda", 2))
    make_factory("some/model", device="cpu")(torch.device("cuda", 2))
    make_factory("name", server="http://127.0.0.1:1/v1")("cuda:1")
    assert asked == [
        {"device": "cuda:2", "dtype": "bfloat16"},
        {"device": "cpu"},
        {"server": "http://127.0.0.1:1/v1"},
    ]
