"""A run with drafts that needs no model: drawn scenes whose entities, boxes and answers are known by construction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from annotating import config_for

from annotation.demo.scenes import write_pictures
from annotation.execution.driver import Watcher, init_run
from annotation.run.folder import RunFolder
from annotation.run.schemas import DRAFTS
from qreal_tasks.benchmark import ANSWERS, BODY_PARTS, QUESTION_NAMES
from qreal_tasks.dataset.drawn import MINI_FOLDER
from qreal_tasks.mini.read import read_drawn_rows
from qreal_tasks.shards.executors import ExecutorOptions

Row = dict[str, Any]
_SAID = ("realism_description", "plausibility_description")


def write_drafted_run(folder: Path, images: int | slice, **changes: Any) -> RunFolder:
    """Intake is the real one; the drafts are what the embedded set says of the same pictures.

    Args:
        images: how many scenes of the embedded set, or which.
        changes: of the config, as ``config_for`` takes them.
    """
    scenes = mini_scenes(images) if isinstance(images, int) else mini_scenes(images.stop)[images]
    write_pictures(
        folder / "images", [(scene["image"]["bytes"], scene["prompt"], scene["generator"]) for scene in scenes]
    )
    config = config_for("http://127.0.0.1:9/v1", **changes)
    run = init_run(str(folder / "images"), folder / "run", config, ExecutorOptions(), Watcher())
    by_content = {scene["image"]["bytes"]: scene for scene in scenes}
    for shard in run.shard_numbers:
        rows = [row for picture in run.pictures(shard) for row in drafts_of(picture, by_content[picture.content])]
        run.write("drafts", shard, rows)
    return run


def mini_scenes(count: int) -> list[Row]:
    """Rows of the embedded set's ``imageqa``, both splits."""
    rows = [row for split in ("test", "train") for row in read_drawn_rows(MINI_FOLDER, "imageqa", split)]
    assert len(rows) >= count
    return rows[:count]


def drafts_of(picture: Any, scene: Row) -> list[Row]:
    """Rows of stage ``drafts``, complete."""
    return [_draft(picture, scene, index, entity) for index, entity in enumerate(scene["entities"])]


def _draft(picture: Any, scene: Row, index: int, entity: Row) -> Row:
    parts = entity["parts"]
    has_parts = parts is not None and any(text is not None for text in parts.values())
    result: Row = dict.fromkeys(DRAFTS.names)
    result |= {
        "entity_id": f"{picture.image_id}#{index}",
        "image_id": picture.image_id,
        "source_name": picture.name,
        "prompt": picture.prompt,
        "prompt_id": picture.prompt_id,
        "generator": picture.generator,
        "is_portrait": scene["is_portrait"],
        "state": "done",
        "stage": "judgment",
        "reason": "",
        "notes": "",
        "parts": {part: parts[part] for part in BODY_PARTS} if has_parts else None,
        "merged_description": entity["plausibility_description"] if has_parts else None,
        **{name: ANSWERS[entity[name]] for name in QUESTION_NAMES},
        **{name: entity[name] for name in ("label", "bbox", "quality_score", *_SAID)},
        **{f"{stage}_model": "scripted-1" for stage in ("entities", "judgment")},
        **{f"{stage}_prompt_version": f"{stage}@1:00000000" for stage in ("entities", "judgment")},
    }
    return result
