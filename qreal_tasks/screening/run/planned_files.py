"""The files that a run is over: what is listed now goes into the plan of shards, where no earlier start has put it."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import accumulate

from qreal_tasks.intake.inputs import UNKNOWN_GENERATOR, ImageSource, ListedInput
from qreal_tasks.intake.reasons import reason_kind
from qreal_tasks.screening.run.errors import ScreeningError
from qreal_tasks.screening.run.folder import Row, ScreeningFolder, make_recipe


@dataclass(frozen=True)
class RowPlace:
    """Where a file stands in the plan."""

    shard: int
    row: int


class PlannedFiles:
    """The files that are listed now, and where each stands in the plan.

    A file is known by where it is and by its stamp: one that was written over is another one.
    """

    def __init__(self, folder: ScreeningFolder, listed: Collection[bytes], notes: Counter[str] | None = None) -> None:
        self.notes = notes or Counter[str]()
        """Inputs by kind of what is to be known of their prompts, such as an encoding that was guessed."""
        self._numbers: dict[bytes, int] = {}
        sizes: list[int] = []
        count = 0
        for keys in folder.read_planned_keys():
            self._numbers.update((key, count + at) for at, key in enumerate(keys) if key in listed)
            count += len(keys)
            sizes.append(len(keys))
        self._starts = [0, *accumulate(sizes)]

    @property
    def shard_count(self) -> int:
        return len(self._starts) - 1

    def size_of(self, *shards: int) -> int:
        """How many files these shards have."""
        return sum(self._starts[shard + 1] - self._starts[shard] for shard in shards)

    def again(self, folder: ScreeningFolder) -> PlannedFiles:
        """The same files, in a plan that has grown."""
        return PlannedFiles(folder, self._numbers, self.notes)

    def place_of(self, key: bytes) -> RowPlace:
        """Where a listed file stands."""
        number = self._numbers[key]
        shard = bisect_right(self._starts, number) - 1
        return RowPlace(shard, number - self._starts[shard])

    def is_listed(self, key: bytes) -> bool:
        return key in self._numbers


def plan_files(folder: ScreeningFolder, source: ImageSource, images: str, images_per_shard: int) -> PlannedFiles:
    """List the inputs, and plan shards for those that are new; shards that are there stay as they are.

    Raises:
        ScreeningError: there are no inputs.
        IntakeError: they cannot be listed.
    """
    listed: set[bytes] = set()
    locators: dict[bytes, tuple[str, bytes]] = {}
    planned = {key for keys in folder.read_planned_keys() for key in keys}
    notes = Counter[str]()
    count = 0

    def rows() -> Iterator[Row]:
        nonlocal count
        for one in source.listing():
            count += 1
            notes.update(map(reason_kind, filter(None, one.note.split("; "))))
            key = None if one.problem else _key_of(one, source)
            if key is not None:
                listed.add(key)
                if key not in planned:
                    planned.add(key)
                    locators[key] = one.name, one.locator
            yield _listing_row(one, key)
        if not count:
            raise ScreeningError(f"{images} holds no file or row")

    folder.work_path.mkdir(parents=True, exist_ok=True)
    folder.write_listing(rows(), make_recipe(images))
    if locators or not folder.plan_path.exists():
        new = ({"name": name, "key": key, "locator": locator} for key, (name, locator) in locators.items())
        folder.extend_plan(new, images_per_shard)
    return PlannedFiles(folder, listed, notes)


def _key_of(listed: ListedInput, source: ImageSource) -> bytes:
    digest = hashlib.sha256(source.stamp(listed.locator).encode())
    digest.update(b"\0" + listed.locator)
    return digest.digest()[:16]


def _listing_row(listed: ListedInput, key: bytes | None) -> Row:
    return {
        "name": listed.name,
        "key": key,
        "prompt": listed.prompt or None,
        "prompt_id": listed.prompt_id or None,
        "generator": None if listed.generator == UNKNOWN_GENERATOR else listed.generator,
        "problem": listed.problem or None,
    }
