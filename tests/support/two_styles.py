"""Runs of both prompt styles: apart, and in one results folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from submitted import simulated, write_run

from qreal_tasks.benchmark import Style
from qreal_tasks.leaderboard.submission.references import References
from qreal_tasks.records import JudgmentRecord, Record


def mixed_run(folder: Path, references: References) -> Path:
    """One results file with the tasks of both styles, judged, by a model that is worse with the bare queries."""
    write_run(folder, simulated(references, 0.9, seed=1))
    write_run(folder, simulated(references, 0.6, seed=2, style=Style.PAPER), style=Style.PAPER)
    return folder


def asked_with_other(records: Iterable[Record], only: str, **words: Any) -> list[Record]:
    """The records, those about the question or set ``only`` with another ``pre_prompt`` or ``post_prompt``."""
    return [replace(r, **words) if only in (_about(r), "") else r for r in records]


def _about(record: Record) -> str:
    return record.question if isinstance(record, JudgmentRecord) else record.set_name
