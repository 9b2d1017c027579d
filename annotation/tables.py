"""Status and estimate as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from annotation.estimate import Forecast
from annotation.status import RunStatus, StageStatus

_REASONS = 5
"""So many reasons a stage, the most frequent ones."""


def print_forecasts(forecasts: Sequence[Forecast]) -> None:
    """What is left to ask."""
    table = Table("stage", "calls", "prompt tokens", "completion tokens", "cost", "calls are", "tokens are")
    for name in (1, 2, 3, 4):
        table.columns[name].justify = "right"
    for one in forecasts:
        numbers = (
            f"{one.calls:,.0f}",
            f"{one.tokens.prompt:,.0f}",
            f"{one.tokens.completion:,.0f}",
            _money(one.cost_usd),
        )
        table.add_row(one.stage, *numbers, one.calls_basis, one.tokens_basis)
    costs = [one.cost_usd for one in forecasts]
    total = None if None in costs else sum(cost for cost in costs if cost is not None)
    calls = f"{sum(one.calls for one in forecasts):,.0f}"
    prompt = f"{sum(one.tokens.prompt for one in forecasts):,.0f}"
    completion = f"{sum(one.tokens.completion for one in forecasts):,.0f}"
    table.add_section()
    table.add_row("total", calls, prompt, completion, _money(total), "", "")
    console = Console()
    console.print(table)
    if any("expected" in one.calls_basis for one in forecasts):
        console.print("Numbers of entities are expectations: a pilot (--images 50) replaces them by this set's own.")


def print_status(status: RunStatus) -> None:
    """What is done, and what became of everything."""
    console = Console()
    if status.inputs:
        counts = ", ".join(f"{count} {_input(state)}" for state, count in status.inputs.most_common())
        console.print(f"{sum(status.inputs.values())} inputs: {counts}")
    table = Table("stage", "shards", "rows", "states", "calls", "cost", "time left")
    for stage in status.stages:
        table.add_row(*_cells(stage))
    console.print(table)
    for stage in status.stages:
        for (state, reason), count in stage.reasons.most_common(_REASONS):
            console.print(f"{stage.stage}: {count} {escape(state)}: {escape(reason)}")
        if len(stage.reasons) > _REASONS:
            console.print(f"{stage.stage}: … and {len(stage.reasons) - _REASONS} more reasons")
    console.print(f"Cost so far: {_money(status.spent_usd)}. Left to ask:")
    print_forecasts(status.forecasts)


def _cells(stage: StageStatus) -> tuple[str, ...]:
    states = ", ".join(f"{count} {state}" for state, count in stage.states.most_common())
    calls, cost = (f"{stage.spent.calls:,}", _money(stage.spent.cost_usd)) if stage.spent else ("", "")
    left = "" if stage.done == stage.total else "not known yet"
    if left and stage.seconds_left is not None:
        left = str(timedelta(seconds=round(stage.seconds_left)))
    return stage.stage, f"{stage.done}/{stage.total}", f"{stage.items:,}", states, calls, cost, left


def _input(state: str) -> str:
    return "accepted" if state == "done" else state


def _money(cost_usd: float | None) -> str:
    return "no price" if cost_usd is None else f"${cost_usd:,.2f}"
