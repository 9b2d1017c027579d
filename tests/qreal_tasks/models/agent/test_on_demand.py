"""Real models of the agent, which are in memory one at a time, and always say one text."""

from __future__ import annotations

import functools
import weakref
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from agent_asking import Killed, answers_of, ask, result
from peft import LoraConfig, get_peft_model
from straightforward import picture
from transformers import AutoModelForImageTextToText

from qreal_tasks.answers import NO_VERDICT
from qreal_tasks.benchmark import IMAGEQA_SETS
from qreal_tasks.boxes import Space
from qreal_tasks.models.agent import on_demand
from qreal_tasks.models.agent.engine import AgentEngine
from qreal_tasks.models.agent.on_demand import EngineOptions
from qreal_tasks.models.local.engine import TransformersEngine
from qreal_tasks.models.requests import Response
from qreal_tasks.models.sources import ModelSource
from qreal_tasks.models.store import AnswerStore, answer_with_store

pytestmark = pytest.mark.slow

DETECTED = '[{"bbox_2d": [100, 200, 600, 900], "label": "dog"}]'


DESCRIBED = "The paws are fused."


@dataclass
class Loads:
    """What was loaded, and what of it is still there."""

    folders: list[str] = field(default_factory=list)
    models: list[weakref.ref[Any]] = field(default_factory=list)

    @property
    def in_memory(self) -> int:
        return sum(ref() is not None for ref in self.models)


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Loads:
    """Fails when a model is loaded while another one is in memory."""
    seen = Loads()

    class Watched(TransformersEngine):
        def __init__(self, pretrained: str, **options: Any) -> None:
            assert seen.in_memory == 0
            super().__init__(pretrained, **options)
            self.cycle = self  # as the traceback of an error that is kept would make one
            seen.models.append(weakref.ref(self.model))
            seen.folders.append(pretrained)

    monkeypatch.setattr(on_demand, "TransformersEngine", Watched)
    return seen


@pytest.mark.parametrize("family", ["qwen2_5_vl", "internvl", "llava_next"])
def test_real_models_one_after_another(family: str, saying: Callable[[str, str], str], loads: Loads) -> None:
    models = [saying(family, text) for text in (DETECTED, "Yes", DESCRIBED)]
    requests = [ask(picture(*size, 1), name, Space.NORM1000) for size in ((90, 60), (60, 150)) for name in IMAGEQA_SETS]
    engine = AgentEngine(*models)
    for answer in answers_of(engine, requests):
        assert result(answer) == [{"bbox_2d": [100, 200, 600, 900], "label": "dog", "description": DESCRIBED}]
        assert answer.input_size is not None
    assert loads.folders == models
    assert loads.in_memory == 0, "the last model stays in memory"


@pytest.mark.parametrize(
    ("texts", "loaded", "unanswered"),
    [
        ((DETECTED, DETECTED, DETECTED), 1, f"filter: no probability of Yes and No ({NO_VERDICT})"),
        ((DETECTED, "Yes", "Yes"), 2, None),
        ((DETECTED, "No", DESCRIBED), 2, None),
    ],
    ids=["one model for all", "one for two", "nothing left to describe"],
)
def test_a_model_is_loaded_once_and_only_when_it_is_asked(
    texts: tuple[str, str, str],
    loaded: int,
    unanswered: str | None,
    saying: Callable[[str, str], str],
    loads: Loads,
) -> None:
    engine = AgentEngine(*[saying("qwen2_5_vl", text) for text in texts])
    [response] = answers_of(engine, [ask(picture(90, 60, 1), "realism", Space.NORM1000)])
    assert response.unanswered == unanswered
    assert len(loads.folders) == loaded


def test_the_next_model_finds_the_gpu_as_if_it_were_the_first(
    saying: Callable[[str, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches grow while the highest use of memory so far is below a share: that of another model must not count."""
    memory = on_demand.OneInMemory(EngineOptions(device="cpu"))
    memory.engine(ModelSource(saying("qwen2_5_vl", "Yes")))
    called: list[str] = []
    for name in ("empty_cache", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, functools.partial(called.append, name))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    memory.free()
    assert called == ["empty_cache", "reset_peak_memory_stats"]


def test_stages_may_be_adapters(saying: Callable[[str, str], str], loads: Loads, tmp_path: Path) -> None:
    """On the base that they name, or on the one that is given; the adapters themselves change nothing."""
    detect, yes, no = (saying("qwen2_5_vl", text) for text in (DETECTED, "Yes", "No"))
    adapted = get_peft_model(
        AutoModelForImageTextToText.from_pretrained(yes, dtype=torch.float32),
        LoraConfig(r=2, target_modules=r".*language_model.*q_proj"),
    )
    for name in ("filter", "describe"):
        adapted.save_pretrained(tmp_path / name)
    adapters = str(tmp_path / "filter"), str(tmp_path / "describe")
    requests = [ask(picture(90, 60, 1), "realism", Space.NORM1000)]
    [on_named] = answers_of(AgentEngine(detect, *adapters), requests)
    assert [entity["description"] for entity in result(on_named)] == ["Yes"]
    assert loads.folders == [detect, yes, yes]
    [on_given] = answers_of(AgentEngine(detect, *adapters, pretrained=no), requests)
    assert result(on_given) == []
    assert loads.folders[3:] == [detect, no]


@pytest.mark.parametrize("after", [1, 7, 20])
def test_real_models_end_with_the_same_answers_when_killed(
    after: int, saying: Callable[[str, str], str], tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    """The filter's probabilities decide; killed between two answers of the store, and started again."""
    models = (saying("qwen2_5_vl", DETECTED), str(tiny_model("qwen2_5_vl")), saying("qwen2_5_vl", DESCRIBED))
    sizes = [(90, 60), (200, 130), (60, 150), (224, 224), (150, 150), (90, 61)]
    requests = [ask(picture(*size, at), name, Space.NORM1000) for at, size in enumerate(sizes) for name in IMAGEQA_SETS]

    with AnswerStore(tmp_path / "whole.sqlite") as store:
        whole = dict(answer_with_store(AgentEngine(*models, store=store), store, requests))
        lengths = {len(result(answer)) for answer in whole.values()}
        assert lengths == {0, 1}, "the filter keeps all or nothing, the test proves little"
        stored = len(store)
    with AnswerStore(tmp_path / "killed.sqlite") as store:
        put, puts = store.put, Counter[str]()

        def put_or_die(key: str, response: Response) -> Response:
            if puts["put"] == after:
                raise Killed
            puts["put"] += 1
            return put(key, response)

        store.put = put_or_die  # type: ignore[method-assign]
        with pytest.raises(Killed):
            list(answer_with_store(AgentEngine(*models, store=store), store, requests))
        assert len(store) == after < stored
        store.put = put  # type: ignore[method-assign]
        assert dict(answer_with_store(AgentEngine(*models, store=store), store, requests)) == whole
        assert len(store) == stored
