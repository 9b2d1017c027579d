"""Time and memory of what reads others' files, at a size and at twice the size, beside a floor.

    PYTHONPATH=tests/support python tests/benchmarks/large_inputs.py [--rows 200000] [--samples 20000] [--anew 100] \\
        [--cached 1000]

Three readers, each in a process of its own, whose seconds, processor seconds and largest memory are what the system
counts: ``qreal data check`` on drawn rows (an image of 32 x 32 px with five crops of it, each with pixels of its own),
``qreal score --html`` on a simulated run, and a board of small simulated submissions, anew and from its cache. The
sizes given are the larger ones. The floor of each is what none can do without: importing its libraries, and decoding
every picture, parsing every line, or unpacking and parsing every sample.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from qreal_tasks.leaderboard.submission.references import References

RESAMPLES = 10_000
CROPS, SIDE = 5, 32


class Cost(NamedTuple):
    """What a process took."""

    wall_s: float
    processor_s: float
    memory_mb: float


def cost_of(*arguments: str) -> Cost:
    """Run this script again with these arguments."""
    start = time.perf_counter()
    child = subprocess.Popen([sys.executable, __file__, *arguments], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    assert status == 0, arguments
    return Cost(time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def draw_set(folder: Path, rows: int) -> None:
    """A set of so many rows over both configs and splits, with nothing wrong in it."""
    import numpy as np
    from PIL import Image
    from small_set import encoded, small_rows, write_hub_layout

    like = small_rows()
    image, crop = like["imageqa"]["test"][0], like["objectqa"]["test"][0]
    listed = image["entities"][0]
    rng = np.random.default_rng(0)
    made: dict[str, dict[str, list[dict[str, object]]]] = {
        c: {"train": [], "test": []} for c in ("objectqa", "imageqa")
    }
    boxes = [(x, y, x + 12, y + 12) for x, y in ((0, 0), (20, 0), (0, 20), (20, 20), (10, 10))]
    for number in range(rows // (1 + CROPS)):
        split, image_id = ("test", "train")[number % 2], f"img{number:06}"
        squares = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        picture = Image.fromarray(squares).resize((SIDE, SIDE), Image.Resampling.NEAREST)
        shared = {"generator": f"gen{number % 10}", "prompt_id": f"{split}-{number // 6}", "is_portrait": False}
        entities = []
        for at, box in enumerate(boxes):
            own = {"entity_id": f"{image_id}#{at}", "bbox": [float(side) for side in box]}
            size = {"image": encoded(picture.crop(box)), "width": 12, "height": 12}
            made["objectqa"][split].append({**crop, **shared, **own, **size, "image_id": image_id})
            entities.append({**listed, **own})
        whole = {"image": encoded(picture), "width": SIDE, "height": SIDE, "prompt": f"Scene {split} {number // 6}."}
        made["imageqa"][split].append({**image, **shared, **whole, "image_id": image_id, "entities": entities})
    write_hub_layout(folder, made)


def check_set(folder: Path) -> None:
    from qreal_tasks.dataset.check import check_dataset
    from qreal_tasks.dataset.source import locate

    assert check_dataset(locate(str(folder))) == []


def decode_set(folder: Path) -> None:
    """The floor of ``check_set``."""
    import datasets  # noqa: F401
    import pyarrow.parquet as pq
    from PIL import Image

    for path in folder.rglob("*.parquet"):
        for batch in pq.ParquetFile(path).iter_batches(1000, columns=["image"]):
            for content in batch.column("image").field("bytes").to_pylist():
                Image.open(io.BytesIO(content)).load()


def make_run(folder: Path, samples: int) -> None:
    from drawn_references import drawn_references
    from submitted import simulated, write_run

    images = samples // 25  # six questions about some four entities each, and up to three sets
    references = drawn_references(images=images, entities=(samples - 2 * images) // 6)
    write_run(folder, simulated(references, 0.7, seed=1))


def report(folder: Path) -> None:
    from typer.testing import CliRunner

    from qreal_tasks.cli import app

    done = CliRunner().invoke(app, ["score", str(folder), "--html", str(folder / "report.html")])
    assert (folder / "report.html").exists(), done.output


def parse_run(folder: Path) -> None:
    """The floor of ``report``."""
    import numpy as np  # noqa: F401
    import scipy.optimize  # noqa: F401

    for path in folder.rglob("*.jsonl"):
        for line in path.read_bytes().splitlines():
            json.loads(line)


def _references() -> References:
    from drawn_references import drawn_references

    return drawn_references(images=20, entities=60)


def _pack(folder: str, number: int) -> None:
    from submitted import simulated, write_run

    from qreal_tasks.leaderboard.submission.pack import SubmitterInfo, pack_run

    run = Path(folder) / "runs" / str(number)
    results = write_run(run, simulated(_references(), 0.5 + 0.4 * (number % 97) / 97, seed=number))
    pack_run(results, Path(folder) / "submissions" / f"model-{number:04}", SubmitterInfo(f"Model {number:04}"))


def make_board(folder: Path, submissions: int) -> None:
    with ProcessPoolExecutor() as pool:
        list(pool.map(_pack, [str(folder)] * submissions, range(submissions)))


def make_cached(folder: Path, submissions: int) -> None:
    """One submission under many names, each with a result in the cache that differs a little from the others."""
    import numpy as np

    from qreal_tasks.leaderboard.board import cache as cache_module
    from qreal_tasks.leaderboard.submission.reading import read_folder

    _pack(str(folder), 0)
    first, references = folder / "submissions" / "model-0000", _references()
    cache = cache_module.CheckCache(folder / "cache")
    result = cache.result(first.name, read_folder(first), references)
    assert result.manifest is not None, result.problems
    rng = np.random.default_rng(0)
    for number in range(1, submissions):
        name = f"model-{number:04}"
        shutil.copytree(first, first.with_name(name))
        draws = {k: (v + rng.normal(0, 0.01, v.shape) + number / 1e4).astype(v.dtype) for k, v in result.draws.items()}
        printed = result.manifest.model_copy(update={"id": f"model-{number:012x}", "name": f"Model {number:04}"})
        answers = {half: f"{half} {number}" for half in result.answers}
        varied = replace(result, folder=name, manifest=printed, answers=answers, draws=draws)
        path = folder / "cache" / f"{cache._key(name, read_folder(first), references)}.npz"
        cache_module._write(path, varied)


def build(folder: Path) -> None:
    """Build a board and its pages; what is in the cache is not checked again."""
    from qreal_tasks.leaderboard.board.board import build_board
    from qreal_tasks.leaderboard.board.cache import CheckCache
    from qreal_tasks.leaderboard.board.site import write_site

    cache = CheckCache(folder / "cache")
    board = build_board(folder / "submissions", _references(), cache)
    assert not board.refused, board.refused[0]
    write_site(board, folder / "site")


def unpack(folder: Path) -> None:
    """The floor of ``build``."""
    import numpy as np  # noqa: F401
    import pydantic  # noqa: F401
    import scipy.optimize  # noqa: F401

    for path in folder.rglob("*.jsonl.gz"):
        for line in gzip.decompress(path.read_bytes()).splitlines():
            json.loads(line)


WORK: dict[str, Callable[[Path], None]] = {
    one.__name__: one for one in (check_set, decode_set, report, parse_run, build, unpack)
}


def show(what: str, half: Cost, whole: Cost, floor: Cost) -> None:
    print(
        f"{what:50} {half.wall_s:8.1f} {whole.wall_s:8.1f} s   {half.processor_s:8.1f} {whole.processor_s:8.1f} s "
        f"({whole.processor_s / half.processor_s:4.2f} times)   {half.memory_mb:7.0f} {whole.memory_mb:7.0f} MB   "
        f"floor {floor.processor_s:7.1f} s {floor.memory_mb:6.0f} MB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--anew", type=int, default=100, help="submissions of a board, none checked before")
    parser.add_argument("--cached", type=int, default=1_000, help="submissions of a board, all checked before")
    parser.add_argument("--work", nargs=2, metavar=("WHAT", "FOLDER"), help="one part, in this process")
    arguments = parser.parse_args()
    if arguments.work:
        WORK[arguments.work[0]](Path(arguments.work[1]))
        return
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    print(f"{'at the half and the whole size':50} {'wall':>17}     {'processor':>17}")
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HF_DATASETS_CACHE"] = f"{scratch}/rows"
        for what, size, make, work, floor in (
            ("data check, rows", arguments.rows, draw_set, "check_set", "decode_set"),
            ("score --html, samples", arguments.samples, make_run, "report", "parse_run"),
            ("board anew, submissions", arguments.anew, make_board, "build", "unpack"),
            ("board from its cache, submissions", arguments.cached, make_cached, "build", "unpack"),
        ):
            if not size:
                continue
            folders = [Path(scratch) / f"{make.__name__}-{part}" for part in (size // 2, size)]
            for folder, part in zip(folders, (size // 2, size), strict=True):
                folder.mkdir()
                make(folder, part)
            half, whole = (cost_of("--work", work, str(folder)) for folder in folders)
            least = cost_of("--work", floor, str(folders[1]))
            show(f"{what} {size // 2:,} and {size:,}", half, whole, least)


if __name__ == "__main__":
    main()
