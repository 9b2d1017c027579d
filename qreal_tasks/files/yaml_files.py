"""Reading YAML files that people write, with how each value stands in its file.

YAML reads ``no`` as false, ``1.10`` as the number 1.1 and ``2024-01-01`` as a date. ``yaml_models`` checks the content
against a model and says what was meant.

>>> document = parse("language: [no]\\nversion: 1.10\\n1.5: key")
>>> document.content
{'language': [False], 'version': 1.1, '1.5': 'key'}
>>> document.written.at(("language", 0)), document.written.at(("version",))
('no', '1.10')
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import yaml

from qreal_tasks.files.regular import open_file
from qreal_tasks.files.system_errors import describe_os_error
from qreal_tasks.files.yaml_limits import DEEPEST, MOST_BYTES, TooLarge, check_bytes, check_ends, check_values

Place = tuple[str | int, ...]
"""Keys and positions that lead to a value, as pydantic's ``loc``."""

_TEXT, _SWITCH, _DATE, _MERGE = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "bool", "timestamp", "merge"))
_SURPRISING = re.compile(r"[-+]?0[0-7_]+|[-+]?\d[\d_]*(?::[0-5]?\d)+(?:\.[\d_]*)?")
"""Numbers that YAML reads to the base of eight or sixty."""
_HINTS = {
    r"character '\t'": "write spaces instead of the tab",
    "mapping values are not allowed": 'put a value that holds ": " in quotes, and begin all keys of a level alike',
    "another document": "leave only one, without --- between",
}
"""What to do, by part of what PyYAML says."""
_NUMBER_OR_DATE = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float", _DATE)


class YamlError(ValueError):
    """A YAML text that cannot be read, or whose values are not as expected; the message says which and why."""


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


NOTHING = Written()
"""Of values that stand in no file."""


@dataclass(frozen=True)
class Document:
    """The content of a YAML text."""

    content: Any
    written: Written = NOTHING


def read(file: Path | Traversable, name: str = "", error: type[Exception] = YamlError) -> Document:
    """Read a file.

    Args:
        name: of the file in messages; its path unless given.
        error: what is raised.

    Raises:
        YamlError: it cannot be opened, is no UTF-8, is not YAML, or is over a limit of ``yaml_limits``.
    """
    try:
        with open_file(file) if isinstance(file, Path) else file.open("rb") as opened:
            raw = opened.read(MOST_BYTES + 1)
        check_bytes(len(raw))  # before it is decoded: a letter may have been cut
        return parse(raw.decode("utf-8"))
    except UnicodeDecodeError as fault:
        why = f"cannot be read: it is no UTF-8, save it as UTF-8 ({fault})"
    except (OSError, TooLarge) as fault:
        why = f"cannot be read: {describe_os_error(fault) if isinstance(fault, OSError) else fault}"
    except YamlError as fault:
        why = str(fault)
    raise error(f"{name or file}: {why}") from None


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
