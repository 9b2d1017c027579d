"""What an annotator sends: the results that the labelling page submits, for tests that answer without a browser."""

from __future__ import annotations

import random
import socket
from collections.abc import Mapping
from typing import Any

from qreal_tasks.benchmark import BODY_PARTS, QUESTION_NAMES

Json = dict[str, Any]


def random_answers(seed: object) -> dict[str, str]:
    """Six answers that depend on nothing but the seed."""
    chance = random.Random(str(seed))
    return {name: chance.choice(["Yes", "No"]) for name in QUESTION_NAMES}


def results(task: Mapping[str, Any], answers: Mapping[str, str], drop: str | None = None, **texts: str) -> list[Json]:
    """As the page submits them for a task: the box as drafted, the texts as drafted unless others are given."""
    data = task["data"]
    result = [_result("box", "rectangle", **task["predictions"][0]["result"][0]["value"])]
    result[0] |= {name: task["predictions"][0]["result"][0][name] for name in ("original_width", "original_height")}
    if drop is not None:
        result.append(_result("drop", "choices", choices=[drop]))
    else:
        result += [_result(name, "choices", choices=[answer]) for name, answer in answers.items()]
    drafted = {name: data[name] for name in ("label", "realism_description", "plausibility_description")}
    drafted |= {f"part_{number}": part["text"] for number, part in enumerate(data["parts"])}
    assert len(data["parts"]) in (0, len(BODY_PARTS))
    result += [_result(name, "textarea", text=[text]) for name, text in {**drafted, **texts}.items() if text]
    return result


def _result(name: str, kind: str, **value: Any) -> Json:
    return {"from_name": name, "to_name": "image", "type": kind, "value": value}


def free_ports(count: int) -> int:
    """The first of so many ports in a row that nobody uses; below those that systems hand out by themselves."""
    chance = random.Random()
    while True:
        first = chance.randrange(20_000, 32_000)
        if all(_is_free(first + number) for number in range(count)):
            return first


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
