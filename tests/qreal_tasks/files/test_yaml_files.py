"""Files that people write: encodings, aliases and merges, and what stands where in files that were merged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict

from qreal_tasks.files.yaml_files import NOTHING, Document, YamlError, parse_yaml, read_yaml
from qreal_tasks.files.yaml_models import load_yaml, validate


class _Named(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = ""
    versions: dict[str, str | list[str] | None] = {}
    count: int = 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: 1.10", _Named(name="1.10")),
        ("name: 0x1F", _Named(name="0x1F")),
        ("name: .inf", _Named(name=".inf")),
        ("name: 12:30:45", _Named(name="12:30:45")),
        ("name: 2024-01-01 10:00:00", _Named(name="2024-01-01 10:00:00")),
        ('name: "1.10"', _Named(name="1.10")),
        (
            "versions: {1.10: 1.20, 007: [1.30, x], 1e3: ~}",
            _Named(versions={"1.10": "1.20", "007": ["1.30", "x"], "1e3": None}),
        ),
        ("versions: &v {1.0: 2.0}\nname: 3.0", _Named(versions={"1.0": "2.0"}, name="3.0")),
        ("versions: {<<: {a: 1.10, b: 1.20}, b: 1.30}", _Named(versions={"a": "1.10", "b": "1.30"})),
        ("\ufeffname: 1.10", _Named(name="1.10")),
        ("count: 010", _Named(count=10)),
        ("count: 1_000", _Named(count=1000)),
        ("count: 0", _Named(count=0)),
    ],
)
def test_numbers_and_dates_are_text_as_written(text: str, expected: _Named, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    assert load_yaml(tmp_path / "a.yaml", _Named) == expected


def test_without_a_file_the_numbers_own_text_is_taken() -> None:
    assert validate(Document({"name": 1.10}), _Named, "x") == _Named(name="1.1")


def test_of_merged_files_the_upper_one_is_looked_at_first() -> None:
    above, below = parse_yaml("a: {b: 1.10}").written, parse_yaml("a: {b: 2.20, c: 3.30}").written
    merged = parse_yaml("4.40", ("a", "d")).written.over(above.over(below))
    assert [merged.at(("a", key)) for key in "bcde"] == ["1.10", "3.30", "4.40", None]
    assert NOTHING.at(("a",)) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "result"),
    [
        (b"name: [", "cannot be read: line 1, column 8: expected the node content, but found '<stream end>'"),
        (b"name: x\n\tcount: 1", r"line 2, column 1: found character '\t' that cannot start any token"),
        (b"name:\tx", "write spaces instead of the tab"),
        (b"name: a: b", 'line 1, column 8: mapping values are not allowed here; put a value that holds ": " in quotes'),
        (b"name: x\x07", "character 8 is U+0007, which YAML does not take; remove it"),
        (b"a: " + b"[" * 3000, "its values lie too deep in one another"),
        (b"a: 1\nb: 2\na: 3", "lines 1 and 3: the key a stands twice; leave one out"),
        (b"a:\n  1.0: 2\n  '1.0': 3", "lines 2 and 3: the key 1.0 stands twice"),
        ("name: caf\u00e9".encode("latin-1"), "cannot be read: it is no UTF-8, save it as UTF-8"),
        ("name: x".encode("utf-16"), "cannot be read: it is no UTF-8, save it as UTF-8"),
        (
            b"a: 1\n---\nb: 2",
            "found another document (expected a single document in the stream); leave only one",
        ),
        (b"a: 1\nb: {On: 2}", 'line 2: YAML reads the key On as true; write "On" in quotes'),
        (b"&a [*a, {&b [x]: 1}]", "found unhashable key (while constructing a mapping)"),
    ],
)
def test_what_cannot_be_read_says_why(content: bytes, result: str, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(content)
    with pytest.raises(YamlError) as error:
        read_yaml(tmp_path / "a.yaml")
    assert result in str(error.value)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("count:", "count has no value; give one, or leave the key out"),
        ("count: 1:30", "count is '1:30': Input should be a valid integer"),
        ("versions: [a]", "versions is ['a']: expected keys and values"),
        ("versions:", "versions has no value; give one, or leave the key out"),
    ],
)
def test_values_that_are_not_expected(text: str, result: str) -> None:
    with pytest.raises(YamlError) as error:
        validate(parse_yaml(text), _Named, "a.yaml")
    assert str(error.value).startswith(f"a.yaml: {result}")


def test_a_large_value_is_shown_cut() -> None:
    with pytest.raises(YamlError) as error:
        validate(parse_yaml(f"count: [{', '.join('x' * 1000)}]"), _Named, "a.yaml")
    assert len(str(error.value)) < 300


def _laughs(levels: int) -> str:
    """Ten of ten of ten: a text of some bytes a level that stands for ten times as much."""
    return "a0: &a0 [haha]\n" + "".join(
        f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, levels)
    )


TOO_LARGE = {
    "aliases of aliases in lists": (_laughs(12), r"with its aliases written out it has [\d,]+ characters, expected at"),
    "aliases of aliases in mappings": (
        "a0: &a0 {k: haha}\n"
        + "".join(
            f"a{level}: &a{level} {{{', '.join(f'k{n}: *a{level - 1}' for n in range(10))}}}\n"
            for level in range(1, 12)
        ),
        "with its aliases written out",
    ),
    "one long text, often": (f"a: &a {'x' * 10_000}\nb: [{', '.join(['*a'] * 200)}]", "with its aliases written out"),
    "aliases by merge keys": (
        "a0: &a0 {k: "
        + "x" * 1000
        + "}\n"
        + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}], k{n}: 1}}\n" for n in range(1, 9)),
        "with its aliases written out",
    ),
    "a list in itself": ("a: &a [1, *a]", "line 1: a value holds itself by an alias"),
    "a mapping in itself": ("a: &a\n  b: {c: *a}", "a value holds itself by an alias"),
    "deep": ("a: " + "[" * 60 + "]" * 60, "line 1: its values lie too deep in one another, expected at most 40 levels"),
    "deep mappings": ("a: " + "{b: " * 60 + "1" + "}" * 60, "too deep in one another, expected at most 40 levels"),
    "deep by aliases": (
        "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}]\n" for n in range(1, 60)),
        "too deep in one another, expected at most 40 levels",
    ),
    "many keys": ("\n".join(f"k{n}: 1" for n in range(2_001)), "line 1: 2,001 entries, expected at most 2,000"),
    "many items": (f"a: [{', '.join('1' * 2_001)}]", "line 1: 2,001 entries, expected at most 2,000"),
    "long": (f"a: {'x' * 300_000}", "it has more than 262,144 bytes"),
    "long, of large letters": (f"a: {'é' * 140_000}", "it has more than 262,144 bytes"),
}


@pytest.mark.parametrize("case", TOO_LARGE)
def test_what_is_over_a_limit_is_refused_by_its_name(case: str, tmp_path: Path) -> None:
    text, result = TOO_LARGE[case]
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    readings: tuple[Callable[[], object], ...] = (lambda: read_yaml(tmp_path / "a.yaml"), lambda: parse_yaml(text))
    for reading in readings:
        with pytest.raises(YamlError, match=result):
            reading()


def test_aliases_in_moderation_are_read() -> None:
    assert parse_yaml("a: &a {b: 1}\nc: [*a, *a]\nd: {<<: *a}").content["d"] == {"b": 1}


def test_of_many_faults_the_first_are_said() -> None:
    with pytest.raises(YamlError, match=r"; and 1980 more$"):
        validate(parse_yaml("\n".join(f"k{n}: 1" for n in range(2_000))), _Named, "a.yaml")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(YamlError, match=r"cannot be read: .*No such file"):
        read_yaml(tmp_path / "none.yaml")
