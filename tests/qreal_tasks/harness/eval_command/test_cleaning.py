"""What the harness prints and writes, without the user's keys."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from qreal_tasks.harness.eval_command.cleaning import KeyFilter, clean_files
from qreal_tasks.harness.eval_command.outcome import list_changed, record_states

KEY, LONGER = "canary-key-of-7", "canary-key-of-7-and-more"


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OTHER_TOKEN", LONGER)


@pytest.mark.parametrize("place", range(1, 80))
def test_a_key_across_two_pieces_is_found(place: int) -> None:
    result = f"token={KEY} and {LONGER}, canary-key-of-6 can\rcanary-".encode()
    shown = KeyFilter()
    pieces = [shown(result[:place]), shown(result[place:]), shown(b"")]
    assert b"".join(pieces) == b"token=<key> and <key>, canary-key-of-6 can\rcanary-"


def test_a_key_whose_end_begins_another_one_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_TOKEN", "7-begins-this-one")
    shown = KeyFilter()
    assert shown(f"it is {KEY}".encode()) + shown(b" and more") + shown(b"") == b"it is <key> and more"


def test_only_what_may_begin_a_key_is_held_back() -> None:
    shown = KeyFilter()
    assert shown(b"50 % done") == b"50 % done"
    assert shown(b"50 % c") == b"50 % "
    assert shown(b"done") == b"cdone"


def test_files_are_cleaned_and_others_stay_as_they_are(tmp_path: Path) -> None:
    files = [tmp_path / "1_results.json", tmp_path / "1_samples_task.jsonl", tmp_path / "without.json"]
    for path in files:
        path.write_text(f'{{"token": "{KEY}"}}' if path.name != "without.json" else '{"token": 1}')
    untouched = files[2].stat()
    clean_files(files)
    assert [path.read_text() for path in files] == ['{"token": "<key>"}'] * 2 + ['{"token": 1}']
    assert (files[2].stat().st_ino, files[2].stat().st_mtime_ns) == (untouched.st_ino, untouched.st_mtime_ns)


def test_only_what_changed_since_then_is_cleaned(tmp_path: Path) -> None:
    """An older run's file is left as it was, and a file of the same age and size but another one is found."""
    names = ("old_results.json", "1_results.json", "1_samples_task.jsonl", "a.txt")
    old, *new = (tmp_path / name for name in names)
    for path in (old, new[0]):
        path.write_text(f'{{"token": "{KEY}"}}')
        os.utime(path, (1, 1))
    before = record_states(tmp_path)
    replaced = tmp_path / "b"
    replaced.write_text(f'{{"token": "{KEY}"}}')
    os.utime(replaced, (1, 1))
    replaced.rename(new[0])
    for path in new[1:]:
        path.write_text(f'{{"token": "{KEY}"}}')
    clean_files(list_changed(tmp_path, before))
    assert {path.name for path in (old, *new) if KEY not in path.read_text()} == set(names[1:3])


STORED = {
    "digits within a longer number": ("33333333", '{"auc": 0.3333333333333333}', '{"auc": 0.3333333333333333}'),
    "digits that are a number": ("12345678", '{"seed": 12345678}', '{"seed": 12345678}'),
    "digits in a text": ("12345678", '{"seed": 12345678, "a": "x=12345678"}', '{"seed": 12345678, "a": "x=<key>"}'),
    "digits behind a quote": ("12345678", r'{"a": "say \"12345678\""}', r'{"a": "say \"<key>\""}'),
    "a quote and a backslash": ('p"ss\\w0rd', json.dumps({"a": 'p"ss\\w0rd'}), '{"a": "<key>"}'),
    "letters of other languages": ("пароль-1234", json.dumps({"a": "пароль-1234"}), '{"a": "<key>"}'),
    "the same, not escaped": ('"пароль"-1', json.dumps({"a": '"пароль"-1'}, ensure_ascii=False), '{"a": "<key>"}'),
    "lines": ("BEGIN 1\nEND 1", json.dumps({"a": "BEGIN 1\nEND 1"}), '{"a": "<key>"}'),
    "a mark of a chat template": ("<|im_end|>", '{"a": "Yes<|im_end|>"}', '{"a": "Yes<|im_end|>"}'),
    "no letters of UTF-8": ("abc\udce9-1234", '{"a": "é"}', '{"a": "é"}'),
}


@pytest.mark.parametrize(("key", "content", "clean"), STORED.values(), ids=STORED)
def test_results_stay_json_whatever_a_key_is_made_of(
    key: str, content: str, clean: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVERS_PASSWORD", key)
    path = tmp_path / "1_results.json"
    path.write_text(content, encoding="utf-8")
    clean_files([path])
    assert path.read_text(encoding="utf-8") == clean
    json.loads(clean)


def test_bytes_of_another_encoding_come_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SERVERS_PASSWORD", "abc\udce9-1234")
    shown = KeyFilter()
    assert shown(b"\xff abc\xe9-1234 \xc3") + shown(b"\xa9") + shown(b"") == b"\xff <key> \xc3\xa9"
