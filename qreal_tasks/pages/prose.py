"""Texts that are written for a terminal too, as pages show them."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

_CODE = re.compile(r"`([^`]+)`")


def mark_code(text: str) -> Markup:
    """What stands in backquotes as code; everything is text, whatever it holds.

    >>> str(mark_code("On `mini`, <b>not</b> Q-Real."))
    'On <code>mini</code>, &lt;b&gt;not&lt;/b&gt; Q-Real.'
    """
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))


def begin_sentence(text: str) -> str:
    """The text with a capital first letter; the rest stays as it is.

    >>> begin_sentence("taken in the real world")
    'Taken in the real world'
    """
    return text[:1].upper() + text[1:]
