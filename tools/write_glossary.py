"""Writes those tables of ``docs/results.md`` that the code knows: metrics, and reasons for a missing answer or score.

    python tools/write_glossary.py

What stands between two marks of the page is replaced. A test holds the page against what this writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from qreal_tasks.files.atomic import write_whole
from qreal_tasks.metrics.catalogue import (
    IMAGEQA,
    IMAGEQA_LIVE,
    OBJECTQA,
    OBJECTQA_LIVE,
    PAPER_IMAGEQA,
    PAPER_OBJECTQA,
    Metric,
)
from qreal_tasks.results.reasons import ANSWER_REASONS, PAIR_REASONS

PAGE = Path(__file__).parents[1] / "docs" / "results.md"


def write_tables() -> Mapping[str, str]:
    """Name of each table to its Markdown."""
    return {
        "objectqa": _metrics(OBJECTQA, OBJECTQA_LIVE, PAPER_OBJECTQA),
        "imageqa": _metrics(IMAGEQA, IMAGEQA_LIVE, PAPER_IMAGEQA),
        "answers": _reasons("an answer", ANSWER_REASONS),
        "pairs": _reasons("a pair", PAIR_REASONS),
    }


def fill_tables(page: str) -> str:
    """The page with each table as it should be.

    Raises:
        ValueError: the page lacks the marks of a table.
    """
    for name, table in write_tables().items():
        first, last = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
        before, mark, rest = page.partition(first)
        _, end, after = rest.partition(last)
        if not mark or not end:
            raise ValueError(f"{PAGE.name}: no lines {first.strip()} … {last.strip()}")
        page = f"{before}{first}\n{table}\n{last}{after}"
    return page


def _metrics(catalogue: Mapping[str, Metric], live: Iterable[str], paper: Iterable[str]) -> str:
    rows = ["| column | meaning | better | where | key |", "|---|---|---|---|---|"]
    for name, metric in catalogue.items():
        better = "higher" if metric.higher_is_better else "lower"
        span = "" if (metric.low, metric.high) == (0, 1) else f", from {metric.low:g} to {metric.high:g}"
        where = "the paper's" if name in set(paper) else "every run" if name in set(live) else "`qreal score`"
        meaning = metric.meaning.removeprefix("the paper's: ")
        rows.append(f"| {metric.label} | {meaning}{span} | {better} | {where} | `{name}` |")
    return "\n".join(rows)


def _reasons(what: str, reasons: Mapping[str, str]) -> str:
    rows = [f"| reason | {what} that … |", "|---|---|"]
    return "\n".join([*rows, *(f"| `{reason}` | {meaning} |" for reason, meaning in reasons.items())])


if __name__ == "__main__":
    write_whole(PAGE, fill_tables(PAGE.read_text(encoding="utf-8")))
