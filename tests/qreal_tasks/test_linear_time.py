"""Readers of what comes from others take twice as long for twice as much; the answers' parsers are in
``answers/test_any_text.py``."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from itertools import product
from pathlib import Path

import pytest
from doubling import assert_linear

from annotation.empty_text import says_nothing
from annotation.merging.fields import combine_by_rule
from qreal_tasks.files.yaml_files import parse_yaml
from qreal_tasks.intake.files import find_name_problem
from qreal_tasks.intake.inputs import fold_name
from qreal_tasks.intake.settings import ColumnNames
from qreal_tasks.intake.table_rows import read_text_table
from qreal_tasks.intake.text_files import LONGEST_PROMPT, decode_text, tidy_prompt
from qreal_tasks.leaderboard.submission.samples_file import parse_json, read_records
from qreal_tasks.text.one_line import first_unseen, one_line, printable
from qreal_tasks.text.prompts import normalize_prompt
from qreal_tasks.text.redaction import find_private, redact, redact_keys

pytestmark = pytest.mark.slow

READERS: dict[str, Callable[[str], object]] = {
    "prompt": normalize_prompt,
    "name": fold_name,
    "prompt of a table": lambda text: tidy_prompt(text[:LONGEST_PROMPT]),
    "cell with a name": find_name_problem,
    "encoding": lambda text: decode_text(text.encode("utf-16-le", "surrogatepass")),
    "one line": one_line,
    "terminal": printable,
    "unseen": first_unseen,
    "private part": find_private,
    "without private parts": redact,
    "without the key": lambda text: redact_keys(text, "sk-0123456789abcdef"),
    "says nothing": says_nothing,
    "edits combined": lambda text: combine_by_rule(text, [text + ".", text + "!"]),
    "YAML": parse_yaml,
    "JSON of a submission": lambda text: parse_json(json.dumps(text).encode()),
}
PIECES = (
    *("a", " ", "\t", "\n", "\r\n", ".", "!? ", "-", "\"'", "\\", "\u202e", "\u200b", "\ud800", "\x00", "a\x00"),
    *("e\u0301", "\u0301\u0316", "\u1100", "\uac00\u11a8", "\ufeff", "\ufdfa", "ß", "İ"),
    *(
        "iVBORw0K",
        "/9j/ ",
        "AAAA ",
        "data:",
        "c:\\",
        "file:///",
        "http://a",
        "hf://a/b@",
        "a@b.c ",
        "../",
        "~/",
        "/home/a ",
    ),
    *("sk-", "sk-a1-", "hf_", "eyJaaaaaa.", "bearer ", "basic a", "token: ", "password=", "authorization: ", "org-a"),
    *("\nSteps: 1, ", "Steps: 1,", "\nNegative prompt: ", "\n \t", "Seed: 1", "none ", "N/A ", "no ", "nothing. "),
    *("a: ", "- ", "[", "{a: ", "&a ", "*a ", "# ", "? ", "| \n", "%", "!!str "),
)


@pytest.mark.parametrize("reader", READERS)
def test_a_text_of_twice_the_length_takes_twice_as_long(reader: str) -> None:
    def read(text: str) -> None:
        with contextlib.suppress(ValueError, RecursionError):
            READERS[reader](text)

    for piece, (beginning, end) in product(PIECES, (("", ""), ("iVBORw0K" + "A" * 200, "!"))):
        once, twice = (beginning + piece * (length // len(piece)) + end for length in (10_000, 20_000))
        assert_linear(read, once, twice, f"{beginning}{piece!a}")


TABLES: dict[str, tuple[str, str, str, str]] = {
    "rows": ("a.csv", "image,prompt\n", "a.png,b\n", ""),
    "blank lines": ("a.csv", "image,prompt\n", "\n", ""),
    "columns": ("a.csv", "image,prompt,", "c,", "\na.png,b"),
    "columns of one name": ("a.csv", "image,", "image,", "\na.png"),
    "quotes": ("a.csv", "image,prompt\na.png,", '""', ""),
    "separators": ("a.tsv", "image\tprompt\na.png", "\t", ""),
    "objects": ("a.jsonl", "", '{"image": "a.png"}\n', ""),
    "keys": ("a.jsonl", '{"image": "a.png"', ', "b": 1', "}"),
    "other keys": ("a.jsonl", "", "".join(f'{{"k{n}": 1}}\n' for n in range(100)), ""),
    "a list": ("a.json", "[{}", ', {"image": "a.png"}', "]"),
    "depth": ("a.json", "", "[", ""),
    "open objects": ("a.jsonl", "", '{"a":', ""),
}


@pytest.mark.parametrize("case", TABLES)
def test_a_table_of_twice_the_size_takes_twice_as_long(case: str, tmp_path: Path) -> None:
    name, beginning, piece, end = TABLES[case]
    once, twice = (tmp_path / str(size) / name for size in (100_000, 200_000))
    for path in (once, twice):
        path.parent.mkdir()
        path.write_text(beginning + piece * (int(path.parent.name) // len(piece)) + end)

    def read(path: Path) -> None:
        with contextlib.suppress(ValueError):
            list(read_text_table(path, ColumnNames()).rows)

    assert_linear(read, once, twice)


@pytest.mark.parametrize("line", [b"{}", b"", b"[", b'{"version": 2}', b'{"version": 2, "question": "a"}', b"\xff"])
def test_samples_of_twice_the_lines_take_twice_as_long(line: bytes) -> None:
    assert_linear(lambda lines: read_records(lines, "a"), (line + b"\n") * 2_000, (line + b"\n") * 4_000)
