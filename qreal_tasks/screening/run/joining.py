"""Puts the rows of a run together: what is listed, what each file is, and what was said about its pixels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import lru_cache

from qreal_tasks.screening.assessment import Weighting
from qreal_tasks.screening.calibration.record import Calibrate
from qreal_tasks.screening.making_rows import (
    ImageOrigin,
    calibrate_row,
    make_refused_row,
    make_repeated_row,
    name_row,
    weigh_row,
)
from qreal_tasks.screening.rows import RowState, ScreeningRow
from qreal_tasks.screening.run.claims import Claims
from qreal_tasks.screening.run.folder import Row, ScreeningFolder
from qreal_tasks.screening.run.planned_files import PlannedFiles, RowPlace
from qreal_tasks.shards import parquet_files

_SHARDS_KEPT = 16
"""Shards of either kind whose rows are in memory: inputs that stand together are in few."""

_CHANGED = "the file with these pixels was changed while it was screened; start the run again"


class JoinedRows:
    """The rows of a run in the order in which its inputs are listed; few are in memory at a time."""

    def __init__(
        self,
        folder: ScreeningFolder,
        files: PlannedFiles,
        claims: Claims,
        calibrate: Calibrate | None,
        weighting: Weighting,
    ) -> None:
        self._folder, self._files, self._claims = folder, files, claims
        self._calibrate, self._weighting = calibrate, weighting
        self._checked = lru_cache(_SHARDS_KEPT)(
            lambda shard: parquet_files.read_table(folder.checked_path(shard)).to_pylist()
        )
        self._judged = lru_cache(_SHARDS_KEPT)(folder.read_judged)
        self._repeated = self._find_repeated()

    def __iter__(self) -> Iterator[ScreeningRow]:
        for row in self.as_they_come(lambda: ()):
            assert row is not None
            yield row

    def as_they_come(self, pending: Callable[[], Collection[int]]) -> Iterator[ScreeningRow | None]:
        """Yield the rows in their order; None, as often as it is asked, while the next one is in a pending shard."""
        first: dict[RowPlace, str] = {}
        for listed in self._folder.read_listing():
            origin = ImageOrigin(listed["name"], listed["prompt"], listed["prompt_id"], listed["generator"])
            pixels, reason = self._find_pixels(listed)
            if pixels is None:
                yield make_refused_row(origin, str(reason))
                continue
            place = self._claims.place_of(pixels)
            if place is None:
                yield make_refused_row(origin, _CHANGED)
                continue
            while place.shard in pending():
                yield None
            row = self._judged(place.shard)[place.row]
            if self._calibrate is not None:
                row = calibrate_row(row, self._calibrate)
            if self._weighting is not Weighting.AREA:  # which the shards hold
                row = weigh_row(row, self._weighting)
            if place in first and row["state"] != RowState.REFUSED.value:
                yield make_repeated_row(origin, {**row, "image": first[place]})
                continue
            if place in self._repeated:
                first[place] = listed["name"]
            yield name_row(origin, row)

    def _find_pixels(self, listed: Row) -> tuple[bytes | None, str | None]:
        """The digest of an input's pixels, or why there is none."""
        if listed["key"] is None:
            return None, listed["problem"]
        place = self._files.place_of(listed["key"])
        checked = self._checked(place.shard)[place.row]
        return checked["pixels"], checked["reason"]

    def _find_repeated(self) -> set[RowPlace]:
        """The places of pictures that several inputs have."""
        once: set[RowPlace] = set()
        several: set[RowPlace] = set()
        for listed in self._folder.read_listing():
            pixels, _ = self._find_pixels(listed)
            place = None if pixels is None else self._claims.place_of(pixels)
            if place is not None:
                (several if place in once else once).add(place)
        return several
