"""How near a language-model stage comes to the time that its calls must take.

    python tests/benchmarks/annotation_calls.py

2,000 images through stage ``entities``, 32 calls at a time, to a server in a process of its own that answers after
50 ms and refuses every seventh request with a 429 at once:

    ideal = ceil(2000 / 32) * 50 ms

Beside it, in turns:

"plain": the same bodies, made beforehand, through a bare aiohttp loop that sends a refused request again. It shows what
a client can reach on this machine at this moment. The stage also reads shards, encodes pictures, checks replies,
records every call and writes shards.

"again": the stage with its shards taken away; every answer comes from the record, and the server counts no call.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import math
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from annotating import config_for

from annotation.execution.driver import RunOptions, Watcher, init_run, run_stages
from annotation.llm.asker import request_options
from annotation.run.folder import RunFolder
from annotation.stages.entities import plan_entities
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion, error
from qreal_tasks.shards.executors import ExecutorOptions

CALLS, CONCURRENCY, LATENCY_S = 2000, 32, 0.05
IDEAL_S = math.ceil(CALLS / CONCURRENCY) * LATENCY_S
ENTITIES = RunOptions(stages=("entities",))


def serve() -> None:
    """For every line that comes in, print the address and how many requests there have been."""
    text = json.dumps({"entities": [{"name": "dog", "is_person": False}, {"name": "mug", "is_person": False}]})
    # Written once, so that the server stays well below one core.
    answered = Reply(json.dumps(completion(text).body), delay_s=LATENCY_S)
    refused = error(429, "slow down")

    def script(asked: Asked) -> Reply:
        return refused if asked.number % 7 == 6 else answered

    with ScriptedServer(script) as server:
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


def write_images(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    folder.mkdir()
    for number in range(CALLS):
        out = io.BytesIO()
        Image.fromarray(rng.integers(0, 255, (48, 64, 3), dtype=np.uint8)).save(out, "PNG")
        (folder / f"{number:04d}.png").write_bytes(out.getvalue())
    return folder


def staged(run: RunFolder) -> float:
    """Seconds of the stage, from its first shard to its last."""
    start = time.perf_counter()
    run_stages(run, ENTITIES, Watcher())
    seconds = time.perf_counter() - start
    rows = [row for shard in run.shard_numbers for row in run.read("entities", shard)]
    assert len(rows) == CALLS
    assert all(row["state"] == "done" for row in rows)
    return seconds


def bodies_of(run: RunFolder) -> list[bytes]:
    options = request_options(run.config)
    requests = [task.request for shard in run.shard_numbers for task in plan_entities(run, shard)]
    return [json.dumps(one.body(one.messages(), options)).encode() for one in requests if one is not None]


def plain(url: str, bodies: list[bytes]) -> float:
    """Seconds of the loop alone."""

    async def main() -> None:
        waiting = iter(bodies)
        connector = aiohttp.TCPConnector(limit=CONCURRENCY)
        async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as group:

            async def worker() -> None:
                for body in waiting:
                    while True:
                        async with session.post(f"{url}/chat/completions", data=body) as answer:
                            json.loads(await answer.read())
                            if answer.status == 200:
                                break

            for _ in range(CONCURRENCY):
                group.create_task(worker())

    start = time.perf_counter()
    asyncio.run(main())
    return time.perf_counter() - start


@dataclass(frozen=True)
class Measured:
    """One repeat, in seconds."""

    plain_s: float
    stage_s: float
    again_s: float


def measure(server: Server, prepared: Path, bodies: list[bytes]) -> Measured:
    with tempfile.TemporaryDirectory() as folder:
        run = RunFolder(Path(shutil.copytree(prepared, Path(folder) / "run")))
        plain_s = plain(server.url, bodies)
        server.asked()
        stage_s = staged(run)
        asked = server.asked()
        # The server restarts its count with every turn, so this many of each turn's requests are refused.
        assert asked - (asked // 7) == CALLS, f"{asked} requests for {CALLS} answers"
        shutil.rmtree(run.path / "shards" / "entities")
        again_s = staged(run)
        assert server.asked() == 0, "what the record holds was asked again"
    return Measured(plain_s, stage_s, again_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve()
        return
    server = Server()
    with tempfile.TemporaryDirectory() as folder:
        images = write_images(Path(folder) / "images")
        model = {"concurrency": CONCURRENCY, "first_wait_s": 0.02}
        config = config_for(server.url, images_per_shard=64, language_model=model)
        run = init_run(str(images), Path(folder) / "run", config, ExecutorOptions(), Watcher())
        bodies = bodies_of(run)
        print(f"{CALLS} calls, {CONCURRENCY} at a time, {LATENCY_S * 1000:.0f} ms, every seventh refused: ", end="")
        print(f"ideal {IDEAL_S:.2f} s\n{'plain s':>8} {'stage s':>8} {'again s':>8}")
        runs = []
        for _ in range(arguments.repeats):
            one = measure(server, run.path, bodies)
            runs.append(one)
            print(f"{one.plain_s:>8.2f} {one.stage_s:>8.2f} {one.again_s:>8.2f}", flush=True)
    server.close()
    print(
        f"medians: stage/ideal {statistics.median(one.stage_s / IDEAL_S for one in runs):.2f} (target at most 1.30), "
        f"stage/plain {statistics.median(one.stage_s / one.plain_s for one in runs):.2f}; from the record 0 calls, "
        f"{statistics.median(one.again_s for one in runs):.2f} s"
    )


if __name__ == "__main__":
    main()
