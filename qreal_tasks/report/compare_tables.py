"""Runs side by side, for the terminal and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rich.table import Table

from qreal_tasks.benchmark import Dimension
from qreal_tasks.console.tables import new_console, new_table
from qreal_tasks.metrics.catalogue import CATALOGUE, HALVES
from qreal_tasks.pages.numbers import UNDEFINED, decimals, interval, p_value, whole
from qreal_tasks.results.asked import describe_prompts, find_other_prompts
from qreal_tasks.results.box_lints import find_box_lints
from qreal_tasks.results.compare import TESTED, Comparison, MetricDifference, MetricDifferences, RunPair
from qreal_tasks.results.conclusion import conclude, list_conclusions
from qreal_tasks.results.score import GroupScores

Groups = Mapping[str, GroupScores]
_HEAD = 16
"""Characters of a line of a column's heading."""


def print_comparison(comparison: Comparison) -> None:
    """The conclusion; then for every run but the baseline both values, the difference, what it is worth, and the
    flipped samples."""
    out = new_console()
    out.print("\n".join(list_conclusions(comparison)) + "\n")
    for name, scores in zip(comparison.names, comparison.runs, strict=True):
        mark = ", the baseline" if name == comparison.names[comparison.baseline] else ""
        out.print(f"{name}{mark}: {scores.run.model} {scores.run.model_args}")
    asked = describe_prompts(comparison.runs[comparison.baseline].run)
    out.print(f"data: {comparison.data}\nprompts: {asked}")
    for pair in comparison.shown:
        for half in HALVES:
            if pair.findings(half):
                out.print(_table(half, comparison, pair))
        out.print(_flip_table(comparison, pair))
    for note in write_notes(comparison):
        out.print(note, style="yellow")


def write_notes(comparison: Comparison) -> list[str]:
    """How the numbers are to be read."""
    found = [
        f"p is two-sided from {comparison.resamples:,} resamples of images; Holm corrects it for the "
        f"{comparison.family} tests shown against the baseline. Images: how many would show the difference seen with "
        "80 % power at 5 %, were it the true one. Detectable: the smallest true difference that this many images show "
        "with 80 % power.",
    ]
    if comparison.family and comparison.smallest_p > 0.05:
        found.append(
            f"With {comparison.resamples:,} resamples and {comparison.family} tests no corrected p-value can be below "
            f"{decimals(comparison.smallest_p)}: raise --resamples."
        )
    every = (rows for pair in comparison.shown for half in HALVES for rows in pair.findings(half).values())
    if any(finding.difference.undefined for rows in every for finding in rows.values()):
        found.append("Intervals leave out resamples in which a metric is undefined.")
    if any(pair.flips for pair in comparison.shown):
        found.append(
            "McNemar's exact test counts entities as independent, which those of one image are not; trust the p of the "
            "accuracy first."
        )
    if comparison.unscored:
        counts = ", ".join(f"{name.replace('_', ' ')} {whole(count)}" for name, count in comparison.unscored.items())
        found.append(
            f"LLM-Score and Joint leave out images that a judged run lacks a score of: {counts}. `qreal judge RUN` "
            "asks for what is missing."
        )
    for one in find_other_prompts(comparison.runs[comparison.baseline].run.tasks):
        found.append(f"All runs were asked with other words: {one}; {one.verdict}.")
    if comparison.left_out:
        found.append(f"Not in all runs, so left out: {', '.join(comparison.left_out)}.")
    for name, scores in zip(comparison.names, comparison.runs, strict=True):
        found += [f"{name}: {title} {text}" for title, text in find_box_lints(scores.run.groundings())]
    return found


def _table(half: str, comparison: Comparison, pair: RunPair) -> Table:
    run, against = comparison.names[pair.run], comparison.names[pair.against]
    ours, theirs = comparison.runs[pair.run].groups(half), comparison.runs[pair.against].groups(half)
    findings = pair.findings(half)
    heads = [textwrap.fill(name, _HEAD) for name in (against, run)]
    found = new_table(
        f"{HALVES[half]}: {run} minus {against} (95 % interval: paired bootstrap over images)",
        ["Row", "Metric"],
        [*heads, "Difference", "95 %", "p", "Holm", "Images", "Detectable"],
    )
    for name in (name for name in ours if name in findings):
        for metric in TESTED[half]:
            a, b = (groups[name].metrics.get(metric) for groups in (theirs, ours))
            if a is None and b is None:
                continue
            bold = "bold" if half == "objectqa" and name in (*Dimension, "overall") else None
            cells = (decimals(a), decimals(b), *_cells(findings[name].get(metric)))
            found.add_row(name, CATALOGUE[half][metric].label, *cells, style=bold)
        found.add_section()
    return found


def _cells(finding: MetricDifference | None) -> tuple[str, ...]:
    if finding is None or finding.difference.value is None:
        return ("",) * 6
    d, power = finding.difference, finding.power
    needed = UNDEFINED if power is None or power.images_needed is None else whole(power.images_needed)
    detectable = decimals(power.detectable) if power else UNDEFINED
    return decimals(d.value), interval(d), p_value(d.p_value), p_value(finding.p_corrected), needed, detectable


def _flip_table(comparison: Comparison, pair: RunPair) -> Table:
    run, against = comparison.names[pair.run], comparison.names[pair.against]
    found = new_table(
        f"Samples on which {run} differs from {against} (--json and --html list them)",
        ["Row"],
        ["Right to\nwrong", "Wrong to\nright", "McNemar p", "Better", "Worse", "Same"],
    )
    for name, flips in pair.flips.items():
        found.add_row(name, str(len(flips.lost)), str(len(flips.won)), p_value(flips.p_value), "", "", "")
    for name, moved in pair.movements.items():
        found.add_row(f"{name} (images)", "", "", "", str(moved.better), str(moved.worse), str(moved.same))
    return found


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Everything about all pairs as plain JSON values, undefined as null."""
    names = comparison.names
    return {
        "conclusion": conclude(comparison),
        "runs": {
            name: {
                "model": scores.run.model,
                "model_args": scores.run.model_args,
                "data": scores.run.data,
                "judges": list(scores.run.judges),
            }
            for name, scores in zip(names, comparison.runs, strict=True)
        },
        "baseline": names[comparison.baseline],
        "data": comparison.data,
        "prompts": comparison.runs[comparison.baseline].run.style,
        "drawn": comparison.is_drawn,
        "resamples": comparison.resamples,
        "family": {
            "tests": comparison.family,
            "method": "Holm",
            "over": "pairs with the baseline: the shown metrics of all of them; other pairs: those of all pairs",
            **{half: list(metrics) for half, metrics in TESTED.items()},
        },
        "left_out": list(comparison.left_out),
        "unscored": dict(comparison.unscored),
        "pairs": [_pair_json(comparison, pair) for pair in comparison.pairs],
    }


def _pair_json(comparison: Comparison, pair: RunPair) -> dict[str, Any]:
    run, against = comparison.runs[pair.run], comparison.runs[pair.against]
    return {
        "run": comparison.names[pair.run],
        "against": comparison.names[pair.against],
        **{half: _findings_json(pair.findings(half), run.groups(half), against.groups(half)) for half in HALVES},
        "flips": {name: asdict(flips) for name, flips in pair.flips.items()},
        "movements": {name: asdict(moved) for name, moved in pair.movements.items()},
    }


def _findings_json(findings: MetricDifferences, ours: Groups, theirs: Groups) -> dict[str, Any]:
    return {
        row: {
            metric: {
                "run": ours[row].metrics.get(metric),
                "against": theirs[row].metrics.get(metric),
                **asdict(finding.difference),
                "p_corrected": finding.p_corrected,
                "power": asdict(finding.power) if finding.power else None,
            }
            for metric, finding in metrics.items()
        }
        for row, metrics in findings.items()
        if row in ours
    }
