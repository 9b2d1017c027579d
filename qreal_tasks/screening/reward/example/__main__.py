"""Run the example: ``python -m qreal_tasks.screening.reward.example OUT``."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from qreal_tasks.console.command_line import fail_on, run_program
from qreal_tasks.console.terminal import echo

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def example_command(
    out: Annotated[Path, typer.Argument(help="Folder for reward.png and reward.json.", show_default=False)],
    model: Annotated[str, typer.Option(help="Folder or hub id of a model that learnt to find all entities.")] = "mini",
    seed: Annotated[int, typer.Option(help="Of scenes, pictures and choices.")] = 0,
    steps: Annotated[int, typer.Option(min=1, help="Steps of training.")] = 12,
) -> None:
    """Improve a pretend generator by the reward, and look at its true flaws, which are known."""
    with fail_on("reward.example", ValueError, OSError, ImportError):
        import_module("matplotlib")  # what is missing is told before the minute of work
        from qreal_tasks.files.atomic import write_whole
        from qreal_tasks.screening.reward.example.chart import write_chart
        from qreal_tasks.screening.reward.example.experiment import run_example
        from qreal_tasks.screening.reward.reward import QRealReward

        out.mkdir(parents=True, exist_ok=True)
        start = time.monotonic()
        with QRealReward(model, sets=()) as reward:
            result = run_example(reward, seed, steps=steps, tell=echo)
        write_chart(result, out / "reward.png")
        write_whole(out / "reward.json", json.dumps(asdict(result), indent=1).encode())
    for name, (before, after) in result.habits.items():
        echo(f"{name}: shown in {before:.0%} of the pictures at the start, in {after:.0%} at the end")
    first, last = result.policy.true_flaw_rate[0], result.policy.true_flaw_rate[-1]
    echo(f"True flaw rate {first:.2f} at the start, {last:.2f} at the end; {out / 'reward.png'} shows both curves.")
    echo(f"{result.images} pictures, {result.unanswered} without an answer, {time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    run_program(app)
