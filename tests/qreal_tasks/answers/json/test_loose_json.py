"""Values of a text that is read as JSON."""

import json

from entity_styles import WORD
from hypothesis import given, settings
from hypothesis import strategies as st

from qreal_tasks.answers.json.loose import parse_loose_json

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(JSON_VALUES, max_size=3), st.sampled_from([None, 1]))
def test_valid_json_is_read_as_json(values: list[object], indent: int | None) -> None:
    found = parse_loose_json(json.dumps(values, indent=indent))
    assert (found.values, found.truncated) == ([values], False)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(WORD, WORD | st.lists(st.integers(0, 99) | WORD, max_size=4), min_size=1), st.booleans())
def test_valid_json_beside_broken_json_is_read_the_same(value: dict[str, object], first: bool) -> None:
    good, broken = json.dumps(value), '{"a": 1,}'
    found = parse_loose_json(f"{good}\n{broken}" if first else f"{broken} and {good}")
    assert found.values == ([value, {"a": 1}] if first else [{"a": 1}, value])
