"""Keys, addresses and paths that must not be shown to others, found in texts and replaced.

What holds for everything that the commands write:

* Keys, tokens and passwords stand in no file, page or line on the terminal. Exceptions are the two files that are made
  to hold some, and that nobody else may read: the workplace of the verification, and the database of its Label Studio;
  and the line that tells people their password there.
* Addresses of servers, paths and home folders stand in nothing that is made for others: submissions, boards, pages,
  exports, datasets and models with their cards. What stays on the user's machine may name them: configs, run folders,
  results of the harness, messages and logs.
* Texts of servers, of exceptions and of libraries are cleaned twice: of keys where they enter the program, and of all
  three where they become a reason in a record or leave in something that is made for others. What lmms-eval and its
  backends print and store is cleaned of the user's own keys.

What a model answers is data: it stays as it is, but for the user's own keys, since numbers are recomputed from it.

Keys are known in two ways. The program's own ones are known exactly (``own_keys``), and are replaced in every spelling
that servers send back. Keys of others, such as a server's own, are known by their shape; so are addresses and paths.

An address is a URL, a host with its port, an IP address of an inner network, or a name that is called a host or ends as
those of inner networks do (``host gpu7``, ``db.cluster.internal``). The bare name of a public domain is none: reasons
name such sites, and ``huggingface.co`` says nothing of the user. A path has a folder in it: ``/no_think`` is an order
to a model, and ``/v1/models`` stands behind an address.
"""

from __future__ import annotations

import base64
import functools
import json
import os
import re
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

_SHORTEST_SECRET = 8
"""Shorter keys are placeholders ("none", "EMPTY"), and replacing them would change answers."""
_PASSWORD = re.compile(r"://[^\s/@:]*:([^\s/@]+)@")
_NO_KEY = re.compile(r"[a-z_.-]{,15}|[A-Z_.-]{,15}|[A-Z][a-z]{,14}|<\S*>|\[\S*\]")
"""What may stand where a key is expected and is none: "disabled", "image_id", "Production", "<|im_end|>"."""
_NUMBER = re.compile(r"[\d.]+")
_HOLD_KEYS = ("KEY", "TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "CREDENTIALS")
"""The ends of the names of environment variables that hold one: OPENAI_API_KEY, HF_TOKEN, AWS_SECRET_ACCESS_KEY."""

_HOLD_ADDRESSES = ("PROXY", "URL", "URI", "DSN")
"""The ends of the names of those that hold an address, and perhaps a password in it: HTTPS_PROXY, DATABASE_URL."""


class Private(StrEnum):
    """A kind of private text, in the words of messages; in the order in which they are replaced: an address may hold a
    key, and both hold what looks like a path."""

    ADDRESS = "an address"
    KEY = "a key"
    PATH = "a path"


_END = r"[^\s'\"<>()\[\]{},;]*"
_KEY = r"""
    (?<![a-zA-Z\d])
    (?: sk-[\w-]{8,} | sk-[\w-]{2,9}\*{3,}[\w-]*  # the second as OpenAI repeats a wrong one
      | (?: org|proj )[-_](?=[a-z]{0,30}\d)[a-z\d]{16,}
      | glpat- (?=[\w-]{0,99}\d) [\w-]{8,}
      | (?: rk|pk|gsk|xai|nvapi|pplx|tgp|fw|csk|r8 ) [-_]  # no words and numbers, as names of models have
        (?=[\w-]{0,99}\d) (?=[\w-]{0,99}?[a-z\d]{12}) [\w-]{8,}
      | hf_[a-zA-Z\d]{12,} | gh[pousr]_\w{12,} | github_pat_\w{12,} | xox[abeoprs]-[\w-]{8,}
      | AKIA[A-Z\d]{12,} | ASIA[A-Z\d]{12,} | AIza[\w-]{20,} | ya29\.[\w-]{8,}
      | eyJ[\w-]{6,}\.[\w-]{4,}(?:\.[\w-]*)?
      | (?: (?<=authorization:\s) | (?<=authorization["']:\s["']) ) (?: bearer|basic|token ) \s [\w.~+/-]{8,}=*
      | (?<=://) [^\s/@:<>]*:[^\s/@<>]+ (?=@) | (?<=[?&]key=) [^\s&'"<>]{4,}
      | bearer \s+ (?=[\w.~+/-]{0,99}\d) [\w.~+/-]{16,}=* | basic \s+ (?=[a-z\d+]{0,99}\d) [a-z\d+]{16,}=*
      | (?: api[-_ ]?key|access[-_ ]?key|secret|token|password|passwd|authorization ) ["']? \s* [:=] \s* ["']?
        (?=[\w.~+/-]{0,99}\d) (?! (?<=token:\s)\d+\b ) [\w.~+/-]{8,}=*
      | (?: api[-_]?key|secret|password|passwd ) (?: \s?=\s? ["']? | ["']:\s?["'] )  # any word that is set as one
        (?! (?: none|null|true|false|empty|missing|required|invalid|incorrect|unset|not ) \b ) [\w.~+/!@\#$%^&*-]{4,}
    )
"""
_LABEL = r"[a-z\d][\w-]*"
_HOST = rf"{_LABEL}(?:\.{_LABEL})*"
_NO_HOST = r"""
    (?! \d{1,2}:\d\d\b | [\d-]+t\d\d: | [\w.-]*\.(?:py|json|yaml|txt|jinja):
      | (?: line|column|code|status|step|epoch|row|item|image|question|seed|cuda|ratio|loss|limit|[a-z_]*tokens? ):\d
      | (?: [a-z]\d?|bbox_2d|version|conf|retry-after|total|score|confidence|frame|prompt|year|iso|pid ):\d
      | (?: width|height|[a-z_]*(?:len|length|size) ):\d
      | (?!localhost) [a-z_]+:\d{2,3}\b  # a word and a small number: "width:512"
      | [\d.]+:\d{2,5}\b  # numbers; IP addresses are found by themselves
    )
"""
_BYTE = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_IP = rf"{_BYTE}(?:\.{_BYTE}){{3}}"
_INNER_IP = r"(?:(?:10|127)\.\d{1,3}|192\.168|169\.254|172\.(?:1[6-9]|2\d|3[01]))(?:\.\d{1,3}){2}"
_NO_VERSION = "".join(f"(?<!{word}[ =:_-])" for word in ("version", "release", "driver", "tensorrt", "cudnn", "cuda"))
_NO_VERSION += r"(?<!version:\s)(?<!version=\s)(?<![=~<>v]=)"
_INNER_NAMES = "internal|local|localdomain|lan|corp|intranet|intra|home|localhost"
_INNER_NAME = f"(?-i:{_INNER_NAMES}|{_INNER_NAMES.upper()})"
"""In letters of one case: ``wrong.Local shadows`` is two sentences without a blank between."""
_ADDRESS = rf"""
    (?<![a-z\d+.-]) [a-z][a-z\d+.-]*://{_END}
  | (?<![\w.-]) (?: \[[\da-f:]+(?:%\w+)?\] | {_IP} | {_NO_HOST} {_HOST} ) : \d{{2,5}} (?!\w) (?: /{_END} )?
  | (?<=host=') [^'\s<>]+ | (?<=host=") [^"\s<>]+ | (?<=resolve\s') [^'\s<>]+
  | (?<=\bredirects\sto\s) (?!another\b) {_HOST}
  | (?<=\bhost\s) (?=[a-z][\w-]*(?:\d|\.\w)) {_HOST} (?![\w-])
  | (?<![\w.-]) {_NO_VERSION} {_INNER_IP} (?! \w | \.\d ) (?: /{_END} )?
  | (?<=\bto\s|\bat\s|\bIP\s) {_IP} (?! \w | \.\d ) (?: /{_END} )?
  | (?<![\w.-]) (?: {_HOST} \. (?: {_INNER_NAME} ) | localhost ) (?! [\w-] | \.\w ) (?: /{_END} )?
"""
_ROUTE = r"(?! (?: v\d+\w* | api | openai | chat | anthropic ) (?:/|\b) )"
"""Behind an address: not where a file lies."""
_STEP = r"[^\s'\"<>()\[\]{},;/\\]+"
_PATH = rf"""
    (?: (?<=') | (?<=") | (?<=`) ) (?: ~[\w.-]*/ | / {_ROUTE} [\w.-][^'"`\n<>/]*/ | [a-z]:[\\/] ) [^'"`\n<>]* (?=['"`])
  | (?: /(?:home|Users)/ | \b[a-z]:[\\/]Users[\\/] ) \w[\w.-]* (?: \s\w[\w.-]* ){{0,3}} [/\\] {_END}  # with blanks
  | /(?: home|Users|root )/\w {_END}
  | (?: (?<![\w./<]) | (?<=\s-\w) | (?<=^-\w) ) / {_ROUTE} (?=[\w.-]) {_STEP} / {_END}
  | (?<![\w./<]) (?: ~(?!\d)[\w.-]*/ | \.\.?/ | [a-z]:[\\/] ) (?=[\w.-]) {_END}
  | \\\\\w[\w.$-]*\\{_END}  # with the share's name: LaTeX in JSON begins alike
"""
_SHAPES = {
    kind: re.compile(shape, re.IGNORECASE | re.VERBOSE)
    for kind, shape in ((Private.KEY, _KEY), (Private.ADDRESS, _ADDRESS), (Private.PATH, _PATH))
}


def find_private(text: str) -> Private | None:
    """What in a text is private; None when nothing looks like it.

    >>> [find_private(text) for text in ("/data/me/model", "gpu7.lab:8000", "sk-0123456789", "org/name", "qwen:72b")]
    [<Private.PATH: 'a path'>, <Private.ADDRESS: 'an address'>, <Private.KEY: 'a key'>, None, None]
    """
    if redact_keys(text, *own_keys()) != text:
        return Private.KEY
    found = {kind: match.start() for kind in Private for shape in _shapes(kind) if (match := shape.search(text))}
    return min(found, key=lambda kind: found[kind], default=None)


def redact(text: str, kinds: Iterable[Private] = Private) -> str:
    """The text with ``<key>``, ``<address>`` and ``<path>`` for what looks like one; applied again, it changes nothing.

    >>> redact("no model at http://10.0.0.7:8000/v1 (/home/ann/m): key sk-abcdefgh1")
    'no model at <address> (<path>): key <key>'
    """
    wanted = set(kinds)
    if Private.KEY in wanted:
        text = redact_keys(text, *own_keys())
    for kind in (kind for kind in Private if kind in wanted):
        for shape in _shapes(kind):
            text = shape.sub(f"<{kind.split()[-1]}>", text)
    return text


def own_keys(*given: str) -> tuple[str, ...]:
    """The keys that this program holds, ``given`` and those of its environment variables, without placeholders: one
    that is a word ("anything") would be taken out of answers.

    >>> own_keys("sk-12345678", "anything")[-1]
    'sk-12345678'
    """
    names = {name: name.upper() for name in os.environ}
    found = [os.environ[name].strip() for name, upper in names.items() if upper.endswith(_HOLD_KEYS)]
    addresses = (os.environ[name] for name, upper in names.items() if upper.endswith(_HOLD_ADDRESSES))
    passwords = [password for address in addresses for password in _PASSWORD.findall(address)]
    found += [*passwords, *map(unquote, passwords), *given]
    return tuple(dict.fromkeys(one for one in found if not _NO_KEY.fullmatch(one)))


@functools.cache
def spellings(key: str) -> tuple[str, ...]:
    """How a server may write a key that it was sent, and a library that stores it; none for a placeholder.

    >>> spellings("key/12345")
    ('key/12345', 'key%2F12345', 'a2V5LzEyMzQ1')
    >>> spellings('of "me" 1')[-1]
    'of \\\\"me\\\\" 1'
    """
    if len(key) < _SHORTEST_SECRET:
        return ()
    coded = base64.b64encode(key.encode(errors="replace")).decode().rstrip("=")
    in_json = (json.dumps(key, ensure_ascii=to_ascii)[1:-1] for to_ascii in (True, False))
    return tuple(dict.fromkeys((key, quote(key, safe="", errors="replace"), coded, *in_json)))


def is_numeric(spelled: str) -> bool:
    """Whether a spelling of a key could be a number of JSON."""
    return _NUMBER.fullmatch(spelled) is not None


def redact_spelling(text: str, spelled: str) -> str:
    """The text with ``<key>`` for one spelling of a key, but not within a longer number.

    >>> redact_spelling("33333333 is not 0.33333333", "33333333")
    '<key> is not 0.33333333'
    """
    if spelled not in text or not is_numeric(spelled):
        return text.replace(spelled, "<key>")
    return re.sub(rf"(?<![\d.]){re.escape(spelled)}(?!\.?\d)", "<key>", text)


def redact_keys(value: Any, *keys: str) -> Any:
    """A JSON value or text with ``<key>`` wherever one of these keys is repeated.

    >>> redact_keys({"message": "bad key sk-12345678"}, "sk-12345678")
    {'message': 'bad key <key>'}
    """
    spelled = sorted((one for key in keys for one in spellings(key)), key=len, reverse=True)
    return _replaced(value, spelled) if spelled else value


def _replaced(value: Any, spelled: list[str]) -> Any:
    if isinstance(value, str):
        for one in spelled:
            value = redact_spelling(value, one)
        return value
    if isinstance(value, list):
        return [_replaced(one, spelled) for one in value]
    if isinstance(value, dict):
        return {_replaced(name, spelled): _replaced(one, spelled) for name, one in value.items()}
    return value


def _shapes(kind: Private) -> Iterable[re.Pattern[str]]:
    """The own home folder is known exactly, whatever stands before it and however it is called."""
    if kind is Private.PATH and (home := _below(os.path.expanduser("~"))) is not None:
        yield home
    yield _SHAPES[kind]


@functools.cache
def _below(home: str) -> re.Pattern[str] | None:
    is_told = Path(home).is_absolute() and len(Path(home).parts) > 1
    return re.compile(rf"{re.escape(home.rstrip('/'))}(?![\w-]){_END}") if is_told else None
