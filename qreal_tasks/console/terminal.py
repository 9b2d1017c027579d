"""Everything that a program of this project writes on a terminal.

File names, prompts, labels, a server's words: what others wrote may hold characters that move the cursor, change what
stands there or end a line too early. They are spelled out here, in one place, so that no command has to think of it.
"""

from __future__ import annotations

import codecs
import io
import logging
import os
import re
import sys
import warnings
from typing import IO, TYPE_CHECKING, Any

import typer

from qreal_tasks.text.one_line import printable

if TYPE_CHECKING:  # `qreal --help` needs none of it
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

_OF_BARS_AND_LOGS = re.compile(r"(\r|\t|\x1b\[[0-9;]*m|\x1b\[[AK])")
"""What progress bars and coloured logs write: back to the begin of the line, erase it, one line up, another colour."""


_IN_OTHER_SIGNS = "qreal_in_other_signs"
"""Name under which Python knows ``_in_other_signs``, the error handler for terminals without UTF-8."""
_PLAIN = {"–": "-", "—": "-", "−": "-", "…": "...", "×": "x", "→": "->", "«": "<<", "»": ">>"}
_PLAIN.update(dict.fromkeys("█▉▊▋▌▍▎▏", "#"))
"""This project's own signs and those of progress bars, as ASCII has them."""
_LONG_WORD = 40
"""Characters from which a word in a table, such as a path, may be broken."""


def echo(text: object = "", *, err: bool = False, colour: str | None = None) -> None:
    """Write a text and a line break on standard output, or on standard error; lines of the text stay lines.

    Args:
        colour: on a terminal, unless NO_COLOR is set.
    """
    shown = printable(str(text))
    typer.echo(typer.style(shown, fg=colour) if colour and not os.environ.get("NO_COLOR") else shown, err=err)


def console(*, err: bool = False, width: int | None = None) -> Console:
    """A console for tables and bars. Texts are shown as they are: ``[red]`` is no colour, and controls are spelled out.
    A table is wider than a narrow terminal, so that no number is broken.

    Args:
        width: in characters, where the output is no terminal, which would say its own.
    """
    from rich.console import Console
    from rich.table import Table

    class Spelling(Console):
        def print(self, *objects: Any, **options: Any) -> None:
            for table in objects:
                if isinstance(table, Table) and (needed := needed_width(self, table)) > self.width:
                    table.width, options["crop"] = needed, False
            super().print(*objects, **options)

        def render_str(self, text: str, **options: Any) -> Text:
            return super().render_str(printable(text), **options)

    made = Spelling(stderr=err, markup=False, highlight=False, emoji=False)
    if width is not None and not made.is_terminal:
        made.width = width
    return made


def _in_other_signs(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    lost = error.object[error.start : error.end]
    return "".join(_PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in lost), error.end


codecs.register_error(_IN_OTHER_SIGNS, _in_other_signs)


def needed_width(shown: Console, table: Table) -> int:
    """With every number, which stands on the right of its column, in one piece, and other columns as narrow as their
    longest words."""
    from rich.measure import Measurement

    def measured(cell: Any) -> Measurement:
        return Measurement.get(shown, shown.options.update(max_width=10_000), cell)

    needed = measured(table).maximum
    for column in table.columns:
        if column.justify == "right":
            column.no_wrap = True
        elif not column.no_wrap:
            sizes = [measured(cell) for cell in (column.header, *column.cells)]
            longest = max(size.maximum for size in sizes)
            needed -= longest - min(longest, _LONG_WORD, max(size.minimum for size in sizes))
    return needed


def prepare_output() -> None:
    """Make this program's own output safe: what cannot be encoded is spelled out, and so are logs and warnings.
    To be called once, where a program begins."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_IN_OTHER_SIGNS)
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_Formatter())
    warnings.formatwarning = _formatted_warning


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def _formatted_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    return f"{printable(f'{filename}:{lineno}: {category.__name__}: {message}')}\n"


class OutputRelay:
    """Relay of the output of a program that this one started; bars and colours stay, all else is spelled out.

    Args:
        stream: where it is shown.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = ""
        """A sequence of control characters that the next bytes may end."""

    def write(self, chunk: bytes, final: bool = False) -> None:
        """Show bytes; ``final`` when no more come."""
        text = self._begun + self._decoder.decode(chunk, final)
        self._begun = ""
        if not final and (cut := re.search(r"\x1b(\[[0-9;]{0,20})?\Z", text)):
            text, self._begun = text[: cut.start()], text[cut.start() :]
        parts = _OF_BARS_AND_LOGS.split(text)
        shown = "".join(part if place % 2 else printable(part) for place, part in enumerate(parts))
        self._stream.write(shown)
        self._stream.flush()
