"""``qreal annotate demo``; ``annotation.commands`` registers it."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from annotation.explained import explained, fail
from qreal_tasks.console.terminal import echo

_NEEDED = ("aiohttp", "lmms_eval", "torch", "transformers")


def annotate_demo_command(
    folder: Annotated[Path, typer.Option(help="Where everything goes; empty or new.")] = Path("runs/annotate-demo"),
) -> None:
    """Try the whole annotation in about two minutes, without a key, weights or a download.

    Twelve drawn scenes go through every command, from images to a published and scored dataset. The language model is
    scripted, the people are simulated, the detector is tiny.
    """
    if missing := [name for name in _NEEDED if find_spec(name) is None]:
        fail("demo", f"{', '.join(missing)} not installed; install qreal-bench[eval,annotate,annotate-local]")
    with explained("demo"):
        from annotation.demo.walkthrough import demonstrate, format_summary

        found = demonstrate(folder)
    echo(format_summary(found, folder))
