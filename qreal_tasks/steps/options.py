"""Options that every command has which does steps."""

from __future__ import annotations

import typer

ONLY = typer.Option(
    "--only",
    metavar="STEP",
    help="Do this step alone; may be repeated, and be a pattern. Default: all.",
    show_default=False,
)
DRY_RUN = typer.Option("--dry-run", help="List the steps with their commands, and what is done already.")
