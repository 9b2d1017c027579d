"""The records of one task as gzipped JSON lines: no reader executes anything, and every text survives as it was.

A model may write half a surrogate pair, which neither UTF-8 nor Parquet can hold; JSON's escapes can.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from qreal_tasks.leaderboard.submission.problems import Refusal, Rule
from qreal_tasks.records import Record, RecordError, record_from_json, record_to_json
from qreal_tasks.text.json_text import load_json

MOST_BYTES = 128 * 2**20
"""Size limit of one task's samples when unpacked; a full-size run takes about 5 MB."""

MOST_LINES = 200_000

MOST_KEYS = 10_000
"""Limit for one JSON object; the largest that the project writes has some hundred."""

_CHUNK = 2**20


def to_lines(records: Iterable[Record]) -> bytes:
    """The records as JSON lines in ASCII, in the order of their ids."""
    ordered = sorted(records, key=lambda record: record.sample_id)
    lines = (json.dumps(record_to_json(record), separators=(",", ":"), allow_nan=False) for record in ordered)
    return "".join(f"{line}\n" for line in lines).encode("ascii")


def compress(lines: bytes) -> bytes:
    """Gzip without name and time: equal input gives equal bytes."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", filename="", mtime=0) as file:
        file.write(lines)
    return buffer.getvalue()


def decompress(data: bytes, path: str) -> bytes | Refusal:
    """The lines, never more than ``MOST_BYTES`` of them in memory."""
    found = bytearray()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
            while chunk := file.read(_CHUNK):
                found += chunk
                if len(found) > MOST_BYTES:
                    message = f"{path}: unpacks to more than {MOST_BYTES // 2**20} MiB; no run is that large"
                    return Refusal(Rule.TOO_LARGE, message)
    except EOFError:
        return Refusal(Rule.DAMAGED, f"{path}: ends too soon; pack it again, or upload it again")
    except (OSError, ValueError) as error:
        return Refusal(Rule.DAMAGED, f"{path}: no gzipped JSON lines ({error}); pack it again")
    except Exception as error:  # zlib.error derives from Exception alone
        return Refusal(Rule.DAMAGED, f"{path}: damaged ({type(error).__name__}: {error}); upload it again")
    return bytes(found)


def read_records(lines: bytes, path: str) -> tuple[list[Record], list[Refusal]]:
    """The records that can be read, and what is wrong with the other lines."""
    rows = lines.split(b"\n")
    if len(rows) > MOST_LINES:
        return [], [Refusal(Rule.TOO_LARGE, f"{path}: {len(rows):,} lines, expected at most {MOST_LINES:,}")]
    records: list[Record] = []
    problems: list[Refusal] = []
    for number, row in enumerate(rows, start=1):
        if not row:
            continue
        try:
            records.append(record_from_json(parse_json(row)))
        except RecordError as error:
            kind = Rule.VERSION if str(error).startswith("record version") else Rule.RECORD
            problems.append(Refusal(kind, f"{path} line {number}: {error}"))
        except ValueError as error:
            problems.append(Refusal(Rule.RECORD, f"{path} line {number}: no JSON object: {error}"))
    return records, problems


def parse_json(text: bytes) -> Any:
    """JSON as its standard has it: no NaN, no key twice, at most ``MOST_KEYS`` keys in one object.

    Raises:
        ValueError: it is not; the message says where.
    """
    return load_json(text.decode("utf-8"), object_pairs_hook=_once, parse_constant=_refuse_constant)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    if len(pairs) > MOST_KEYS:
        raise ValueError(f"an object has {len(pairs):,} keys, expected at most {MOST_KEYS:,}")
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"key {key!r:.80} occurs twice")
        found[key] = value
    return found


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is no number of JSON; an undefined value is null")


def digest_samples(lines: Mapping[str, bytes]) -> str:
    """SHA-256 of all samples, unpacked, in the order of the tasks' names: what an id ends with."""
    state = hashlib.sha256()
    for task in sorted(lines):
        state.update(f"{task} {len(lines[task])}\n".encode())
        state.update(lines[task])
    return state.hexdigest()
