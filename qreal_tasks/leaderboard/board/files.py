"""The board for programs: JSON, CSV, and the card that makes the folder a static Space of the hub."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from typing import Any

from qreal_tasks import __version__
from qreal_tasks.benchmark import IMAGEQA_SETS, PROMPT_VERSION, QUESTION_NAMES, Dimension, Style
from qreal_tasks.leaderboard.board.board import Board, Entry, find_judge
from qreal_tasks.leaderboard.board.paper import SOURCE, PaperModel, list_contradictions
from qreal_tasks.leaderboard.result import HEADLINES
from qreal_tasks.leaf_tasks import MEAN, task_versions
from qreal_tasks.metrics.catalogue import IMAGEQA_LIVE, OBJECTQA_LIVE
from qreal_tasks.tables.plain_cells import as_plain_cell

_GROUPS = (
    *((f"objectqa.{name}", OBJECTQA_LIVE) for name in (*QUESTION_NAMES, *Dimension, "overall")),
    *((f"imageqa.{name}", IMAGEQA_LIVE) for name in (*IMAGEQA_SETS, MEAN)),
)
"""What the CSV has columns for."""


PRACTICE_NOTICE = (
    "Its submissions are runs on pictures that `qreal mini` drew, to try how submitting goes. Nothing here is a result "
    "of the benchmark, and no other board takes these submissions."
)


def render_json(board: Board) -> dict[str, Any]:
    """Everything on the board as plain JSON values; ranks are among entries with the same ``prompts``."""
    return {
        "format": 2,
        "project": __version__,
        "prompt_version": PROMPT_VERSION,
        "task_versions": dict(task_versions()),
        "data": {
            "name": board.data,
            "fingerprints": dict(board.fingerprints),
            "images": board.images,
            "entities": board.entities,
        },
        **({"practice": PRACTICE_NOTICE} if board.practice else {}),
        "judge": board.judge,
        "entries": [_entry(entry) for entry in board.entries],
        "refused": [
            {"folder": one.folder, "problems": [{"kind": p.kind, "message": p.message} for p in one.problems]}
            for one in board.refused
        ],
        "paper": {
            "source": SOURCE,
            "prompts": Style.PAPER,
            "contradictions": list(list_contradictions()),
            "models": [asdict(model) for model in board.paper],
        },
    }


def _entry(entry: Entry) -> dict[str, Any]:
    manifest = entry.manifest
    return {
        "id": manifest.id,
        "name": manifest.name,
        "prompts": manifest.prompts,
        "model": manifest.model.model_dump(mode="json"),
        "halves": [half.value for half in manifest.halves],
        "created": manifest.created,
        "judge": find_judge(entry.result),
        "ranks": {name: asdict(rank) for name, rank in entry.ranks.items()},
        "unranked": dict(entry.result.unranked),
        "groups": entry.result.groups,
        "generators": entry.result.generators,
        "notes": list(entry.notes),
        "page": f"s/{manifest.id}.html",
    }


def render_csv(board: Board) -> str:
    """A row a model, submissions first; best and worst rank among rows with the same prompts, then each group and
    metric with its interval."""
    columns = [f"{group}.{metric}" for group, metrics in _GROUPS for metric in metrics]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    ranks = [f"rank.{name}.{end}" for name in HEADLINES for end in ("best", "worst")]
    ends = [name for column in columns for name in (column, f"{column}.low", f"{column}.high")]
    writer.writerow(["id", "name", "model", "prompts", "source", "created", *ranks, *ends])
    for entry in board.entries:
        manifest = entry.manifest
        texts = [manifest.id, manifest.name, manifest.model.name, manifest.prompts, "submitted", manifest.created]
        found = [entry.ranks.get(name) for name in HEADLINES]
        places = [str(end) for rank in found for end in ((rank.best, rank.worst) if rank else ("", ""))]
        writer.writerow([*map(as_plain_cell, texts), *places, *_numbers(entry)])
    for model in board.paper:
        values = [("" if (v := _of_paper(model, column)) is None else repr(v), "", "") for column in columns]
        texts = ["", model.name, model.kind, Style.PAPER, SOURCE, ""]
        writer.writerow(
            [*map(as_plain_cell, texts), *([""] * len(ranks)), *(cell for three in values for cell in three)]
        )
    return out.getvalue()


def _numbers(entry: Entry) -> list[str]:
    found = []
    for group, metrics in _GROUPS:
        for metric in metrics:
            number = entry.result.groups.get(group, {}).get(metric, {})
            found += ["" if (v := number.get(end)) is None else repr(v) for end in ("value", "low", "high")]
    return found


def _of_paper(model: PaperModel, column: str) -> float | None:
    half, group, metric = column.split(".")
    return (model.objectqa if half == "objectqa" else model.imageqa).get(group, {}).get(metric)


def render_space_card(title: str) -> str:
    """README.md with the front matter of a static Space."""
    import yaml

    head = {"title": title, "sdk": "static", "app_file": "index.html", "pinned": False, "license": "apache-2.0"}
    return (
        f"---\n{yaml.safe_dump(head, sort_keys=False, allow_unicode=True)}---\n\n"
        "Static pages made by `qreal leaderboard build`: open `index.html`. The same as data: `board.json`, "
        "`board.csv`, and one JSON file a submission under `s/`.\n"
    )
