"""Answers on disk, written as they come, so that a run that died goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from qreal_tasks.files.sqlite_file import SqliteFile, StoreKind, select
from qreal_tasks.files.sqlite_file import StoreError as StoreError
from qreal_tasks.models.requests import SCORED_VERSION, Request, Response

MODEL_OUTCOMES = frozenset({"refused", "content filter", "empty answer"})
"""Reasons to be unanswered that are the model's own decision. They are stored; a failure on the way is asked again."""

_KIND = StoreKind(
    name="answer store",
    application_id=0x51524541,  # "QREA"
    version=1,
    tables="CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, response TEXT NOT NULL) WITHOUT ROWID;",
)


class Engine(Protocol):
    """What answers requests: ``OpenAIEngine`` and the transformers engine."""

    def identity(self) -> Mapping[str, Any]:
        """Everything that an answer depends on beside the request."""

    def run(self, requests: Sequence[Request], known: Collection[int] = frozenset()) -> Iterator[tuple[int, Response]]:
        """Yield (index, response) as the answers come; of those in ``known`` none is needed."""


class AnswerStore(SqliteFile):
    """One row per answered request in one SQLite file; any number of processes and threads may use it at once.

    Raises:
        StoreError: from any method, when the file is something else or damaged.
    """

    def __init__(self, path: str | Path) -> None:
        super().__init__(path, _KIND)

    @staticmethod
    def key(identity: Mapping[str, Any], request: Request, picture: str | None = None) -> str:
        """SHA-256 over identity, text, choices, token limit, pixels of the picture, and the form of scored answers.

        Args:
            picture: ``hash_picture(request.image)`` where it is already known.
        """
        asked = {
            "identity": dict(identity),
            "text": request.text,
            "choices": list(request.choices),
            "max_new_tokens": request.max_new_tokens,
            "picture": picture or hash_picture(request.image),
            **({"recorded": SCORED_VERSION} if request.choices else {}),
        }
        canonical = json.dumps(asked, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(canonical.encode()).hexdigest()

    def get_many(self, keys: Iterable[str]) -> dict[str, Response]:
        """The stored ones among ``keys``."""
        with self.use() as db:
            rows = select(db, "SELECT key, response FROM answers WHERE key IN (?)", keys)
            return {key: _from_json(text) for key, text in rows}

    def put(self, key: str, response: Response) -> Response:
        """Store the answer before returning; the answer that counts is returned.

        When another process has stored an answer under ``key`` meanwhile, that one stays and is returned, so that
        this run and every later one report the same.
        """
        text = json.dumps(asdict(response), allow_nan=False)  # ASCII: half a surrogate pair has no UTF-8
        with self.use() as db:
            done = db.execute("INSERT INTO answers VALUES (?, ?) ON CONFLICT (key) DO NOTHING", (key, text))
        return response if done.rowcount else self.get_many([key])[key]

    def __len__(self) -> int:
        with self.use() as db:
            return int(db.execute("SELECT count(*) FROM answers").fetchone()[0])


def hash_picture(image: Image.Image) -> str:
    """SHA-256 of mode, size and raw pixels: the same for the same pixels from different files.

    Palette and transparent colour belong to the pixels; all else that a file carries does not.
    """
    digest = hashlib.sha256()
    pixels = image.tobytes()  # reads the file: palette and transparency are known only after it
    palette = image.getpalette("RGBA") if image.mode in ("P", "PA") else None
    form = [image.mode, list(image.size), palette, str(image.info.get("transparency"))]
    digest.update(json.dumps(form).encode())
    digest.update(pixels)
    return digest.hexdigest()


def answer_with_store(
    engine: Engine,
    store: AnswerStore,
    requests: Sequence[Request],
    counted: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[int, Response]]:
    """Yield (index, response) for every request: the stored ones first, then the others as the engine answers.

    Equal requests are asked once. Every answer is stored before it is yielded; a request that failed on the way is
    yielded with its reason and not stored, so that the next run asks it again.

    Args:
        counted: called once, before anything is yielded, with how many requests the store knows and how many not.
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
    if counted is not None:
        answered = sum(len(places[key]) for key in stored)
        counted(answered, len(requests) - answered)
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
        return hash_picture(image)
    except Exception:  # Pillow's plugins and its guard against huge pictures raise many types
        return unreadable


def _from_json(text: str) -> Response:
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(text).items()
    }
    return Response(**fields)
