"""Parser of a text that is one JSON value and nothing else, as models write it that are told to answer so."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from qreal_tasks.text.json_text import DeepJsonError, check_depth

_BEFORE = re.compile(r"[\s\ufeff]*(?:(?P<fence>`+|~{3,})[\w+-]*\s*)?")
_AFTER = re.compile(r"(?:\s|<[|｜][^\s<>|｜]{1,40}[|｜]>|</s>|<eos>|<end_of_turn>|\[EOS\])*")
"""What ends a turn: tokens that some servers leave in the text."""


def parse_only_json(text: str, object_of: Callable[[list[tuple[str, Any]]], Any] = dict) -> Any:
    """The JSON value that the text is, alone or in one fence around it; tokens that end a turn may follow.

    Args:
        text: without its reasoning, which ``extract_answer_text`` takes away.
        object_of: makes an object of its pairs; as it stands, the last of equal keys counts.

    >>> parse_only_json('```json\\n{"score": 1}\\n```<|im_end|>')
    {'score': 1}

    Raises:
        ValueError: there is none, or anything else beside it, or it is nested too deep.
    """
    before = _BEFORE.match(text)
    assert before is not None  # it matches nothing at all, too
    decoder = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=object_of)
    try:
        value, end = decoder.raw_decode(text, before.end())
    except RecursionError:
        raise DeepJsonError from None
    check_depth(value)
    after, fence = text[end:].lstrip(), before["fence"] or ""
    if not after.startswith(fence) or _AFTER.fullmatch(after, len(fence)) is None:
        raise ValueError(f"{after!r:.40} follows the value")
    return value


def _refuse(constant: str) -> float:
    """Python reads NaN and Infinity, which JSON does not have."""
    raise ValueError(f"{constant} is no JSON")
