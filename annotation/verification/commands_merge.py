"""``qreal annotate verify merge`` and ``report``; ``annotation.verification.commands`` registers them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from annotation.explained import explained, fail

if TYPE_CHECKING:  # `qreal --help` answers at once
    from annotation.run_folder import RunFolder
    from annotation.verification.merged import Ballot

_RUN = typer.Argument(help="Folder of the run.", show_default=False)
_SHOWN = 20


def merge_command(
    run: Annotated[Path, _RUN],
    min_votes: Annotated[
        int | None, typer.Option(min=1, help="So many votes are enough where some are missing. Default: all.")
    ] = None,
    combine: Annotated[
        bool, typer.Option("--combine", help="Several edits of a description: ask the run's model to combine them.")
    ] = False,
    max_cost: Annotated[
        float | None, typer.Option(min=0, help="With --combine: dollars of the whole run; stop before more.")
    ] = None,
) -> None:
    """Make one record of all votes on each entity, and list what somebody must decide.

    Answers, label, box and drop go by majority. Pull first; merge as often as you like.
    """
    if max_cost is not None and not combine:
        fail("verify merge", "--max-cost goes with --combine: nothing else is paid for")
    with explained("verify merge"):
        from annotation.run_folder import RunFolder
        from annotation.verification.merged import (
            Settings,
            adjudication_queue,
            ballot_of,
            counts,
            merge_all,
            write_merged,
        )
        from annotation.verification.merging import unexplained

        folder = RunFolder(run)
        ballot = ballot_of(folder)
        merged, notes, title = merge_all(ballot, min_votes), None, None
        if combine:
            from annotation.llm.prompts import load_prompt
            from annotation.verification.combine import PROMPT
            from annotation.verification.combine import combine as combine_edits

            done = combine_edits(folder, merged, max_cost)
            merged, notes, title = done.merged, done.notes, load_prompt(PROMPT).title
            typer.echo(f"{done.combined} descriptions combined, {done.failed} left to the rule")
        path = write_merged(folder, ballot, merged, Settings(min_votes, title), notes)
        rows = [{"entity_id": one.entity_id, "state": one.state, "conflicts": list(one.conflicts)} for one in merged]
        for entity_id, conflicts in adjudication_queue(rows)[:_SHOWN]:
            typer.echo(f"{entity_id}: {'; '.join(conflicts)}")
        if len(queue := adjudication_queue(rows)) > _SHOWN:
            typer.echo(f"… and {len(queue) - _SHOWN} more in conflict")
        if silent := sum(bool(unexplained(ballot.forms[one.entity_id], one)) for one in merged):
            typer.echo(
                f"{silent} entities have a flaw that the machine had not seen, and the text that it had drafted: the "
                "column `notes` says which"
            )
        if saved := _saved(ballot):
            typer.echo(f"{saved} votes saved: nobody else was asked where the first two agree")
        if ballot.stale:
            typer.echo(f"{ballot.stale} votes are on drafts that were made anew since, and do not count")
        typer.echo(f"{', '.join(f'{count} {state}' for state, count in counts(rows).items())}: {path}")


def report_command(run: Annotated[Path, _RUN]) -> None:
    """How far people agree, per question and per person, as HTML and JSON in RUN/verification/."""
    with explained("verify report"):
        from annotation.run_folder import RunFolder
        from annotation.verification.agreement import agreement_of
        from annotation.verification.agreement_page import write_agreement
        from annotation.verification.merged import ballot_of, counts, merge_all
        from annotation.verification.workplace import verification_folder

        folder = RunFolder(run)
        ballot = ballot_of(folder)
        report = agreement_of(ballot.forms, ballot.votes, independent=ballot.independent_votes)
        if not report.votes:
            fail("verify report", f"no vote counts yet; `qreal annotate verify pull {run}` brings them")
        states = counts([{"state": one.state} for one in merge_all(ballot, _min_votes(folder))])
        page, data = write_agreement(report, states, run.resolve().name, verification_folder(folder))
    typer.echo(f"{report.votes} votes on {report.entities} entities: {page}, {data.name}")


def _min_votes(folder: RunFolder) -> int | None:
    """As the votes were merged last; None when they were not."""
    from annotation.verification.merged import merged_path, settings_of_merged

    return settings_of_merged(folder).min_votes if merged_path(folder).is_file() else None


def _saved(ballot: Ballot) -> int:
    from annotation.verification.assignment import saved_tasks

    if not ballot.people.adaptive:
        return 0
    assigned = {entity: ballot.assigned(entity) for entity in ballot.forms}
    return saved_tasks(assigned, ballot.annotators, [vote for votes in ballot.votes.values() for vote in votes])
