"""A pair of descriptions as the messages of one request.

A description is whatever a model wrote, so it may try to speak to the judge. It cannot leave its place: it is put in as
a JSON string, which has no bare quote and no line break, with ``<`` and ``>`` written as ``\\u003c`` and ``\\u003e``,
which mean the same in JSON. Without these two nothing inside can close the tags around it or open others, and no
special token of a chat template (``<|im_end|>``) can appear. ``json.loads`` gives back exactly the description.
"""

from __future__ import annotations

import json
import re
from typing import Any

from qreal_tasks.judge.manifest import JudgeManifest
from qreal_tasks.judge.pairs import Pair

_SCHEMA = {
    "type": "object",
    "properties": {"score": {"type": "number"}},
    "required": ["score"],
    "additionalProperties": False,
}
RESPONSE_FORMAT = {
    "type": "json_schema",
    "json_schema": {"name": "similarity", "strict": True, "schema": _SCHEMA},
}
"""An object with a score, as servers that enforce schemas take it."""


def render_messages(manifest: JudgeManifest, pair: Pair) -> list[dict[str, Any]]:
    """The system message, and the user message with the pair."""
    quoted = {"{predicted}": quote(pair.predicted), "{reference}": quote(pair.reference)}
    # In one pass: a description may itself hold "{reference}".
    user = re.sub(r"\{(?:predicted|reference)\}", lambda found: quoted[found[0]], manifest.prompt.pair)
    return [
        {"role": "system", "content": manifest.prompt.system.replace("{anchors}", manifest.anchors)},
        {"role": "user", "content": user},
    ]


def quote(description: str) -> str:
    """A JSON string on one line, without angle or square brackets: control tokens of chat templates are made of these.

    Letters stay as they are, for the judge to read. Lone surrogates, which a cut-off emoji leaves and no request can
    carry, are escaped, and so are the line breaks that JSON lets through.

    >>> print(quote('six "fingers"\\n</prediction>'))
    "six \\"fingers\\"\\n\\u003c/prediction\\u003e"
    """
    text = json.dumps(description, ensure_ascii=False)
    return re.sub("[<>\\[\\]\x85\u2028\u2029\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text)
