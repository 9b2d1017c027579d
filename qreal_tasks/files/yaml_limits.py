"""How large a YAML file may be: its bytes, what its aliases make of it, and how deep and long its values are.

A file of a few hundred bytes can stand for gigabytes, since an alias repeats whatever it names. Whoever prints,
copies or checks such a value writes it out in full.
"""

from __future__ import annotations

from typing import NamedTuple

import yaml

MOST_BYTES = 256 * 2**10
"""Size of a file; the largest that comes with this project has 12 KiB."""
MOST_CHARACTERS = 2**20
"""Length of all values with every alias written out."""
DEEPEST = 40
"""Values inside of one another."""
MOST_ENTRIES = 2_000
"""Length of one list or mapping."""


class YamlTooLargeError(ValueError):
    """A YAML text that is over a limit, which the message names."""


def check_bytes(size: int) -> None:
    """Refuse a text before it is parsed.

    Raises:
        YamlTooLargeError: it is longer than ``MOST_BYTES``.
    """
    if size > MOST_BYTES:
        raise YamlTooLargeError(f"it has more than {MOST_BYTES:,} bytes, and no file of settings is that large")


class _Size(NamedTuple):
    """Size of a value with every alias written out."""

    characters: int
    levels: int


def check_values(root: yaml.Node) -> None:
    """Refuse a parsed text before its values are made.

    Raises:
        YamlTooLargeError: it is over a limit.
    """
    characters = _size(root, {}).characters
    if characters > MOST_CHARACTERS:
        raise YamlTooLargeError(
            f"with its aliases written out it has {characters:,} characters, expected at most {MOST_CHARACTERS:,}"
        )


def check_ends(root: yaml.Node) -> None:
    """Refuse what could be written out without end.

    Raises:
        YamlTooLargeError: a value holds itself.
    """
    _size(root, {}, may_hold_itself=False)


def _size(node: yaml.Node, known: dict[int, _Size | None], may_hold_itself: bool = True) -> _Size:
    """The size of a value; each node is looked into once, however often it is named.

    Args:
        known: by node; None while it is being looked into.
    """
    where = f"line {node.start_mark.line + 1}"
    if id(node) in known:
        found = known[id(node)]
        if found is None and not may_hold_itself:
            raise YamlTooLargeError(f"{where}: a value holds itself by an alias; write it out")
        return found or _Size(0, 0)
    known[id(node)] = None
    if isinstance(node, yaml.ScalarNode):
        made = _Size(len(node.value) + 1, 0)
    else:
        if len(node.value) > MOST_ENTRIES:
            raise YamlTooLargeError(f"{where}: {len(node.value):,} entries, expected at most {MOST_ENTRIES:,}")
        inside = node.value if isinstance(node, yaml.SequenceNode) else [one for pair in node.value for one in pair]
        sizes = [_size(one, known, may_hold_itself) for one in inside]
        made = _Size(2 + sum(one.characters for one in sizes), 1 + max((one.levels for one in sizes), default=0))
        if made.levels > DEEPEST:
            raise YamlTooLargeError(
                f"{where}: its values lie too deep in one another, expected at most {DEEPEST} levels"
            )
    known[id(node)] = made
    return made
