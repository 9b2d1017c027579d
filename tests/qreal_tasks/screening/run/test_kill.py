"""``kill -9`` at any moment, and started again; in one process, in two, and on Ray: the same bytes."""

from __future__ import annotations

import multiprocessing
import random
import signal
import time
from pathlib import Path

import pytest
from scripted_screening import AnsweringEngine, encode, go_slowly, picture, reply, results, screened, write_images

from qreal_tasks.llm.scripted_server import ScriptedServer
from qreal_tasks.screening.rows import read_rows
from qreal_tasks.screening.run.screening import ScreeningOptions, ScreeningWatcher, screen
from qreal_tasks.screening.run.settings import ScreeningSettings
from qreal_tasks.shards.executors import ExecutorOptions

pytestmark = pytest.mark.slow

IMAGES = 30


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty pictures, two of them twice, and a file that is none."""
    folder = write_images(tmp_path_factory.mktemp("kill") / "images", IMAGES)
    for seed, name in ((3, "b/00000_again.bmp"), (17, "z.bmp")):
        (folder / name).write_bytes(encode(picture(seed), "BMP"))
    (folder / "a" / "00002.png").write_bytes(b"no picture")
    return folder


def test_three_kills_leave_the_bytes_of_one_run(images: Path, tmp_path: Path) -> None:
    screened(images, tmp_path / "once")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["scripted_screening"])
    chance = random.Random(4)
    kills = []
    for least in (0, 2, 5):
        process = context.Process(target=go_slowly, args=(str(images), str(tmp_path / "killed")))
        process.start()
        while process.exitcode is None and _judged(tmp_path / "killed") < least:
            time.sleep(0.003)
        time.sleep(chance.uniform(0, 0.1))
        process.kill()
        process.join()
        kills.append((process.exitcode, _judged(tmp_path / "killed")))
    print(f"exit status, and shards that were judged, at each kill: {kills}")
    assert [status for status, _ in kills] == [-signal.SIGKILL] * 3
    engine = AnsweringEngine()
    screened(images, tmp_path / "killed", engine)
    assert 0 < engine.whole_images < IMAGES
    assert results(tmp_path / "killed") == results(tmp_path / "once")
    assert _shards(tmp_path / "killed") == _shards(tmp_path / "once")


def _judged(out: Path) -> int:
    return len(list((out / "shards").glob("[0-9]*.parquet")))


def _shards(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (out / "shards").iterdir()}


@pytest.mark.parametrize("where", [ExecutorOptions("local", 2), ExecutorOptions("ray", 2)], ids=["processes", "ray"])
def test_the_same_bytes_wherever_it_runs(images: Path, tmp_path: Path, where: ExecutorOptions) -> None:
    """A server answers, so that every process has a model. The first start stops half-way."""

    def stop(step: str, count: int, failed: int) -> None:
        if step == "judging":
            raise KeyboardInterrupt

    with ScriptedServer(reply) as server:
        settings = ScreeningSettings.model_validate(
            {"model": "scripted", "server": server.url, "box_space": "norm1000", "images_per_shard": 4}
        )
        screen(str(images), tmp_path / "once", settings)
        with pytest.raises(KeyboardInterrupt):
            screen(str(images), tmp_path / "out", settings, ScreeningOptions(where), ScreeningWatcher(advance=stop))
        screen(str(images), tmp_path / "out", settings, ScreeningOptions(where))
    assert results(tmp_path / "out") == results(tmp_path / "once")
    assert _shards(tmp_path / "out") == _shards(tmp_path / "once")
    assert sum(row["state"] == "judged" for row in read_rows(tmp_path / "out")) == IMAGES
