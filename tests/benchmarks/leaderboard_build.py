"""How long a board of 200 full-size submissions takes to build, against checking ten of them anew.

    python tests/benchmarks/leaderboard_build.py [--submissions 200] [--workers 2] [--folder FOLDER]

Submissions are of simulated models on drawn references of the paper's size (2,316 entities x 6 questions, 400 images x
3 sets, all pairs judged), packed by the same code as real ones. First all are checked once, which fills the cache; that
is done by several processes and is not part of the comparison. Then, in this process: the build with the cache, and the
check of ten without it. Printed besides: what the significance of all pairs costs, and a single check.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from drawn_references import drawn_references
from submitted import simulated, write_run

from qreal_tasks.leaderboard.board.board import build_board
from qreal_tasks.leaderboard.board.cache import CheckCache
from qreal_tasks.leaderboard.board.ranks import compute_rank_ranges
from qreal_tasks.leaderboard.board.site import write_site
from qreal_tasks.leaderboard.result import HEADLINES, build_result, find_headline
from qreal_tasks.leaderboard.submission import check, pack
from qreal_tasks.leaderboard.submission.check import check_submission
from qreal_tasks.leaderboard.submission.pack import SubmitterInfo, pack_run
from qreal_tasks.leaderboard.submission.reading import read_folder
from qreal_tasks.results.score import RunScores, score_run

ANEW = 10


def make(folder: str, number: int) -> None:
    """Pack one submission and check it once; what is there already stays.

    Only here, where nothing is timed, the numbers that packing computed serve the check, too.
    """
    target = Path(folder) / "submissions" / f"model-{number:03}"
    references, cache = drawn_references(), CheckCache(Path(folder) / "cache")
    if target.exists():
        cache.result(target.name, read_folder(target), references)
        return
    skill = 0.5 + 0.4 * ((number * 37) % 200) / 200
    run = Path(folder) / "runs" / str(number)
    results = write_run(run, simulated(references, skill, seed=number))
    computed: list[RunScores] = []

    def kept(*args: Any, **options: Any) -> RunScores:
        computed.append(score_run(*args, **options))
        return computed[0]

    with mock.patch.object(pack, "score_run", kept):
        pack_run(results, target, SubmitterInfo(f"Model {number:03} (skill {skill:.3f})"))
    shutil.rmtree(run)
    with mock.patch.object(check, "score_run", return_value=computed[0]):
        cache.result(target.name, read_folder(target), references)


def fill(folder: Path, submissions: int, workers: int) -> float:
    """Seconds to pack and check all of them in several processes."""
    start = time.perf_counter()
    (folder / "submissions").mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(make, [str(folder)] * submissions, range(submissions)))
    return time.perf_counter() - start


def check_anew(folders: Sequence[Path]) -> list[float]:
    """Seconds to check each without a cache, draws for the ranks included."""
    references = drawn_references()
    taken = []
    for folder in folders:
        start = time.perf_counter()
        assert not build_result(check_submission(folder, references)).problems
        taken.append(time.perf_counter() - start)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--submissions", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="keep everything here, and go on from what is there")
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp())
    try:
        filled = fill(folder, arguments.submissions, arguments.workers)
        print(f"packing and checking {arguments.submissions} with {arguments.workers} processes: {filled:.1f} s")
        measure(folder)
    finally:
        if arguments.folder is None:
            shutil.rmtree(folder)


def measure(folder: Path) -> None:
    references = drawn_references()
    start = time.perf_counter()
    cache = CheckCache(folder / "cache")
    board = build_board(folder / "submissions", references, cache)
    ranked = time.perf_counter() - start
    write_site(board, folder / "site")
    built = time.perf_counter() - start
    assert not board.refused, board.refused[0]
    start = time.perf_counter()
    for name in HEADLINES:
        values = [(find_headline(entry.result, name) or {})["value"] or 0.0 for entry in board.entries]
        compute_rank_ranges(values, np.array([entry.result.draws[name] for entry in board.entries], dtype=np.float64))
    significance = time.perf_counter() - start
    anew = check_anew(sorted((folder / "submissions").iterdir())[:ANEW])
    pairs = len(board.entries) * (len(board.entries) - 1) // 2
    size = sum(path.stat().st_size for path in (folder / "site").rglob("*") if path.is_file())
    print(f"{len(board.entries)} submissions, {cache.hits} from the cache, {cache.misses} checked anew")
    print(f"build with cache                    {built:8.2f} s  (reading and ranks {ranked:.2f} s, pages the rest)")
    print(f"  significance of {pairs:,} pairs x 3   {significance:8.2f} s")
    print(
        f"checking {len(anew)} anew                  {sum(anew):8.2f} s  (median {statistics.median(anew):.2f} s each)"
    )
    print(f"ratio                               {sum(anew) / built:8.2f}")
    print(f"size of the site                    {size / 1e6:8.1f} MB")


if __name__ == "__main__":
    main()
