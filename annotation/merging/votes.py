"""The record of votes as they were pulled: what a server held last of a person and an entity counts, all is kept."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from annotation.merging.forms import DraftForm, Parts
from qreal_tasks.files.sqlite_file import Kind, SqliteFile

_KIND = Kind(
    name="record of votes",
    application_id=int.from_bytes(b"QRvt"),
    version=1,
    tables="""
    CREATE TABLE IF NOT EXISTS votes (
        annotator TEXT NOT NULL, entity_id TEXT NOT NULL, annotation_id INTEGER NOT NULL, updated_at TEXT NOT NULL,
        content TEXT NOT NULL, pulled_at REAL NOT NULL,
        PRIMARY KEY (annotator, entity_id, annotation_id, updated_at)
    );
    CREATE TABLE IF NOT EXISTS tasks (
        annotator TEXT NOT NULL, entity_id TEXT NOT NULL, project_id INTEGER NOT NULL, form TEXT NOT NULL,
        PRIMARY KEY (annotator, entity_id, form)
    );
    CREATE TABLE IF NOT EXISTS pulls (
        annotator TEXT NOT NULL, project_id INTEGER NOT NULL, since TEXT NOT NULL,
        PRIMARY KEY (annotator, project_id)
    );
    CREATE TABLE IF NOT EXISTS people (name TEXT PRIMARY KEY, adjudicates INTEGER NOT NULL, adaptive INTEGER NOT NULL);
    """,
)
DROP_REASONS = ("too small", "unclear", "wrong label")


@dataclass(frozen=True)
class Vote:
    """One person's vote on one entity."""

    annotator: str
    entity_id: str
    answers: Mapping[str, str] | None
    """Question to Yes or No, all six; None when the entity is to be dropped."""
    drop: str | None
    """One of ``DROP_REASONS``, or None."""
    label: str
    bbox_px: tuple[float, float, float, float]
    descriptions: Mapping[str, str]
    """Dimension to the text, as drafted or corrected; may be empty."""
    parts: Parts | None
    shown: Mapping[str, Any]
    """What was drafted when it was asked: ``DraftForm.shown``."""
    seconds: float | None
    """Spent on it, as the page measured."""
    annotation_id: int
    updated_at: str
    """ISO 8601, UTC."""
    withdrawn: bool = False
    """The person has deleted it on the page; the vote itself is kept."""


@dataclass(frozen=True)
class People:
    """Who verifies a run, as it was when tasks were pushed last."""

    annotators: frozenset[str]
    adjudicators: frozenset[str]
    adaptive: bool
    """The third person is asked only where the first two differ."""


class VoteRecord:
    """RUN/verification/votes.sqlite: every vote in every version, and who was asked about which entity.

    Raises:
        StoreError: from any method, when the file is something else, damaged or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._file = SqliteFile(path, _KIND)

    def __enter__(self) -> VoteRecord:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, votes: Iterable[Vote]) -> int:
        """Add what servers hold now; returns how much did not count before. Adding the same again changes nothing.

        What was added last counts, whatever the times of the votes say: a server's clock may have been put back. Only
        where two votes on one form are added together, the one with the later time counts.
        """
        together: dict[_Place, dict[_Version, Vote]] = {}
        for vote in sorted(votes, key=lambda one: (one.updated_at, one.annotation_id)):
            together.setdefault(_place_of(vote), {})[_version_of(vote)] = vote
        people = {annotator for _, annotator, _ in together}
        counted = {_place_of(vote): _version_of(vote) for who in people for vote in self._last(who)}
        added = 0
        with self._file.use() as db:
            for place, versions in together.items():
                *older, newest = versions.values()
                kept = sum(db.execute(f"INSERT OR IGNORE {_ROW}", _row(vote)).rowcount for vote in older)
                if kept or counted.get(place) != _version_of(newest):
                    kept += db.execute(f"INSERT OR REPLACE {_ROW}", _row(newest)).rowcount
                added += kept
        return added

    def latest(self, annotator: str | None = None) -> list[Vote]:
        """The vote that counts of every person on every form of every entity, by entity and then by person; none that
        was withdrawn. An entity has several forms when it was drafted anew after people were asked about it.

        Args:
            annotator: only this person's; None for everybody's.
        """
        return [vote for vote in self._last(annotator) if not vote.withdrawn]

    def _last(self, annotator: str | None) -> list[Vote]:
        query = (
            "SELECT content FROM votes WHERE annotator = coalesce(?, annotator) ORDER BY entity_id, annotator, rowid"
        )
        votes = [_vote(json.loads(content)) for (content,) in self._select(query, annotator)]
        return list({_place_of(vote): vote for vote in votes}.values())

    def count(self) -> int:
        """Count votes in all versions."""
        return int(self._select("SELECT count(*) FROM votes")[0][0])

    def record_tasks(self, annotator: str, project_id: int, forms: Sequence[tuple[str, str]]) -> None:
        """Record that entities (id and digest of the form) are in somebody's project."""
        rows = [(annotator, entity_id, project_id, digest) for entity_id, digest in forms]
        self._write("INSERT OR REPLACE INTO tasks VALUES (?, ?, ?, ?)", rows)

    def forget_tasks(self, annotator: str) -> None:
        """Forget the tasks of somebody whose project is gone; the votes stay."""
        self._write("DELETE FROM tasks WHERE annotator = ?", [(annotator,)])

    def record_people(self, people: People) -> None:
        """Record who verifies beside the votes, since the list with people's tokens may stay where it was made."""
        names = people.annotators | people.adjudicators
        rows = [(name, name in people.adjudicators, people.adaptive) for name in sorted(names)]
        self._write("INSERT INTO people VALUES (?, ?, ?)", rows, first="DELETE FROM people")

    def people(self) -> People:
        """Who verifies, as recorded last; all who have voted or were asked, when nothing was recorded."""
        rows = self._select("SELECT name, adjudicates, adaptive FROM people")
        rows = rows or self._select("SELECT annotator, 0, 0 FROM tasks UNION SELECT annotator, 0, 0 FROM votes")
        last = frozenset(name for name, adjudicates, _ in rows if adjudicates)
        return People(frozenset(row[0] for row in rows) - last, last, any(row[2] for row in rows))

    def count_tasks(self, annotator: str) -> int:
        """Count the tasks that somebody was given, forms that are no longer drafted included."""
        return int(self._select("SELECT count(*) FROM tasks WHERE annotator = ?", annotator)[0][0])

    def last_pull(self, annotator: str, project_id: int) -> str | None:
        """The latest change that was pulled from a project; None before the first pull."""
        rows = self._select("SELECT since FROM pulls WHERE annotator = ? AND project_id = ?", annotator, project_id)
        return str(rows[0][0]) if rows else None

    def record_pull(self, annotator: str, project_id: int, since: str) -> None:
        """Record a pull, after everything up to ``since`` is kept."""
        self._write("INSERT OR REPLACE INTO pulls VALUES (?, ?, ?)", [(annotator, project_id, since)])

    def assigned_forms(self) -> dict[str, dict[str, str]]:
        """Annotator to entity to digest of the form that they were given last."""
        found: dict[str, dict[str, str]] = {}
        for annotator, entity_id, form in self._select("SELECT annotator, entity_id, form FROM tasks ORDER BY rowid"):
            found.setdefault(annotator, {})[entity_id] = form
        return found

    def _select(self, query: str, *values: object) -> list[Any]:
        with self._file.use() as db:
            return db.execute(query, values).fetchall()

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]], first: str | None = None) -> None:
        """Execute a statement for each row, in one transaction, after another statement."""
        with self._file.use() as db:
            db.execute("BEGIN")
            if first is not None:
                db.execute(first)
            db.executemany(statement, rows)
            db.execute("COMMIT")


def key_of_shown(shown: Mapping[str, Any] | None) -> str:
    """A text that is equal for two forms that showed the same."""
    return json.dumps(shown, sort_keys=True)


def group_by_entity(votes: Iterable[Vote]) -> dict[str, list[Vote]]:
    """Entity to its votes, both in the order in which they come."""
    found: dict[str, list[Vote]] = {}
    for vote in votes:
        found.setdefault(vote.entity_id, []).append(vote)
    return found


def is_current(vote: Vote, forms: Mapping[str, DraftForm]) -> bool:
    """Whether the vote is on the entity as it is drafted now."""
    form = forms.get(vote.entity_id)
    return form is not None and vote.shown == form.shown


_Place = tuple[str, str, str]
_Version = tuple[int, str, bool]


def _place_of(vote: Vote) -> _Place:
    """A key under which only one vote of a person counts."""
    return vote.entity_id, vote.annotator, key_of_shown(vote.shown)


def _version_of(vote: Vote) -> _Version:
    return vote.annotation_id, vote.updated_at, vote.withdrawn


_ROW = "INTO votes VALUES (?, ?, ?, ?, ?, ?)"


def _row(vote: Vote) -> tuple[object, ...]:
    key = (vote.annotator, vote.entity_id, vote.annotation_id, vote.updated_at)
    return (*key, json.dumps(asdict(vote), sort_keys=True), time.time())


def _vote(row: Mapping[str, Any]) -> Vote:
    return Vote(**{**row, "bbox_px": tuple(row["bbox_px"])})
