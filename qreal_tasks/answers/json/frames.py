"""Values, open lists and open objects of a text that is read as JSON, and what becomes of keys that come again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class LooseJson:
    """The values of a text, in order."""

    values: list[Any]
    truncated: bool
    """The text ends inside a value."""
    cut_object: bool
    """That value is, or is inside, an object. What it had finished is kept as a list, so it is not taken for
    whole."""
    spans: list[tuple[int, int]]
    """Where each of ``values`` begins and ends in the text."""


class Pieces(list[Any]):
    """An object in which a key came again: the objects that it stands for, a new one where a key of the current one
    comes again."""


class Cut(list[Any]):
    """What was finished of an object or a list that the text ends in."""


@dataclass
class OpenValue:
    """An open list or object."""

    value: list[Any] | dict[str, Any]
    start: int = 0
    paren: bool = False
    implied: bool = False
    """No bracket opened it: a field of an entity stood in the text by itself."""
    key: str | None = None
    after_colon: bool = False
    done: list[Any] = field(default_factory=list)
    """Objects that this one also stands for, before the current ``value``."""

    def put(self, key: str, item: Any) -> None:
        """Add a field, to a new object where the current one has such a key with something else; a list that comes
        twice in a row under one key is one."""
        assert isinstance(self.value, dict)
        may_repeat = isinstance(item, str) or (isinstance(item, list) and next(reversed(self.value), None) == key)
        if key in self.value and not (may_repeat and self.value[key] == item):
            self.done.append(self.value)
            self.value = {}
        self.value[key] = item

    def put_beside(self, objects: list[Any]) -> None:
        """Add objects that stand among the fields of this one: it has lost the brace that closes it."""
        self.done += [self.value, *objects] if self.value else objects
        self.value = {}

    def whole(self) -> list[Any] | dict[str, Any]:
        if not self.done:
            return self.value
        return Pieces([*self.done, *([self.value] if self.value else [])])


def build_object(pairs: Sequence[tuple[str, Any]]) -> list[Any] | dict[str, Any]:
    """The object of these pairs, or its ``Pieces``."""
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    frame = OpenValue({})
    for key, item in pairs:
        frame.put(key, item)
    return frame.whole()
