"""YAML files that people write, as pydantic models, with messages that say how to write what was meant.

Numbers and dates are taken as they stand in the file where text is expected; of everything else that YAML reads in a
way nobody meant, the message says how to write it.
"""

from __future__ import annotations

import datetime
import difflib
import math
import re
from collections.abc import Iterator
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from qreal_tasks.files.yaml_files import Document, Place, WrittenValues, YamlError, read_yaml

_M = TypeVar("_M", bound=BaseModel)
_MOST_SHOWN = 200
"""Characters of a value in a message."""
_MOST_FAULTS = 20
"""Faults of one file that a message names."""
_ALIKE = 0.6
"""From which an unknown field counts as a mistyped one, in the measure of ``difflib``."""


def load_yaml(file: Path | Traversable, model: type[_M], name: str = "", error: type[Exception] = YamlError) -> _M:
    """Read a file and check it; arguments as ``read_yaml``.

    Raises:
        YamlError: it cannot be read, or a field is not as expected; the message names all of them.
    """
    return validate(read_yaml(file, name, error), model, name or str(file), error)


def validate(document: Document, model: type[_M], name: str, error: type[Exception] = YamlError) -> _M:
    """Check a document against a model; one without content has no fields.

    Args:
        name: of the document in messages.
        error: what is raised.

    Raises:
        YamlError: fields are not as expected; the message names all of them.
    """
    content = {} if document.content is None else document.content
    try:
        try:
            return model.model_validate(content)
        except ValidationError as first:
            return model.model_validate(_with_texts(content, first, document.written))
    except ValidationError as fault:
        raise error(f"{name}: {_explain(fault, model, document.written)}") from None


def _with_texts(content: Any, error: ValidationError, written: WrittenValues) -> Any:
    """The content with numbers and dates as they are written where text is expected."""
    for one in error.errors():
        if one["type"] == "string_type" and _is_number_or_date(one["input"]):
            place = _without_tags(content, one["loc"])
            content = _with(content, place, written.at(place) or str(one["input"]))
    return content


def _explain(error: ValidationError, model: type[BaseModel], written: WrittenValues) -> str:
    """What is wrong, in a line: the place of every value, what was found, what was expected and, where YAML read
    something else than stands there, how to write it.

    Args:
        model: that the content was checked against; names the field that a mistyped one was meant to be.
        written: how the values stand in their files.
    """
    faults = error.errors()
    lines = [_explain_fault(one, model, written) for one in faults[:_MOST_FAULTS]]
    more = [f"and {len(faults) - _MOST_FAULTS} more"] if len(faults) > _MOST_FAULTS else []
    return "; ".join(lines + more)


def field_names(model: type[BaseModel], prefix: str = "") -> list[str]:
    """The fields of a model and of the models in it, as ``lora.r``."""
    names = []
    for name, field in model.model_fields.items():
        names.append(prefix + name)
        for inside in _models_in(field.annotation):
            names += field_names(inside, f"{prefix}{name}.")
    return names


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models of a type: itself, or what a list or an alternative holds."""
    if parts := get_args(annotation):
        for part in parts:
            yield from _models_in(part)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation


def _explain_fault(error: ErrorDetails, model: type[BaseModel], written: WrittenValues) -> str:
    place = ".".join(map(str, error["loc"])) or "the file"
    message = str(error["msg"]).removeprefix("Value error, ")
    if error["type"] == "missing":
        return f"{place} is missing"
    if error["type"] == "extra_forbidden":
        return _explain_unknown(place, field_names(model))
    if error["type"] == "value_error":  # names itself what may be shown: a rejected address may hold a key
        return f"{place}: {message}" if error["loc"] else message
    text = written.at(error["loc"])
    if error["input"] is None and text == "":
        return f"{place} has no value; give one, or leave the key out"
    if error["type"] in ("model_type", "dict_type"):
        message = "expected keys and values" + ("" if error["loc"] else f": {', '.join(model.model_fields)}")
    shown = repr(error["input"])
    shown = shown if len(shown) <= _MOST_SHOWN else f"{shown[:_MOST_SHOWN]}…"
    return f"{place} is {shown}: {message}{_hint(error, text)}"


def _explain_unknown(place: str, known: list[str]) -> str:
    """An unknown field, with the one that is meant or else all there are; ``rank`` may be meant for ``lora.r``."""
    names = (place, place.rpartition(".")[2])
    known = [one for one in known if not place.startswith(f"{one}.")]
    found = [one for name in names for one in difflib.get_close_matches(name, known, n=1, cutoff=_ALIKE)]
    return f"{place} is no field; " + (f"did you mean {found[0]}?" if found else f"the fields are {', '.join(known)}")


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
