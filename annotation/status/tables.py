"""Prints status and estimate as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from rich.table import Table

from annotation.llm.tokens import Tokens
from annotation.run.items import format_count, row_unit_of, unit_of
from annotation.run.reasons import FailureReasons
from annotation.run.schemas import State
from annotation.status.estimate import Forecast
from annotation.status.status import RunStatus, StageStatus
from qreal_tasks.console.terminal import console

_REASONS = 5
"""How many reasons of a stage are shown, the most frequent ones."""


def print_forecasts(forecasts: Sequence[Forecast]) -> None:
    """Print what is left to ask."""
    table = Table("stage", "calls", "prompt tokens", "completion tokens", "cost", "calls are", "tokens are")
    for column in table.columns[1:5]:
        column.justify = "right"

    def add(one: Forecast) -> None:
        numbers = (f"{number:,.0f}" for number in (one.calls, one.tokens.prompt, one.tokens.completion))
        table.add_row(one.stage, *numbers, _format_cost(one.cost_usd), one.calls_basis, one.tokens_basis)

    for one in forecasts:
        add(one)
    table.add_section()
    costs = [one.cost_usd for one in forecasts]
    cost = None if None in costs else sum(cost for cost in costs if cost is not None)
    tokens = sum((one.tokens for one in forecasts), Tokens())
    add(Forecast("total", sum(one.calls for one in forecasts), tokens, cost, "", ""))
    out = console()
    out.print(table)
    if any("expected" in one.calls_basis for one in forecasts):
        out.print("Numbers of entities are expectations: a pilot (--images 50) replaces them by this set's own.")


def print_status(status: RunStatus) -> None:
    """Print what is done, and what became of everything."""
    out = console()
    if status.inputs:
        counts = ", ".join(
            f"{count} {'accepted' if state == State.DONE else state}" for state, count in status.inputs.most_common()
        )
        out.print(f"{format_count(status.inputs.total(), 'inputs')}: {counts}")
    table = Table("stage", "done", "rows", "states", "calls", "cost", "time left")
    for stage in status.stages:
        table.add_row(*_stage_cells(stage))
    out.print(table)
    for stage in status.stages:
        for line in format_reasons(stage.stage, stage.reasons):
            out.print(line)
    if lost := status.without_person:
        first = ", ".join(lost[:_REASONS]) + (", …" if lost[_REASONS:] else "")
        out.print(f"portraits.list: no person was found in {len(lost)} of its images: {first}")
    left = any(one.calls for one in status.forecasts) or not status.forecasts
    out.print(f"Cost so far: {_format_cost(status.spent_usd)}. Left to ask:{'' if left else ' nothing.'}")
    if left:
        print_forecasts(status.forecasts)


def format_reasons(stage: str, reasons: FailureReasons) -> list[str]:
    """Lines that say why rows of a stage are not done, the commonest reasons first."""
    unit, common = row_unit_of(stage), reasons.most_common()
    lines = [f"{stage}: {format_count(one.count, unit)} {one}" for one in common[:_REASONS]]
    if others := common[_REASONS:]:
        items = format_count(sum(one.count for one in others), unit)
        lines.append(f"{stage}: {items} for {len(others)} more reasons")
    return lines


def _stage_cells(stage: StageStatus) -> tuple[str, ...]:
    states = ", ".join(f"{count} {state}" for state, count in stage.states.most_common())
    calls, cost = (f"{stage.spent.calls:,}", _format_cost(stage.spent.cost_usd)) if stage.spent else ("", "")
    left = "" if stage.is_total and stage.done == stage.total else "not known yet"
    if left and stage.seconds_left is not None:
        left = str(timedelta(seconds=round(stage.seconds_left)))
    more = "" if stage.is_total else "+"
    done = f"{stage.done:,}/{stage.total:,}{more} {unit_of(stage.stage)}" if stage.is_total or stage.total else ""
    return stage.stage, done, f"{stage.rows:,}", states, calls, cost, left


def _format_cost(cost_usd: float | None) -> str:
    return "no price" if cost_usd is None else f"${cost_usd:,.2f}"
