"""Runs a screening: what is missing is checked and judged, and everything is put together.

summary = screen("samples", Path("screened"), ScreeningSettings(model="mini"))
print(*summary.list_lines(), sep="\\n")
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from qreal_tasks.benchmark import Dimension
from qreal_tasks.screening.asking import AskingSettings, PictureAsker, identify_asking
from qreal_tasks.screening.calibration.record import load_calibration
from qreal_tasks.screening.page import write_page
from qreal_tasks.screening.rows import RowState
from qreal_tasks.screening.run.claims import Claims, is_done
from qreal_tasks.screening.run.errors import ScreeningError
from qreal_tasks.screening.run.folder import ScreeningFolder
from qreal_tasks.screening.run.joining import JoinedRows
from qreal_tasks.screening.run.outputs import GrowingLines, growing_lines, write_summary, write_tables
from qreal_tasks.screening.run.planned_files import PlannedFiles, plan_files
from qreal_tasks.screening.run.record import check_same_run, make_record, read_record_file, write_record
from qreal_tasks.screening.run.settings import ScreeningSettings
from qreal_tasks.screening.run.sources import open_images
from qreal_tasks.screening.run.summary import THRESHOLD, ScreeningSummary
from qreal_tasks.screening.run.work import CheckWork, JudgeWork, make_judge_recipe
from qreal_tasks.shards import parquet_files
from qreal_tasks.shards.executors import ExecutorOptions
from qreal_tasks.shards.work import ShardWork
from qreal_tasks.shipped import is_shipped

if TYPE_CHECKING:
    from qreal_tasks.api.asking import Model

CHECKING, JUDGING = "checking", "judging"


@dataclass(frozen=True)
class ScreeningWatcher:
    """Callbacks that follow a screening."""

    begin: Callable[[str, int, int], None] = lambda step, done, total: None
    """A step begins: images done before, and all."""
    advance: Callable[[str, int, int], None] = lambda step, images, failed: None
    """So many more images are done, of which some were refused or could not be told."""
    cost: Callable[[float], None] = lambda dollars: None


@dataclass(frozen=True)
class ScreeningOptions:
    """How a screening is run; nothing here changes what comes out of a picture."""

    where: ExecutorOptions = field(default_factory=ExecutorOptions)
    anew: bool = False
    """Judge all images again where another model judged them before."""
    retry_unread: bool = False
    """Judge those again of which something could not be told."""


def screen(
    images: str,
    out: Path,
    settings: ScreeningSettings,
    options: ScreeningOptions | None = None,
    watcher: ScreeningWatcher | None = None,
    model: Model | None = None,
) -> ScreeningSummary:
    """Judge the images of a folder, table or hub set; what an earlier start has judged stays.

    Args:
        images: folder, table, or hub id.
        out: a folder for it alone.
        model: in place of the one that the settings name, loaded already; for one worker in this process.

    Raises:
        ScreeningError: the run cannot begin, or there is another run in the folder.
        IntakeError: the images cannot be listed.
        ShardError: a file of the run is damaged, or workers keep dying.
        StoppedRun: the server cannot be asked. What is judged is kept.
        ValueError: there is no such model, or an option does not suit it.
        OSError: something cannot be read or written.
    """
    run = _Run(images, out, settings, options or ScreeningOptions(), watcher or ScreeningWatcher(), model)
    run.folder.out.mkdir(parents=True, exist_ok=True)
    with run.folder.lock():
        return run.go()


class _Run:
    """One start of a screening."""

    def __init__(
        self,
        images: str,
        out: Path,
        settings: ScreeningSettings,
        options: ScreeningOptions,
        watcher: ScreeningWatcher,
        model: Model | None,
    ) -> None:
        self.folder = ScreeningFolder(out.expanduser().resolve())
        self._settings, self._options, self._watcher, self._model = settings, options, watcher, model
        if not images.strip():
            raise ScreeningError("the name of the images is empty; give a folder, a table or a hub dataset")
        path = Path(images).expanduser()
        is_here = path.exists() and not is_shipped(images)
        self._images = str(path.resolve()) if is_here else images
        if is_here and path.is_dir() and self.folder.out.is_relative_to(path.resolve()):
            raise ScreeningError(f"--out {out} is inside the images, {images}; give a folder outside of them")

    def go(self) -> ScreeningSummary:
        """Do what is missing, and put everything together."""
        folder, settings = self.folder, self._settings
        calibration = None if settings.calibration is None else load_calibration(settings.calibration.expanduser())
        asked = identify_asking(settings, self._model)
        if calibration is not None and (reason := calibration.explain_mismatch(asked)):
            raise ScreeningError(f"{settings.calibration} {reason}")
        held = None if calibration is None else calibration.model_dump(mode="json")
        record = make_record(self._images, settings, asked, held)
        if (before := read_record_file(folder.record_path)) is not None:
            check_same_run(before, record, folder.out, self._options.anew or not folder.has_judged())
        open_images.cache_clear()  # of an earlier start in this process: a table may have other rows by now
        source = open_images(self._images, settings.intake)
        if before is None or before | {"counts": None} != record:
            write_record(folder.record_path, record)
        recipe = make_judge_recipe(asked)
        calibrate = None if calibration is None else calibration.apply
        with ExitStack() as started:
            executor = _Executor(self._options.where, started)
            files = plan_files(folder, source, self._images, settings.images_per_shard)
            files, claims = self._prepare(files, recipe, executor)
            rows = JoinedRows(folder, files, claims, calibrate, settings.weighting)
            pending = set(claims.counts)
            with growing_lines(folder.partial_path, rows, pending) as lines:
                self._judge(claims, pending, recipe, lines, executor)
                lines.finish(folder.out / "images.jsonl")
        thresholds = {one: THRESHOLD if calibration is None else calibration.threshold(one) for one in Dimension}
        summary = ScreeningSummary(thresholds, calibration is not None, notes=files.notes)
        write_tables(folder.out, rows, summary)
        write_summary(folder.out, summary)
        write_record(folder.record_path, record | {"counts": summary.whole.to_json()["states"]})
        write_page(folder.out)
        return summary

    def _prepare(self, files: PlannedFiles, recipe: str, executor: _Executor) -> tuple[PlannedFiles, Claims]:
        """Check what is not checked, and settle which shard judges which picture."""
        if self._options.retry_unread:
            self._discard_unread(files, recipe)
        self._check(files, executor)
        claims = Claims(self.folder, files, recipe)
        if left := claims.make():  # their shards are judged, and the file that stood for them there was changed
            self.folder.extend_plan(left, self._settings.images_per_shard)
            files = files.again(self.folder)
            self._check(files, executor)
            claims = Claims(self.folder, files, recipe)
            claims.make()
        return files, claims

    def _check(self, files: PlannedFiles, executor: _Executor) -> None:
        folder = self.folder
        work = CheckWork(str(folder.out), self._images, self._settings.intake)
        shards = range(files.shard_count)
        pending = [one for one in shards if not is_done(folder.checked_path(one), work.recipe)]
        total = files.size_of(*shards)
        self._watcher.begin(CHECKING, total - files.size_of(*pending), total)
        for shard in executor.over(work, pending):
            reasons = parquet_files.read_table(folder.checked_path(shard), ["reason"])["reason"]
            self._watcher.advance(CHECKING, len(reasons), len(reasons) - reasons.null_count)

    def _judge(self, claims: Claims, pending: set[int], recipe: str, lines: GrowingLines, executor: _Executor) -> None:
        folder, settings = self.folder, self._settings
        self._watcher.begin(JUDGING, claims.judged, claims.judged + sum(claims.counts.values()))
        for shard in [one for one in sorted(pending) if not claims.counts[one]]:
            folder.write_judged(shard, [], recipe)  # needs no model
            pending.discard(shard)
        lines.advance()
        if not pending:
            return
        asker = None if self._model is None else PictureAsker(settings, self._model)
        asking = AskingSettings.model_validate(settings.model_dump(include=set(AskingSettings.model_fields)))
        intake, most = settings.intake, settings.images_at_once
        work = JudgeWork(str(folder.out), self._images, intake, asking, most, recipe, asker)
        for shard in executor.over(work, sorted(pending)):
            pending.discard(shard)
            states = parquet_files.read_table(folder.judged_path(shard), ["state"])["state"].to_pylist()
            self._watcher.advance(JUDGING, len(states), len(states) - states.count(RowState.JUDGED))
            lines.advance()
            if asker is not None and (cost := asker.cost()) is not None:
                self._watcher.cost(cost)

    def _discard_unread(self, files: PlannedFiles, recipe: str) -> None:
        """Delete the shards with images of which something could not be told."""
        for path in map(self.folder.judged_path, range(files.shard_count)):
            if is_done(path, recipe):
                states = parquet_files.read_table(path, ["state"])["state"].to_pylist()
                if RowState.UNREAD in states:
                    path.unlink()


class _Executor:
    """What computes shards; it is started for the first ones that are to be computed."""

    def __init__(self, where: ExecutorOptions, started: ExitStack) -> None:
        self._where, self._stack, self._is_started = where, started, False

    def over(self, work: ShardWork, shards: Sequence[int]) -> Iterator[int]:
        """Compute the shards and yield their numbers as they are done."""
        if not shards:
            return
        if not self._is_started:
            self._stack.enter_context(self._where.started())
            self._is_started = True
        yield from self._where.over(work, shards)
