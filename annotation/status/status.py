"""How a run stands: per stage what is done, pending and failed, with reasons; money so far, and what is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from annotation.llm.calls import CallRecord, Spent
from annotation.run.chain import AFTER, STAGES
from annotation.run.folder import RunFolder
from annotation.run.items import ItemCounts, format_count
from annotation.run.portrait_list import load_portrait_ids
from annotation.run.reasons import FailureReasons
from annotation.run.schemas import State
from annotation.status.estimate import Forecast, forecast
from annotation.status.progress import Pace, read_paces
from qreal_tasks.shards import parquet_files as parquet

_WITHOUT_STATE = ("imageqa", "objectqa")


@dataclass(frozen=True)
class StageStatus:
    """How one stage stands."""

    stage: str
    done: int
    total: int
    """Items, in ``unit_of(stage)``; as many as the stages before have told."""
    is_total: bool
    """Whether they have told all; if not, more come."""
    rows: int
    states: Counter[str]
    """Rows by state."""
    reasons: FailureReasons
    """Why rows are not done."""
    seconds_left: float | None
    """At the pace of this stage since it was last begun; None while that or the number of items is not known."""
    spent: Spent | None


@dataclass(frozen=True)
class RunStatus:
    """How a run stands: all stages, in order."""

    inputs: Counter[str]
    stages: list[StageStatus]
    forecasts: list[Forecast]
    without_person: list[str]
    """Names of images of ``portraits.list`` in which no person was found, so that no body part is described."""

    @property
    def spent_usd(self) -> float:
        return sum(stage.spent.cost_usd for stage in self.stages if stage.spent is not None)


def read_status(run: RunFolder) -> RunStatus:
    """Read how a run stands on disk; it changes nothing and may be asked while the run is under way.

    Raises:
        AnnotationError: a shard is damaged.
    """
    shards = list(run.shard_numbers)
    with CallRecord(run.calls_path) as calls:
        spent = calls.spent()
    pace = read_paces(run.progress_path)
    ready = parquet.read_recipe(run.manifest_path) == run.recipe("intake")
    items = ItemCounts(run)
    stages = [
        _read_stage(run, stage, shards, items, pace.get(stage), spent.get(stage))
        for stage in AFTER
        if ready or stage == "intake"
    ]
    inputs = Counter(parquet.read_table(run.manifest_path, ["state"])["state"].to_pylist()) if ready else Counter[str]()
    return RunStatus(inputs, stages, forecast(run, shards) if ready else [], _find_without_person(run) if ready else [])


def _find_without_person(run: RunFolder) -> list[str]:
    listed = load_portrait_ids(run)
    if listed is None:
        return []
    found = []
    for shard in run.shard_numbers:
        if run.is_done("detection", shard):
            rows = run.read("detection", shard, ["image_id", "state", "is_person"])
            people = {row["image_id"] for row in rows if row["is_person"] and row["state"] == State.DONE}
            images = parquet.read_group(run.manifest_path, shard, ["image_id", "name", "state"]).to_pylist()
            accepted = [row for row in images if row["state"] == State.DONE]
            found += [row["name"] for row in accepted if row["image_id"] in listed - people]
    return found


def _read_stage(
    run: RunFolder, stage: str, shards: Sequence[int], items: ItemCounts, pace: Pace | None, spent: Spent | None
) -> StageStatus:
    pending = run.pending(stage, shards)
    done = sorted(set(shards) - set(pending))
    n_done, n_left = items.total(stage, done), items.total(stage, pending)
    is_total = all(items.of(stage, shard) is not None for shard in shards)
    left = pace.seconds_for(n_left) if pace is not None and is_total else None
    states, reasons, rows = count_outcomes(run, stage, done)
    return StageStatus(stage, n_done, n_done + n_left, is_total, rows, states, reasons, left, spent)


def count_outcomes(run: RunFolder, stage: str, done: Sequence[int]) -> tuple[Counter[str], FailureReasons, int]:
    """Count the rows of these shards by state, why they are not done, and all of them."""
    states: Counter[str] = Counter()
    reasons = FailureReasons()
    if stage in _WITHOUT_STATE:
        return states, reasons, sum(parquet.count_rows(run.shard_path(stage, shard)) for shard in done)
    for shard in done:
        for row in run.read(stage, shard, ["state", "reason"]):
            states[row["state"]] += 1
            if stage != "drafts":  # which repeats what became of the stages before, of images and of entities
                reasons.add(row["state"], row["reason"])
    return states, reasons, states.total()


@dataclass(frozen=True)
class RunSummary:
    """The end of ``qreal annotate run``: what became of the shards that were asked for."""

    images: int
    through: int | None
    """Images with a record; None before the last stages are done."""
    entities: int | None
    """Entities with a record."""
    lost: dict[str, FailureReasons]
    """Why rows came to nothing, by stage."""

    @property
    def failed(self) -> int:
        """What ``--retry-failed`` asks again."""
        return sum(reasons.count(State.FAILED) for reasons in self.lost.values())

    def headline(self) -> str:
        """One sentence with the counts."""
        images = format_count(self.images, "images")
        if self.through is None or self.entities is None:
            return f"{images}: the stages that were asked for are done; records come with the later ones."
        not_through = self.images - self.through
        return (
            f"{images}: {self.through:,} went through, with {format_count(self.entities, 'entities')}; "
            f"{not_through:,} did not."
        )


def summarize_run(run: RunFolder, shards: Sequence[int]) -> RunSummary:
    """Summarize what is on disk of these shards."""
    lost: dict[str, FailureReasons] = {}
    records: dict[str, int] = {}
    for stage in STAGES:
        pending = set(run.pending(stage, shards))
        _, reasons, rows = count_outcomes(run, stage, [shard for shard in shards if shard not in pending])
        lost[stage] = reasons
        if not pending:
            records[stage] = rows
    images = ItemCounts(run).total("entities", shards)
    return RunSummary(images, records.get("imageqa"), records.get("objectqa"), lost)
