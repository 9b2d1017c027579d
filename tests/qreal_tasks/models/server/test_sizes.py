"""Pictures in the size that a family's processor feeds its model, and servers that resize them once more."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypedDict

import pytest
from PIL import Image
from resizing_server import Fractions, ResizingModel, picture
from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

from qreal_tasks.answers import locate_regions, parse_entities
from qreal_tasks.boxes import Space, iou_matrix
from qreal_tasks.images import sides_in_range
from qreal_tasks.llm.errors.retry import StoppedRun
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion
from qreal_tasks.models.families import FAMILIES
from qreal_tasks.models.requests import Request, Response
from qreal_tasks.models.resizing import ResizeRule
from qreal_tasks.models.server.engine import OpenAIEngine
from qreal_tasks.models.server.sizes import counted_tokens
from qreal_tasks.models.store import AnswerStore, answer_with_store

pytestmark = pytest.mark.slow

QWEN = "Qwen/Qwen2.5-VL-7B-Instruct"


class Limits(TypedDict, total=False):
    min_pixels: int
    max_pixels: int


EXTREME = [(3000, 8), (900, 4), (4, 900), (1, 1), (1, 700), (41, 8200), (8200, 41), (27, 27), (28, 5600), (13, 14)]
SIZES = [*((width, height) for width in (40, 112, 333, 1024, 3000) for height in (40, 97, 768, 2000)), *EXTREME]
LIMITS: dict[str, Limits] = {
    "those of the family": {},
    "Qwen's advice": {"max_pixels": 1003520},
    "narrow": {"min_pixels": 200704, "max_pixels": 401408},
    "with no multiple of 28 between them": {"min_pixels": 1003520, "max_pixels": 1003520},
}


def reference(number: int, size: tuple[int, int]) -> Fractions:
    """A box of a picture, in whole pixels of it."""
    rng = random.Random(number)
    (x1, x2), (y1, y2) = (
        (low / side, rng.randint(low + 1, side) / side) for side in size for low in [rng.randrange(side)]
    )
    return x1, y1, x2, y2


def run(script: Callable[[Asked], Reply], sizes: list[tuple[int, int]], **settings: Any) -> dict[int, Response]:
    """The answers about ``picture(n + 1, sizes[n])``, by n."""
    settings = {"model": QWEN, "first_wait_s": 0.001, "max_retries": 0, **settings}
    requests = [Request(picture(number, size), "boxes?") for number, size in enumerate(sizes, start=1)]
    with ScriptedServer(script) as server:
        return dict(OpenAIEngine(base_url=server.url, **settings).run(requests))


@pytest.mark.parametrize("limits", LIMITS)
def test_boxes_in_the_servers_pixels_come_back_to_those_of_the_picture(limits: str) -> None:
    boxes = {number: [reference(number, size)] for number, size in enumerate(SIZES, start=1)}
    found = run(ResizingModel(boxes, **LIMITS[limits]), SIZES, **LIMITS[limits])
    for at, (width, height) in enumerate(SIZES):
        result, fed = parse_entities(found[at].text), found[at].input_size
        [region] = locate_regions(result, Space.RESIZED_PIXELS, width, height, fed).regions
        (x1, y1, x2, y2) = boxes[at + 1][0]
        expected = (x1 * width, y1 * height, x2 * width, y2 * height)
        assert iou_matrix([region.bbox_px], [expected])[0, 0] == pytest.approx(1, abs=1e-9), (SIZES[at], fed)


@pytest.mark.parametrize(
    "rule",
    [
        *{family.resize for family in FAMILIES if family.resize},
        *(replace(ResizeRule(factor=28, min_pixels=3136, max_pixels=12845056), **limits) for limits in LIMITS.values()),
        ResizeRule(28, 784, 784),
    ],
    ids=str,
)
def test_the_rule_is_the_processors(rule: ResizeRule) -> None:
    """Both for what is fed, and for what becomes of the picture that is sent in its place."""
    rng = random.Random(0)
    sizes = [*SIZES, *((int(2 ** rng.uniform(0, 13)), int(2 ** rng.uniform(0, 13))) for _ in range(2000))]
    for size in sizes:
        for given in (sides_in_range(size), rule.sent(size)):
            height, width = smart_resize(given[1], given[0], rule.factor, rule.min_pixels, rule.max_pixels)
            assert (width, height) == rule.fed(size), (size, given)
        assert rule.tokens(size) == width * height // rule.factor**2


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ((0, 100), "min_pixels is 0 and max_pixels 100"),
        ((5000, 4000), "min_pixels is 5000 and max_pixels 4000"),
        ((1, 783), "max_pixels is 783, expected at least one token of 784 pixels"),
    ],
)
def test_limits_that_no_picture_keeps_are_refused(limits: tuple[int, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ResizeRule(28, *limits)


OTHER_SERVERS: dict[str, dict[str, Any]] = {
    "smaller pictures": {"max_pixels": 1003520},
    "larger pictures": {"min_pixels": 1254400},
    "another factor": {"factor": 32},
    "smaller pictures, tokens of the prompt alone": {"max_pixels": 1003520, "counts": "prompt"},
    "larger pictures, tokens of the prompt alone": {"min_pixels": 1254400, "counts": "prompt"},
    "another factor, tokens of the prompt alone": {"factor": 32, "counts": "prompt"},
    "smaller pictures, SGLang's count": {"max_pixels": 1003520, "counts": "sglang"},
    "smaller pictures, count with marks": {"max_pixels": 1003520, "counts": "dashscope"},
}


@pytest.mark.parametrize("sizes", [[(1024, 1024)] * 3, [(1024, 1024), (300, 200)]], ids=["of one size", "of two sizes"])
@pytest.mark.parametrize("server", OTHER_SERVERS)
def test_a_server_that_feeds_another_size_stops_the_run(server: str, sizes: list[tuple[int, int]]) -> None:
    with pytest.raises(StoppedRun) as stopped:
        run(ResizingModel({}, **OTHER_SERVERS[server]), sizes)
    result = str(stopped.value)
    assert "does not feed its model the pictures that it is sent" in result
    assert "qwen2_5_vl with min_pixels=3136, max_pixels=12845056" in result
    assert "1036 x 1036" in result or "364 x 280" in result or "308 x 196" in result
    assert "Give min_pixels and max_pixels in --model_args as the server has them" in result
    assert "\n" not in result


def test_the_message_says_what_was_sent_expected_and_counted() -> None:
    with pytest.raises(StoppedRun, match=r"1369 for one of 1036 x 1036 pixels; the server counted 1225\."):
        run(ResizingModel({}, max_pixels=1003520), [(1024, 1024)])
    with pytest.raises(
        StoppedRun,
        match=r"1292 more for one of 1036 x 1036 than for one of 308 x 196 pixels; the server counted 1148\.",
    ):
        run(ResizingModel({}, max_pixels=1003520, counts="prompt"), [(1024, 1024), (300, 200)])


@pytest.mark.parametrize("counts", ["vllm", "sglang", "dashscope", "prompt"])
def test_a_server_that_agrees_is_asked_two_questions_more(counts: str) -> None:
    model, asked = ResizingModel({}, counts=counts), list[Asked]()  # type: ignore[arg-type]

    def script(request: Asked) -> Reply:
        asked.append(request)
        return model(request)

    found = run(script, [(1024, 768), (64, 64), (300, 200)])
    assert {at: response.input_size for at, response in found.items()} == {0: (1036, 756), 1: (56, 56), 2: (308, 196)}
    probes, questions = asked[:2], asked[2:]
    assert {probe.image.size for probe in probes} == {(1036, 756), (56, 56)}
    assert all(probe.body["max_tokens"] == 1 for probe in probes)
    assert {question.image.size for question in questions} == {(1036, 756), (56, 56), (308, 196)}


def test_a_server_that_counts_nothing_is_believed_and_that_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        found = run(ResizingModel({}, counts="nothing"), [(1024, 768), (64, 64)])
    assert [found[at].unanswered for at in (0, 1)] == [None, None]
    result = [record.getMessage() for record in caplog.records]
    assert sum("min_pixels=3136, max_pixels=12845056 is believed" in line for line in result) == 1, result


def test_every_answer_is_held_against_its_count() -> None:
    """Behind one address may stand servers with other limits; the questions asked first meet the right one."""
    right, wrong = ResizingModel({}), ResizingModel({}, max_pixels=1003520)
    with pytest.raises(StoppedRun, match="the server counted 1225"):
        run(lambda asked: right(asked) if asked.number < 2 else wrong(asked), [(1024, 1024)] * 2, concurrency=1)


def test_pictures_of_families_that_write_no_pixels_are_sent_as_they_are_but_extreme_sides() -> None:
    asked: list[Asked] = []
    model = ResizingModel({})

    def script(request: Asked) -> Reply:
        asked.append(request)
        return model(request)

    found = run(script, [(640, 480), *EXTREME], model="judge")
    sent = [asked.image.size for asked in sorted(asked, key=lambda a: a.number)]
    assert sorted(sent) == sorted(sides_in_range(size) for size in [(640, 480), *EXTREME])
    assert (5, 900) in sent
    assert all(response.unanswered is None and response.input_size is None for response in found.values())


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16", "CMYK"])
def test_pictures_of_every_mode_are_resized(mode: str) -> None:
    sizes: list[tuple[int, int]] = []

    def script(asked: Asked) -> Reply:
        sizes.append(asked.image.size)
        return completion("[]", usage={"prompt_tokens": 0})

    with ScriptedServer(script) as server:
        engine = OpenAIEngine(QWEN, base_url=server.url)
        [(_, response)] = engine.run([Request(Image.new(mode, (300, 200)), "boxes?")])
    assert response.input_size == (308, 196)
    assert sizes[-1] == (308, 196)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "a family nobody knows": ({"family": "qwen9"}, "family=qwen9 is not known, expected one of qwen2_vl, qwen2_5_vl"),
    "resized pixels of an unknown family": (
        {"model": "judge", "box_space": Space.RESIZED_PIXELS},
        "model's family is not known: give family=",
    ),
    "resized pixels of a family without a rule": (
        {"model": "InternVL3-8B", "box_space": Space.RESIZED_PIXELS},
        "family is internvl, of which no rule is known",
    ),
    "limits that would not hold": (
        {"model": "gpt-4o", "max_pixels": 1003520},
        "max_pixels=1003520: pictures are sent in",
    ),
    "limits of another type": ({"max_pixels": 1e6}, "max_pixels is 1000000.0, expected a whole number or None"),
    "limits that contradict": ({"min_pixels": 20000000}, "min_pixels is 20000000 and max_pixels 12845056"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_settings_that_cannot_hold_are_refused(case: str) -> None:
    settings, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        OpenAIEngine(base_url="http://127.0.0.1:9/v1", **{"model": QWEN, **settings})


@pytest.mark.parametrize(
    ("settings", "space", "resized"),
    [
        ({"model": QWEN}, Space.RESIZED_PIXELS, {"family": "qwen2_5_vl", "factor": 28, "min_pixels": 3136}),
        ({"model": "judge", "family": "qwen2_5_vl"}, Space.RESIZED_PIXELS, {"max_pixels": 12845056}),
        ({"model": QWEN, "max_pixels": 1003520}, Space.RESIZED_PIXELS, {"max_pixels": 1003520}),
        ({"model": "qwen3-vl", "box_space": Space.RESIZED_PIXELS}, Space.RESIZED_PIXELS, {"factor": 32}),
        ({"model": QWEN, "box_space": Space.NORM1000}, Space.NORM1000, None),
        ({"model": "gemini-2.5-pro"}, Space.NORM1000_YX, None),
        ({"model": "gpt-4o"}, Space.NORM1000, None),
    ],
)
def test_the_identity_holds_family_and_limits(settings: dict[str, Any], space: Space, resized: Any) -> None:
    """Stored answers of another size are others."""
    engine = OpenAIEngine(base_url="http://127.0.0.1:9/v1", **settings)
    assert engine.box_space is space
    found = engine.identity()["resized"]
    assert found is None if resized is None else resized.items() <= found.items()


def test_a_stored_answer_is_that_of_its_size(tmp_path: Path) -> None:
    """Nothing is asked of a server that has answered before, and all of it again with other limits."""
    requests = [Request(picture(number, (640, 480)), "boxes?") for number in (1, 2)]
    counts, sizes = [], []
    with ScriptedServer(ResizingModel({}, max_pixels=200704)) as server, AnswerStore(tmp_path / "store") as store:
        narrow: Limits = {"max_pixels": 200704}
        for limits in (narrow, narrow, Limits(max_pixels=200704, min_pixels=1568)):
            engine = OpenAIEngine(QWEN, base_url=server.url, **limits)
            found = dict(answer_with_store(engine, store, requests))
            counts.append(len(server.asked))
            sizes.append({response.input_size for response in found.values()})
    assert counts == [4, 4, 8]
    assert sizes == [{(504, 364)}] * 3


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        ({"prompt_tokens": 9, "prompt_tokens_details": {"multimodal_tokens": {"image": 4, "audio": 1}}}, (4, 9)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"image_tokens": 4}}, (4, 9)),
        ({"prompt_tokens": 9, "prompt_tokens_details": {"cached_tokens": 4}}, (None, 9)),
        ({"prompt_tokens": 9, "prompt_tokens_details": None}, (None, 9)),
        ({"prompt_tokens": 0, "prompt_tokens_details": {"image_tokens": 0}}, (None, None)),
        ({"prompt_tokens": True, "prompt_tokens_details": {"image_tokens": "4"}}, (None, None)),
        ({"prompt_tokens_details": [4]}, (None, None)),
        ([], (None, None)),
        (None, (None, None)),
    ],
)
def test_counts_as_servers_spell_them(usage: object, counted: tuple[int | None, int | None]) -> None:
    found = counted_tokens({"usage": usage})
    assert (found.picture, found.prompt) == counted
