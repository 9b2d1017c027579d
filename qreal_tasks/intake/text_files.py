"""Decodes text files as people save them, and notes what had to be guessed or taken out."""

from __future__ import annotations

import re
import unicodedata

from qreal_tasks.intake.errors import IntakeError
from qreal_tasks.tables.decoding import DecodedText, TableError
from qreal_tasks.tables.decoding import decode_text as _decode

LONGEST_PROMPT = 20_000
"""Characters; so of every other text about a picture."""
MOST_PROMPT_BYTES = 2**20
"""Bytes of a file with a prompt at most, settings that generators save below it included."""

_SETTINGS = re.compile(
    r"(^|[\r\n])[ \t]*(Negative prompt:|Steps: *\d+,[^\r\n]*\b(Sampler|CFG scale|Seed):).*", re.DOTALL
)
"""What the web pages of image generators save below a prompt. It holds the seed, so no two texts would be equal."""


def decode_text(raw: bytes) -> DecodedText:
    """Decode a text file (``qreal_tasks.tables.decoding``).

    Raises:
        IntakeError: no text in UTF-8, UTF-16, UTF-32 or Windows-1252.
    """
    try:
        return _decode(raw)
    except TableError as error:
        raise IntakeError(str(error)) from error


def tidy_prompt(text: str) -> DecodedText:
    """Tidy a prompt: without blanks and byte order marks around it, control characters, and the negative prompt and
    settings that generators save below it; what is lost is noted.

    Raises:
        IntakeError: it has more than ``LONGEST_PROMPT`` characters.

    >>> tidy_prompt("a cat\\nNegative prompt: ugly\\nSteps: 20, Sampler: Euler a, Seed: 1").text
    'a cat'
    """
    prompt = _SETTINGS.sub("", text)
    if len(prompt) > LONGEST_PROMPT:
        raise IntakeError(f"{len(prompt):,} characters, expected at most {LONGEST_PROMPT:,}")
    kept = "".join(one for one in prompt if one.isspace() or unicodedata.category(one) != "Cc")
    notes = ["negative prompt and settings below the prompt left out"] if prompt != text else []
    if kept != prompt:
        notes.append("control characters taken out of the prompt")
    # JSON may hold half a surrogate pair, which no file can.
    whole = kept.encode(errors="replace").decode()
    if whole != kept:
        notes.append("half a surrogate pair in the prompt is shown as ?")
    if "\ufffd" in whole:
        notes.append("characters of the prompt were lost before (U+FFFD)")
    return DecodedText(whole.strip().strip("\ufeff").strip(), "; ".join(notes))
