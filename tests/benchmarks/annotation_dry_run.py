"""What a dry run promises for as many images as the paper's set has, against what the server then counts.

    python tests/benchmarks/annotation_dry_run.py

3,088 drawn scenes, made different by one pixel and shrunk to 96 px so that this machine gets through them; a scripted
server names 5.79 entities an image and one person in every eighth image, and counts tokens by what arrives: pictures by
OpenAI's rule, text by words and signs. The tiny detector is set to give every name one box.

Promises are printed three times: before the first call, with the true numbers of entities in the config; after a pilot
of 256 images, with wrong ones in the config; and when detection is done.
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from annotating import answer, config_for, mini_pictures
from tiny_annotators import write_tiny_grounding_dino

from annotation.execution.driver import RunOptions, Watcher, init_run, run_stages
from annotation.llm.calls import CallRecord
from annotation.run.folder import RunFolder
from annotation.status.estimate import Forecast, forecast
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer
from qreal_tasks.shards.executors import ExecutorOptions

PILOT = 256
NAMES = ["dog", "cat", "horse", "bird", "car", "bus", "boat", "chair", "table", "mug", "tree", "lamp", "flower", "sign"]


def names(chance: random.Random) -> list[str]:
    """5.79 on average: from 3 to 8, and the rest by chance; a person in one of eight."""
    count = chance.choice([3, 4, 5, 6, 7, 8]) + (chance.random() < 0.29)
    return chance.sample(NAMES, count) if chance.random() >= 1 / 8 else ["man", *chance.sample(NAMES, count - 1)]


def script(asked: Asked) -> Reply:
    return answer(asked, names)


def write_images(folder: Path, count: int) -> Path:
    folder.mkdir()
    scenes = []
    for content, prompt, _ in mini_pictures(150):
        image = Image.open(io.BytesIO(content)).convert("RGB")
        image.thumbnail((96, 96))
        scenes.append((image, prompt))
    for number in range(count):
        image, prompt = scenes[number % len(scenes)]
        changed = image.copy()
        changed.putpixel((number % 96, 0), (number % 256, number // 256, 0))
        changed.save(folder / f"{number:05d}.png", compress_level=1)
        (folder / f"{number:05d}.txt").write_text(prompt, encoding="utf-8")
    return folder


def told(what: str, forecasts: list[Forecast]) -> None:
    calls, cost = sum(one.calls for one in forecasts), sum(one.cost_usd or 0 for one in forecasts)
    by_stage = ", ".join(f"{one.stage} {one.calls:.0f}" for one in forecasts)
    print(f"{what:<28}{calls:>10,.0f} calls  ${cost:>8.2f}   {by_stage}", flush=True)


def counted(run: RunFolder) -> tuple[int, float]:
    """As the server told the record; the server's own count of calls is checked against it."""
    with CallRecord(run.calls_path) as calls:
        spent = calls.spent().values()
        return sum(one.calls for one in spent), sum(one.cost_usd for one in spent)


def begin(folder: Path, name: str, url: str, images: Path, **expected: float) -> RunFolder:
    detection = {"model": str(folder / "dino"), "device": "cpu", "max_boxes_per_phrase": 1, "duplicate_iou": 1.0}
    detection |= {"threshold": 0.001, "second_threshold": 0.001, "min_area_px": 0, "batch_size": 16}
    result = {"trusted_after": 30, "crop_px": [64, 64], **expected}
    config = config_for(url, detection=detection, expected=result, images_per_shard=64)
    return init_run(str(images), folder / name, config, ExecutorOptions(), Watcher())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=3088)
    arguments = parser.parse_args()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as place, ScriptedServer(script) as server:
        folder = Path(place)
        write_tiny_grounding_dino(folder / "dino")
        images = write_images(folder / "images", arguments.images)
        cold = begin(folder, "cold", server.url, images, entities_per_image=5.79, portraits_per_image=1 / 8)
        told("before the first call", forecast(cold, list(cold.shard_numbers)))
        run = begin(folder, "run", server.url, images, entities_per_image=1, portraits_per_image=1)
        run_stages(run, RunOptions(images=PILOT), Watcher())
        pilot = counted(run)
        told(f"after a pilot of {PILOT}", forecast(run, list(run.shard_numbers)))
        print(f"{'':<28}the pilot itself was {pilot[0]:,} calls, ${pilot[1]:.2f}", flush=True)
        run_stages(run, RunOptions(stages=("entities", "detection", "quality")), Watcher())
        now = counted(run)
        told("when detection is done", forecast(run, list(run.shard_numbers)))
        run_stages(run, RunOptions(), Watcher())
        calls, cost = counted(run)
        assert calls == len(server.asked), "the record and the server disagree"
        print(f"{'counted by the server':<28}{calls:>10,} calls  ${cost:>8.2f}")
        print(f"{'  of it after the pilot':<28}{calls - pilot[0]:>10,} calls  ${cost - pilot[1]:>8.2f}")
        print(f"{'  of it after detection':<28}{calls - now[0]:>10,} calls  ${cost - now[1]:>8.2f}")
        print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
