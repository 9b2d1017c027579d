"""Texts that others wrote as cells of a table that a spreadsheet opens: none of them may begin a formula."""

from __future__ import annotations

import re

_SIGNS = "=+@-" + "\uff1d\uff0b\uff20\uff0d" + "\ufe66\ufe62\ufe6b\ufe63" + "\u207c\u207a\u207b\u2212\u2010\u2011"
"""What a formula begins with, also as full-width, small and raised signs, minus and hyphens."""
_FORMULA = re.compile(rf"""(^|[;,|\t\r\n])([\s"\ufeff]*)(?=[{re.escape(_SIGNS)}])""")
"""Where a spreadsheet would begin a formula: some countries' spreadsheets split cells at ";", and blanks, quotation
marks and a byte order mark before the sign change nothing."""


def as_plain_cell(text: str) -> str:
    """The text with an apostrophe before what a spreadsheet would take for a formula, so that it takes it for text.

    >>> as_plain_cell("=1+1"), as_plain_cell("x;=1+1"), as_plain_cell("a-b")
    ("'=1+1", "x;'=1+1", 'a-b')
    """
    return _FORMULA.sub(r"\1\2'", text)
