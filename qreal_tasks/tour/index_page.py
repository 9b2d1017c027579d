"""The page at the end of the tour: what every step did, with its figures and links to every page it made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qreal_tasks import __version__
from qreal_tasks.mini import MINI_NOTICE
from qreal_tasks.pages.environment import page_environment, write_page
from qreal_tasks.steps.records import StepRecords
from qreal_tasks.steps.runner import describe_time
from qreal_tasks.steps.step import Step
from qreal_tasks.tour.figures import collect_figures
from qreal_tasks.tour.plan import RUNS, TourPlaces


def write_index(folder: Path, steps: Sequence[Step]) -> Path:
    """Write ``index.html`` into the folder of a tour whose steps are done; returns where it is.

    Raises:
        RunFolderError: a run cannot be read.
        DatasetError: a dataset cannot be read.
        OSError: the page cannot be written, or something is not there.
    """
    at, done = TourPlaces(folder), StepRecords(folder).find_done(steps)
    pages = {
        **{run: at.report(run) for run in RUNS},
        "shipped_comparison": at.comparison("shipped", "worse"),
        "tuned_comparison": at.comparison("tuned", "worse"),
        "curves": at.training / "curves.png",
        "board": at.board / "index.html",
        "screening": at.screening / "index.html",
        "drafts": at.annotation / "run" / "preview.html",
        "agreement": at.annotation / "run" / "verification" / "agreement.html",
        "annotation": at.report("annotation"),
    }
    text = (
        page_environment("qreal_tasks.tour")
        .get_template("index.html.j2")
        .render(
            title="A tour of Q-Real Bench",
            figures=collect_figures(at),
            pages={name: path.relative_to(folder).as_posix() for name, path in pages.items() if path.is_file()},
            steps=[(step, describe_time(done[step.name].seconds)) for step in steps if step.name in done],
            total=describe_time(sum(done[step.name].seconds for step in steps if step.name in done)),
            drawn_notice=MINI_NOTICE,
            version=__version__,
        )
    )
    path = folder / "index.html"
    write_page(path, text)
    return path
