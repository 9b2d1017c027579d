"""What a dry run promises, against what the server then counts."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from annotating import PRICES, answer, config_for, stage_of, write_pictures

from annotation.execution.driver import RunOptions, Watcher, init_run, run_stages
from annotation.llm.tokens import image_tokens
from annotation.run.folder import RunFolder
from annotation.status.estimate import Forecast, forecast
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer
from qreal_tasks.shards.executors import ExecutorOptions

NAMES = ["dog", "cat", "horse", "bird", "car", "bus", "boat", "chair", "table", "mug", "tree", "lamp"]


def five_or_six(chance: random.Random) -> list[str]:
    """5.5 on average; every third image has one person among them."""
    names = chance.sample(NAMES, chance.choice([5, 6]))
    return ["man", *names[1:]] if chance.random() < 1 / 3 else names


def script(asked: Asked) -> Reply:
    return answer(asked, five_or_six)


def counted(asked: list[Asked]) -> tuple[int, float]:
    """Calls and dollars, as the server counts them."""
    usages: list[Any] = [script(one).body["usage"] for one in asked]  # type: ignore[call-overload,index]
    dollars = sum(
        one["prompt_tokens"] * PRICES["input"] + one["completion_tokens"] * PRICES["output"] for one in usages
    )
    return len(asked), dollars / 1e6


def promised(forecasts: list[Forecast]) -> tuple[float, float]:
    return sum(one.calls for one in forecasts), sum(one.cost_usd or 0 for one in forecasts)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("estimate") / "images", 140)


def begin(folder: Path, url: str, models: Path, images: Path, **expected: Any) -> RunFolder:
    # One box a name, so that the number of entities is what the scripted model decides.
    detection = {"model": str(models / "dino"), "device": "cpu", "max_boxes_per_phrase": 1, "duplicate_iou": 1.0}
    detection |= {"threshold": 0.001, "second_threshold": 0.001, "min_area_px": 0}
    quality, result = {"scorer": "none"}, {"trusted_after": 30, **expected}
    config = config_for(url, models, detection=detection, quality=quality, expected=result, images_per_shard=14)
    return init_run(str(images), folder, config, ExecutorOptions(), Watcher())


def test_the_promise_is_kept_within_five_percent(tmp_path: Path, models: Path, images: Path) -> None:
    """Before anything is known, with the set's true numbers expected; and after a pilot, with wrong ones expected."""
    with ScriptedServer(script) as server:
        cold = begin(tmp_path / "cold", server.url, models, images, entities_per_image=5.5, portraits_per_image=1 / 3)
        before = forecast(cold, list(cold.shard_numbers))
        assert [one.calls_basis for one in before][:2] == ["counted", "expected 5.5 an image"]
        warm = begin(tmp_path / "warm", server.url, models, images, entities_per_image=1, portraits_per_image=0)
        run_stages(warm, RunOptions(images=56), Watcher())
        pilot = len(server.asked)
        after = forecast(warm, list(warm.shard_numbers))
        assert "an image so far" in after[1].calls_basis
        assert after[1].tokens_basis.startswith("as in ")
        run_stages(warm, RunOptions(), Watcher())
        calls, cost = counted(server.asked)
        rest_calls, rest_cost = counted(server.asked[pilot:])
    print("cold", promised(before), "after a pilot", promised(after), "counted", (calls, cost), (rest_calls, rest_cost))
    assert promised(before)[0] == pytest.approx(calls, rel=0.05)
    assert promised(after)[0] == pytest.approx(rest_calls, rel=0.05)
    assert promised(after)[1] == pytest.approx(rest_cost, rel=0.05)
    # The price of a call rests on characters a token until calls have shown it.
    assert promised(before)[1] == pytest.approx(cost, rel=0.25)
    assert promised(forecast(warm, list(warm.shard_numbers))) == (0, 0)


def test_after_detection_the_very_calls_are_counted(tmp_path: Path, models: Path, images: Path) -> None:
    with ScriptedServer(script) as server:
        run = begin(tmp_path / "run", server.url, models, images)
        run_stages(run, RunOptions(stages=("entities", "detection", "quality"), images=28), Watcher())
        asked = len(server.asked)
        by_stage = {one.stage: one for one in forecast(run, range(2))}
        run_stages(run, RunOptions(images=28), Watcher())
        made = [stage_of(one) for one in server.asked[asked:]]
    assert by_stage["judgment"].calls_basis == by_stage["parts"].calls_basis == "counted"
    assert by_stage["judgment"].calls == made.count("judgment")
    assert by_stage["parts"].calls == made.count("parts")


def test_a_batch_is_promised_at_half_the_price(tmp_path: Path, models: Path, images: Path) -> None:
    run = begin(tmp_path / "run", "http://127.0.0.1:9/v1", models, images)
    live, batch = forecast(run, range(3)), forecast(run, range(3), batch=True)
    assert [one.cost_usd / 2 for one in live] == pytest.approx([one.cost_usd for one in batch])  # type: ignore[operator]


@pytest.mark.parametrize(
    ("size", "detail", "tokens"),
    [
        ((512, 512), "high", 255),
        ((1024, 1024), "high", 765),
        ((2048, 4096), "high", 1105),  # the example of OpenAI's guide
        ((4096, 8192), "low", 85),
        ((100, 100), "high", 255),
        ((768, 2000), "high", 85 + 170 * 2 * 4),
    ],
)
def test_image_tokens(size: tuple[int, int], detail: str, tokens: int) -> None:
    assert image_tokens(*size, detail) == tokens
