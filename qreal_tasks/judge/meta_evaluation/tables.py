"""Tables for the terminal about the judge: what the probe found, and how judges agree."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from qreal_tasks.console.tables import new_console, new_table
from qreal_tasks.judge.meta_evaluation.agreement import JudgeAgreement
from qreal_tasks.judge.meta_evaluation.probe import FormShift, KindScores, ProbeReport, ProbeVerdict
from qreal_tasks.judge.meta_evaluation.probe_texts import ProbeKind
from qreal_tasks.judge.meta_evaluation.ranking_changes import RankingChange
from qreal_tasks.pages.numbers import decimals, interval, with_interval
from qreal_tasks.results.reasons import describe_pairs

_EXPECTED = {
    ProbeKind.IDENTICAL: "1",
    ProbeKind.PARAPHRASE: "high",
    ProbeKind.PARTIAL: "middle",
    ProbeKind.REVERSED: "low",
    ProbeKind.SHUFFLED: "the floor",
    ProbeKind.EMPTY: "the floor or less",
    ProbeKind.LONG: "paraphrase or less",
    ProbeKind.INJECTED: "as shuffled",
}

_PASSED = {True: "pass", False: "FAIL", None: "cannot tell"}


def print_probe(report: ProbeReport) -> None:
    """What each kind of pair scored, what injections add, and the verdicts."""
    console = new_console()
    console.print(_kinds_table(report.kinds))
    console.print(_forms_table([*report.forms, report.injected]))
    console.print(_verdicts_table(report.verdicts))
    for scores in report.kinds:
        if scores.unjudged:
            text = f"{scores.kind}: {describe_pairs(scores.unjudged)}"
            console.print(text, style="yellow")


def _kinds_table(kinds: Sequence[KindScores]) -> Table:
    table = new_table(
        "Probe of the judge: scores by kind of pair (95 % interval: bootstrap over texts)",
        ["Kind", "Expected"],
        ["n", "Un-\njudged", "Mean", "95 %", "Median", "Min", "Max"],
    )
    for scores in kinds:
        table.add_row(
            str(scores.kind),
            _EXPECTED[scores.kind],
            str(scores.n),
            str(sum(scores.unjudged.values())),
            decimals(scores.mean),
            interval(scores),
            *map(decimals, (scores.median, scores.minimum, scores.maximum)),
        )
    return table


def _forms_table(forms: Sequence[FormShift]) -> Table:
    table = new_table(
        "Injected words: change against the same pair without them",
        ["Form"],
        ["n", "Mean", "Max", "Silenced"],
    )
    for form in forms:
        table.add_row(form.form, str(form.n), *map(decimals, (form.mean, form.maximum, form.silenced)))
    return table


def _verdicts_table(verdicts: Sequence[ProbeVerdict]) -> Table:
    table = new_table("Verdicts", ["Name", "Claim"], ["Bound", "Found", "Verdict"])
    for verdict in verdicts:
        style = None if verdict.passed else "red"
        numbers = (decimals(verdict.bound), decimals(verdict.value))
        table.add_row(verdict.name, verdict.claim, *numbers, _PASSED[verdict.passed], style=style)
    return table


def print_agreement(agreements: Sequence[JudgeAgreement], changes: Sequence[RankingChange] = ()) -> None:
    """How every two judges agree on pairs, and on the order of runs when there are several."""
    console = new_console()
    table = new_table(
        "Agreement of judges on the same pairs (95 % interval: bootstrap over images)",
        ["Judges"],
        ["Images", "Pairs", "Un-\njudged", "Spearman", "Kappa", "Bias\n(first - second)"],
    )
    for found in agreements:
        table.add_row(
            f"{found.first}\n{found.second}",
            *map(str, (found.bias.n, found.n_pairs, found.n_unjudged)),
            *(with_interval(one.value, one, "{}\n{}") for one in (found.spearman, found.kappa, found.bias)),
        )
        table.add_section()
    console.print(table)
    for change in changes:
        console.print(_ranking_table(change))
        for better, worse in change.swapped:
            text = f"{change.first} prefers {better} to {worse}, {change.second} the reverse"
            console.print(text, style="yellow")
        if change.left_out:
            text = f"without a score from both: {', '.join(change.left_out)}"
            console.print(text, style="yellow")


def _ranking_table(change: RankingChange) -> Table:
    title = f"Rank by LLM-Score: {change.first}, {change.second} (Kendall's tau {decimals(change.tau)})"
    table = new_table(title, ["Run"], [change.first, change.second])
    for run, rank in change.first_rank.items():
        table.add_row(run, f"{rank:g}", f"{change.second_rank[run]:g}")
    return table
