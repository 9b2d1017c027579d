"""How near ``OpenAIEngine`` comes to the time its requests must take, with a server that fails now and then.

    python tests/benchmarks/openai_concurrency.py

1,000 requests about 167 small pictures (six questions each), 64 at a time, to a server in a process of its own that
answers after 50 ms. Every seventh request is answered 429 at first, with a ``retry-after-ms`` of 50, and every
fiftieth loses its connection. The ideal counts only the server's 50 ms of every attempt, the failed ones included,
spread over 64 places without a gap. Connecting, waits before retries and the client's own work are not in it:

    ideal = (requests + 429s + lost connections) * 50 ms / 64

Beside it, in turns with the engine: "plain", the same bodies, made beforehand, through a bare aiohttp loop that posts
again at once whatever failed. It shows what a client can reach on this machine at this moment.

"Asked twice" counts requests that the server answered with 200 more than once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion, error
from qreal_tasks.models.requests import Request
from qreal_tasks.models.server.engine import OpenAIEngine
from qreal_tasks.models.server.pictures import data_url

REQUESTS, CONCURRENCY, LATENCY_S = 1000, 64, 0.05
QUESTIONS = 6


def script(answered: Counter[str], failed: Counter[str]) -> ScriptedServer:
    """Fails the first attempt at every seventh and every fiftieth request, by its number in the text."""

    # Written once, so that the server stays well below one core.
    yes = Reply(json.dumps(completion("Yes", {"Yes": 0.75, " no": 0.25}).body), delay_s=LATENCY_S)
    slow_down = error(429, "slow down", retry_after_ms="50")
    refused = Reply(slow_down.body, 429, slow_down.headers, delay_s=LATENCY_S)

    def reply(asked: Asked) -> Reply:
        number = int(asked.text.split()[0])
        first = f"{number}" not in failed
        if first and number % 50 == 0:
            failed[f"{number}"] = 50
            return Reply(drop=True, delay_s=LATENCY_S)
        if first and number % 7 == 0:
            failed[f"{number}"] = 7
            return refused
        answered[f"{number}"] += 1
        return yes

    return ScriptedServer(reply)


def serve() -> None:
    """Print the address, serve until a line comes in, print what was counted."""
    answered: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    with script(answered, failed) as server:
        print(server.url, flush=True)
        sys.stdin.readline()
    kinds = Counter(failed.values())
    print(
        json.dumps(
            {
                "answered": len(answered),
                "twice": sum(n > 1 for n in answered.values()),
                "status_429": kinds[7],
                "dropped": kinds[50],
            }
        )
    )


@dataclass(frozen=True)
class Measured:
    """One repeat."""

    seconds: float
    answered: int
    twice: int
    status_429: int
    dropped: int

    @property
    def ideal_s(self) -> float:
        return (REQUESTS + self.status_429 + self.dropped) * LATENCY_S / CONCURRENCY


Client = Callable[[str, list[Request]], float]


def through_engine(url: str, requests: list[Request]) -> float:
    """Seconds from the first request to the last answer, imports not included."""
    engine = OpenAIEngine("scripted", base_url=url, api_key="key", concurrency=CONCURRENCY)
    start = time.perf_counter()
    answers = dict(engine.run(requests))
    seconds = time.perf_counter() - start
    assert len(answers) == REQUESTS
    assert all(answer.p == (0.75, 0.25) for answer in answers.values()), "an answer is missing or wrong"
    return seconds


def plain(url: str, requests: list[Request]) -> float:
    """Seconds of the loop alone."""
    bodies = [
        json.dumps(
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "image_url", "image_url": {"url": data_url(request.image)}},
                            {"type": "text", "text": request.text},
                        ],
                    }
                ]
            }
        ).encode()
        for request in requests
    ]

    async def run() -> None:
        waiting = iter(bodies)
        connector = aiohttp.TCPConnector(limit=CONCURRENCY)
        async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:

            async def post(body: bytes) -> bool:
                try:
                    async with session.post(f"{url}/chat/completions", data=body) as answer:
                        await answer.read()
                        return bool(answer.status == 200)
                except aiohttp.ClientError:
                    return False

            async def worker() -> None:
                for body in waiting:
                    while not await post(body):
                        pass

            for _ in range(CONCURRENCY):
                group.create_task(worker())

    start = time.perf_counter()
    asyncio.run(run())
    return time.perf_counter() - start


def measure(client: Client, seed: int) -> Measured:
    """One run of ``client`` against a fresh server."""
    rng = np.random.default_rng(seed)
    pictures = [
        Image.fromarray(rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)) for _ in range(-(-REQUESTS // QUESTIONS))
    ]
    requests = [
        Request(pictures[number // QUESTIONS], f"{number} is it real?", ("Yes", "No")) for number in range(REQUESTS)
    ]
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert server.stdin is not None
    assert server.stdout is not None
    url = server.stdout.readline().strip()
    seconds = client(url, requests)
    counted, _ = server.communicate("\n", timeout=30)
    return Measured(seconds, **json.loads(counted))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve()
        return
    head = f"{'answered':>8} {'429':>5} {'dropped':>8} {'twice':>6} {'ideal s':>8} {'plain s':>8} {'took s':>7}"
    print(f"{head} {'took/ideal':>10} {'took/plain':>10}")
    runs = []
    for seed in range(arguments.repeats):
        bare, run = measure(plain, seed), measure(through_engine, seed)
        runs.append(run)
        print(
            f"{run.answered:>8} {run.status_429:>5} {run.dropped:>8} {run.twice:>6} {run.ideal_s:>8.2f} "
            f"{bare.seconds:>8.2f} {run.seconds:>7.2f} {run.seconds / run.ideal_s:>10.2f} "
            f"{run.seconds / bare.seconds:>10.2f}"
        )
    print(f"median ratio {statistics.median(run.seconds / run.ideal_s for run in runs):.2f}, target at most 1.50")


if __name__ == "__main__":
    main()
