"""Builders of records, so that a test states only what it is about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from qreal_tasks.records import GroundingRecord, JudgmentRecord, Region


def _judged(reference: str, answer: str | None, p_yes: float | None = None, **fields: Any) -> JudgmentRecord:
    values: dict[str, Any] = {
        "question": "realism_q1",
        "entity_id": "i0#0",
        "image_id": "i0",
        "generator": "g",
        "is_portrait": False,
        "label": "cat",
        "raw": answer or "",
        "reason": None if answer else "empty",
        "mass": None if p_yes is None else 0.9,
        "prompt_version": "1",
        "pre_prompt": "",
        "post_prompt": "",
        "data": "test",
    }
    return JudgmentRecord(reference=reference, answer=answer, p_yes=p_yes, **{**values, **fields})


@pytest.fixture(scope="session")
def judged() -> Callable[..., JudgmentRecord]:
    """``judged(reference, answer, p_yes, **other fields)``."""
    return _judged


@pytest.fixture(scope="session")
def judged_rows() -> Callable[..., list[JudgmentRecord]]:
    """Rows of (reference, answer, p_yes, perhaps other fields), each an entity of its own; ``per_image`` of them share
    an image."""

    def build(rows: Sequence[tuple[Any, ...]], per_image: int = 1, **fields: Any) -> list[JudgmentRecord]:
        return [
            _judged(
                *row[:3],
                entity_id=f"i{n // per_image}#{n}",
                image_id=f"i{n // per_image}",
                **{**fields, **(row[3] if len(row) > 3 else {})},
            )
            for n, row in enumerate(rows)
        ]

    return build


@pytest.fixture(scope="session")
def random_judged(judged_rows: Callable[..., list[JudgmentRecord]]) -> Callable[..., list[JudgmentRecord]]:
    """Random answers and tied scores; some unread, some without P(Yes)."""

    def build(seed: int, n: int = 60, per_image: int = 4, gaps: bool = True, **fields: Any) -> list[JudgmentRecord]:
        rng = np.random.default_rng(seed)
        rows = []
        for _ in range(n):
            answer = None if gaps and rng.random() < 0.1 else str(rng.choice(["Yes", "No"]))
            p_yes = None if gaps and rng.random() < 0.1 else float(rng.integers(0, 11)) / 10
            rows.append((str(rng.choice(["Yes", "No"])), answer, p_yes))
        return judged_rows(rows, per_image, **fields)

    return build


@pytest.fixture(scope="session")
def region() -> Callable[..., Region]:
    """``region(x1, y1, x2, y2, label, description)``."""

    def build(*box: float, label: str = "cat", description: str = "") -> Region:
        return Region(label, tuple(float(v) for v in box), description)  # type: ignore[arg-type]

    return build


def _grounded(predicted: Sequence[Region], reference: Sequence[Region], **fields: Any) -> GroundingRecord:
    values: dict[str, Any] = {
        "set_name": "realism",
        "image_id": "i0",
        "generator": "g",
        "is_portrait": False,
        "width": 100,
        "height": 100,
        "space": "pixels",
        "input_size": None,
        "raw": "",
        "reason": None,
        "dropped": {},
        "clipped": 0,
        "prompt_version": "1",
        "pre_prompt": "",
        "post_prompt": "",
        "data": "test",
    }
    return GroundingRecord(predicted=tuple(predicted), reference=tuple(reference), **{**values, **fields})


@pytest.fixture(scope="session")
def grounded() -> Callable[..., GroundingRecord]:
    """``grounded(predicted, reference, **other fields)``."""
    return _grounded


@pytest.fixture(scope="session")
def random_grounded() -> Callable[..., list[GroundingRecord]]:
    """Random boxes on a coarse grid, so that ties occur; empty sides, clean images, unjudged pairs."""

    def build(seed: int, n: int = 30) -> list[GroundingRecord]:
        rng = np.random.default_rng(seed)

        def some() -> list[Region]:
            found = []
            for _ in range(rng.integers(0, 5)):
                x, y = (10.0 * v for v in rng.integers(0, 5, 2))
                w, h = (10.0 * v for v in rng.integers(1, 5, 2))
                found.append(Region(str(rng.choice(["cat", "dog"])), (x, y, x + w, y + h), ""))
            return found

        records = []
        for image in range(n):
            predicted, reference = some(), some()
            pairs = min(len(predicted), len(reference))
            scores = tuple(None if rng.random() < 0.2 else float(rng.random()) for _ in range(pairs))
            unread = not predicted and rng.random() < 0.5
            records.append(
                _grounded(
                    predicted,
                    reference,
                    image_id=f"i{image:02}",
                    scores=scores,
                    reason="no list" if unread else None,
                )
            )
        return records

    return build
