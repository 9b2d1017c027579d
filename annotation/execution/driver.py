"""Runs the stages of a run, one after the other, over the shards that are missing or out of date."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from annotation import shards as parquet
from annotation.config import Config
from annotation.errors import AnnotationError
from annotation.execution.local import run_local
from annotation.execution.on_ray import ray_started, run_on_ray
from annotation.execution.work import Work
from annotation.intake.start import prepare, write_manifest
from annotation.llm.asker import Asker
from annotation.llm.batches import BatchAsker, Limits
from annotation.llm.budget import Budget
from annotation.llm.calls import CallRecord
from annotation.llm.pipeline import Pipeline
from annotation.progress import ProgressLog
from annotation.run_folder import RunFolder
from annotation.schemas import State
from annotation.stages.asked import PLANS
from annotation.stages.chain import AFTER, STAGES, is_asked, stages_after
from qreal_tasks.models.batch_runner import Standing
from qreal_tasks.models.openai_retry import StoppedRun

Executor = Literal["local", "ray"]


@dataclass(frozen=True)
class Where:
    """What computes the stages that ask no language model."""

    executor: Executor = "local"
    workers: int = 1
    gpus_each: float = 0.0
    address: str | None = None

    def started(self) -> AbstractContextManager[None]:
        """To be held open over all stages."""
        return ray_started(self.workers, self.address) if self.executor == "ray" else nullcontext()

    def over(self, run: RunFolder, stage: str, shards: Sequence[int]) -> Iterator[int]:
        """Compute the shards and yield their numbers as they are done."""
        work = Work.of(run, stage)
        if self.executor == "ray":
            return run_on_ray(work, shards, self.workers, self.gpus_each)
        return run_local(work, shards, self.workers)


@dataclass(frozen=True)
class Options:
    """How a run is run; nothing here changes what comes out."""

    where: Where = Where()
    stages: tuple[str, ...] = STAGES
    images: int | None = None
    """Only the first shards, with at least so many images: a pilot."""
    max_cost_usd: float | None = None
    batch: Limits | None = None
    """Through the Batch API."""
    api_key: str | None = None


@dataclass(frozen=True)
class Watcher:
    """What is told to whoever looks on."""

    stage: Callable[[str, int, int], None] = lambda stage, pending, total: None
    shard: Callable[[str, int], None] = lambda stage, shard: None
    batch: Callable[[Standing], None] = lambda standing: None
    cost: Callable[[Budget], None] = lambda budget: None


def init(images: str, path: Path, config: Config, where: Where, watcher: Watcher) -> RunFolder:
    """The run folder with every input checked; goes on with an interrupted ``init``.

    Raises:
        AnnotationError: the inputs cannot be listed, or the folder holds something else.
    """
    run = prepare(images, path, config)
    with alone(run), where.started():
        _compute(run, "intake", run.shard_numbers, where, watcher)
        if parquet.recipe_of(run.manifest_path) != run.recipe("intake"):
            write_manifest(run)
    return run


def run_stages(run: RunFolder, options: Options, watcher: Watcher) -> None:
    """Do what is missing; nothing is done or paid for twice.

    Raises:
        StoppedRun: a server makes every further request useless, the budget is reached, or a batch left requests
            without an answer. What is done is kept.
        AnnotationError: the run cannot go on as it is.
    """
    if parquet.recipe_of(run.manifest_path) != run.recipe("intake"):
        raise AnnotationError(
            f"{run.path}: the inputs are not checked yet, or intake settings changed; `qreal annotate init IMAGES "
            f"{run.path} --config {run.config_path}` checks them"
        )
    shards = shards_for(run, options.images)
    with alone(run), options.where.started(), CallRecord(run.calls_path) as calls:
        spent = sum(stage.cost_usd for stage in calls.spent().values())
        budget = Budget(options.max_cost_usd, run.config.language_model.prices, spent)
        asker = Asker(run.config, calls, budget, options.api_key)
        for stage in options.stages:
            _check_ready(run, stage, shards)
            if not is_asked(stage, run.config):
                _compute(run, stage, shards, options.where, watcher)
                continue
            try:
                _ask(run, stage, shards, options, watcher, asker, calls, budget)
            finally:
                watcher.cost(budget)


def shards_for(run: RunFolder, images: int | None) -> list[int]:
    """All shards, or the first ones that hold at least so many annotated images."""
    if images is None:
        return list(run.shard_numbers)
    table = parquet.read_table(run.manifest_path, ["shard", "state"])
    held = [0] * len(run.shard_numbers)
    for shard, state in zip(table["shard"].to_pylist(), table["state"].to_pylist(), strict=True):
        held[shard] += state == State.DONE
    found, total = list[int](), 0
    for shard, count in enumerate(held):
        if total >= images:
            break
        found.append(shard)
        total += count
    return found


def discard_failed(run: RunFolder) -> int:
    """Take away the shards with failed items and what was made of them, so that they are made again; how many.

    Later stages go first: whatever interrupts this leaves no shard that was made of another's old rows.
    """
    count = 0
    with alone(run):
        for stage in (one for one in AFTER if one not in ("intake", "drafts", "imageqa", "objectqa")):
            for shard in run.shard_numbers:
                if not run.is_done(stage, shard):
                    continue
                if any(row["state"] == State.FAILED for row in run.read(stage, shard, ["state"])):
                    for later in (*reversed(stages_after(stage)), stage):
                        run.shard_path(later, shard).unlink(missing_ok=True)
                    count += 1
    return count


def _check_ready(run: RunFolder, stage: str, shards: Sequence[int]) -> None:
    for earlier in AFTER[stage]:
        if earlier != "intake" and (missing := run.pending(earlier, shards)):
            raise AnnotationError(
                f"{stage} needs {earlier}, of which {len(missing)} of {len(shards)} shards are missing or out of date; "
                f"run {earlier} first"
            )


def _compute(run: RunFolder, stage: str, shards: Sequence[int], where: Where, watcher: Watcher) -> None:
    pending = run.pending(stage, shards)
    watcher.stage(stage, len(pending), len(shards))
    if not pending:
        return
    progress = ProgressLog(run.progress_path)
    progress.begin(stage)
    for shard in where.over(run, stage, pending):
        progress.done(stage, shard)
        watcher.shard(stage, shard)


def _ask(
    run: RunFolder,
    stage: str,
    shards: Sequence[int],
    options: Options,
    watcher: Watcher,
    asker: Asker,
    calls: CallRecord,
    budget: Budget,
) -> None:
    pending = run.pending(stage, shards)
    watcher.stage(stage, len(pending), len(shards))
    if not pending:
        return
    progress = ProgressLog(run.progress_path)
    progress.begin(stage)
    known, stop = None, None
    if options.batch is not None:
        batches = BatchAsker(run, calls, budget, options.batch, api_key=options.api_key, watch=watcher.batch)
        known, stop = batches.fill(PLANS[stage], pending)

    def done(shard: int) -> None:
        progress.done(stage, shard)
        watcher.shard(stage, shard)
        watcher.cost(budget)

    pipeline = Pipeline(run, asker, PLANS[stage], stage, done, known=known, ask=options.batch is None)
    pipeline.over(pending)
    if stop is not None:
        raise stop
    if pipeline.left_pending:
        raise StoppedRun(
            f"{stage}: batches left requests of {pipeline.left_pending} shards without an answer. Start the same "
            "command again to submit them again."
        )


@contextmanager
def alone(run: RunFolder) -> Iterator[None]:
    """One program at a time works on a run; one that dies gives it back."""
    with (run.path / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AnnotationError(f"another program works on {run.path}; let it end first") from None
        yield
