"""YAML files that people write: read, checked against a model, and explained where YAML reads what nobody meant.

YAML reads ``no`` as false, ``1.10`` as the number 1.1 and ``2024-01-01`` as a date. Numbers and dates are taken as they
stand in the file where text is expected; of everything else the message says how to write it.

>>> document = parse("language: [no]\\nversion: 1.10\\n1.5: key")
>>> document.content
{'language': [False], 'version': 1.1, '1.5': 'key'}
>>> document.written.at(("language", 0)), document.written.at(("version",))
('no', '1.10')
"""

from __future__ import annotations

import datetime
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from qreal_tasks.files.regular import open_file
from qreal_tasks.files.system_errors import describe_os_error
from qreal_tasks.files.yaml_limits import DEEPEST, MOST_BYTES, TooLarge, check_bytes, check_ends, check_values
from qreal_tasks.text.suggestions import did_you_mean

Place = tuple[str | int, ...]
"""Keys and positions that lead to a value, as pydantic's ``loc``."""

_M = TypeVar("_M")
_TEXT, _SWITCH, _DATE, _MERGE = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "bool", "timestamp", "merge"))
_SURPRISING = re.compile(r"[-+]?0[0-7_]+|[-+]?\d[\d_]*(?::[0-5]?\d)+(?:\.[\d_]*)?")
"""Numbers that YAML reads to the base of eight or sixty."""
_HINTS = {
    r"character '\t'": "write spaces instead of the tab",
    "mapping values are not allowed": 'put a value that holds ": " in quotes, and begin all keys of a level alike',
    "another document": "leave only one, without --- between",
}
"""What to do, by part of what PyYAML says."""
_MOST_SHOWN = 200
"""Characters of a value in a message."""
_MOST_FAULTS = 20
"""Of a file, said in a message."""
_NUMBER_OR_DATE = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float", _DATE)


class YamlError(ValueError):
    """A file that cannot be read; the message says why and follows the file's name."""


@dataclass(frozen=True)
class Written:
    """How values stand in the files that they come from, the uppermost file first."""

    layers: tuple[tuple[Place, yaml.Node], ...] = ()
    """What was read, each with the place that it was put at."""

    def over(self, below: Written) -> Written:
        """This above that of ``below``, where both were merged."""
        return Written(self.layers + below.layers)

    def at(self, place: Place) -> str | None:
        """The scalar at a place as it stands there; None where no file holds one."""
        for prefix, node in self.layers:
            if place[: len(prefix)] == prefix and (found := _node_at(node, place[len(prefix) :])) is not None:
                return found
        return None


@dataclass(frozen=True)
class Document:
    """What a YAML text says."""

    content: Any
    written: Written


def read(file: Path | Traversable) -> Document:
    """Read a file.

    Raises:
        YamlError: it cannot be opened, is no UTF-8, is not YAML, or is over a limit of ``yaml_limits``.
    """
    try:
        with open_file(file) if isinstance(file, Path) else file.open("rb") as opened:
            raw = opened.read(MOST_BYTES + 1)
        check_bytes(len(raw))  # before it is decoded: a letter may have been cut
        return parse(raw.decode("utf-8"))
    except (OSError, TooLarge) as error:
        said = describe_os_error(error) if isinstance(error, OSError) else error
        raise YamlError(f"cannot be read: {said}") from error
    except UnicodeDecodeError as error:
        raise YamlError(f"cannot be read: it is no UTF-8, save it as UTF-8 ({error})") from error


NOTHING = Written()
"""Of values that stand in no file."""


def parse(text: str, place: Place = ()) -> Document:
    """Read YAML; keys are text as they are written, also where they look like numbers or dates.

    Args:
        text: of one document.
        place: where its content will be put, for ``Document.written``.

    Raises:
        YamlError: it is not YAML, or over a limit of ``yaml_limits``.
    """
    try:
        check_bytes(len(text.encode("utf-8", "surrogatepass")))
        loader = yaml.SafeLoader(text)  # looks at the characters at once
        try:
            node = loader.get_single_node()
            if node is None:
                return Document(None, NOTHING)
            check_values(node)
            _prefer_text(node)
            content = loader.construct_document(node)
            check_ends(node)  # last: of keys that cannot be made, YAML says more
            return Document(content, Written(((place, node),)))
        finally:
            loader.dispose()
    except (yaml.YAMLError, RecursionError, ValueError) as error:  # the last: over a limit, or a number of 5,000 digits
        raise YamlError(f"cannot be read: {_reason(error)}") from error


def validated(validate: Callable[[Any], _M], content: Any, written: Written = NOTHING) -> _M:
    """What ``validate`` makes of the content, numbers and dates as they are written where it expects text.

    Raises:
        ValidationError: something else is wrong; ``explained`` says what.
    """
    try:
        return validate(content)
    except ValidationError as error:
        texts = {
            place: written.at(place) or str(one["input"])
            for one in error.errors()
            if one["type"] == "string_type" and _is_number_or_date(one["input"])
            for place in (_without_tags(content, one["loc"]),)
        }
        if not texts:
            raise
    for place, text in texts.items():
        content = _with(content, place, text)
    return validate(content)


def explained(
    error: ValidationError,
    model: type[BaseModel],
    written: Written = NOTHING,
    in_own_words: Callable[[ErrorDetails], str | None] = lambda _: None,
) -> str:
    """What is wrong in a line: of every value its place, what was found, what was expected and, where YAML read
    something else than stands there, how to write it.

    Args:
        error: of ``validated``.
        model: that the content was checked against; names the field that a mistyped one was meant to be.
        written: how the values stand in their files.
        in_own_words: what the caller has a better text for; None for all else.
    """
    faults = error.errors()
    lines = [in_own_words(one) or _line(one, model, written) for one in faults[:_MOST_FAULTS]]
    more = [f"and {len(faults) - _MOST_FAULTS} more"] if len(faults) > _MOST_FAULTS else []
    return "; ".join(lines + more)


def field_names(model: type[BaseModel], prefix: str = "") -> list[str]:
    """The fields of a model and of the models in it, as ``lora.r``."""
    names = []
    for name, field in model.model_fields.items():
        names.append(prefix + name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            names += field_names(field.annotation, f"{prefix}{name}.")
    return names


def _reason(error: yaml.YAMLError | RecursionError | ValueError) -> str:
    """What is wrong with a text that is no YAML, in a line, and how to mend what people often do."""
    if isinstance(error, yaml.reader.ReaderError):
        return f"character {error.position + 1} is U+{error.character:04X}, which YAML does not take; remove it"
    if isinstance(error, RecursionError):
        return f"its values lie too deep in one another, expected at most {DEEPEST} levels"
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return " ".join(str(error).split())
    problem, context = str(error.problem), f" ({error.context})" if error.context else ""
    hint = next((f"; {hint}" for part, hint in _HINTS.items() if part in problem), "")
    return f"line {error.problem_mark.line + 1}, column {error.problem_mark.column + 1}: {problem}{context}{hint}"


def _line(error: ErrorDetails, model: type[BaseModel], written: Written) -> str:
    place = ".".join(map(str, error["loc"])) or "the file"
    said = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "missing":
        return f"{place} is missing"
    if error["type"] == "extra_forbidden":
        return f"{place} is no field{did_you_mean(place, field_names(model)).removesuffix('.')}"
    if error["type"] == "value_error":  # says itself what may be shown: a rejected address may hold a key
        return f"{place}: {said}" if error["loc"] else said
    text = written.at(error["loc"])
    if error["input"] is None and text == "":
        return f"{place} has no value; give one, or leave the key out"
    if error["type"] in ("model_type", "dict_type"):
        said = "expected keys and values"
    shown = repr(error["input"])
    shown = shown if len(shown) <= _MOST_SHOWN else f"{shown[:_MOST_SHOWN]}…"
    return f"{place} is {shown}: {said}{_hint(error, text)}"


def _hint(error: ErrorDetails, text: str | None) -> str:
    kind, found = error["type"], error["input"]
    if kind == "string_type" and text and (isinstance(found, bool) or found is None):
        read_as = "no value" if found is None else str(found).lower()
        return f'. YAML reads {text} as {read_as}; write "{text}" in quotes'
    if kind in ("literal_error", "enum") and isinstance(found, bool) and text and repr(text) in str(error["msg"]):
        return f'. YAML reads {text} as {str(found).lower()}; write "{text}" in quotes'
    if kind in ("int_parsing", "float_parsing") and isinstance(found, str):
        number = _as_number(found, whole=kind == "int_parsing")
        return f". YAML reads {found} as text; write {number}" if number else ""
    if _is_number_or_date(found) and not isinstance(found, int | float):
        return f". YAML reads {text or found} as a date"
    if kind == "list_type" and isinstance(found, str | int | float):
        one = f'"{text}"' if isinstance(found, bool) else text or found
        return f". Write it in brackets: [{one}]"
    return ""


def _as_number(text: str, whole: bool) -> str | None:
    """The number that somebody may have meant, as YAML and pydantic read it."""
    thousands = re.fullmatch(r"\d{1,3}(,\d{3})+", text)
    try:
        number = float(text.replace(",", "" if thousands else "."))
    except ValueError:
        return None
    if not math.isfinite(number) or (whole and not number.is_integer()):
        return None
    return str(int(number)) if number.is_integer() else repr(number)


def _is_number_or_date(value: Any) -> bool:
    return isinstance(value, int | float | datetime.date) and not isinstance(value, bool)


def _prefer_text(root: yaml.Node) -> None:
    """Read keys as they are written, since nobody means 1.1 by ``1.10``, and as text what only looks like a date, and
    numbers of YAML alone: ``010``, which it reads as 8, and ``1:30``, as 90.

    Raises:
        YamlError: a key stands twice, or YAML reads it as a switch.
    """
    seen, waiting = set(), [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:  # an alias
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                _read_as_text(key)
                waiting.append(value)
            _check_once(node)
        elif isinstance(node, yaml.ScalarNode) and _is_text(node):
            node.tag = _TEXT


def _is_text(node: yaml.ScalarNode) -> bool:
    if node.tag == _DATE and not _is_date(node):
        return True
    return node.tag in _NUMBER_OR_DATE and _SURPRISING.fullmatch(node.value) is not None


def _read_as_text(key: yaml.Node) -> None:
    if key.tag in _NUMBER_OR_DATE:
        key.tag = _TEXT
    elif key.tag == _SWITCH:
        line, text = key.start_mark.line + 1, key.value
        read_as = str(yaml.SafeLoader.bool_values[text.lower()]).lower()
        raise YamlError(f'line {line}: YAML reads the key {text} as {read_as}; write "{text}" in quotes')


def _check_once(node: yaml.MappingNode) -> None:
    """YAML would take the last of two equal keys, and pass over the first in silence."""
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.tag != _MERGE:
            line = key.start_mark.line + 1
            if key.value in lines:
                raise YamlError(f"lines {lines[key.value]} and {line}: the key {key.value} stands twice; leave one out")
            lines[key.value] = line


def _is_date(node: yaml.ScalarNode) -> bool:
    try:
        yaml.SafeLoader("").construct_yaml_timestamp(node)
    except ValueError:  # the 13th month
        return False
    return True


def _node_at(node: yaml.Node, place: Place) -> str | None:
    """The scalar at a place of a node, as it stands there; the place may hold pydantic's names for the alternatives of
    a type."""
    for part in place:
        if isinstance(node, yaml.MappingNode):
            found = [value for key, value in node.value if key.value == part]
            if not found:
                return None
            node = found[-1]
        elif isinstance(part, int):
            if not isinstance(node, yaml.SequenceNode) or part >= len(node.value):
                return None
            node = node.value[part]
    return str(node.value) if isinstance(node, yaml.ScalarNode) else None


def _without_tags(content: Any, place: Place) -> Place:
    """The place without the names that pydantic gives to the alternatives of a type."""
    kept: list[str | int] = []
    for part in place:
        inside = isinstance(content, dict) and part in content
        if inside or (isinstance(content, list) and isinstance(part, int)):
            kept.append(part)
            content = content[part]
    return tuple(kept)


def _with(content: Any, place: Place, text: str) -> Any:
    """A copy of the content with a text at a place."""
    if not place:
        return text
    first, *rest = place
    changed: dict[Any, Any] | list[Any] = dict(content) if isinstance(content, dict) else list(content)
    changed[first] = _with(content[first], tuple(rest), text)  # type: ignore[index]
    return changed
