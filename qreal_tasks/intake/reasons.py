"""Kinds of reasons why inputs are refused, for counts."""

from __future__ import annotations

import re


def reason_kind(reason: str) -> str:
    """The kind of a reason, which many reasons share: what stands before the details.

    >>> reason_kind("no such file: looked for /pictures/1.png"), reason_kind("the file is empty (0 bytes)")
    ('no such file', 'the file is empty')
    """
    return re.split(r":| \(", reason, maxsplit=1)[0]
