"""RUN/verification/merged.parquet: what people said of every drafted entity, as one row each."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from annotation.errors import AnnotationError
from annotation.label_studio.workplace import run_id_of, verification_folder, votes_path
from annotation.merging.assignment import first_annotators, needs_third
from annotation.merging.forms import DraftForm, load_forms
from annotation.merging.merge import Conclusion, MergedEntity, find_unexplained_flaws, merge_votes
from annotation.merging.merged_rows import MERGED, make_merged_row
from annotation.merging.votes import People, Vote, VoteRecord, is_current
from annotation.run import shards
from annotation.run.folder import RunFolder

_FORM = 3
"""Changes when the same votes merge into other rows."""

Row = dict[str, Any]


@dataclass(frozen=True)
class MergeSettings:
    """What decides how votes are merged."""

    min_votes: int | None = None
    """How many are enough where some are missing."""
    combine: str | None = None
    """The model that combined several edits and integrated body parts, with its prompts; None for the rule."""


@dataclass(frozen=True)
class Ballot:
    """Everything that merging depends on."""

    forms: Mapping[str, DraftForm]
    votes: Mapping[str, Sequence[Vote]]
    """By entity; only those on the forms as they are, and none of the adjudicator's."""
    adjudicated: Mapping[str, Vote]
    """By entity."""
    laid_before: Mapping[str, Mapping[str, str]]
    """Annotator to entity to digest of the form."""
    people: People
    stale: int
    """Votes on drafts that were made anew since, or on entities that are no longer drafted."""

    def assigned(self, entity_id: str) -> set[str]:
        """Before whom the entity was laid, and who answered it; with ``adaptive`` also who is to be asked next."""
        said = self.votes.get(entity_id, ())
        if self.people.adaptive and needs_third(entity_id, self.annotators, said):
            return set(self.people.annotators)
        laid = {who for who, entities in self.laid_before.items() if entity_id in entities}
        return (laid | {vote.annotator for vote in said}) - self.people.adjudicators

    @property
    def annotators(self) -> list[str]:
        """In order, without adjudicators."""
        return sorted(self.people.annotators)

    @property
    def independent_votes(self) -> Mapping[str, Sequence[Vote]]:
        """Votes that were asked for whatever others had answered: with ``adaptive`` those of the first two."""
        if not self.people.adaptive:
            return self.votes
        return {
            entity: [vote for vote in votes if vote.annotator in first_annotators(entity, self.annotators)]
            for entity, votes in self.votes.items()
        }

    def digest(self, run: RunFolder, settings: MergeSettings) -> str:
        """Names votes, forms and settings: the recipe of what is made of them."""
        said = {
            "form": _FORM,
            "run": run_id_of(run),
            "settings": asdict(settings),
            "forms": _digest(
                {entity: [form.digest, dict(form.answers), form.integrated] for entity, form in self.forms.items()}
            ),
            "votes": _digest(
                [[asdict(vote) for vote in self.votes[entity]] for entity in sorted(self.votes)]
                + [asdict(self.adjudicated[entity]) for entity in sorted(self.adjudicated)]
            ),
            "people": [self.annotators, sorted(self.people.adjudicators), self.people.adaptive],
            "laid_before": _digest({who: dict(laid) for who, laid in self.laid_before.items()}),
        }
        return json.dumps(said, sort_keys=True)


def merged_path(run: RunFolder) -> Path:
    return verification_folder(run) / "merged.parquet"


def load_ballot(run: RunFolder) -> Ballot:
    """Forms and votes of a run.

    Raises:
        AnnotationError: nothing was pulled yet, or drafts are missing.
        StoreError: the record of votes cannot be read.
    """
    path = votes_path(run)
    if not path.is_file():
        raise AnnotationError(f"{run.path}: no vote was pulled yet; `qreal annotate verify pull {run.path}` pulls them")
    forms = load_forms(run)
    with VoteRecord(path) as record:
        latest, laid_before, people = record.latest(), record.laid_before(), record.people()
    votes: dict[str, list[Vote]] = {}
    adjudicated: dict[str, Vote] = {}
    stale = 0
    for vote in latest:
        if not is_current(vote, forms):
            stale += 1
        elif vote.annotator in people.adjudicators:
            adjudicated[vote.entity_id] = vote
        else:
            votes.setdefault(vote.entity_id, []).append(vote)
    return Ballot(forms, votes, adjudicated, laid_before, people, stale)


def merge_ballot(ballot: Ballot, min_votes: int | None) -> list[MergedEntity]:
    """Every drafted entity, in the order of the drafts."""
    return [
        merge_votes(
            form, ballot.votes.get(entity, ()), ballot.assigned(entity), ballot.adjudicated.get(entity), min_votes
        )
        for entity, form in ballot.forms.items()
    ]


def write_merged(
    run: RunFolder,
    ballot: Ballot,
    merged: Sequence[MergedEntity],
    settings: MergeSettings,
    notes: Mapping[str, Row] | None = None,
) -> Path:
    """Put the file in place in one step.

    Args:
        notes: by entity, further columns: ``notes`` and ``combine_call_keys``.
    """
    rows = []
    for one in merged:
        cast = [*ballot.votes.get(one.entity_id, ())]
        if (last := ballot.adjudicated.get(one.entity_id)) is not None:
            cast.append(last)
        form, about = ballot.forms[one.entity_id], (notes or {}).get(one.entity_id, {})
        said = "; ".join(filter(None, [about.get("notes"), *find_unexplained_flaws(form, one)]))
        rows.append({**make_merged_row(form, one, cast), **about, "notes": said})
    path = merged_path(run)
    shards.write_rows(path, rows, MERGED, ballot.digest(run, settings))
    return path


def read_merge_settings(run: RunFolder) -> MergeSettings:
    """With which the file was made.

    Raises:
        AnnotationError: there is no file, or another program made it.
    """
    return MergeSettings(**_recipe(run)["settings"])


def read_merged(run: RunFolder, ballot: Ballot) -> list[Row]:
    """The rows, when they are made of these votes.

    Raises:
        AnnotationError: there is no file, it is of another run, or older than the votes or drafts.
    """
    found = _recipe(run)
    expected = json.loads(ballot.digest(run, MergeSettings(**found["settings"])))
    path, again = merged_path(run), f"`qreal annotate verify merge {run.path}` makes it again"
    if found["run"] != expected["run"]:
        raise AnnotationError(f"{path} belongs to a run of other inputs; {again}")
    changed = [name for name in ("form", "forms", "votes", "people", "laid_before") if found[name] != expected[name]]
    if changed:
        what = {"form": "program", "forms": "drafts", "votes": "votes", "people": "people", "laid_before": "tasks"}[
            changed[0]
        ]
        raise AnnotationError(f"{path} is older than the {what}; {again}")
    rows: list[Row] = shards.read_table(path).to_pylist()
    return rows


def list_conflicts(rows: Sequence[Row]) -> list[tuple[str, list[str]]]:
    """Entities in conflict, and what is not settled of each."""
    return [(row["entity_id"], row["conflicts"]) for row in rows if row["state"] == Conclusion.CONFLICT]


def count_states(rows: Sequence[Row]) -> dict[str, int]:
    """Entities by state, all four."""
    counted = Counter(row["state"] for row in rows)
    return {str(state): counted[state] for state in Conclusion}


def _recipe(run: RunFolder) -> Row:
    path = merged_path(run)
    recipe = shards.read_recipe(path)
    try:
        found: Row = json.loads(recipe or "")
        MergeSettings(**found["settings"])
    except (ValueError, KeyError, TypeError):
        raise AnnotationError(
            f"{path} is not there, or another program made it; `qreal annotate verify merge {run.path}` makes it"
        ) from None
    return found


def _digest(said: Any) -> str:
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()
