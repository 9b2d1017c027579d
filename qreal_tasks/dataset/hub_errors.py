"""What the hub's library says went wrong, as it may be shown."""

from __future__ import annotations

from qreal_tasks.text.one_line import one_line
from qreal_tasks.text.redaction import Private, own_keys, without_key, without_private

_MOST_SHOWN = 300


def told_by_hub(error: Exception) -> str:
    """The error on one line, without keys: the token of the user may be in no variable, but in a file of the library.

    >>> told_by_hub(OSError("bad\\ntoken hf_abcdefghijklmn"))
    'bad token <key>'
    """
    from huggingface_hub import get_token

    said = without_key(str(error), *own_keys(get_token() or ""))
    return one_line(without_private(said, [Private.KEY]), _MOST_SHOWN) or type(error).__name__
