"""JSON as models write it: every value found in a text, whatever surrounds it or is wrong with it.

Tolerates prose and code fences around, Python literals, single and typographic quotes, unquoted keys,
comments, missing and trailing commas, full-width punctuation, unescaped quotes inside a text, wrong or
missing closing brackets, lost braces, keys that come again, strings that hold JSON, and an end in the middle. One
pass, no recursion: time is linear and depth is bounded.

A repair library (json-repair) was tried and left: it closes a number that the token limit cut ("[12, 30, 40"
when 400 was meant) without saying so, and raises on deep nesting.

>>> parse_loose_json('Sure: [{box: [1, 2, 3, 4], "label": \\'the dog\\'s paw\\',}, {"box": [5, 6')
LooseJson(values=[[{'box': [1, 2, 3, 4], 'label': "the dog's paw"}, [[5]]]], truncated=True, cut_object=True, \
spans=[(6, 68)])
>>> parse_loose_json('{"box": [1, 2, 3, 4], "label": "a", "box": [5, 6, 7, 8], "label": "b"}').values
[[{'box': [1, 2, 3, 4], 'label': 'a'}, {'box': [5, 6, 7, 8], 'label': 'b'}]]
"""

from __future__ import annotations

import json
import re

from qreal_tasks.answers.characters import to_halfwidth
from qreal_tasks.answers.json.frames import LooseJson, build_object
from qreal_tasks.answers.json.reader import KEY, Reader

_LOST_BRACE = re.compile(rf"{KEY}\s*\Z", re.IGNORECASE)


def parse_loose_json(text: str) -> LooseJson:
    """Every list and object of ``text``. Valid JSON is read exactly as ``json.loads`` reads it, but for keys that come
    again in an object, which make ``Pieces``."""
    strict = _strict(text)
    return strict or Reader(text, to_halfwidth(text)).run()


_END_OF_TURN = re.compile(r"(?:<\|[^<>|\s]{1,40}\|>|</?s>|<eos>|<end_of_turn>|<turn\|>)\Z")


def is_whole_json(text: str) -> bool:
    """Whether a text is a JSON list or object and nothing else, but for a fence around it and tokens that end a
    turn."""
    text = text.strip()
    while end := _END_OF_TURN.search(text, max(0, len(text) - 60)):
        text = text[: end.start()].rstrip()
    text = text.removeprefix("```json").removesuffix("```").strip("`").strip()
    if text[:1] not in ("[", "{"):
        return False
    found = _strict(text)
    return found is not None and found.spans == [(0, len(text))]


def _strict(text: str) -> LooseJson | None:
    """What lies between the first and the last bracket, when that is valid JSON."""
    first = min((at for at in (text.find("["), text.find("{")) if at >= 0), default=-1)
    if first < 0 or _LOST_BRACE.search(text[max(0, first - 99) : first]):
        return None
    end = max(text.rfind("]"), text.rfind("}")) + 1
    try:
        value = json.loads(text[first:end], object_pairs_hook=build_object)
    except (ValueError, RecursionError):
        return None
    return LooseJson([value], truncated=False, cut_object=False, spans=[(first, end)])
