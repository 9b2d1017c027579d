"""``preview.html``: images with boxes, labels, scores, answers and descriptions, in one file that needs nothing else.

All text comes from models, prompts and file names: Jinja2's autoescape shows it as text, whatever it holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from annotation.intake.picture import stored_rgb
from annotation.run.folder import Picture, RunFolder
from annotation.run.schemas import State
from qreal_tasks.benchmark import BODY_PARTS, QUESTIONS, Dimension, is_flawed
from qreal_tasks.pages.environment import page_environment, write_page
from qreal_tasks.pages.pictures import data_address
from qreal_tasks.text.redaction import redact

_SIDE_PX = 640
_QUALITY = 82
_ON_ENTITIES = ("quality", "judgment", "parts", "merge")
_SAID = ("reason", "notes")
Row = dict[str, Any]


def write_preview(run: RunFolder, path: Path, images: int) -> int:
    """The first ``images`` images, as far as the stages have come; returns how many are shown.

    Stages that are not done yet are left out, so that a page can be looked at while a run is under way.
    """
    shown: list[Row] = []
    for shard in run.shard_numbers:
        if len(shown) >= images or not run.is_done("intake", shard):
            break
        shown += list(_images(run, shard))[: images - len(shown)]
    entities = [entity for image in shown for entity in image["entities"]]
    page = page_environment("annotation", "preview").get_template("page.html.j2")
    text = page.render(
        name=run.path.resolve().name,
        images=shown,
        counts=Counter(entity["state"] for entity in entities),
        questions=QUESTIONS,
        parts=BODY_PARTS,
        config=run.config,
    )
    write_page(path, text)
    return len(shown)


def _images(run: RunFolder, shard: int) -> Iterator[Row]:
    rows = {
        stage: _rows(run, stage, shard) for stage in ("entities", "detection", "quality", "judgment", "parts", "merge")
    }
    named = {row["image_id"]: row for row in rows["entities"]}
    later = {stage: {row["entity_id"]: row for row in rows[stage]} for stage in _ON_ENTITIES}
    for picture in run.pictures(shard):
        detected = [row for row in rows["detection"] if row["image_id"] == picture.image_id]
        said = named.get(picture.image_id)
        yield {
            "picture": picture,
            "url": data_address(stored_rgb(picture.content), _SIDE_PX, _QUALITY),
            "named": said,
            "entities": [
                _entity(number, row, {stage: later[stage].get(row["entity_id"]) for stage in later}, picture)
                for number, row in enumerate(detected, start=1)
            ],
        }


def _rows(run: RunFolder, stage: str, shard: int) -> list[Row]:
    """What servers and programs said in them is for others to see."""
    rows = run.read(stage, shard) if run.is_done(stage, shard) else []
    return [{**row, **{name: redact(row[name]) for name in _SAID if row.get(name)}} for row in rows]


def _entity(number: int, detected: Row, later: dict[str, Row | None], picture: Picture) -> Row:
    judged = later["judgment"]
    done = judged is not None and judged["state"] == State.DONE
    flaws = [str(dimension) for dimension in Dimension if done and judged and is_flawed(dimension, judged)]
    trouble = [f"{stage}: {row['state']}, {row['reason']}" for stage, row in later.items() if row and _ended(row)]
    state = detected["state"] if detected["state"] != State.DONE else judged["state"] if judged else "pending"
    box = detected["bbox"] and {
        "x": 100 * detected["bbox"][0] / picture.width,
        "y": 100 * detected["bbox"][1] / picture.height,
        "w": 100 * (detected["bbox"][2] - detected["bbox"][0]) / picture.width,
        "h": 100 * (detected["bbox"][3] - detected["bbox"][1]) / picture.height,
    }
    return {
        "number": number,
        "detected": detected,
        "box": box,
        "state": state,
        "flaws": flaws,
        "judged": judged if done else None,
        "quality": later["quality"] and later["quality"]["quality_score"],
        "parts": _said_parts(later["parts"]),
        "merged": later["merge"] and later["merge"]["plausibility_description"],
        "trouble": trouble + ([detected["reason"]] if detected["reason"] else []),
        "notes": (judged or {}).get("notes"),
    }


def _ended(row: Row) -> bool:
    return row["state"] in (State.REFUSED, State.FILTERED, State.FAILED)


def _said_parts(row: Row | None) -> dict[str, str]:
    return {part: row[part] for part in BODY_PARTS if row[part]} if row else {}
