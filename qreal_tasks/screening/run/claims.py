"""Which shard judges a picture: equal pixels are judged once, by the first shard that is still to be judged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from qreal_tasks.screening.rows import RowState
from qreal_tasks.screening.run.folder import Row, ScreeningFolder
from qreal_tasks.screening.run.planned_files import PlannedFiles, RowPlace
from qreal_tasks.shards import parquet_files


class Claims:
    """Where the row of each picture is or will be.

    Args:
        recipe: of judged shards; those of another one are judged again.
    """

    def __init__(self, folder: ScreeningFolder, files: PlannedFiles, recipe: str) -> None:
        self._folder, self._files = folder, files
        self.done = {shard for shard in range(files.shard_count) if is_done(folder.judged_path(shard), recipe)}
        """Shards that are judged."""
        self._places: dict[bytes, RowPlace] = {}
        self.counts: dict[int, int] = {}
        """Pictures of each shard that is to be judged."""
        for shard in sorted(self.done):
            table = parquet_files.read_table(folder.judged_path(shard), ["pixels", "state"])
            for row, (pixels, state) in enumerate(zip(*map(_values, table.columns), strict=True)):
                if state != RowState.REFUSED:  # a file that was changed meanwhile: perhaps there is a copy of it
                    self._places[bytes.fromhex(pixels)] = RowPlace(shard, row)
        self.judged = len(self._places)
        """Pictures that are judged."""

    def make(self) -> list[Row]:
        """Write the claims of all shards that are to be judged; returns the files, as in the plan, whose pictures none
        of them judges."""
        left: dict[bytes, Row] = {}

        def claim() -> Iterator[list[Row]]:
            for shard in range(self._files.shard_count):
                claimed: list[Row] = []
                checked = parquet_files.read_table(self._folder.checked_path(shard)).to_pylist()
                for file, one in zip(self._folder.read_plan(shard), checked, strict=True):
                    pixels = one["pixels"]
                    if pixels is None or pixels in self._places or not self._files.is_listed(file["key"]):
                        continue
                    if shard in self.done:
                        left.setdefault(pixels, file)
                        continue
                    left.pop(pixels, None)
                    self._places[pixels] = RowPlace(shard, len(claimed))
                    claimed.append({name: file[name] for name in ("name", "locator")} | _picture(one))
                if shard not in self.done:
                    self.counts[shard] = len(claimed)
                yield claimed

        self._folder.write_claims(claim())
        return list(left.values())

    def place_of(self, pixels: bytes) -> RowPlace | None:
        """The shard and row of a picture; None when no file is left that shows it as it was checked."""
        return self._places.get(pixels)


def _picture(checked: Row) -> Row:
    return {name: checked[name] for name in ("pixels", "width", "height")}


def _values(column: object) -> list[object]:
    return column.to_pylist()  # type: ignore[attr-defined,no-any-return]


def is_done(path: Path, recipe: str) -> bool:
    """Whether a shard is there, made with this recipe."""
    return path.exists() and parquet_files.read_recipe(path) == recipe
