"""How a run stands: per stage what is done, pending and failed, with reasons; money so far, and what is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from annotation import shards as parquet
from annotation.estimate import Forecast, forecast
from annotation.llm.calls import CallRecord, Spent
from annotation.progress import paces
from annotation.run_folder import RunFolder
from annotation.schemas import State
from annotation.stages.chain import AFTER

_WITHOUT_STATE = ("imageqa", "objectqa")


@dataclass(frozen=True)
class StageStatus:
    """One stage."""

    stage: str
    done: int
    total: int
    """Shards."""
    items: int
    """Rows of the shards that are done."""
    states: Counter[str]
    """Rows by state."""
    reasons: Counter[tuple[str, str]]
    """Rows by state and reason, but those that are done."""
    seconds_left: float | None
    """At the pace of this stage since it was last begun; None before its first shard."""
    spent: Spent | None


@dataclass(frozen=True)
class RunStatus:
    """All stages, in order."""

    inputs: Counter[str]
    stages: list[StageStatus]
    forecasts: list[Forecast]

    @property
    def spent_usd(self) -> float:
        return sum(stage.spent.cost_usd for stage in self.stages if stage.spent is not None)


def status_of(run: RunFolder) -> RunStatus:
    """Read what is on disk; changes nothing and may be asked while the run is under way.

    Raises:
        AnnotationError: a shard is damaged.
    """
    shards = list(run.shard_numbers)
    with CallRecord(run.calls_path) as calls:
        spent = calls.spent()
    pace = paces(run.progress_path)
    stages = []
    for stage in AFTER:
        done = [shard for shard in shards if run.is_done(stage, shard)]
        states, reasons, items = _counted(run, stage, done)
        left = pace[stage].seconds_a_shard * (len(shards) - len(done)) if stage in pace else None
        stages.append(StageStatus(stage, len(done), len(shards), items, states, reasons, left, spent.get(stage)))
    ready = parquet.recipe_of(run.manifest_path) == run.recipe("intake")
    inputs = Counter(parquet.read_table(run.manifest_path, ["state"])["state"].to_pylist()) if ready else Counter[str]()
    return RunStatus(inputs, stages, forecast(run, shards) if ready else [])


def _counted(run: RunFolder, stage: str, done: Sequence[int]) -> tuple[Counter[str], Counter[tuple[str, str]], int]:
    states: Counter[str] = Counter()
    reasons: Counter[tuple[str, str]] = Counter()
    items = 0
    for shard in done:
        if stage in _WITHOUT_STATE:
            items += parquet.row_count(run.shard_path(stage, shard))
            continue
        for row in run.read(stage, shard, ["state", "reason"]):
            items += 1
            states[row["state"]] += 1
            if row["state"] != State.DONE:
                reasons[row["state"], row["reason"]] += 1
    return states, reasons, items
