"""The board as a folder of pages: opens from the disk, on any web server, and as a static Space of the hub."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qreal_tasks import __version__
from qreal_tasks.benchmark import GROUPS, OBJECTQA_POST_PROMPT, PROMPT_VERSION, Style
from qreal_tasks.files.locks import hold_lock
from qreal_tasks.files.regular import read_bytes
from qreal_tasks.leaderboard.board.board import Board, Entry, find_judge
from qreal_tasks.leaderboard.board.files import PRACTICE_NOTICE, render_csv, render_json, render_space_card
from qreal_tasks.leaderboard.board.paper import SOURCE, list_contradictions
from qreal_tasks.leaderboard.board.ranks import LEVEL
from qreal_tasks.leaderboard.board.site_rows import BoardTable, build_group_rows
from qreal_tasks.leaderboard.board.site_tables import (
    build_generator_tables,
    build_index_tables,
    build_question_tables,
    build_set_tables,
)
from qreal_tasks.leaf_tasks import task_versions
from qreal_tasks.metrics.bootstrap import RESAMPLES
from qreal_tasks.metrics.catalogue import CATALOGUE, COUNT_LABELS
from qreal_tasks.mini import MINI_NOTICE
from qreal_tasks.pages.environment import page_environment, write_page
from qreal_tasks.results.asked import STYLE_LABELS
from qreal_tasks.text.json_text import load_json


@dataclass(frozen=True)
class TablePage:
    """A page of tables; there is one of each for every style of prompts (``path_of``)."""

    path: str
    link: str
    heading: str
    """Empty where the site's own title stands."""
    tables: Callable[[Board, Style], list[BoardTable]]
    lead: str = ""
    choose: bool = False
    """Whether one table is shown at a time."""


TABLE_PAGES = (
    TablePage("index.html", "Leaderboard", "", build_index_tables),
    TablePage(
        *(
            "questions.html",
            "By question",
            "ObjectQA by question",
            build_question_tables,
            "Six questions, never pooled.",
        ),
        choose=True,
    ),
    TablePage(
        *(
            "sets.html",
            "By set",
            "ImageQA by set",
            build_set_tables,
            "Realism, plausibility and portraits, each by itself.",
        ),
        choose=True,
    ),
    TablePage("generators.html", "By generator", "By generator", build_generator_tables),
)
PAGES = (
    *((page.path, page.link) for page in TABLE_PAGES),
    ("refused.html", "Refused"),
    ("about.html", "How to read it"),
)
UNKNOWABLE = (
    "What no check can know: whether the model that is named gave the answers and P(Yes), or a person or another model "
    "did; whether they were changed after somebody looked at the references, which are public; whether the model was "
    "trained on the test images; whether it was run many times and the best run sent in; whether a judge gave the "
    "scores that are said to be its own. A check shows that the numbers follow from what was submitted, and that this "
    "is whole and of this dataset."
)
"""Beside the ranking, since a rank says no more."""
_SUBMISSIONS = "s"
_BOARD = "board.json"


class SiteError(ValueError):
    """A folder that the site must not be written to; the message says why and what to name instead."""


def require_own_folder(out: Path, submissions: Path) -> None:
    """Whether ``out`` is new, empty or an earlier site: what is written replaces files, and empties a sub-folder.

    Entries that begin with a dot are left alone and do not count, so a clone of a Space's repository serves.

    Raises:
        SiteError: it is none of them, or it is, holds or lies in ``submissions``.
        OSError: it cannot be read.
    """
    here, there = out.resolve(), submissions.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise SiteError(f"{out}: is, holds or lies in {submissions}, the submissions; name a folder beside it")
    if out.exists() and not out.is_dir():
        raise SiteError(f"{out}: is no folder; name a new or empty one")
    held = sorted(path.name for path in out.iterdir() if not path.name.startswith(".")) if out.is_dir() else []
    if held and not _is_board(out / _BOARD):
        raise SiteError(
            f"{out}: holds {', '.join(held[:3])} and no {_BOARD} of an earlier site; name a new or empty folder"
        )


def _is_board(path: Path) -> bool:
    try:
        content = load_json(read_bytes(path))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {"format", "project", "prompt_version", "entries", "refused"} <= content.keys()


def write_site(board: Board, out: Path, title: str = "Q-Real Bench leaderboard") -> None:
    """Write all pages, ``board.json``, ``board.csv`` and the card of a Space; pages of what is gone go.

    Every link holds at every moment, also when the build is killed: pages of submissions are written before the tables
    that link to them, and pages of earlier builds are removed at the end. A second program waits for the first.

    Raises:
        OSError: a file cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    with hold_lock(out / ".lock"):
        if not (out / _BOARD).exists():
            _write(out / _BOARD, json.dumps(render_json(board), indent=1))  # first: it says whose folder this is
        (out / _SUBMISSIONS).mkdir(exist_ok=True)
        written = set()
        for path, text in _files(board, title):
            _write(out / path, text)
            written.add(path)
        possible = [path_of(page.path, style) for style in Style for page in TABLE_PAGES]
        held = [f"{_SUBMISSIONS}/{path.name}" for path in (out / _SUBMISSIONS).iterdir()]
        for path in sorted({*possible, *held} - written):  # a page before the JSON that it links to
            (out / path).unlink(missing_ok=True)


def _files(board: Board, title: str) -> Iterator[tuple[str, str]]:
    """Path and text of every file, those that others link to first."""
    common = {
        "site": title,
        "board": board,
        "resamples": RESAMPLES,
        "source": SOURCE,
        "drawn_notice": MINI_NOTICE,
        "practice_notice": PRACTICE_NOTICE,
        "project": __version__,
        "unknowable": UNKNOWABLE,
    }
    environment = page_environment("qreal_tasks.leaderboard.board")

    def page(template: str, path: str, heading: str, style: Style = Style.BENCHMARK, **given: Any) -> tuple[str, str]:
        top = "../" if "/" in path else ""
        links = [(top + address, text) for address, text in _navigation(board, style)]
        values = {**common, "title": heading, "links": links, "here": top + path, "top": top, **given}
        return path, environment.get_template(template).render(values)

    for entry in board.entries:
        path = f"{_SUBMISSIONS}/{entry.manifest.id}"
        yield f"{path}.json", json.dumps(_numbers(entry), indent=1)
        yield page("submission.html.j2", f"{path}.html", entry.manifest.name, entry.style, **_about(entry))
    yield page("refused.html.j2", "refused.html", "Refused submissions")
    yield page(
        "about.html.j2",
        "about.html",
        "How to read the board",
        level=LEVEL,
        contradictions=list_contradictions(),
        versions=task_versions(),
        prompt_version=PROMPT_VERSION,
        groups=GROUPS,
        words=STYLE_LABELS,
        answer_words=OBJECTQA_POST_PROMPT.strip(),
    )
    for style in reversed(_styles(board)):  # index.html last
        for one in reversed(TABLE_PAGES):
            heading = (one.heading or title) + (f", {STYLE_LABELS[style]}" if style is not Style.BENCHMARK else "")
            yield page("tables.html.j2", path_of(one.path, style), heading, style, **_about_tables(board, one, style))
    yield "board.csv", render_csv(board)
    yield "README.md", render_space_card(title)
    yield _BOARD, json.dumps(render_json(board), indent=1)


def path_of(page: str, style: Style) -> str:
    """Where a page lies; pages without tables are the same for both styles.

    >>> path_of("sets.html", Style.BENCHMARK), path_of("sets.html", Style.PAPER), path_of("about.html", Style.PAPER)
    ('sets.html', 'paper-sets.html', 'about.html')
    """
    return f"paper-{page}" if style is Style.PAPER and page in {one.path for one in TABLE_PAGES} else page


def _styles(board: Board) -> list[Style]:
    """The styles that have pages: the paper's only once somebody has asked its bare queries."""
    return [style for style in Style if style is Style.BENCHMARK or board.asked_with(style)]


def _navigation(board: Board, style: Style) -> list[tuple[str, str]]:
    """The pages, with how many submissions were refused; who looks at one style stays with it."""
    count = f" ({len(board.refused)})" if board.refused else ""
    return [(path_of(path, style), text + count if path == "refused.html" else text) for path, text in PAGES]


def _about_tables(board: Board, page: TablePage, style: Style) -> dict[str, Any]:
    """What a page of tables shows."""
    otherwise = "" if style is Style.PAPER else f". They were asked otherwise, with {STYLE_LABELS[Style.PAPER]}"
    return {
        "page": page,
        "tables": page.tables(board, style),
        "entries": board.asked_with(style),
        "asked": STYLE_LABELS[style],
        "switch": [(path_of(page.path, one), STYLE_LABELS[one], len(board.asked_with(one))) for one in _styles(board)],
        "of_paper": f"Rows marked “paper” are {SOURCE}{otherwise}.",
    }


def _about(entry: Entry) -> dict[str, Any]:
    """What a submission's own page shows."""
    tables = {}
    for half, words in (("objectqa", "ObjectQA"), ("imageqa", "ImageQA")):
        names, rows = build_group_rows(entry.result.groups, half)
        if names:
            tables[words] = (names, rows)
    return {
        "entry": entry,
        "manifest": entry.manifest,
        "tables": tables,
        "catalogue": CATALOGUE,
        "count_labels": COUNT_LABELS,
        "facts": _facts(entry),
        "asked": STYLE_LABELS[entry.style],
    }


def _facts(entry: Entry) -> dict[str, str]:
    """The manifest in words; what the submitter did not say is left out."""
    manifest, cost = entry.manifest, entry.manifest.cost
    adapter = manifest.model.adapter
    judge = manifest.judge or {}
    facts = {
        "Model": manifest.model.name,
        "Revision": manifest.model.revision,
        "Adapter": adapter and f"{adapter.name}{f' (SHA-256 {adapter.sha256[:12]}…)' if adapter.sha256 else ''}",
        "Arguments": ", ".join(f"{key}={value}" for key, value in manifest.model.arguments.items()),
        "Backend": manifest.backend.name,
        "Answers": manifest.answers and ", ".join(f"{f.name} ({f.rows:,} rows)" for f in manifest.answers.files),
        "Harness": manifest.backend.harness and f"lmms-eval {manifest.backend.harness}",
        "Project": manifest.backend.project,
        "Prompts": f"{STYLE_LABELS[entry.style]} ({GROUPS[entry.style]}), version {manifest.prompt_version}",
        "Complete in": " and ".join({"objectqa": "ObjectQA", "imageqa": "ImageQA"}[h] for h in manifest.halves),
        "Data": f"{manifest.data.name}{f' at {manifest.data.revision[:12]}' if manifest.data.revision else ''}",
        "Judge": judge and f"{find_judge(entry.result)}, {judge.get('model')}",
        "Run started": f"{manifest.created.replace('T', ' ')} UTC",
        "Hardware": cost.hardware,
        "Time": cost.seconds and _duration(cost.seconds),
        "Cost": f"{cost.usd:.2f} US dollars" if cost.usd is not None else None,
        "Contact": manifest.contact,
        "Id": manifest.id,
    }
    return {name: str(value) for name, value in facts.items() if value}


def _duration(seconds: float) -> str:
    """
    >>> _duration(42.4), _duration(600), _duration(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _numbers(entry: Entry) -> Mapping[str, Any]:
    """What a submission's own JSON file holds."""
    return {
        "manifest": entry.manifest.model_dump(mode="json"),
        "ranks": {name: asdict(rank) for name, rank in entry.ranks.items()},
        "groups": entry.result.groups,
        "generators": entry.result.generators,
        "notes": entry.notes,
    }


def _write(path: Path, text: str) -> None:
    write_page(path, text if text.endswith("\n") else text + "\n")
