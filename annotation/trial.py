"""Stops a stage from which nothing usable comes, before it has been paid for to its end.

When it stops:

- The first shard of a stage is through, or more of them where they are small, ``FEW`` items or more were done (names to
  detect: ``FEW_NAMES``), and none of them came through. No other shard is begun before an item has come through.
- ``IN_A_ROW`` items were done one after the other and none came through, whichever shard they are in. Once an item has
  come through, in this start or an earlier one, only failures count here: refusals and images without entities may be
  the images' own.
- The stage is through and no item of it came through, however few there are, where no record can come out without the
  stage: entities, detection and judgment. A single person whose body parts were refused stops nothing.

Only what this start has asked or computed counts, but for the last rule. Refusals, filtered answers and those that name
no entity are kept in the record of calls, so whoever starts again after a stop gets behind them; failed ones are asked
again. For that reason a shard of answers is not written before an item of its stage has come through: it is held, and
dropped by a stop. A batch has asked everything when it is judged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from annotation.config import AnnotationConfig
from annotation.errors import annotate_command
from annotation.llm.replies import Form
from annotation.run.chain import is_asked
from annotation.run.folder import RunFolder
from annotation.run.items import format_count, row_unit_of
from annotation.run.reasons import FailureReasons
from annotation.run.schemas import State
from qreal_tasks.llm.errors.retry import StoppedRun

FEW = 4
"""Answers at the beginning of a stage of which one should have been usable."""
FEW_NAMES = 16
"""The same for names that the detector looks for: all that one image was said to hold may be too small to be found."""
IN_A_ROW = 32
"""Items in a row, as many as requests are under way at a time by default."""
_NEEDED = ("entities", "detection", "judgment")
_WATCHED = (*_NEEDED, "quality", "parts", "merge")
Rows = Sequence[Mapping[str, Any]]


class Trial:
    """Watches what comes of a stage, within one event loop.

    Args:
        done: the shards among those wanted that were there before.
    """

    def __init__(self, run: RunFolder, stage: str, done: Iterable[int]) -> None:
        self._run, self._stage = run, stage
        self._done = list(done)
        self._in_a_row = FailureReasons()
        self.stop: StoppedRun | None = None
        self.proved = asyncio.Event()
        """Set when an item has come through."""
        if stage not in _WATCHED or any(self._came_through(shard) for shard in self._done):
            self.proved.set()

    def item(self, row: Mapping[str, Any], anew: bool) -> None:
        """Count the row of one item; ``anew`` when this start has asked it."""
        state = row["state"]
        if state == State.SKIPPED:
            return
        if state == State.DONE or (self.proved.is_set() and anew and state != State.FAILED):
            self.proved.set()
            self._in_a_row = FailureReasons()
        elif anew:
            self._in_a_row.add(state, row["reason"])
            if self._in_a_row.total >= IN_A_ROW:
                self._stop()

    def shard_over(self) -> None:
        """End a shard, all items of which were counted."""
        few = FEW_NAMES if self._stage == "detection" else FEW
        if not self.proved.is_set() and self._in_a_row.total >= few:
            self._stop()

    def wrote(self, shard: int) -> None:
        """Record that a shard is on disk."""
        self._done.append(shard)

    def computed(self, shard: int) -> None:
        """Count a shard that was computed and written."""
        if self.proved.is_set():
            return
        self.wrote(shard)
        rows = self._read(shard)
        if any(row["state"] == State.DONE for row in rows):
            self.proved.set()
            return
        self._in_a_row.add_rows(rows)
        self.shard_over()

    def end(self, held: Rows = ()) -> None:
        """End the stage.

        Args:
            held: rows of shards that are not written.
        """
        if self.proved.is_set() or self.stop is not None or self._stage not in _NEEDED:
            return
        lost = FailureReasons()
        for shard in self._done:
            lost.add_rows(self._read(shard))
        on_disk = lost.count(State.FAILED)
        lost.add_rows(held)
        if lost.total:
            self.stop = StoppedRun(self._message(lost, self._advice(lost, on_disk, through=True)))

    def _stop(self) -> None:
        if self.stop is None:
            self.stop = StoppedRun(self._message(self._in_a_row, self._advice(self._in_a_row, 0, through=False)))

    def _came_through(self, shard: int) -> bool:
        return any(row["state"] == State.DONE for row in self._run.read(self._stage, shard, ["state"]))

    def _read(self, shard: int) -> Rows:
        label = ["label"] if self._stage == "detection" else []
        return self._run.read(self._stage, shard, ["state", "reason", *label])

    def _message(self, lost: FailureReasons, advice: str) -> str:
        stage, config = self._stage, self._run.config
        items = format_count(lost.total, row_unit_of(stage))
        common = lost.most_common(1)[0]
        if is_asked(stage, config):
            head = f"every answer of the language model was unusable: {lost.total} of {items}"
            if self.proved.is_set():
                head = f"the last {items} in a row got no usable answer of the language model"
            source, expected = "The server said:", Form(stage, 1).expected
        else:
            what, expected = _describe_computed(stage, config)
            head, source = f"{what}: {lost.total} of {items}", "For example"
        named = [one for one in (common.state, common.kind) if one and one != State.FAILED]
        example = f" {source} «{common.example}»" if common.example else ""
        return (
            f"{stage}: {head}. Commonest ({format_count(common.count, 'times')}): {': '.join(named).rstrip('.')}."
            f"{example} Expected: {expected}. {advice}"
        )

    def _advice(self, lost: FailureReasons, failed_on_disk: int, through: bool) -> str:
        """What to do; ``through`` when no image of the stage is left."""
        where, command = self._run.config_path, annotate_command("run", self._run.path)
        if not is_asked(self._stage, self._run.config):
            change = f"Change {self._stage}.model or its other settings in {where}: what depends on them is made again."
            return change if through else f"{change} Unchanged, `{command}` goes on with the next images."
        advice = [f"Check `model` and `base_url` in {where}: the model must see pictures and answer in this form."]
        failed = lost.count(State.FAILED)
        if failed_on_disk:
            advice.append(f"Then `{command} --retry-failed` asks again what failed.")
        elif failed:
            advice.append(f"Then `{command}` asks these again; --retry-failed adds what failed in earlier runs.")
        if failed < lost.total:
            kept = ", ".join(dict.fromkeys(one.state for one in lost.most_common() if one.state != State.FAILED))
            rest = "" if through else f": `{command}` goes on with the rest"
            answers = format_count(lost.total - failed, "answers")
            advice.append(
                f"Kept and not asked for again: {answers} ({kept}){rest}. Another model or prompt is asked about all."
            )
        return " ".join(advice)


def _describe_computed(stage: str, config: AnnotationConfig) -> tuple[str, str]:
    """What a stage without a language model failed to do, and what was expected."""
    if stage == "detection":
        settings = config.detection
        return (
            f"{settings.model} found none of the named entities",
            f"boxes with a score of {settings.threshold:g} or more (detection.threshold) and "
            f"{settings.min_area_px:g} px or more (min_area_px)",
        )
    return f"{config.quality.model} scored nothing", "a score from 0 to 1 for every crop"
