"""Recipes: YAML files of a training run's keys, what they extend, and how the command line changes them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qreal_tasks.files.yaml_files import NOTHING, Document, Written, YamlError, parse, read
from qreal_tasks.files.yaml_models import validate
from training.config import ConfigError, TrainConfig

NEEDED = "NEEDED"
"""Stands in a recipe where only its user knows the value."""


def load_recipe(path: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """Read a YAML file, the one it ``extends`` below it, and put the command line's ``key=value`` above both.

    Raises:
        ConfigError: a file cannot be read, a key is unknown or a value is wrong.
    """
    recipe = _lay_over(parse_overrides(overrides), _read(path))
    return parse_config(recipe.content, str(path), recipe.written)


def parse_config(values: Mapping[str, Any], where: str, written: Written = NOTHING) -> TrainConfig:
    """The config of these values.

    Args:
        values: keys and values.
        where: what they come from, for messages.
        written: how they stand in their files.

    Raises:
        ConfigError: a key is unknown (the nearest one is named) or a value is wrong.
    """
    return validate(Document(values, written), TrainConfig, where, ConfigError)


def check_complete(config: TrainConfig, recipe: Path) -> None:
    """Refuse a recipe whose user has left out what only they know.

    Raises:
        ConfigError: names the keys, and for a first try the commands that make a model and data.
    """
    if config.model == NEEDED:
        from qreal_tasks.dataset.source import ENVIRONMENT  # takes seconds

        keys = "model=…" if config.data or os.environ.get(ENVIRONMENT) else "model=… data=…"
        raise ConfigError(
            f"{recipe}: this recipe needs {keys} behind it. For a try, `python -m qreal_tasks.models.tiny "
            "runs/learner` writes a tiny model and `qreal mini runs/mini --images 500` draws data: then "
            f"`qreal train {recipe} model=runs/learner data=runs/mini`"
        )
    if config.adapter == NEEDED:
        raise ConfigError(
            f"{recipe}: this recipe needs adapter=… behind it, the final/ of the run that it goes on from, for "
            "instance adapter=runs/train/objectqa-…/final"
        )


def parse_overrides(given: Sequence[str]) -> Document:
    """Parse ``key=value`` and ``section.key=value`` arguments, each value as YAML.

    >>> parse_overrides(["lora.r=16", "packing=false"]).content
    {'lora': {'r': 16}, 'packing': False}

    Raises:
        ConfigError: an argument has another form.
    """
    values: dict[str, Any] = {}
    written = NOTHING
    for argument in given:
        key, equals, value = argument.removeprefix("--").partition("=")
        if not equals or not key:
            raise ConfigError(f"argument {argument!r}: expected key=value, for instance lora.r=16")
        place = values
        *sections, last = key.split(".")
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise ConfigError(f"argument {argument!r}: {section} has been given a value of its own")
        try:
            document = parse(value, tuple(key.split(".")))
        except YamlError as error:
            raise ConfigError(f"argument {argument!r}: the value {error}") from None
        place[last] = document.content
        written = document.written.over(written)
    return Document(values, written)


def _read(path: Path, above: tuple[Path, ...] = ()) -> Document:
    if path.resolve() in above:
        raise ConfigError(f"{path}: extends itself, by way of {' and '.join(map(str, above))}")
    document = read(path, error=ConfigError)
    if document.content is None:
        raise ConfigError(f"{path}: is empty, expected keys and values, at least task and model")
    if not isinstance(document.content, dict) or not all(isinstance(key, str) for key in document.content):
        raise ConfigError(f"{path}: holds {str(document.content)[:60]!r}, expected keys and values")
    below = document.content.pop("extends", None)
    if below is None:
        return document
    if not isinstance(below, str):
        raise ConfigError(f"{path}: extends is {below!r}, expected the name of a file")
    return _lay_over(document, _read(path.parent / below, (*above, path.resolve())))


def _lay_over(above: Document, below: Document) -> Document:
    return Document(_merge(below.content, above.content), above.written.over(below.written))


def _merge(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
    return merged
