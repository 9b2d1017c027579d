"""JSON of others is read down to 64 levels, whoever reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from qreal_tasks.answers.json.only import parse_only_json
from qreal_tasks.text.json_text import DeepJsonError, load_json


@pytest.mark.parametrize("load", [load_json, lambda text: load_json(text.encode()), parse_only_json])
@pytest.mark.parametrize(("begin", "end"), [("[", "]"), ('{"a": ', "}")])
def test_sixty_four_levels_are_read_and_no_more(load: Callable[[str], Any], begin: str, end: str) -> None:
    load(begin * 64 + "1" + end * 64)
    for levels in (65, 900, 100_000):
        with pytest.raises(DeepJsonError):
            load(begin * levels + "1" + end * levels)


def test_many_values_side_by_side_are_not_deep() -> None:
    assert load_json("[" + "[[{}]], " * 500 + '"[[[["]')[-1] == "[[[["
