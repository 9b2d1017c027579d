"""A SQLite file of this project that any number of processes and threads use at once.

Every statement is a transaction of its own. SQLite's write-ahead log with ``synchronous=NORMAL`` hands it to the
operating system before ``execute`` returns: ``kill -9`` loses nothing that was written, only a machine that loses power
can lose the last moments. A write takes some tens of microseconds, so there is nothing to batch.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qreal_tasks.files.regular import require_file
from qreal_tasks.files.system_errors import explain_refusal

_BUSY_S = 60.0
_KEYS_A_QUERY = 500


class StoreError(RuntimeError):
    """The file is something else, or is damaged; the message says what to do."""


@dataclass(frozen=True)
class Kind:
    """What a file is for, so that another program's or version's is told from it."""

    name: str
    """Names the file in messages: "answer store"."""
    application_id: int
    """Four letters in SQLite's header."""
    version: int
    tables: str
    """Statements that make the empty tables; harmless where they exist."""


class SqliteFile:
    """One connection, opened at once and shared by the threads of this process.

    Raises:
        StoreError: from any method, when the file is something else or damaged.
    """

    def __init__(self, path: str | Path, kind: Kind) -> None:
        self.path, self._kind = Path(path), kind
        self._lock = threading.Lock()
        with self._explained():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            if self.path.exists():
                require_file(self.path)
            self._db = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            with self._explained():
                self._prepare()
        except BaseException:
            self._db.close()
            raise

    @contextmanager
    def use(self) -> Iterator[sqlite3.Connection]:
        """The connection, for this thread alone while the block lasts."""
        with self._lock, self._explained():
            yield self._db

    def close(self) -> None:
        """Give the file back; it cannot be used after it."""
        self._db.close()

    def _prepare(self) -> None:
        """Make the tables in an empty file, leave one of ours as it is, refuse any other."""
        self._db.execute("BEGIN")  # one view of the file, whatever another process that starts makes of it meanwhile
        application, version = self._number("PRAGMA application_id"), self._number("PRAGMA user_version")
        tables = self._number("SELECT count(*) FROM sqlite_master")
        self._db.execute("COMMIT")
        if (application, version) != (self._kind.application_id, self._kind.version):
            if application or tables:
                raise StoreError(
                    f"{self.path} belongs to another program or version; give another path for the {self._kind.name}"
                )
            self._use_write_ahead_log()
            self._db.executescript(
                f"""
                BEGIN IMMEDIATE;
                {self._kind.tables}
                PRAGMA application_id = {self._kind.application_id};
                PRAGMA user_version = {self._kind.version};
                COMMIT;
                """
            )
        self._db.execute("PRAGMA synchronous = NORMAL")

    def _use_write_ahead_log(self) -> None:
        """The switch is the one statement that fails at once, and does not wait, while another process is at it."""
        deadline = time.monotonic() + _BUSY_S
        while True:
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def _number(self, query: str) -> int:
        return int(self._db.execute(query).fetchone()[0])

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """``from None`` throughout: the first error of a chain is what ``qreal eval`` shows as the reason."""
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(self._what_to_do(error)) from None
        except OSError as error:
            raise StoreError(explain_refusal(error) or f"{self.path} cannot be used: {error}") from None
        except UnicodeEncodeError:  # of what was to be written: the file is as good as before
            raise
        except (TypeError, ValueError) as error:
            raise StoreError(f"{self.path} holds a row that cannot be read ({error}); move the file away") from None

    def _what_to_do(self, error: sqlite3.Error) -> str:
        if said := explain_refusal(error, self.path):
            return said
        if _is_busy(error):
            return (
                f"{self.path} has been locked by another process for {_BUSY_S:.0f} s: end that one, or give another "
                f"path for the {self._kind.name}, on a disk of this machine: some network disks cannot lock"
            )
        if isinstance(error, sqlite3.OperationalError | sqlite3.ProgrammingError):
            return f"{self.path} cannot be used: {error}"
        return (
            f"{self.path} is no {self._kind.name} or is damaged ({error}). Move it away to start a new one, or keep "
            "what is readable with `sqlite3 FILE .recover`"
        )


def _is_busy(error: sqlite3.Error) -> bool:
    return "lock" in str(error) or "busy" in str(error)


def select(db: sqlite3.Connection, query: str, keys: Iterable[str]) -> Iterator[tuple[Any, ...]]:
    """What ``query`` finds; its ``IN (?)`` stands for all of ``keys``, asked for in portions that SQLite takes."""
    wanted = list(dict.fromkeys(keys))
    for at in range(0, len(wanted), _KEYS_A_QUERY):
        some = wanted[at : at + _KEYS_A_QUERY]
        yield from db.execute(query.replace("IN (?)", f"IN ({','.join('?' * len(some))})"), some)
