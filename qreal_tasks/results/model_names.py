"""What the models of runs are called: their own names, which the arguments of a backend hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from qreal_tasks.results.predicted import PREDICTIONS_BACKEND
from qreal_tasks.results.run_folder import Run
from qreal_tasks.text.addresses import last_name, shown
from qreal_tasks.text.one_line import one_line

_MODEL_KEYS = ("pretrained", "model_version", "model", "model_name", "model_id", "path")
"""Arguments that name a model, in the harness's backends and in ours."""
_ADAPTER_KEYS = ("adapter", "peft")
_SHORT = 40
"""Characters of a short name, so that it heads a column."""


def split_arguments(given: object) -> dict[str, str]:
    """The arguments of a backend by name, as a results file holds them: a mapping, or ``name=value,name=value``.

    >>> split_arguments("pretrained=org/name,dtype=bfloat16")
    {'pretrained': 'org/name', 'dtype': 'bfloat16'}
    """
    if isinstance(given, Mapping):
        return {str(key): str(value) for key, value in given.items() if value is not None}
    pairs = (part.partition("=") for part in str(given or "").split(",") if part)
    return {key.strip(): value.strip() for key, _, value in pairs}


def find_model(backend: str, arguments: Mapping[str, str]) -> tuple[str, str | None]:
    """The model and the adapter over it, as they were given; the backend's name where no argument names a model."""
    model = next((arguments[key] for key in _MODEL_KEYS if arguments.get(key)), backend)
    return model, next((arguments[key] for key in _ADAPTER_KEYS if arguments.get(key)), None)


def name_model(run: Run) -> str:
    """The model's name with that of its adapter, without where they lie: ``org/model + adapter``."""
    model, adapter = _find_parts(run)
    return " + ".join(shown(part) for part in (model, adapter) if part)


def name_runs(runs: Sequence[Run]) -> tuple[str, ...]:
    """A short name for each run, all different: the model's, without its organisation.

    Runs of models that are called alike have the name of their folder behind it, ``mini (first)``, or a number where
    the folders are called alike too.
    """
    short = [_shorten(run) for run in runs]
    alike = {name for name, count in Counter(short).items() if count > 1}
    names = list(short)
    for name in alike:
        places = [place for place, one in enumerate(short) if one == name]
        for place, mark in zip(places, _tell_apart([runs[place].results_path for place in places]), strict=True):
            names[place] = f"{name} ({mark})"
    if len(set(names)) < len(names):  # a model that is called as another one with its folder
        names = [f"{name} ({place})" for place, name in enumerate(short, start=1)]
    return tuple(names)


def _find_parts(run: Run) -> tuple[str, str | None]:
    if run.model == PREDICTIONS_BACKEND:  # the one argument is a name that somebody typed, commas and all
        return run.model_args.removeprefix("model=") or run.model, None
    return find_model(run.model, split_arguments(run.model_args))


def _shorten(run: Run) -> str:
    model, adapter = _find_parts(run)
    written = model if run.model == PREDICTIONS_BACKEND else last_name(model)
    return one_line(" + ".join([written, *([last_name(adapter)] if adapter else [])]), _SHORT) or run.model[:_SHORT]


def _tell_apart(paths: Sequence[Path]) -> list[str]:
    """For each of these files the name of the nearest folder around it that no other one has, else its number."""
    for depth in range(min(len(path.parents) for path in paths)):
        found = [one_line(path.parents[depth].name, _SHORT) for path in paths]
        if all(found) and len(set(found)) == len(found):
            return found
    return [str(number) for number in range(1, len(paths) + 1)]
