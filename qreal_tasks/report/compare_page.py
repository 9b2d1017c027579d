"""A comparison as one HTML page that needs nothing else."""

from __future__ import annotations

from pathlib import Path

from qreal_tasks import __version__
from qreal_tasks.benchmark import Dimension
from qreal_tasks.metrics.catalogue import CATALOGUE, HALVES
from qreal_tasks.mini import MINI_NOTICE
from qreal_tasks.pages.environment import page_environment, write_page
from qreal_tasks.pages.shapes import farthest_end
from qreal_tasks.report.compare_tables import write_notes
from qreal_tasks.results.asked import describe_prompts
from qreal_tasks.results.compare import TESTED, Comparison
from qreal_tasks.results.conclusion import list_conclusions

_NAMED = 2
"""Runs that the title names beside the baseline; more are counted."""


def write_comparison(comparison: Comparison, path: Path) -> int:
    """Write the page; returns its bytes.

    Raises:
        OSError: it cannot be written.
    """
    names = [name for place, name in enumerate(comparison.names) if place != comparison.baseline]
    baseline = comparison.names[comparison.baseline]
    text = (
        page_environment("qreal_tasks.report")
        .get_template("compare.html.j2")
        .render(
            title=f"{' and '.join(names) if len(names) <= _NAMED else f'{len(names)} runs'} against {baseline}",
            version=__version__,
            comparison=comparison,
            conclusions=list_conclusions(comparison),
            notes=write_notes(comparison),
            prompts=describe_prompts(comparison.runs[comparison.baseline].run),
            drawn_notice=MINI_NOTICE if comparison.is_drawn else None,
            tables=[(half, HALVES[half], [CATALOGUE[half][name] for name in names]) for half, names in TESTED.items()],
            means=(*(str(dimension) for dimension in Dimension), "overall"),
            scale=farthest_end(found.difference for pair in comparison.shown for found in pair.tested),
        )
    )
    return write_page(path, text)
