"""Which batches of a judge are under way, in a JSON file that survives ``kill -9``.

A batch goes through three stages, each on disk before the next begins::

    written down             nothing is known of it at the server: its pairs are planned anew
    + input_file_id          it may or may not have been created: the server's list of batches says
    + batch_id               it is waited for

The pairs are in the file because their answers are paid for, and so are kept, whatever the next program asks.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from qreal_tasks.judge.pairs import Pair
from qreal_tasks.models.openai_retry import StoppedRun
from qreal_tasks.models.sqlite_file import StoreError


@dataclass
class Shard:
    """The pairs of one batch, by the keys of the cache."""

    name: str
    """Of this submission alone: when the same pairs are submitted after an expired batch, it is another one."""
    pairs: dict[str, Pair]
    input_file_id: str | None = None
    batch_id: str | None = None

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """The opposite of ``dataclasses.asdict``."""
        pairs = {key: Pair(**pair) for key, pair in said["pairs"].items()}
        return cls(**{**said, "pairs": pairs})


class BatchState:
    """The shards of one manifest that have not been collected; change them, then ``save``."""

    def __init__(self, path: Path, manifest_hash: str) -> None:
        self._path, self._hash = path, manifest_hash
        self.shards: list[Shard] = self._read() if path.exists() else []

    def save(self) -> None:
        """In one step: a reader finds the old file or the new one. Without shards there is no file."""
        if not self.shards:
            self._path.unlink(missing_ok=True)
            return
        beside = self._path.with_name(f"{self._path.name}.new")
        with beside.open("w", encoding="ascii") as file:
            json.dump({"manifest": self._hash, "shards": [asdict(shard) for shard in self.shards]}, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, self._path)

    def _read(self) -> list[Shard]:
        try:
            said = json.loads(self._path.read_bytes())
            if said["manifest"] != self._hash:
                raise ValueError(f"it is of judge {said['manifest']}, expected {self._hash}")
            return [Shard.of(shard) for shard in said["shards"]]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(
                f"{self._path} cannot be read ({error!r}). It lists batches that may still be under way; moving it "
                "away means to submit, and to pay for, their pairs once more"
            ) from error


@contextmanager
def opened(path: Path, manifest_hash: str) -> Iterator[BatchState]:
    """The state, for this program alone while the block lasts; a program that dies gives it back.

    Raises:
        StoppedRun: another program has it.
        StoreError: the file is damaged or of another judge.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f"{path.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoppedRun(f"another program waits for batches of this judge ({path}); let it end first") from None
        yield BatchState(path, manifest_hash)
