"""Entities in every style that models write, and strategies for them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

from hypothesis import strategies as st

from qreal_tasks.answers import parse_entities

FAILED = "[LMMS_EVAL_REQUEST_FAILED: timeout] Yes"
"""An answer that never came, as the harness hands it over."""

Plain = tuple[str, tuple[float, ...], str]
"""Label, box, description."""

DOG: Plain = ("dog", (12.0, 30.0, 200.0, 180.0), "It has five legs.")
CAT: Plain = ("cat", (1.0, 2.0, 3.5, 4.0), "No tail.")
OBJECT = '{"bbox_2d": [12, 30, 200, 180], "label": "dog", "description": "It has five legs."}'


def read(text: str) -> list[Plain]:
    """What ``parse_entities`` reads."""
    return [(entity.label, entity.box, entity.description) for entity in parse_entities(text).entities]


def as_dicts(entities: Iterable[Plain]) -> list[dict[str, Any]]:
    """Entities as the prompt asks for them."""
    return [{"bbox_2d": list(box), "label": label, "description": result} for label, box, result in entities]


def as_json(entities: Iterable[Plain]) -> str:
    return json.dumps(as_dicts(entities))


def _numbers(box: Iterable[float]) -> str:
    return ",".join(map(repr, box))


STYLES: dict[str, Callable[[Any], str]] = {
    "json": lambda es: json.dumps(as_dicts(es)),
    "json pretty, in a fence": lambda es: f"Here:\n```json\n{json.dumps(as_dicts(es), indent=2)}\n```\nDone.",
    "json lines": lambda es: "\n".join(map(json.dumps, as_dicts(es))),
    "json wrapped": lambda es: json.dumps({"image": "x", "entities": as_dicts(es)}),
    "json, fence and list not closed": lambda es: "```json\n" + json.dumps(as_dicts(es))[:-1],
    "json, trailing commas": lambda es: json.dumps(as_dicts(es)).replace("}", ",}").replace("]}", ",]}"),
    "json, no commas between fields": lambda es: json.dumps(as_dicts(es)).replace(', "', ' "'),
    "python": lambda es: str(as_dicts(es)),
    "keys unquoted, comments": lambda es: (
        json.dumps(as_dicts(es), indent=1).replace('"bbox_2d"', "// next\nbbox_2d").replace('"label"', "label")
    ),
    "full-width": lambda es: (
        json.dumps(as_dicts(es), ensure_ascii=False)
        .replace('": ', '"：')
        .replace(', "', '，"')
        .replace("[", "【")
        .replace("]", "】")
    ),
    "other keys, corners": lambda es: json.dumps(
        [
            {
                "Name": label,
                "Bounding Box": dict(zip(("x1", "y1", "x2", "y2"), box, strict=True)),
                "issue": result,
            }
            for label, box, result in es
        ]
    ),
    "box as text": lambda es: json.dumps(
        [
            {"object": label, "box": f"({x1},{y1}),({x2},{y2})", "reason": result}
            for label, (x1, y1, x2, y2), result in es
        ]
    ),
    "internvl": lambda es: "\n".join(
        f"<ref>{label}</ref><box>[[{_numbers(box)}]]</box>: {result}" for label, box, result in es
    ),
    "qwen2-vl": lambda es: "".join(
        f"<|object_ref_start|>{label}<|object_ref_end|><|box_start|>({x1},{y1}),({x2},{y2})<|box_end|> {result}"
        for label, (x1, y1, x2, y2), result in es
    ),
    "tags": lambda es: "".join(
        f"<label>{label}</label><coordinate>[{_numbers(box)}]</coordinate><description>{result}</description>"
        for label, box, result in es
    ),
    "tags not closed": lambda es: "\n".join(
        f"<label> {label} <coordinate> [{_numbers(box)}] <description> {result}" for label, box, result in es
    ),
    "markdown list": lambda es: (
        "Found:\n\n"
        + "\n".join(f"{i}. **{label}** [{_numbers(box)}]: {result}" for i, (label, box, result) in enumerate(es, 1))
    ),
    "markdown fields": lambda es: "\n\n".join(
        f"- **Label**: {label}\n  - **Bounding box**: [{_numbers(box)}]\n  - **Description**: {result}"
        for label, box, result in es
    ),
    "plain fields": lambda es: "\n".join(
        f"label: {label}\nbbox_2d: [{_numbers(box)}]\ndescription: {result}" for label, box, result in es
    ),
    "table": lambda es: (
        "| label | box |\n|---|---|\n"
        + "\n".join(f"| {label} | [{_numbers(box)}] | {result} |" for label, box, result in es)
    ),
}

WORD = st.from_regex(r"[a-z]{4,9}", fullmatch=True).filter(lambda word: word not in ("none", "true", "null", "false"))
COORDINATE = st.integers(0, 4000).map(float) | st.integers(0, 999).map(lambda n: n / 1000)
ENTITY = st.tuples(
    st.tuples(WORD, WORD).map(" ".join),
    st.tuples(COORDINATE, COORDINATE, st.integers(1, 500), st.integers(1, 500)).map(
        lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
    ),
    st.lists(WORD, min_size=2, max_size=6).map(lambda words: " ".join(words).capitalize() + "."),
)
