"""Texts that must not come out, put wherever something comes in, and a search of everything that was written.

with canary_environment(monkeypatch, home): ...
assert found(folder, [KEYS["HF_TOKEN"]], outputs) == []
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import logging
import sqlite3
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest

T = TypeVar("T")

KEYS = {
    "OPENAI_API_KEY": "canary/Openai+seven",
    "HF_TOKEN": "canary/Hub+seven",
    "LABEL_STUDIO_API_KEY": "canary/Label+seven",
    "MY_SERVERS_PASSWORD": "canary/Other+seven",
}
"""Without the shape of any key, so that only who knows them finds them."""
SERVERS_KEY = "sk-canaryofserver7"
"""A key that is nobody's here: known by its shape."""
HOST, IP = "gpu7.canary.internal", "10.77.7.7"
HOME = "canary people/ann lee"
"""Below the folder of a test: a home with blanks in it."""
FOLDER = "canary_folder"
PRIVATE = (HOST, IP, "ann lee", FOLDER)
"""What nothing for others may hold."""


def set_canaries(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Keys and a home folder into the environment; returns the home folder."""
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    home = folder / HOME
    home.mkdir(parents=True, exist_ok=True)
    monkeypatch.setenv("HOME", str(home))
    return home


def result(home: Path, key: str = KEYS["OPENAI_API_KEY"]) -> str:
    """What a server or an exception might say: everything that is private, in 300 characters at most."""
    return f"{said_key(key)} {SERVERS_KEY}, http://{HOST}:8000/v1, {IP}, {home}/x, /data/{FOLDER}/x"


def always(value: T) -> Callable[[object], T]:
    """A script that gives the same value whatever it is asked."""
    return lambda _: value


def said_key(key: str) -> str:
    """A key in every spelling that a server may give it."""
    coded = base64.b64encode(key.encode()).decode()
    return f"bad {key} ({coded}, ?k={quote(key, safe='')})"


def keys() -> list[str]:
    return [*KEYS.values(), SERVERS_KEY]


@contextmanager
def logged(printed: dict[str, str]) -> Iterator[None]:
    """What is logged meanwhile is put to what was printed."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        printed["the log"] = text.getvalue()


def found(folder: Path, needles: Iterable[str], outputs: Mapping[str, str] | None = None) -> list[str]:
    """Where which needle is: in every file below the folder, its name and what is packed in it, and in the outputs."""
    wanted = {needle: tuple(_spellings(needle)) for needle in needles}
    texts = {name: text.encode(errors="replace") for name, text in (outputs or {}).items()}
    places = [(f"printed by {name}", text) for name, text in texts.items()]
    for path in sorted(one for one in folder.rglob("*") if one.is_file() and not one.is_symlink()):
        name = str(path.relative_to(folder))
        places += [(name, content) for content in (name.encode(), *_contents(path.read_bytes(), path))]
    return sorted(
        {
            f"{place}: {needle}"
            for place, content in places
            for needle, spelled in wanted.items()
            if any(one in content for one in spelled)
        }
    )


def _spellings(needle: str) -> Iterator[bytes]:
    raw = needle.encode()
    yield raw
    yield quote(needle, safe="").encode()
    yield json.dumps(needle)[1:-1].replace("/", "\\/").encode()
    for before in range(3):  # the letters that stand before it decide how base64 writes it
        coded = base64.b64encode(b"x" * before + raw)
        yield coded[(0, 4, 4)[before] : len(coded) - 4]


def _contents(raw: bytes, path: Path | None = None) -> Iterator[bytes]:
    """The bytes, and those of everything that is packed in them."""
    yield raw
    if raw[:2] == b"\x1f\x8b":
        yield from _contents(gzip.decompress(raw))
    elif raw[:4] == b"PK\x03\x04":
        with zipfile.ZipFile(io.BytesIO(raw)) as packed:
            for one in packed.namelist():
                yield from (one.encode(), *_contents(packed.read(one)))
    elif raw[:4] == b"PAR1":
        file = pq.ParquetFile(io.BytesIO(raw))
        yield repr(file.schema_arrow.metadata).encode()
        for row in file.read().to_pylist():
            yield from _values(row)
    elif raw[:15] == b"SQLite format 3" and path is not None:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as db:
            for line in db.iterdump():
                yield line.encode(errors="replace")
    elif raw[:8] == b"\x89PNG\r\n\x1a\n":
        yield from _png_texts(raw)


def _values(value: object) -> Iterator[bytes]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from (str(name).encode(), *_values(one))
    elif isinstance(value, list):
        for one in value:
            yield from _values(one)
    elif isinstance(value, bytes):
        yield from _contents(value)
    else:
        yield str(value).encode(errors="replace")


def _png_texts(raw: bytes) -> Iterator[bytes]:
    """Of the compressed chunks of text in a picture."""
    at = 8
    while at + 8 <= len(raw):
        size, kind = int.from_bytes(raw[at : at + 4]), raw[at + 4 : at + 8]
        if kind == b"zTXt":
            yield zlib.decompress(raw[at + 8 : at + 8 + size].partition(b"\0")[2][1:])
        at += size + 12
