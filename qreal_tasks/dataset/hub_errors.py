"""What the hub's library says went wrong, as it may be shown."""

from __future__ import annotations

from qreal_tasks.text.one_line import one_line
from qreal_tasks.text.redaction import Private, own_keys, redact, redact_keys

_MOST_SHOWN = 300


def describe_hub_error(error: Exception) -> str:
    """The error on one line, without keys: the token of the user may be in no variable, but in a file of the library.

    >>> describe_hub_error(OSError("bad\\ntoken hf_abcdefghijklmn"))
    'bad token <key>'
    """
    from huggingface_hub import get_token

    text = redact_keys(str(error), *own_keys(get_token() or ""))
    return one_line(redact(text, [Private.KEY]), _MOST_SHOWN) or type(error).__name__
