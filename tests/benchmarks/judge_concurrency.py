"""How near ``Judge`` comes to the time its requests must take, and how that compares with the harness's own way.

    python tests/benchmarks/judge_concurrency.py

1,000 different pairs, 64 at a time, to a server in a process of its own that answers after 50 ms:

    ideal = ceil(1000 / 64) * 50 ms

Beside it, in turns with the judge:

"plain": the same bodies, made beforehand, through a bare aiohttp loop. It shows what a client can reach on this machine
at this moment. The judge also renders, reads and stores each pair.

"again": a second judge with the cache of the first; the server counts its calls.

"stock": the harness's own client (``lmms_eval.llm_judge``) as the tasks that ship with it use it, one request after the
other inside ``process_results``; and the same from 4 threads, from which the harness calls ``process_results`` by
default. 60 of the pairs, extrapolated to 1,000. Import and making the client are not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import aiohttp

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from judging import manifest_for, scored

from qreal_tasks.judge.judge import Judge
from qreal_tasks.judge.pairs import Pair
from qreal_tasks.judge.prompt import RESPONSE_FORMAT, render_messages
from qreal_tasks.llm.scripted_server import Reply, ScriptedServer

PAIRS, CONCURRENCY, LATENCY_S = 1000, 64, 0.05
STOCK_PAIRS, THREADS = 60, 4
IDEAL_S = math.ceil(PAIRS / CONCURRENCY) * LATENCY_S


def pairs() -> list[Pair]:
    return [
        Pair(
            f"The left hand of person {number} has six fingers, two of which are fused at the tip.",
            f"Person {number}: one finger too many on the left hand; the two outer ones have grown together.",
        )
        for number in range(PAIRS)
    ]


def serve() -> None:
    """For every line that comes in, print the address and how many requests there have been."""
    # Written once, so that the server stays well below one core.
    answer = Reply(json.dumps(scored(0.75).body), delay_s=LATENCY_S)
    with ScriptedServer(lambda _: answer) as server:
        for _ in sys.stdin:
            print(json.dumps({"url": server.url, "asked": len(server.asked)}), flush=True)
            server.asked.clear()


class Server:
    """``serve`` in a process of its own."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__, "--serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.url = str(self._said()["url"])

    def asked(self) -> int:
        """Requests since the last call."""
        return int(self._said()["asked"])

    def close(self) -> None:
        self._process.communicate(timeout=30)

    def _said(self) -> dict[str, str | int]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        found: dict[str, str | int] = json.loads(self._process.stdout.readline())
        return found


def through_judge(url: str, cache: Path) -> float:
    """Seconds from making the judge to its last judgement."""
    start = time.perf_counter()
    with Judge(manifest_for(url), cache, concurrency=CONCURRENCY) as judge:
        found = judge.judge(pairs())
        seconds = time.perf_counter() - start
    assert {judgement.score for judgement in found} == {0.75}, "a score is missing or wrong"
    return seconds


def plain(url: str) -> float:
    """Seconds of the loop alone."""
    manifest = manifest_for(url)
    shared = {"model": manifest.model, "temperature": 0, "response_format": RESPONSE_FORMAT}
    bodies = [json.dumps({**shared, "messages": render_messages(manifest, pair)}).encode() for pair in pairs()]

    async def run() -> None:
        waiting = iter(bodies)
        connector = aiohttp.TCPConnector(limit=CONCURRENCY)
        async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:

            async def worker() -> None:
                for body in waiting:
                    async with session.post(f"{url}/chat/completions", data=body) as answer:
                        json.loads(await answer.read())

            for _ in range(CONCURRENCY):
                group.create_task(worker())

    start = time.perf_counter()
    asyncio.run(run())
    return time.perf_counter() - start


def stock(url: str, threads: int) -> float:
    """Seconds that the harness's client would take for all pairs, from ``STOCK_PAIRS`` of them."""
    os.environ |= {"OPENAI_API_KEY": "none", "OPENAI_API_URL": url}
    from lmms_eval.llm_judge import Request, ServerConfig, get_server

    manifest = manifest_for(url)
    config = ServerConfig(manifest.model, max_tokens=manifest.max_tokens, response_format="json")
    client = get_server("openai", config)

    def score(pair: Pair) -> float:
        answer = client.evaluate(Request(render_messages(manifest, pair), config=config))
        return float(json.loads(answer.content)["score"])

    start = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(score, pairs()[:STOCK_PAIRS]))
    seconds = time.perf_counter() - start
    assert set(found) == {0.75}, "a score is missing or wrong"
    return seconds / STOCK_PAIRS * PAIRS


@dataclass(frozen=True)
class Measured:
    """One repeat; seconds for all pairs."""

    plain_s: float
    judge_s: float
    again_s: float
    serial_s: float
    threads_s: float


def measure(server: Server) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        plain_s = plain(server.url)
        server.asked()
        judge_s = through_judge(server.url, Path(folder) / "judged")
        assert server.asked() == PAIRS
        again_s = through_judge(server.url, Path(folder) / "judged")
        assert server.asked() == 0, "what the cache holds was asked again"
        return Measured(plain_s, judge_s, again_s, stock(server.url, 1), stock(server.url, THREADS))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve()
        return
    server = Server()
    print(f"{PAIRS} pairs, {CONCURRENCY} at a time, {LATENCY_S * 1000:.0f} ms: ideal {IDEAL_S:.2f} s")
    print(f"{'plain s':>8} {'judge s':>8} {'again s':>8} {'stock s':>8} {f'stock, {THREADS} threads s':>19}")
    runs = []
    for _ in range(arguments.repeats):
        run = measure(server)
        runs.append(run)
        print(
            f"{run.plain_s:>8.2f} {run.judge_s:>8.2f} {run.again_s:>8.3f} {run.serial_s:>8.1f} {run.threads_s:>19.1f}"
        )
    server.close()
    print(
        f"medians: judge/ideal {statistics.median(run.judge_s / IDEAL_S for run in runs):.2f} (target at most 1.30), "
        f"judge/plain {statistics.median(run.judge_s / run.plain_s for run in runs):.2f}, "
        f"stock/judge {statistics.median(run.serial_s / run.judge_s for run in runs):.1f}, "
        f"with {THREADS} threads {statistics.median(run.threads_s / run.judge_s for run in runs):.1f}; "
        "the second judge made 0 calls"
    )


if __name__ == "__main__":
    main()
