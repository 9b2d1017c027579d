"""The two backends without the harness's evaluator: arguments, rows that cannot be read, and what is said."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loguru import logger
from PIL import Image
from resizing_server import ResizingModel, models_list

from qreal_tasks.llm.scripted_server import ScriptedServer, completion

pytest.importorskip("lmms_eval")

from lmms_eval.api.instance import Instance

from qreal_tasks.answers import read_declared_marks
from qreal_tasks.harness import backends
from qreal_tasks.harness.backend_arguments import HF_ARGUMENTS, OPENAI_ARGUMENTS, parse_arguments
from qreal_tasks.harness.backends import QRealHF, QRealOpenAI
from qreal_tasks.models.local.engine import TransformersEngine
from qreal_tasks.models.server.engine import OpenAIEngine
from qreal_tasks.models.store import StoreError

pytestmark = pytest.mark.slow

IMAGE = Image.fromarray(np.arange(60, dtype=np.uint8).reshape(4, 5, 3))
PRICES = Path(__file__).parents[3] / "configs" / "eval" / "prices.yaml"


@pytest.fixture
def result() -> Iterator[list[str]]:
    """What is logged meanwhile."""
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), format="{message}")
    yield lines
    logger.remove(sink)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., QRealOpenAI]]:
    """A backend that asks a server which always says Yes."""
    with ScriptedServer(lambda _: completion("Yes", {"Yes": 0.9, "No": 0.1})) as server:
        arguments = {"base_url": server.url, "store": str(tmp_path / "answers.sqlite"), "max_retries": 0}
        yield lambda **more: QRealOpenAI(**{"model": "m", **arguments, **more})


def test_resized_pixels_are_reported_of_the_family_behind_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the plain harness command too, where the variable alone declares the space."""
    monkeypatch.setenv("QREAL_BOX_SPACE", "resized_pixels")
    listed = models_list({"id": "judge", "root": "Qwen/Qwen2.5-VL-7B-Instruct"}, {"id": "other", "root": "other"})
    with ScriptedServer(ResizingModel({}), models=listed) as server:
        given = {"base_url": server.url, "store": str(tmp_path / "answers.sqlite")}
        backend = QRealOpenAI(model="judge", **given)
        backend.task_dict, requests = instances(Rows([Image.new("RGB", (640, 480))]), 1)
        [(_, beside)] = map(list, backend.generate_until(requests))
        assert json.loads(beside)["input_size"] == [644, 476]
        with pytest.raises(ValueError, match="family is not known: give family="):
            QRealOpenAI(model="other", **given)


class Rows:
    """Counts how often a row is decoded; some cannot be."""

    def __init__(self, *rows: Any) -> None:
        self._rows = rows
        self.decoded = 0

    def __getitem__(self, at: int) -> Any:
        self.decoded += 1
        if isinstance(self._rows[at], Exception):
            raise self._rows[at]
        return {"images": self._rows[at]}


def instances(rows: Rows, count: int, questions: int = 1) -> tuple[dict[str, Any], list[Instance]]:
    """The harness's task table and its requests: so many questions about each row."""

    def messages(number: int) -> Callable[[Any], Any]:
        def of(doc: Any) -> Any:
            pictures = [{"type": "image", "url": image} for image in doc["images"]]
            return [{"role": "user", "content": [*pictures, {"type": "text", "text": f"question {number}"}]}]

        return of

    generation = {"score_choices": ["Yes", "No"]}
    asked = [
        Instance(
            "generate_until",
            ("", messages(number), generation, at, "task", "test"),
            idx=0,
            metadata={"task": "task", "doc_id": at, "repeats": 1},
        )
        for at in range(count)
        for number in range(questions)
    ]
    return {"task": {"test": rows}}, asked


def test_a_row_is_decoded_once_and_the_log_tells_known_from_asked(
    make: Callable[..., QRealOpenAI], result: list[str], tmp_path: Path
) -> None:
    backend = make()
    rows = Rows([IMAGE], [IMAGE.rotate(180)])
    backend.task_dict, requests = instances(rows, 2, questions=3)
    first = backend.generate_until(requests)
    assert backend.generate_until(requests) == first
    assert rows.decoded == 4
    store = tmp_path / "answers.sqlite"
    log = "".join(result)
    assert f"process 0 asks 6 questions about 2 pictures: 0 known from {store}, 6 to ask" in log
    assert f"process 0 asks 6 questions about 2 pictures: 6 known from {store}, 0 to ask" in log
    assert "6 requests answered" in log


@pytest.mark.parametrize(
    "error",
    [Image.DecompressionBombError("huge"), RuntimeError("bad AVIF"), ValueError("odd"), SyntaxError("broken PNG")],
    ids=lambda error: type(error).__name__,
)
def test_a_row_that_cannot_be_read_costs_no_other_answer(make: Callable[..., QRealOpenAI], error: Exception) -> None:
    backend = make()
    backend.task_dict, requests = instances(Rows(error, [IMAGE]), 2)
    unread, answered = backend.generate_until(requests)
    assert f"unreadable picture: {type(error).__name__}: {error}" in unread[1]
    assert answered[0] == "Yes"


@pytest.mark.parametrize("images", [[], [IMAGE, IMAGE]], ids=["none", "two"])
def test_a_task_shows_one_picture_a_question(make: Callable[..., QRealOpenAI], images: list[Image.Image]) -> None:
    backend = make()
    backend.task_dict, requests = instances(Rows(images), 1)
    with pytest.raises(ValueError, match=f"task task, row 0: {len(images)} pictures, expected one picture a question"):
        backend.generate_until(requests)


@pytest.mark.parametrize(
    ("engine", "table"), [(OpenAIEngine, OPENAI_ARGUMENTS), (TransformersEngine, HF_ARGUMENTS)], ids=["openai", "hf"]
)
def test_the_tables_name_what_the_engines_take(engine: type, table: dict[str, Any]) -> None:
    taken = set(inspect.signature(engine).parameters) - {"api_key", "progress", "device", "batch_size", "box_space"}
    assert set(table) - {"store", "prices", "reasoning_marks"} == taken - {"prices"}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"revision": 12}, {"revision": "12"}),
        ({"revision": "None", "max_patches": "None"}, {"revision": None, "max_patches": None}),
        ({"max_pixels": 1e6, "min_pixels": "3136"}, {"max_pixels": 1_000_000, "min_pixels": 3136}),
        ({"merge_adapter": False, "batch_size": 4}, {"merge_adapter": False, "batch_size": "4"}),
    ],
)
def test_arguments_get_their_types(given: dict[str, Any], expected: dict[str, Any]) -> None:
    found = parse_arguments({"pretrained": "m", **given}, HF_ARGUMENTS, needed=("pretrained",))
    assert found == {"pretrained": "m", **expected}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"concurrency": "abc"}, "concurrency is 'abc', expected a whole number"),
        ({"concurrency": 2.5}, "concurrency is 2.5, expected a whole number"),
        ({"concurrency": "None"}, "concurrency is 'None', expected a whole number"),
        ({"concurrency": True}, "concurrency is True, expected a whole number"),
        ({"seed": "x"}, "seed is 'x', expected a whole number or None"),
        ({"temperature": float("nan")}, "temperature is nan, expected a number or None"),
        ({"logprobs": "no"}, "logprobs is 'no', expected True or False"),
        ({"concurency": 2}, "unknown name 'concurency'; did you mean concurrency\\? Expected some of model, base_url"),
        ({"api_key": "sk-1"}, "set OPENAI_API_KEY instead"),
        ({"reasoning_marks": "◁think▷"}, "reasoning marks '◁think▷': expected an opening and a closing mark"),
        ({"prices": "/no/prices.yaml"}, "prices=/no/prices.yaml: cannot be read"),
    ],
)
def test_wrong_arguments_are_named(make: Callable[..., QRealOpenAI], given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**given)


def test_reasoning_marks_of_the_arguments_hold_for_the_process(
    make: Callable[..., QRealOpenAI], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QREAL_REASONING_MARKS", "<a> </a>")
    plain = make().openai.identity()
    assert read_declared_marks() == (("<a>", "</a>"),)
    named = make(reasoning_marks="◁mull▷ ◁/mull▷; <b> </b>").openai.identity()
    assert read_declared_marks() == (("◁mull▷", "◁/mull▷"), ("<b>", "</b>"))
    assert plain != named


def test_a_model_is_needed() -> None:
    with pytest.raises(ValueError, match="pretrained is missing"):
        QRealHF(batch_size=1)


def test_a_bad_store_is_found_before_the_model_is_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(backends, "TransformersEngine", lambda *_, **__: pytest.fail("the model was loaded"))
    with pytest.raises(StoreError, match="cannot be used"):
        QRealHF(pretrained="m", store=str(tmp_path))


@pytest.mark.parametrize(("model", "notices"), [("gpt-4o", 0), ("mine", 1)])
def test_a_model_without_a_price_is_said(
    make: Callable[..., QRealOpenAI], result: list[str], model: str, notices: int
) -> None:
    make(model=model, prices=str(PRICES))
    assert "".join(result).count(f"no price listed for {model} in {PRICES}: tokens are counted, no cost") == notices
