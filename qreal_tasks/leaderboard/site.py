"""The board as a folder of pages: opens from the disk, on any web server, and as a static Space of the hub."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from qreal_tasks import __version__
from qreal_tasks.benchmark import PROMPT_VERSION
from qreal_tasks.leaderboard.board import Board, Entry, judge_of
from qreal_tasks.leaderboard.board_files import board_csv, board_json, space_card
from qreal_tasks.leaderboard.paper import SOURCE, contradictions
from qreal_tasks.leaderboard.ranks import LEVEL
from qreal_tasks.leaderboard.site_rows import Table, group_rows
from qreal_tasks.leaderboard.site_tables import generator_tables, index_tables, question_tables, set_tables
from qreal_tasks.leaderboard.tasks import task_versions
from qreal_tasks.metrics.bootstrap import RESAMPLES
from qreal_tasks.pages.environment import page_environment, write_page

PAGES = (
    ("index.html", "Leaderboard"),
    ("questions.html", "By question"),
    ("sets.html", "By set"),
    ("generators.html", "By generator"),
    ("refused.html", "Refused"),
    ("about.html", "How to read it"),
)
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
        said = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(said, dict) and {"format", "project", "prompt_version", "entries", "refused"} <= said.keys()


def write_site(board: Board, out: Path, title: str = "Q-Real Bench leaderboard") -> None:
    """Write all pages, ``board.json``, ``board.csv`` and the card of a Space; pages of submissions that are gone go.

    Raises:
        OSError: a file cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    _write(out / _BOARD, json.dumps(board_json(board), indent=1))  # first: it says whose folder this is
    shutil.rmtree(out / _SUBMISSIONS, ignore_errors=True)
    (out / _SUBMISSIONS).mkdir()
    common = {"site": title, "board": board, "resamples": RESAMPLES, "source": SOURCE, "project": __version__}
    environment = page_environment("qreal_tasks.leaderboard")

    def page(template: str, path: str, heading: str, **given: Any) -> None:
        top = "../" if "/" in path else ""
        links = [(top + address, text) for address, text in _navigation(board)]
        values = {**common, "title": heading, "links": links, "here": top + path, "top": top, **given}
        write_page(out / path, environment.get_template(template).render(values))

    for path, heading, tables, lead in _table_pages(board, title):
        page("tables.html.j2", path, heading, tables=tables, lead=lead, choose=path in ("questions.html", "sets.html"))
    page("refused.html.j2", "refused.html", "Refused submissions")
    page(
        "about.html.j2",
        "about.html",
        "How to read the board",
        level=LEVEL,
        contradictions=contradictions(),
        versions=task_versions(),
        prompt_version=PROMPT_VERSION,
    )
    for entry in board.entries:
        path = f"{_SUBMISSIONS}/{entry.manifest.id}.html"
        page("submission.html.j2", path, entry.manifest.name, **_about(entry))
        _write(out / f"{_SUBMISSIONS}/{entry.manifest.id}.json", json.dumps(_numbers(entry), indent=1))
    _write(out / "board.csv", board_csv(board))
    _write(out / "README.md", space_card(title))


def _navigation(board: Board) -> list[tuple[str, str]]:
    """The pages, with how many submissions were refused."""
    count = f" ({len(board.refused)})" if board.refused else ""
    return [(path, text + count if path == "refused.html" else text) for path, text in PAGES]


def _table_pages(board: Board, title: str) -> list[tuple[str, str, list[Table], str]]:
    return [
        ("index.html", title, index_tables(board), ""),
        ("questions.html", "ObjectQA by question", question_tables(board), "Six questions, never pooled."),
        ("sets.html", "ImageQA by set", set_tables(board), "Realism, plausibility and portraits, each by itself."),
        ("generators.html", "By generator", generator_tables(board), ""),
    ]


def _about(entry: Entry) -> dict[str, Any]:
    """What a submission's own page shows."""
    tables = {}
    for half, words in (("objectqa", "ObjectQA"), ("imageqa", "ImageQA")):
        names, rows = group_rows(entry.result.groups, half)
        if names:
            tables[words] = (names, rows)
    return {"entry": entry, "manifest": entry.manifest, "tables": tables, "facts": _facts(entry)}


def _facts(entry: Entry) -> dict[str, str]:
    """The manifest in words; what the submitter did not say is left out."""
    manifest, cost = entry.manifest, entry.manifest.cost
    adapter = manifest.model.adapter
    judge = manifest.judge or {}
    said = {
        "Model": manifest.model.name,
        "Revision": manifest.model.revision,
        "Adapter": adapter and f"{adapter.name}{f' (SHA-256 {adapter.sha256[:12]}…)' if adapter.sha256 else ''}",
        "Arguments": ", ".join(f"{key}={value}" for key, value in manifest.model.arguments.items()),
        "Backend": manifest.backend.name,
        "Harness": manifest.backend.harness and f"lmms-eval {manifest.backend.harness}",
        "Project": manifest.backend.project,
        "Complete in": " and ".join({"objectqa": "ObjectQA", "imageqa": "ImageQA"}[h] for h in manifest.halves),
        "Data": f"{manifest.data.name}{f' at {manifest.data.revision[:12]}' if manifest.data.revision else ''}",
        "Judge": judge and f"{judge_of(entry.result)}, {judge.get('model')}",
        "Run started": manifest.created.replace("T", " "),
        "Hardware": cost.hardware,
        "Time": cost.seconds and _duration(cost.seconds),
        "Cost": f"{cost.usd:.2f} US dollars" if cost.usd is not None else None,
        "Contact": manifest.contact,
        "Id": manifest.id,
    }
    return {name: str(value) for name, value in said.items() if value}


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
        "notes": entry.result.notes,
    }


def _write(path: Path, text: str) -> None:
    write_page(path, text if text.endswith("\n") else text + "\n")
