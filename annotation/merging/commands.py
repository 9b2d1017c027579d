"""``qreal annotate verify merge`` and ``report``; ``annotation.label_studio.commands`` registers them."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from annotation.command_errors import report_errors, warn
from annotation.errors import annotate_command
from qreal_tasks.console.command_line import fail
from qreal_tasks.console.terminal import echo

if TYPE_CHECKING:  # `qreal --help` answers at once
    from annotation.merging.combine import CombinedTexts
    from annotation.merging.merge import MergedEntity
    from annotation.run.folder import RunFolder

_RUN = typer.Argument(help="Folder of the run.", show_default=False)
_SHOWN = 20


def merge_command(
    run: Annotated[Path, _RUN],
    min_votes: Annotated[
        int | None, typer.Option(min=1, help="So many votes are enough where some are missing. Default: all.")
    ] = None,
    combine: Annotated[
        bool | None,
        typer.Option(
            help="Several edits of a text, and the parts of portraits, become one text by the run's language model, or "
            "by rule. Default: by the model where it can be asked.",
            show_default=False,
        ),
    ] = None,
    max_cost: Annotated[
        float | None,
        typer.Option(min=0, help="Dollars of the whole run for the model; stop before more. Default: no limit."),
    ] = None,
) -> None:
    """Make one record of all votes on each entity, and list what somebody must decide.

    \b
    qreal annotate verify merge RUN
    qreal annotate verify merge RUN --no-combine

    Writes RUN/verification/merged.parquet. Answers, label, box and drop go by majority; what several people wrote is
    combined. Pull first; merge as often as you like: the model is paid once for each text.
    """
    if max_cost is not None and combine is False:
        fail("annotate verify merge", "--max-cost goes with --combine: nothing else is paid for")
    with report_errors("annotate verify merge"):
        from annotation.merging.ballot import count_saved_votes, load_ballot, merge_ballot
        from annotation.merging.merge import find_unexplained_flaws
        from annotation.merging.merged_file import MergeSettings, count_states, list_conflicts, write_merged
        from annotation.run.folder import RunFolder

        folder = RunFolder(run)
        ballot = load_ballot(folder)
        merged, notes, by = merge_ballot(ballot, min_votes), None, None
        if combine is not False and (done := _combine_by_model(folder, merged, max_cost, combine)) is not None:
            from annotation.merging.combine import describe_combiner

            merged, notes, by = done.merged, done.notes, describe_combiner(folder)
        path = write_merged(folder, ballot, merged, MergeSettings(min_votes, by), notes)
        rows = [{"entity_id": one.entity_id, "state": one.state, "conflicts": list(one.conflicts)} for one in merged]
        open_ones = list_conflicts(rows)
        for entity_id, conflicts in open_ones[:_SHOWN]:
            echo(f"{entity_id}: {'; '.join(conflicts)}")
        if len(open_ones) > _SHOWN:
            echo(f"… and {len(open_ones) - _SHOWN} more in conflict")
        if silent := sum(bool(find_unexplained_flaws(ballot.forms[one.entity_id], one)) for one in merged):
            echo(
                f"{silent} entities have a flaw that the machine had not seen, and the text that it had drafted: the "
                "column `notes` says which"
            )
        assigned = {entity: ballot.assigned(entity) for entity in ballot.forms}
        cast = chain.from_iterable(ballot.votes.values())
        if ballot.people.adaptive and (saved := count_saved_votes(assigned, ballot.annotators, cast)):
            echo(f"{saved} votes saved: nobody else was asked where the first two agree")
        if ballot.stale:
            echo(f"{ballot.stale} votes are on drafts that were made anew since, and do not count")
        echo(f"{', '.join(f'{count} {state}' for state, count in count_states(rows).items())}: {path}")


def _combine_by_model(
    folder: RunFolder, merged: list[MergedEntity], max_cost: float | None, combine: bool | None
) -> CombinedTexts | None:
    """Let the language model combine texts; None where there are none, or it cannot be asked and nobody insists."""
    from annotation.merging.combine import combine_by_model as combine_texts
    from annotation.merging.combine import count_texts_to_combine
    from qreal_tasks.llm.errors.retry import StoppedRun

    count, model = count_texts_to_combine(merged), folder.config.language_model.model
    if not count:
        return None
    echo(f"{count} texts of several people or parts: {model} combines them (--no-combine: a rule does) …")
    try:
        done = combine_texts(folder, merged, max_cost)
    except StoppedRun as error:
        if combine or max_cost is not None:
            raise
        warn(f"{str(error).rstrip('.')}. They are combined by rule; merge again when {model} can be asked")
        return None
    echo(f"{done.combined} texts combined by {model}, {done.failed} left to the rule")
    return done


def report_command(run: Annotated[Path, _RUN]) -> None:
    """Measure how far people agree, for each question and each person.

    \b
    qreal annotate verify report RUN

    Writes agreement.html and agreement.json into RUN/verification/.
    """
    with report_errors("annotate verify report"):
        from annotation.merging.agreement import measure_agreement
        from annotation.merging.agreement_page import write_agreement
        from annotation.merging.ballot import load_ballot, merge_ballot
        from annotation.merging.merged_file import count_states, merged_path, read_merge_settings
        from annotation.run.folder import RunFolder

        folder = RunFolder(run)
        ballot = load_ballot(folder)
        report = measure_agreement(ballot.forms, ballot.votes, independent=ballot.independent_votes)
        if not report.votes:
            command = annotate_command("verify", "pull", run)
            fail("annotate verify report", f"no vote counts yet; `{command}` brings them")
        min_votes = read_merge_settings(folder).min_votes if merged_path(folder).is_file() else None
        states = count_states([{"state": one.state} for one in merge_ballot(ballot, min_votes)])
        page, data = write_agreement(report, states, run.resolve().name, folder.verification_path)
    echo(f"{report.votes} votes on {report.entities} entities: {page}, {data.name}")
