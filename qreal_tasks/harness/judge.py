"""LLM-Score inside a run of the harness: the judge that ``QREAL_JUDGE`` names, one a process."""

from __future__ import annotations

import functools
import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from loguru import logger

if TYPE_CHECKING:  # runs without a judge need no client, and what only asks for JUDGE_VARIABLE needs no metrics
    from qreal_tasks.judge.judge import Judge
    from qreal_tasks.records import GroundingRecord

JUDGE_VARIABLE = "QREAL_JUDGE"
"""Name or file of a judge's manifest; without it nothing is judged, and `qreal judge` can do it afterwards."""

STOPPED = "judge stopped"
"""Why a pair is unjudged when its judge could not go on."""

_lock = threading.Lock()


def add_scores(record: GroundingRecord) -> GroundingRecord:
    """The record with a score for every matched pair; as it is when no judge is configured.

    Never raises on what a judge does: it waits for an answer, or counts the pair as unjudged.
    """
    name = os.environ.get(JUDGE_VARIABLE)
    if not name:
        return record
    with _lock:  # the harness calls from several threads
        live = _open_judge(name)
    return record if live is None else live.score(record)


@dataclass
class _LiveJudge:
    """The judge of this process, until it cannot go on."""

    judge: Judge
    name: str
    _stopped: threading.Event = field(default_factory=threading.Event)
    _why: str = ""

    def score(self, record: GroundingRecord) -> GroundingRecord:
        from qreal_tasks.files.sqlite_file import StoreError
        from qreal_tasks.judge.records import judge_records, mark_unjudged
        from qreal_tasks.llm.errors.retry import StoppedRun

        if not self._stopped.is_set():
            try:
                return judge_records([record], self.judge.judge, self.name)[0]
            except (StoppedRun, StoreError) as error:
                if not self._stopped.is_set():
                    self._why = str(error)
                    logger.error(
                        f"qreal: the judge cannot go on: {error} What is left is unjudged; `qreal judge` fills it in."
                    )
                self._stopped.set()
            except ValueError as error:  # only a reference that `qreal data check` refuses
                logger.error(f"qreal: image {record.image_id} is not judged: {error}")
                return record
        return mark_unjudged(record, STOPPED, self._why, self.name)


@functools.cache
def _open_judge(name: str) -> _LiveJudge | None:
    from qreal_tasks.files.sqlite_file import StoreError
    from qreal_tasks.judge.judge import Judge, cache_path
    from qreal_tasks.judge.manifest import ManifestError, load_manifest

    try:
        manifest = load_manifest(name)
        judge = Judge(manifest, cache_path())
    except (ManifestError, StoreError, OSError, ValueError) as error:
        logger.error(f"qreal: {JUDGE_VARIABLE}={name}: {error} LLM-Score is N/A; `qreal judge` can fill it in.")
        return None
    logger.info(f"qreal: descriptions are judged by {manifest.title}; judgements are kept in {cache_path()}")
    return _LiveJudge(judge, manifest.title)
