"""Rows of screening runs that nobody had to run: probabilities, entities and texts are made up."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image, ImageDraw

from qreal_tasks.benchmark import QUESTIONS, Dimension, questions_of
from qreal_tasks.screening.assessment import any_of
from qreal_tasks.screening.rows import ROWS_FILE, EntityCell, ScreeningRow, make_table
from qreal_tasks.screening.thumbnails import save_thumbnail, thumbnail_path

ASKED: dict[str, Any] = {
    "model": {"name": "made-up"},
    "sets": ["realism", "plausibility"],
    "detect": True,
    "prompts": "benchmark",
    "detector": None,
    "form": [1, "2"],
}
HOSTILE = "</script><script>window.pwned = 1</script><img src=x onerror='window.pwned=2'>\u2028{{ 7 * 7 }}"


def make_entity(label: str, box: Iterable[float], p: Mapping[str, float], **reasons: str) -> EntityCell:
    """An entity with these probabilities of a flaw by question, .02 where none is given."""
    p_flaw = {q.name: p.get(q.name, 0.02) for q in QUESTIONS}
    p_yes = {q.name: p_flaw[q.name] if q.defect == "Yes" else 1 - p_flaw[q.name] for q in QUESTIONS}
    by_dimension = {one: any_of(p_flaw[q.name] for q in questions_of(one)) for one in Dimension}
    return {
        "label": label,
        "bbox": [float(value) for value in box],
        "importance": (any_of(by_dimension.values()) or 0.0) * 0.3,
        "p_realism": by_dimension[Dimension.REALISM],
        "p_plausibility": by_dimension[Dimension.PLAUSIBILITY],
        "answers": {
            name: {"answer": "Yes" if value > 0.5 else "No", "p_yes": value, "mass": 0.99, "reason": None}
            for name, value in p_yes.items()
        },
        "reasons": {"realism": None, "plausibility": None, "human_plausibility": None, **reasons},
        "found_by": ["detect"],
    }


def make_screened(image: str, entities: Iterable[EntityCell] = (), **changed: Any) -> ScreeningRow:
    """The row of an image with these entities; P follows from theirs unless it is given."""
    entities = list(entities)
    row: dict[str, Any] = {
        "image": image,
        "pixels": hashlib.sha256(image.encode()).hexdigest(),
        "state": "judged",
        "reason": None,
        "same_as": None,
        "width": 640,
        "height": 480,
        "prompt": None,
        "prompt_id": None,
        "generator": None,
        "p_question": {
            q.name: any_of(_p_flaw(one, q.name, q.defect == "Yes") for one in entities) or 0.0 for q in QUESTIONS
        },
        "entities": entities,
        "unread": [],
        **changed,
    }
    for one in Dimension:
        row.setdefault(f"p_{one}", any_of(entity[f"p_{one}"] for entity in entities) or 0.0)  # type: ignore[literal-required]
        row.setdefault(f"raw_p_{one}", row[f"p_{one}"])
    row.setdefault("severity", any_of([row["p_realism"], row["p_plausibility"]]))
    return row  # type: ignore[return-value]


def _p_flaw(entity: EntityCell, name: str, defect_is_yes: bool) -> float:
    p_yes = entity["answers"][name]["p_yes"]
    assert p_yes is not None
    return p_yes if defect_is_yes else 1 - p_yes


def make_refused(image: str, reason: str) -> ScreeningRow:
    """The row of a file that is no picture."""
    nothing = dict.fromkeys(("p_realism", "p_plausibility", "severity", "pixels", "width", "height"))
    empty = dict.fromkeys(q.name for q in QUESTIONS)
    return make_screened(image, [], state="refused", reason=reason, p_question=empty, **nothing)


def write_screened(out: Path, rows: Iterable[ScreeningRow], calibration: Any = None, **asked: Any) -> Path:
    """The folder of a finished run with these rows."""
    out.mkdir(parents=True, exist_ok=True)
    rows = list(rows)
    pq.write_table(make_table(rows), out / ROWS_FILE)
    counts = Counter(row["state"] for row in rows)
    record = {"format": 1, **ASKED, **asked, "calibration": calibration, "counts": counts}
    (out / "screening.json").write_text(json.dumps(record))
    return out


def many_rows(n: int, seed: int = 0, out: Path | None = None) -> list[ScreeningRow]:
    """Rows of four generators, some refused, unread and repeated; with thumbnails in ``out`` when that is given."""
    rng = np.random.default_rng(seed)
    labels = ("woman in a red coat", "street sign", "dog", "bicycle", "cup of coffee", "oak tree", "old man", "bus")
    rows: list[ScreeningRow] = []
    for number in range(n):
        name = f"gen-{number % 4}/{number // 4:05d}.png"
        if number % 97 == 50:
            rows.append(make_refused(name, "damaged: OSError: image file is truncated"))
            continue
        width, height = [(640, 480), (512, 512), (480, 832)][number % 3]
        entities = []
        for at in range(int(rng.integers(0, 6))):
            x, y = rng.uniform(0, 0.6, 2) * (width, height)
            box = (x, y, x + rng.uniform(0.1, 0.4) * width, y + rng.uniform(0.1, 0.4) * height)
            p = {q.name: float(rng.beta(0.25, 2.2)) for q in QUESTIONS}
            reasons = {}
            if max(p.values()) > 0.5:
                reasons["plausibility"] = "The left hand has six fingers and the sleeve melts into the bench behind it."
            entities.append(make_entity(labels[(number + at) % 8], box, p, **reasons))
        state = {13: "unread", 14: "repeated"}.get(number % 61, "judged")
        row = make_screened(
            name,
            sorted(entities, key=lambda one: -(one["importance"] or 0)),
            width=width,
            height=height,
            generator=f"gen-{number % 4}",
            prompt=f"a photograph of a {labels[number % 8]} in the rain, evening light",
            prompt_id=f"p{number // 4}",
            state=state,
            same_as=rows[-1]["image"] if state == "repeated" else None,
            reason="entity 1 realism_q1: neither Yes nor No" if state == "unread" else None,
        )
        rows.append(row)
        if out is not None:
            row["pixels"] = _save_picture(out, number % 12, (width, height))
    return rows


def _save_picture(out: Path, number: int, size: tuple[int, int]) -> str:
    """One of a few pictures, so that thousands of rows are made in a second."""
    pixels = hashlib.sha256(f"picture {number}".encode()).hexdigest()
    if not thumbnail_path(out, pixels).exists():
        picture = Image.new("RGB", size, f"hsl({30 * number}, 40%, 60%)")
        ImageDraw.Draw(picture).ellipse((60, 60, 300, 360), fill=f"hsl({30 * number + 120}, 60%, 50%)")
        save_thumbnail(out, pixels, picture)
    return pixels
