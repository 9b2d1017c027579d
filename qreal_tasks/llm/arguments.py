"""Arguments of clients: checks of numbers, the server's address and the key."""

from __future__ import annotations

import math
import os

from qreal_tasks.llm.errors.retry import StoppedRun
from qreal_tasks.text.addresses import is_plain_address

DEFAULT_BASE_URL = "https://api.openai.com/v1"


def check(holds: bool, name: str, value: object, expected: str) -> None:
    """Raise a ValueError that names the argument, what was found and what was expected, unless it holds."""
    if not holds:
        raise ValueError(f"{name} is {value!r}, expected {expected}")


def is_whole(value: object) -> bool:
    """Whether a value is a whole number, and no ``True``."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Whether a value is a finite number, and no ``True``."""
    return is_whole(value) or (isinstance(value, float) and math.isfinite(value))


def plain_address(base_url: str) -> str:
    """The address without its last slash. It is printed and stored: a user name, password or query may hold a key.

    Raises:
        ValueError: it holds more than an address; its text never shows it.
    """
    if not is_plain_address(base_url):
        raise ValueError(
            "base_url is no plain address (not shown: it may hold a key), expected http(s)://host[:port]/v1 "
            "without user, password or query; set OPENAI_API_KEY for a key"
        )
    return base_url.rstrip("/")


def api_key_for(api_key: str | None, base_url: str) -> str:
    """The key, else ``OPENAI_API_KEY``, without the blanks that a copied line or a file brings along.

    Raises:
        StoppedRun: there is none and OpenAI itself is asked, or it cannot be sent; its text never holds the key.
    """
    key = ((api_key or "").strip() or os.environ.get("OPENAI_API_KEY", "")).strip()
    if not (key.isascii() and key.isprintable()):  # a client that tried to send it would show it in its error
        raise StoppedRun(
            "the API key holds a line break, or another character that no key has; expected one line of letters, "
            "digits and signs. Set OPENAI_API_KEY anew"
        )
    if key:
        return key
    if base_url == DEFAULT_BASE_URL:
        raise StoppedRun("no API key: set OPENAI_API_KEY, or give base_url for a server of your own")
    return "none"
