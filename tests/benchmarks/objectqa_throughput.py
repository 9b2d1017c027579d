"""Questions per second of ObjectQA: ``TransformersEngine`` against the harness's own backend, on the same crops.

    python tests/benchmarks/objectqa_throughput.py [--quick]
    python tests/benchmarks/objectqa_throughput.py --threads 1 2 --shapes 2M 20M 50M 100M --batches
    python tests/benchmarks/objectqa_throughput.py --server http://localhost:8000/v1 --served NAME

Qwen2.5-VL shapes with random weights that answer Yes or No and end the turn. Crops of 100 to 800 image tokens, about
400 in the mean, six questions each. In turns, several times, medians:

- ``qwen2_5_vl at N``: lmms-eval's chat backend at batch size N. It always loads in bfloat16; here it is made to load
  what the engine loads (``--dtype``), and it gets the processor's own ``min_pixels``, since its default would enlarge
  the small crops.
- ``decision``: the pipeline of transformers; its prompt is another one, and its questions see each other.
- ``engine``: this project's; with ``--threads`` once with each number of threads, which is how ``SMALL_MODEL`` of
  ``models/local/weights/threads.py`` was found.
- ``server``: ``qreal_openai`` on a server that runs already, whatever model it serves.

The floor is the arithmetic of the shared form (vision tower and prefix once a crop, then the questions' own tokens;
padding not counted), over the rate of large matrix products measured in the same run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from PIL import Image
from scipy.stats import beta
from transformers import pipeline

from qreal_tasks.benchmark import ANSWERS, QUESTION_NAMES, objectqa_prompt, question
from qreal_tasks.llm.completions import EMPTY
from qreal_tasks.models.local.engine import TransformersEngine
from qreal_tasks.models.requests import Request
from qreal_tasks.models.server.engine import OpenAIEngine
from qreal_tasks.models.tiny.qwen import write_qwen2_5_vl

T = TypeVar("T")

SHAPES = {
    "2M": (
        {"hidden_size": 128, "intermediate_size": 384, "num_hidden_layers": 3, "num_attention_heads": 4},
        {"hidden_size": 96, "intermediate_size": 256, "depth": 3, "num_heads": 4, "out_hidden_size": 128},
    ),
    "20M": (
        {"hidden_size": 448, "intermediate_size": 1216, "num_hidden_layers": 8, "num_attention_heads": 7},
        {"hidden_size": 160, "intermediate_size": 432, "depth": 6, "num_heads": 2, "out_hidden_size": 448},
    ),
    "50M": (
        {"hidden_size": 576, "intermediate_size": 1664, "num_hidden_layers": 10, "num_attention_heads": 9},
        {"hidden_size": 240, "intermediate_size": 640, "depth": 6, "num_heads": 4, "out_hidden_size": 576},
    ),
    "100M": (
        {"hidden_size": 768, "intermediate_size": 2304, "num_hidden_layers": 12, "num_attention_heads": 12},
        {"hidden_size": 320, "intermediate_size": 856, "depth": 8, "num_heads": 4, "out_hidden_size": 768},
    ),
    "7B": (
        {"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28},
        {"hidden_size": 1280, "intermediate_size": 3420, "depth": 32, "num_heads": 16, "out_hidden_size": 3584},
    ),
}
KEY_VALUE_HEADS = {"2M": 1, "20M": 1, "50M": 1, "100M": 2, "7B": 4}
PATCHES_A_TOKEN, WINDOW_PATCHES, TOKEN_PIXELS = 4, 64, 28 * 28
FULL_ATTENTION_LAYERS = 2


def write_model(folder: Path, name: str, dtype: torch.dtype) -> None:
    """A model of that shape, saved in ``dtype``."""
    text, vision = SHAPES[name]
    text = {**text, "num_key_value_heads": KEY_VALUE_HEADS[name], "max_position_embeddings": 8192}
    depth = vision["depth"]
    windows = {"fullatt_block_indexes": [depth // 2 - 1, depth - 1], "window_size": 112}
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        write_qwen2_5_vl(folder, text, {**vision, **windows})
    finally:
        torch.set_default_dtype(before)


def crops(count: int) -> list[Image.Image]:
    """Pictures of 100 to 800 image tokens, 400 in the mean, upright and wide."""
    rng = np.random.default_rng(0)
    tokens = 100 + 700 * beta.ppf((np.arange(count) + 0.5) / count, 1.5, 2)
    sides = [
        (np.sqrt(t * TOKEN_PIXELS * r), np.sqrt(t * TOKEN_PIXELS / r))
        for t, r in zip(tokens, rng.uniform(0.5, 2, count), strict=True)
    ]
    pictures = [
        Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)).resize((round(w), round(h))) for w, h in sides
    ]
    return [pictures[at] for at in rng.permutation(count)]


def requests_about(pictures: list[Image.Image]) -> list[Request]:
    """In the order of the harness: a task after the other."""
    return [Request(p, objectqa_prompt(name), ANSWERS) for name in QUESTION_NAMES for p in pictures]


def stock_backend(folder: Path, batch_size: int, dtype: torch.dtype, device: str) -> Any:
    """lmms-eval's backend, loading ``dtype`` where it says bfloat16."""
    from lmms_eval.models.chat import qwen2_5_vl as chat
    from lmms_eval.models.simple import qwen2_5_vl as simple

    real = simple.Qwen2_5_VLForConditionalGeneration

    def from_pretrained(pretrained: str, **options: Any) -> Any:
        return real.from_pretrained(pretrained, **{**options, "torch_dtype": dtype})

    simple.Qwen2_5_VLForConditionalGeneration = SimpleNamespace(from_pretrained=from_pretrained)
    try:
        options = {"device": device, "device_map": device, "attn_implementation": "sdpa", "min_pixels": 56 * 56}
        return chat.Qwen2_5_VL(str(folder), batch_size=batch_size, **options)
    finally:
        simple.Qwen2_5_VLForConditionalGeneration = real


def asked_of_stock(backend: Any, pictures: list[Image.Image]) -> Callable[[], int]:
    """The same questions as the harness hands them over; returns a function that asks them."""
    from lmms_eval.api.instance import Instance

    def messages(name: str) -> Callable[[Any], list[dict[str, Any]]]:
        text = {"type": "text", "text": objectqa_prompt(name)}
        return lambda doc: [{"role": "user", "content": [{"type": "image", "url": doc}, text]}]

    settings = {"until": [], "max_new_tokens": 16, "temperature": 0, "do_sample": False}
    backend.task_dict = {name: {"test": pictures} for name in QUESTION_NAMES}
    instances = [
        Instance(
            request_type="generate_until",
            arguments=("", messages(name), settings, at, name, "test"),
            idx=0,
            metadata={"task": name, "doc_id": at, "repeats": 1},
        )
        for name in QUESTION_NAMES
        for at in range(len(pictures))
    ]

    def ask() -> int:
        answers = backend.generate_until(instances)
        result = {answer.text for answer in answers} - {""}  # random weights end a turn at once now and then
        assert result <= set(ANSWERS), f"the stock backend said {result - set(ANSWERS)}"
        return len(answers)

    return ask


def asked_of_decision(folder: Path, pictures: list[Image.Image], dtype: torch.dtype, device: str) -> Callable[[], int]:
    """Six yes-or-no questions a picture through the pipeline."""
    decide = pipeline("decision", model=str(folder), dtype=dtype, device=device)
    questions = {name: {"type": "noul", "instructions": question(name).text} for name in QUESTION_NAMES}

    def ask() -> int:
        for picture in pictures:
            decide(
                {"state": "The picture PICTURE shows a dog.", "questions": questions, "assets": {"PICTURE": picture}}
            )
        return len(pictures) * len(questions)

    ask()
    return ask


def asked_of_engine(engine: TransformersEngine, pictures: list[Image.Image]) -> Callable[[], int]:
    """The engine's answers; every one has probabilities, but for the blank ones of random weights."""
    requests = requests_about(pictures)

    def ask() -> int:
        answers = dict(engine.run(requests))
        result = {answer.unanswered for answer in answers.values() if answer.p is None}
        assert result <= {EMPTY}, f"a question has no probability: {result - {EMPTY}}"
        return len(answers)

    return ask


def asked_of_server(engine: OpenAIEngine, pictures: list[Image.Image]) -> Callable[[], int]:
    """What a server answers; an answer without probabilities counts."""
    requests = requests_about(pictures)
    return lambda: len(dict(engine.run(requests)))


def with_threads(count: int, ask: Callable[[], int]) -> Callable[[], int]:
    """The same with another number of threads."""

    def ask_in_threads() -> int:
        before = torch.get_num_threads()
        torch.set_num_threads(count)
        try:
            return ask()
        finally:
            torch.set_num_threads(before)

    return ask_in_threads


class Operations(NamedTuple):
    """Multiplications and additions over all crops, padding and decoding not counted."""

    shared: float
    """Vision tower and prefix once a crop."""
    separate: float
    """A row of its own for every question."""


def operations(
    name: str, engine: TransformersEngine, pictures: list[Image.Image], with_text: bool = True
) -> Operations:
    """What the crops and their questions cost in the forward pass; see ``_text`` and ``_vision``."""
    text, vision = SHAPES[name]
    if not with_text:
        text = {**text, "num_hidden_layers": 0}
    shared_form = separate = 0.0
    for picture in pictures:
        asked = engine._chat.ask(picture, [objectqa_prompt(q) for q in QUESTION_NAMES])
        patches = asked.picture["pixel_values"].shape[0]
        shared, suffixes = asked.shared_length, [len(p.ids) - asked.shared_length for p in asked.prompts]
        tower = _vision(vision, patches, asked.picture["pixel_values"].shape[1])
        shared_form += tower + _text(text, KEY_VALUE_HEADS[name], shared, suffixes)
        separate += sum(tower + _text(text, KEY_VALUE_HEADS[name], shared + suffix, []) for suffix in suffixes)
    return Operations(shared_form, separate)


def _text(shape: dict[str, int], kv_heads: int, shared: int, suffixes: list[int]) -> float:
    hidden, layers = shape["hidden_size"], shape["num_hidden_layers"]
    kv = hidden // shape["num_attention_heads"] * kv_heads
    linear = 2 * (2 * hidden * hidden + 2 * hidden * kv + 3 * hidden * shape["intermediate_size"])
    pairs = shared**2 / 2 + sum(n * shared + n**2 / 2 for n in suffixes)
    return layers * ((shared + sum(suffixes)) * linear + 4 * hidden * pairs)


def _vision(shape: dict[str, int], patches: int, patch_values: int) -> float:
    hidden, depth = shape["hidden_size"], shape["depth"]
    linear = depth * 2 * (4 * hidden**2 + 3 * hidden * shape["intermediate_size"]) + 2 * patch_values * hidden
    seen = FULL_ATTENTION_LAYERS * patches + (depth - FULL_ATTENTION_LAYERS) * WINDOW_PATCHES
    merged = 4 * hidden
    merger = 2 * (merged**2 + merged * shape["out_hidden_size"]) / PATCHES_A_TOKEN
    return patches * (linear + 4 * hidden * seen + merger)


def matrix_rate(dtype: torch.dtype, device: str, side: int) -> float:
    """Operations per second of a large matrix product, the best of several."""
    a, b = (torch.randn(side, side, dtype=dtype, device=device) for _ in range(2))
    return 2 * side**3 / min(_timed(lambda: a @ b, device)[0] for _ in range(6))


def _timed(work: Callable[[], T], device: str) -> tuple[float, T]:
    """Seconds and what the work gave."""
    if device != "cpu":
        torch.cuda.synchronize()
    start = time.perf_counter()
    found = work()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start, found


def compare(
    name: str,
    pictures: list[Image.Image],
    batches: list[int],
    repeats: int,
    dtype: torch.dtype,
    device: str,
    threads: list[int],
    server: OpenAIEngine | None,
) -> None:
    """Print a table for one shape."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_model(folder, name, dtype)
        engine = TransformersEngine(str(folder), device=device)
        parameters = sum(p.numel() for p in engine.model.parameters())
        contenders: dict[str, Callable[[], int]] = {}
        for batch in batches:
            contenders[f"qwen2_5_vl at {batch}"] = asked_of_stock(stock_backend(folder, batch, dtype, device), pictures)
        if batches:
            try:
                contenders["decision"] = asked_of_decision(folder, pictures, dtype, device)
            except Exception as error:
                print(f"decision pipeline left out: {type(error).__name__}: {error}")
        if server is not None:
            contenders["server"] = asked_of_server(server, pictures)
        contenders["engine"] = asked_of_engine(engine, pictures)
        for count in threads:
            contenders[f"engine, {count} threads"] = with_threads(count, contenders["engine"])
        asked_of_engine(engine, pictures[:2])()
        rates: dict[str, list[float]] = {each: [] for each in contenders}
        matrix: list[float] = []
        for _ in range(repeats):
            for each, ask in contenders.items():
                taken, answered = _timed(ask, device)
                rates[each].append(answered / taken)
            matrix.append(matrix_rate(dtype, device, 2048 if device == "cpu" else 8192))
        needed = operations(name, engine, pictures)
    tokens = [p.width * p.height / TOKEN_PIXELS for p in pictures]
    print(f"\n{name}: {parameters / 1e6:.0f} M parameters, {dtype}, {device}, {repeats} repeats")
    given = ", ".join(f"{one}={os.environ.get(one, 'not set')}" for one in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY"))
    print(f"  {torch.get_num_threads()} threads ({given}); load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(
        f"  {len(pictures)} crops of {min(tokens):.0f} to {max(tokens):.0f} image tokens (mean {np.mean(tokens):.0f})"
    )
    ours = statistics.median(rates["engine"])
    for each, found in rates.items():
        middle = statistics.median(found)
        spread = f"({min(found):.2f} to {max(found):.2f})"
        print(f"  {each:18} {middle:8.2f} questions/s {spread:20} engine {ours / middle:5.2f} x")
    rate = statistics.median(matrix)
    ideal = len(pictures) * len(QUESTION_NAMES) * rate / needed.shared
    reached = f"the engine reaches {100 * ours / ideal:.0f} %"
    print(f"  {'floor':18} {ideal:8.2f} questions/s at {rate / 1e9:.0f} GFLOP/s; {reached}")
    print(f"  separate rows need {needed.separate / needed.shared:.2f} x the arithmetic of the shared form")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few crops, one repeat")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=["20M", "100M"])
    parser.add_argument("--crops", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--batches", type=int, nargs="*", default=[1, 2, 4, 8], help="of the stock backend; may be none"
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[], help="also the engine in so many threads")
    parser.add_argument("--server", help="address of an OpenAI-compatible server, with /v1, for a row of its own")
    parser.add_argument("--served", default="model", help="name of its model")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    if options.quick:
        options.crops, options.repeats, options.batches = 6, 1, [1, 4]
    server = OpenAIEngine(options.served, base_url=options.server) if options.server else None
    for name in options.shapes:
        compare(
            name,
            crops(options.crops),
            options.batches,
            options.repeats,
            getattr(torch, options.dtype),
            options.device,
            options.threads,
            server,
        )


if __name__ == "__main__":
    main()
