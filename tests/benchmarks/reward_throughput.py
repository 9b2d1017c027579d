"""Images per second of the reward, one at a time against sixteen at once: in this process, and through ``qreal serve``.

    python tests/benchmarks/reward_throughput.py [--model mini] [--images 32] [--repeats 3]

Drawn scenes, all different; nothing is cached. In turns, several times, medians:

- ``call of 1`` and ``call of 16``: ``QRealReward`` in this process, with so many images a call.
- ``batch 1`` and ``batch 16``: a server on loopback that judges at most so many images together, asked by 16 clients of
  one image each. What differs is batching across requests alone.
"""

from __future__ import annotations

import argparse
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from PIL import Image

from qreal_tasks.api.asking import SETS, Model
from qreal_tasks.mini.drawing.scene import draw_scene
from qreal_tasks.mini.plan import plan_images
from qreal_tasks.screening.reward.client import RemoteReward
from qreal_tasks.screening.reward.reward import QRealReward
from qreal_tasks.screening.serving.app import RewardServer
from qreal_tasks.screening.serving.run import AnnouncedServer, open_socket

SEED = 4242
CLIENTS = 16
Ask = Callable[[Sequence[Image.Image]], int]


def new_reward(model: Model, detect_only: bool) -> QRealReward:
    """A reward that keeps nothing."""
    return QRealReward(model, sets=() if detect_only else SETS, cached=0)


def in_calls_of(size: int, reward: QRealReward) -> Ask:
    """Ask in this process, so many images a call."""

    def ask(pictures: Sequence[Image.Image]) -> int:
        parts = [pictures[start : start + size] for start in range(0, len(pictures), size)]
        return sum(len(reward(list(part))) for part in parts)

    return ask


@contextmanager
def through_server(reward: QRealReward, batch: int) -> Iterator[Ask]:
    """Ask a server by ``CLIENTS`` clients of one image each."""
    server = RewardServer(reward, name="benchmark", batch=batch)
    listening = threading.Event()
    running = AnnouncedServer(server, listening.set)
    with open_socket("127.0.0.1", 0) as opened:
        thread = threading.Thread(target=running.run, kwargs={"sockets": [opened]})
        thread.start()
        listening.wait()
        address = f"http://127.0.0.1:{opened.getsockname()[1]}"
        with RemoteReward(address) as remote, ThreadPoolExecutor(CLIENTS) as pool:
            yield lambda pictures: sum(pool.map(lambda one: len(remote([one])), pictures))
        running.should_exit = True
        thread.join()
        server.close()


def measure(asks: dict[str, Ask], pictures: Sequence[Image.Image], repeats: int) -> dict[str, float]:
    """Images per second, medians; the contenders take turns."""
    rates: dict[str, list[float]] = {name: [] for name in asks}
    for _ in range(repeats):
        for name, ask in asks.items():
            start = time.perf_counter()
            assert ask(pictures) == len(pictures)
            rates[name].append(len(pictures) / (time.perf_counter() - start))
    return {name: statistics.median(found) for name, found in rates.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--images", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--sets", action="store_true", help="ask the ImageQA sets too, not for all entities alone")
    options = parser.parse_args()
    plans = plan_images(max(20, options.images), SEED, 0.25, 0.4)[: options.images]
    pictures = [Image.fromarray(draw_scene(plan).pixels) for plan in plans]
    with Model(options.model) as model:
        reward = new_reward(model, not options.sets)
        reward(pictures[:2])
        with through_server(reward, 1) as one, through_server(reward, 16) as sixteen:
            asks = {
                "call of 1": in_calls_of(1, reward),
                "call of 16": in_calls_of(16, reward),
                "batch 1": one,
                "batch 16": sixteen,
            }
            rates = measure(asks, pictures, options.repeats)
    print(f"{options.model}: {len(pictures)} images, {options.repeats} repeats, medians")
    for name, rate in rates.items():
        print(f"  {name:12} {rate:7.2f} images/s")
    print(f"  in this process, 16 against 1: {rates['call of 16'] / rates['call of 1']:.2f} x")
    print(f"  through the server, 16 against 1: {rates['batch 16'] / rates['batch 1']:.2f} x")
    print(f"  the server against a call of 16: {rates['batch 16'] / rates['call of 16']:.2f} x")


if __name__ == "__main__":
    main()
