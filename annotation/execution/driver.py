"""Runs the stages of a run, one after the other, over the shards that are missing or out of date."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from annotation.config import AnnotationConfig
from annotation.errors import AnnotationError, annotate_command
from annotation.execution.work import StageWork
from annotation.intake.start import prepare_run, write_manifest
from annotation.llm.asker import Asker
from annotation.llm.batches import BatchAsker
from annotation.llm.budget import Budget
from annotation.llm.calls import CallRecord
from annotation.llm.pipeline import Pipeline
from annotation.run.chain import AFTER, STAGES, is_asked, stages_after
from annotation.run.folder import RunFolder, lock_run
from annotation.run.items import ItemCounts, count_images_by_shard
from annotation.run.portrait_list import load_portrait_ids
from annotation.run.schemas import State
from annotation.stages.plans import PLANS
from annotation.status.progress import ProgressLog
from annotation.trial import Trial
from qreal_tasks.llm.batch.harvester import BatchProgress
from qreal_tasks.llm.batch.limits import BatchLimits
from qreal_tasks.llm.errors.retry import StoppedRun
from qreal_tasks.shards import parquet_files as parquet
from qreal_tasks.shards.executors import ExecutorOptions


@dataclass(frozen=True)
class RunOptions:
    """How the stages of a run are run; nothing here changes what comes out."""

    where: ExecutorOptions = field(default_factory=ExecutorOptions)
    stages: tuple[str, ...] = STAGES
    images: int | None = None
    """Only the first shards, with at least so many images: a pilot."""
    max_cost_usd: float | None = None
    batch: BatchLimits | None = None
    """Through the Batch API."""
    api_key: str | None = None


@dataclass(frozen=True)
class Watcher:
    """Callbacks that follow a run; ``annotation.run.items`` says what the items of a stage are."""

    stage: Callable[[str, int, int], None] = lambda stage, done, total: None
    """A stage begins, or goes on: items done before, and all."""
    items: Callable[[str, int, bool], None] = lambda stage, count, anew: None
    """So many more items are done; not anew where the record of calls held the answer."""
    shard: Callable[[str, int], None] = lambda stage, shard: None
    """A shard is written."""
    batch: Callable[[BatchProgress], None] = lambda progress: None
    cost: Callable[[Budget], None] = lambda budget: None


def init_run(images: str, path: Path, config: AnnotationConfig, where: ExecutorOptions, watcher: Watcher) -> RunFolder:
    """The run folder with every input checked; goes on with an interrupted ``init_run``.

    Raises:
        IntakeError: the inputs cannot be listed.
        AnnotationError: there are none, or the folder holds something else.
    """
    run = prepare_run(images, path, config)
    with lock_run(run.path), where.started():
        _StageRun(run, "intake", run.shard_numbers, watcher).compute(where)
        if parquet.read_recipe(run.manifest_path) != run.recipe("intake"):
            write_manifest(run)
    load_portrait_ids(run)  # a name that is none of the inputs is said before anything is paid for
    return run


def run_stages(run: RunFolder, options: RunOptions, watcher: Watcher) -> None:
    """Run the stages where rows are missing; nothing is done or paid for twice.

    Raises:
        StoppedRun: a server makes every further request useless, nothing came of a stage, the budget is reached, or a
            batch left requests without an answer. What is done is kept.
        AnnotationError: the run cannot go on as it is.
    """
    if parquet.read_recipe(run.manifest_path) != run.recipe("intake"):
        command = annotate_command("init", "IMAGES", run.path, "--config", run.config_path)
        reason = "the inputs are not checked yet, or intake settings changed"
        raise AnnotationError(f"{run.path}: {reason}; `{command}` checks them")
    shards = select_shards(run, options.images)
    load_portrait_ids(run)
    with lock_run(run.path), options.where.started(), CallRecord(run.calls_path) as calls:
        spent = sum(stage.cost_usd for stage in calls.spent().values())
        budget = Budget(options.max_cost_usd, run.config.language_model.prices, spent)
        asker = Asker(run.config, calls, budget, options.api_key)
        for stage in options.stages:
            _check_ready(run, stage, shards)
            under_way = _StageRun(run, stage, shards, watcher)
            if not is_asked(stage, run.config):
                under_way.compute(options.where)
                continue
            try:
                under_way.ask(options, asker, calls, budget)
            finally:
                watcher.cost(budget)


def select_shards(run: RunFolder, images: int | None) -> list[int]:
    """Select all shards, or the first ones that hold at least so many annotated images."""
    if images is None:
        return list(run.shard_numbers)
    found, total = list[int](), 0
    for shard, count in enumerate(count_images_by_shard(run)):
        if total >= images:
            break
        found.append(shard)
        total += count
    return found


def discard_failed(run: RunFolder) -> int:
    """Delete the shards with failed items and what was made of them, to be made again; returns how many items failed.

    Later stages go first: whatever interrupts this leaves no shard that was made of another's old rows.
    """
    count = 0
    with lock_run(run.path):
        for stage in (one for one in AFTER if one not in ("intake", "drafts", "imageqa", "objectqa")):
            for shard in run.shard_numbers:
                if not run.is_done(stage, shard):
                    continue
                failed = sum(row["state"] == State.FAILED for row in run.read(stage, shard, ["state"]))
                if failed:
                    for later in (*reversed(stages_after(stage)), stage):
                        run.shard_path(later, shard).unlink(missing_ok=True)
                    count += failed
    return count


def _check_ready(run: RunFolder, stage: str, shards: Sequence[int]) -> None:
    for earlier in AFTER[stage]:
        if earlier != "intake" and (missing := run.pending(earlier, shards)):
            images = ItemCounts(run)
            raise AnnotationError(
                f"{stage} needs {earlier}, which is missing or out of date for {images.total('intake', missing)} of "
                f"{images.total('intake', shards)} images; run {earlier} first"
            )


class _StageRun:
    """One stage over the shards of a start: what is left to do, who is told, and whether it gets anywhere."""

    def __init__(self, run: RunFolder, stage: str, shards: Sequence[int], watcher: Watcher) -> None:
        self._run, self._stage, self._watcher = run, stage, watcher
        self._pending = run.pending(stage, shards)
        done = sorted(set(shards) - set(self._pending))
        self._items = ItemCounts(run)
        self._trial = Trial(run, stage, done)
        before = self._items.total(stage, done)
        watcher.stage(stage, before, before + self._items.total(stage, self._pending))
        self._log = ProgressLog(run.progress_path)
        if self._pending:
            self._log.begin(stage)

    def compute(self, where: ExecutorOptions) -> None:
        """Compute the pending shards without a language model.

        Raises:
            StoppedRun: nothing came of the stage.
        """
        if self._pending:
            for shard in where.over(StageWork.of(self._run, self._stage), self._pending):
                items = self._items.of(self._stage, shard) or 0
                self._record(shard, items)
                self._watcher.items(self._stage, items, True)
                self._trial.computed(shard)
                if self._trial.stop is not None:
                    break
        self._end()

    def ask(self, options: RunOptions, asker: Asker, calls: CallRecord, budget: Budget) -> None:
        """Ask the language model about the pending shards.

        Raises:
            StoppedRun: as ``run_stages``.
        """
        run, plan, known, stop = self._run, PLANS[self._stage], None, None
        if options.batch is not None and self._pending:
            batches = BatchAsker(run, calls, budget, options.batch, api_key=options.api_key, watch=self._watcher.batch)
            known, stop = batches.fill(plan, self._pending)

        def count(anew: bool) -> None:
            self._watcher.items(self._stage, 1, anew)
            self._watcher.cost(budget)

        by_batch = options.batch is not None
        pipeline = Pipeline(
            run, asker, plan, self._stage, self._trial, count, self._record, known=known, ask=not by_batch
        )
        pipeline.over(self._pending)
        if stop is not None:
            raise stop
        if pipeline.left_pending:
            raise StoppedRun(
                f"{self._stage}: batches left {pipeline.left_pending} requests without an answer. Start the same "
                "command again to submit them again."
            )
        self._end()

    def _record(self, shard: int, items: int) -> None:
        """Record that a shard is written, of which so many items were asked or computed now."""
        self._log.done(self._stage, shard, items)
        self._watcher.shard(self._stage, shard)

    def _end(self) -> None:
        self._trial.end()
        if self._trial.stop is not None:
            raise self._trial.stop
