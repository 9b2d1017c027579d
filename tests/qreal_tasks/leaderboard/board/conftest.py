"""A small board of simulated models with awkward names, one refused submission among them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
import tampering
from drawn_references import drawn_references
from submitted import simulated, write_run

from qreal_tasks.leaderboard.board.board import Board, build_board
from qreal_tasks.leaderboard.board.cache import CheckCache
from qreal_tasks.leaderboard.board.site import write_site
from qreal_tasks.leaderboard.submission.pack import SubmitterInfo, pack_run
from qreal_tasks.leaderboard.submission.references import References

RESAMPLES = 200
SCRIPT = "<script>window.hacked = 1</script>"
IMAGE = "<img src=x onerror='window.hacked = 1'>"
MODELS = (
    # name, skill, judged, only this half, model
    ("Good model", 0.9, True, "", "org/good"),
    ("Middle model", 0.72, True, "", "org/middle"),
    ("Middle model, again", 0.72, True, "", "org/middle"),
    (SCRIPT, 0.55, True, "", IMAGE),
    ('=HYPERLINK("https://example.org")', 0.6, False, "", "org/formula"),
    ("Half a model", 0.8, True, "objectqa", "org/half"),
)


@dataclass(frozen=True)
class Made:
    """Where everything of the small board is."""

    references: References
    submissions: Path
    cache: Path
    site: Path
    board: Board


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    root = tmp_path_factory.mktemp("board")
    references = drawn_references(images=60, entities=300)
    for number, (name, skill, judge, only, model) in enumerate(MODELS):
        records = simulated(references, skill, seed=number, judge=judge)
        results = write_run(root / "runs" / str(number), records, only=only, model_args=f"pretrained={model}")
        result = SubmitterInfo(name, description=f"{IMAGE} described", contact=SCRIPT)
        pack_run(results, root / "submissions" / f"s{number}", result, resamples=RESAMPLES)
    bad = root / "submissions" / IMAGE.replace("/", "")
    pack_run(results, bad, SubmitterInfo(f"Refused {SCRIPT}"), resamples=RESAMPLES)
    tampering.change_scores(bad, lambda scores: scores["objectqa"].update({SCRIPT: 1}))
    board = build_board(root / "submissions", references, CheckCache(root / "cache", RESAMPLES))
    write_site(board, root / "site", "Board <b>of</b> tests")
    return Made(references, root / "submissions", root / "cache", root / "site", board)
