"""How the columns of a dataset differ from the schema, and the script that casts them."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator
from typing import Any, NamedTuple

from datasets import ClassLabel, Dataset, Features, LargeList, List, Value
from datasets.table import table_cast

_NOTHING = "no such field"

_TRIED_ROWS = 100
"""Enough to see whether a cast can work at all."""


def wrong_columns(found: Features, expected: Features) -> str | None:
    """What is wrong with the columns, fields of structs included, or None; columns that nobody asked for may be there.

    >>> wrong_columns(Features(id=Value("large_string")), Features(id=Value("string"), size=Value("int32")))
    'column size missing; id is large_string, expected string'
    """
    missing: list[str] = []
    others: dict[tuple[str, str], list[str]] = {}
    for one in _all_differences(found, expected):
        if one.found is None:
            missing.append(one.path)
        else:
            others.setdefault((one.found, one.expected), []).append(one.path)
    said = [f"column{'s' * (len(missing) > 1)} {', '.join(missing)} missing"] if missing else []
    said += [
        f"{', '.join(paths)} {'are' if len(paths) > 1 else 'is'} {there}, expected {instead}"
        for (there, instead), paths in others.items()
    ]
    return "; ".join(said) or None


def cast_trouble(rows: Dataset, expected: Features) -> str | None:
    """Why the columns cannot be cast to the schema, or None; the first rows are tried."""
    differences = list(_all_differences(rows.features, expected))
    missing = [one.path for one in differences if one.found is None]
    needless = [one.path for one in differences if one.expected == _NOTHING]
    if missing or needless:
        todo = {"written": missing, "removed": needless}
        return "; ".join(f"{', '.join(paths)} must be {what}" for what, paths in todo.items() if paths)
    table = rows.select_columns(list(expected)).with_format("arrow")[:_TRIED_ROWS]
    try:
        cast = table_cast(table, expected.arrow_schema)
    except Exception as error:  # Arrow's and the library's own, of many types
        return textwrap.shorten(f"{type(error).__name__}: {error}", 300)
    images = cast.column("image").combine_chunks()
    if images.field("bytes").null_count > images.null_count:
        return "image holds names of files; the encoded pictures themselves must be written"
    return None


def cast_script(reading: str, target: str) -> str:
    """What to do about columns of another type: lines of Python that write the dataset anew.

    Args:
        reading: the expression that loads all splits of ``config``.
        target: the folder to write.
    """
    return f"""This writes the set with the columns of the schema; then use QREAL_DATA={shlex.quote(target)}

    from datasets import load_dataset, load_from_disk
    from qreal_tasks.dataset.schema import FEATURES

    for config, features in FEATURES.items():
        rows = {reading}
        rows.select_columns(list(features)).cast(features).save_to_disk({target + "/"!r} + config)
"""


class _Difference(NamedTuple):
    path: str
    """Column, or column and fields."""
    found: str | None
    """None: nothing is there."""
    expected: str


def _all_differences(found: Features, expected: Features) -> Iterator[_Difference]:
    for name, expectation in expected.items():
        yield from _differences(found.get(name), expectation, name)


def _differences(found: Any, expected: Any, path: str) -> Iterator[_Difference]:
    """How a column or field differs from what was expected; a struct field by field."""
    if found is None:
        yield _Difference(path, None, _text(expected))
    elif isinstance(expected, dict) and isinstance(found, dict):
        for name, expectation in expected.items():
            yield from _differences(found.get(name), expectation, f"{path}.{name}")
        for name in sorted(set(found) - set(expected)):
            yield _Difference(f"{path}.{name}", _text(found[name]), _NOTHING)
    elif isinstance(expected, List) and isinstance(expected.feature, dict) and isinstance(found, (List, LargeList)):
        if isinstance(found, LargeList) or found.length != expected.length:
            yield _Difference(path, _text(found), _text(expected))
        yield from _differences(found.feature, expected.feature, path)
    elif found != expected:
        yield _Difference(path, _text(found), _text(expected))


def _text(feature: Any) -> str:
    if isinstance(feature, Value):
        return str(feature.dtype)
    if isinstance(feature, ClassLabel):
        return f"ClassLabel({', '.join(feature.names)})"
    if isinstance(feature, dict):
        return f"a struct of {', '.join(feature)}"
    if isinstance(feature, (List, LargeList)):
        inner = "structs" if isinstance(feature.feature, dict) else _text(feature.feature)
        length = f"{feature.length} " if isinstance(feature, List) and feature.length >= 0 else ""
        return f"a {'large ' * isinstance(feature, LargeList)}list of {length}{inner}"
    return str(feature)
