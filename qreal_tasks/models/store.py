"""Answers on disk, written as they come, so that a run that died goes on where it stopped.

Every ``put`` is a transaction of its own. SQLite's write-ahead log with ``synchronous=NORMAL`` hands it to the
operating system before ``put`` returns: ``kill -9`` loses nothing that was put, only a machine that loses power can
lose the last moments. A put takes some tens of microseconds, so there is nothing to batch.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, Self

from PIL import Image

from qreal_tasks.models.requests import Request, Response

MODEL_OUTCOMES = frozenset({"refused", "content filter", "empty answer"})
"""Reasons to be unanswered that are the model's own decision. They are stored; a failure on the way is asked again."""

_APPLICATION_ID = 0x51524541  # "QREA" in SQLite's header says that the file is one of ours
_VERSION = 1
_BUSY_S = 60.0
_KEYS_A_QUERY = 500


class StoreError(RuntimeError):
    """The file is no answer store, or is damaged; the message says what to do."""


class Engine(Protocol):
    """What answers requests: ``OpenAIEngine`` and the transformers engine."""

    def identity(self) -> Mapping[str, Any]:
        """Everything that an answer depends on beside the request."""

    def run(self, requests: Sequence[Request], known: Collection[int] = frozenset()) -> Iterator[tuple[int, Response]]:
        """Yield (index, response) as the answers come; of those in ``known`` none is needed."""


class AnswerStore:
    """One row per answered request in one SQLite file; any number of processes and threads may use it at once.

    Raises:
        StoreError: from any method, when the file is something else or damaged.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._explained():
            self._db = sqlite3.connect(self.path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            with self._explained():
                self._prepare()
        except BaseException:
            self._db.close()
            raise

    @staticmethod
    def key(identity: Mapping[str, Any], request: Request, picture: str | None = None) -> str:
        """SHA-256 over identity, text, choices, token limit and the pixels of the picture.

        Args:
            picture: ``picture_digest(request.image)`` where it is already known.
        """
        asked = {
            "identity": dict(identity),
            "text": request.text,
            "choices": list(request.choices),
            "max_new_tokens": request.max_new_tokens,
            "picture": picture or picture_digest(request.image),
        }
        canonical = json.dumps(asked, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def get_many(self, keys: Iterable[str]) -> dict[str, Response]:
        """The stored ones among ``keys``."""
        wanted = list(dict.fromkeys(keys))
        found: dict[str, Response] = {}
        with self._lock, self._explained():
            for at in range(0, len(wanted), _KEYS_A_QUERY):
                some = wanted[at : at + _KEYS_A_QUERY]
                marks = ",".join("?" * len(some))
                rows = self._db.execute(f"SELECT key, response FROM answers WHERE key IN ({marks})", some)
                found.update((key, _from_json(text)) for key, text in rows)
        return found

    def put(self, key: str, response: Response) -> Response:
        """Store the answer before returning; the answer that counts is returned.

        When another process has stored an answer under ``key`` meanwhile, that one stays and is returned, so that
        this run and every later one report the same.
        """
        text = json.dumps(asdict(response), ensure_ascii=False, allow_nan=False)
        with self._lock, self._explained():
            done = self._db.execute("INSERT INTO answers VALUES (?, ?) ON CONFLICT (key) DO NOTHING", (key, text))
        return response if done.rowcount else self.get_many([key])[key]

    def __len__(self) -> int:
        with self._lock, self._explained():
            return self._number("SELECT count(*) FROM answers")

    def close(self) -> None:
        """Give the file back; the store cannot be used after it."""
        self._db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _prepare(self) -> None:
        """Make the table in an empty file, leave one of ours as it is, refuse any other."""
        self._db.execute("BEGIN")  # one view of the file, whatever another process that starts makes of it meanwhile
        application, version = self._number("PRAGMA application_id"), self._number("PRAGMA user_version")
        tables = self._number("SELECT count(*) FROM sqlite_master")
        self._db.execute("COMMIT")
        if (application, version) != (_APPLICATION_ID, _VERSION):
            if application or tables:
                raise StoreError(
                    f"{self.path} belongs to another program or version; give another path for the answers"
                )
            self._use_write_ahead_log()
            self._db.executescript(
                f"""
                BEGIN IMMEDIATE;
                CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, response TEXT NOT NULL) WITHOUT ROWID;
                PRAGMA application_id = {_APPLICATION_ID};
                PRAGMA user_version = {_VERSION};
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
            except sqlite3.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def _number(self, query: str) -> int:
        return int(self._db.execute(query).fetchone()[0])

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(self._what_to_do(error)) from error
        except (TypeError, ValueError) as error:
            raise StoreError(f"{self.path} holds a row that is no answer ({error}); move the file away") from error

    def _what_to_do(self, error: sqlite3.Error) -> str:
        if "locked" in str(error) or "busy" in str(error):
            return f"{self.path} has been locked by another process for {_BUSY_S:.0f} s"
        if isinstance(error, sqlite3.OperationalError):
            return f"{self.path} cannot be used: {error}"
        return (
            f"{self.path} is no answer store or is damaged ({error}). Move it away to start a new one, or keep what "
            "is readable with `sqlite3 FILE .recover`"
        )


def picture_digest(image: Image.Image) -> str:
    """SHA-256 of mode, size and raw pixels: the same for the same pixels from different files.

    Palette and transparent colour belong to the pixels; all else that a file carries does not.
    """
    digest = hashlib.sha256()
    pixels = image.tobytes()  # reads the file: palette and transparency are known only after it
    palette = image.getpalette("RGBA") if image.mode in ("P", "PA") else None
    said = [image.mode, list(image.size), palette, str(image.info.get("transparency"))]
    digest.update(json.dumps(said).encode())
    digest.update(pixels)
    return digest.hexdigest()


def answered_with_store(
    engine: Engine, store: AnswerStore, requests: Sequence[Request]
) -> Iterator[tuple[int, Response]]:
    """Yield (index, response) for every request: the stored ones first, then the others as the engine answers.

    Equal requests are asked once. Every answer is stored before it is yielded; a request that failed on the way is
    yielded with its reason and not stored, so that the next run asks it again.
    """
    identity = engine.identity()
    places: dict[str, list[int]] = {}
    pictures: dict[int, str] = {}
    for at, request in enumerate(requests):
        if id(request.image) not in pictures:
            pictures[id(request.image)] = _digest_or(request.image, f"unreadable {at}")
        picture = pictures[id(request.image)]
        places.setdefault(store.key(identity, request, picture), []).append(at)
    stored = store.get_many(places)
    for key, response in stored.items():
        for at in places[key]:
            yield at, response
    keys = list(places)
    known = {at for at, key in enumerate(keys) if key in stored}
    if len(known) == len(keys):
        return
    for index, response in engine.run([requests[places[key][0]] for key in keys], known):
        key = keys[index]
        if key in stored:
            continue
        if response.unanswered is None or response.unanswered in MODEL_OUTCOMES:
            response = store.put(key, response)
        for at in places[key]:
            yield at, response


def _digest_or(image: Image.Image, unreadable: str) -> str:
    """The digest, or a word of its own for a file that cannot be read: the engine will say what is wrong with it."""
    try:
        return picture_digest(image)
    except (OSError, ValueError, SyntaxError):
        return unreadable


def _from_json(text: str) -> Response:
    said: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(text).items()
    }
    return Response(**said)
