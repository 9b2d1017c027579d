"""Which batches are under way, in a JSON file that survives ``kill -9``.

A batch goes through three stages, each on disk before the next begins::

    written down             nothing is known of it at the server: its requests are planned anew
    + input_file_id          it may or may not have been created: the server's list of batches says
    + batch_id               it is waited for

What each request was about is in the file because the answers are paid for, and so are kept, whatever the next program
asks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from qreal_tasks.files.atomic import write_whole
from qreal_tasks.files.locks import hold_lock
from qreal_tasks.files.regular import read_bytes
from qreal_tasks.files.sqlite_file import StoreError
from qreal_tasks.llm.errors.retry import StoppedRun


@dataclass
class Shard:
    """The requests of one batch."""

    name: str
    """Names this submission alone: the same requests, submitted after an expired batch, have another one."""
    items: dict[str, Any]
    """What each request was about, as JSON can hold it, by the key under which its answer is kept."""
    input_file_id: str | None = None
    batch_id: str | None = None

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """The opposite of ``dataclasses.asdict``."""
        shard = cls(**fields)
        if not isinstance(shard.items, dict):
            raise TypeError(f"items of {shard.name} are {type(shard.items).__name__}, expected an object")
        return shard


class BatchState:
    """The file of shards of one owner that have not been collected; change them, then ``save``.

    Args:
        owner: what the answers depend on beside the requests, such as the hash of a judge.
    """

    def __init__(self, path: Path, owner: str) -> None:
        self._path, self._owner = path, owner
        self.shards: list[Shard] = self._read() if path.exists() else []

    def save(self) -> None:
        """In one step: a reader finds the old file or the new one. Without shards there is no file."""
        if not self.shards:
            self._path.unlink(missing_ok=True)
            return
        content = {"owner": self._owner, "shards": [asdict(shard) for shard in self.shards]}
        write_whole(self._path, json.dumps(content), sync=True)

    def _read(self) -> list[Shard]:
        try:
            content = json.loads(read_bytes(self._path))
            if content["owner"] != self._owner:
                raise ValueError(f"it belongs to {content['owner']}, expected {self._owner}")
            return [Shard.of(shard) for shard in content["shards"]]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreError(
                f"{self._path} cannot be read ({error!r}). It lists batches that may still be under way; moving it "
                "away means to submit, and to pay for, their requests once more"
            ) from error


@contextmanager
def opened(path: Path, owner: str) -> Iterator[BatchState]:
    """The state, for this program alone while the block lasts; a program that dies gives it back.

    Raises:
        StoppedRun: another program has it.
        StoreError: the file is damaged or of another owner.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    taken = StoppedRun(f"another program waits for these batches ({path}); let it end first")
    with hold_lock(path.with_name(f"{path.name}.lock"), taken):
        yield BatchState(path, owner)
