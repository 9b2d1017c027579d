"""The second string of a response: what a backend of this project reports beside the text.

>>> parse_scores('{"choices": ["Yes", "No"], "p": [0.75, 0.25], "mass": 0.98}')
Scores(p_yes=0.75, mass=0.98)
>>> parse_input_size('{"input_size": [1036, 784]}')
(1036, 784)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from qreal_tasks.benchmark import Answer
from qreal_tasks.text.json_text import load_json
from qreal_tasks.text.one_line import one_line
from qreal_tasks.text.redaction import redact

MOST_MASS = 1.01
"""A probability that was rounded several times may pass 1 by a little."""
MOST_OF_A_REASON = 300
"""Characters of why there is no answer."""
_MOST_READ = 4_000


@dataclass(frozen=True)
class Scores:
    """Probabilities at the token that answers."""

    p_yes: float
    """P(Yes) / (P(Yes) + P(No))."""
    mass: float | None
    """Probability that the spellings of Yes and No cover together; None when the backend does not say."""


def parse_scores(text: str | None) -> Scores | None:
    """P(Yes) from ``{"choices": ["Yes", "No"], "p": [0.73, 0.27], "mass": 0.98}``, in any order of the
    choices.

    Returns:
        None when there is no such object, a probability is missing, negative or not finite, or both are 0. A
        ``mass`` that is no number from 0 to ``MOST_MASS`` is left out, the rest is kept.
    """
    report = _object(text)
    choices, p = report.get("choices"), report.get("p")
    if not (isinstance(choices, list) and isinstance(p, list) and len(choices) == len(p)):
        return None
    if choices.count(Answer.YES) != 1 or choices.count(Answer.NO) != 1:
        return None
    yes, no = _amount(p[choices.index(Answer.YES)]), _amount(p[choices.index(Answer.NO)])
    if yes is None or no is None:
        return None
    # Divided first, so that the sum of two huge values stays finite.
    largest = max(yes, no)
    if largest == 0:
        return None
    yes, no = yes / largest, no / largest
    mass = _amount(report.get("mass"))
    return Scores(p_yes=yes / (yes + no), mass=None if mass is None or mass > MOST_MASS else mass)


def parse_input_size(text: str | None) -> tuple[int, int] | None:
    """Width and height that the model was fed, from ``{"input_size": [w, h]}``; None unless two positive
    integers."""
    size = _object(text).get("input_size")
    if not (isinstance(size, list) and len(size) == 2):
        return None
    width, height = size
    if type(width) is not int or type(height) is not int or width <= 0 or height <= 0:
        return None
    return width, height


def parse_unanswered(text: str | None) -> str | None:
    """Why there is no answer, from ``{"unanswered": "refused"}``; None when there is one.

    One line of at most ``MOST_OF_A_REASON`` characters, without what looks like a key, an address or a path: a server's
    message may hold line breaks and more, and reasons are shown in tables, counted, and published.

    >>> parse_unanswered('{"unanswered": "bad\\\\nrequest\\\\u202e"}')
    'bad request'
    """
    reason = _object(text).get("unanswered")
    if not isinstance(reason, str):
        return None
    return one_line(redact(reason[:_MOST_READ]))[:MOST_OF_A_REASON].strip() or None


def _object(text: str | None) -> dict[str, Any]:
    """The JSON object that ``text`` is, empty when it is anything else."""
    if not isinstance(text, str):
        return {}
    try:
        value = load_json(text)
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _amount(value: object) -> float | None:
    """A finite number of 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
