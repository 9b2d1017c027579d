"""``preview.html``: images with boxes, labels, scores, answers and descriptions, in one file that needs nothing else.

All text comes from models, prompts and file names: Jinja2's autoescape shows it as text, whatever it holds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from annotation.run.folder import AcceptedImage, RunFolder
from annotation.run.schemas import Row, State
from qreal_tasks.benchmark import BODY_PARTS, QUESTIONS, Dimension, is_flawed
from qreal_tasks.boxes import percent_box
from qreal_tasks.intake.picture import decode_stored
from qreal_tasks.pages.environment import page_environment, write_page
from qreal_tasks.pages.pictures import encode_data_url
from qreal_tasks.text.redaction import redact

_SIDE_PX = 640
_QUALITY = 82
_MARKS = 8
"""Colours that boxes take in turn, the classes ``mark-0`` to ``mark-7`` of ``shapes.css``."""
_ON_ENTITIES = ("quality", "judgment", "parts", "merge")
_LOST = (State.REFUSED, State.FILTERED, State.FAILED)
_FREE_TEXTS = ("reason", "notes")


def write_preview(run: RunFolder, path: Path, images: int) -> int:
    """Write the page of the first ``images`` images, as far as the stages have come; returns how many are shown.

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
        title=f"{run.path.resolve().name}: annotation preview",
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
        entities_row = named.get(picture.image_id)
        yield {
            "picture": picture,
            "url": encode_data_url(decode_stored(picture.content), _SIDE_PX, _QUALITY),
            "named": entities_row,
            "entities": [
                _entity(number, row, {stage: later[stage].get(row["entity_id"]) for stage in later}, picture)
                for number, row in enumerate(detected, start=1)
            ],
        }


def _rows(run: RunFolder, stage: str, shard: int) -> list[Row]:
    """Rows of a stage, if it is done, without what is private in the words of servers and programs."""
    rows = run.read(stage, shard) if run.is_done(stage, shard) else []
    return [{**row, **{name: redact(row[name]) for name in _FREE_TEXTS if row.get(name)}} for row in rows]


def _entity(number: int, detected: Row, later: dict[str, Row | None], picture: AcceptedImage) -> Row:
    judged = later["judgment"]
    done = judged is not None and judged["state"] == State.DONE
    flaws = [str(dimension) for dimension in Dimension if done and judged and is_flawed(dimension, judged)]
    trouble = [
        f"{stage}: {row['state']}, {row['reason']}" for stage, row in later.items() if row and row["state"] in _LOST
    ]
    state = detected["state"] if detected["state"] != State.DONE else judged["state"] if judged else "pending"
    box = detected["bbox"] and percent_box(detected["bbox"], picture.width, picture.height)
    return {
        "number": number,
        "detected": detected,
        "style": f"mark-{(number - 1) % _MARKS}",
        "box": box,
        "state": state,
        "flaws": flaws,
        "judged": judged if done else None,
        "quality": later["quality"] and later["quality"]["quality_score"],
        "parts": {part: text for part in BODY_PARTS if later["parts"] and (text := later["parts"][part])},
        "merged": later["merge"] and later["merge"]["plausibility_description"],
        "trouble": trouble + ([detected["reason"]] if detected["reason"] else []),
        "notes": (judged or {}).get("notes"),
    }
