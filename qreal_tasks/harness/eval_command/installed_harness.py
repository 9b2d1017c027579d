"""Backends and options of the installed lmms-eval, read from its source: importing it takes many seconds.

None stands for what cannot be told from the source; then the harness itself decides.
"""

from __future__ import annotations

import argparse
import ast
import os
from collections.abc import Iterator
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

from qreal_tasks.harness.backend_arguments import ARGUMENTS

_LISTS = ("AVAILABLE_SIMPLE_MODELS", "AVAILABLE_CHAT_TEMPLATE_MODELS", "MODEL_ALIASES")
_PLUGINS = "lmms_eval.models"
"""Group of entry points by which packages add backends."""
_OURS = "qreal_tasks.harness.plugin"
_TYPES = {"str": str, "int": int, "float": float}


def read_backend_names() -> frozenset[str] | None:
    """Every ``--model`` there can be; None when a package of others may add some, which only it can tell."""
    if os.environ.get("LMMS_EVAL_PLUGINS") or any(one.module != _OURS for one in entry_points(group=_PLUGINS)):
        return None
    try:
        found = {name: value for name, value in _assigned(_source("models/__init__.py")) if name in _LISTS}
        lists = [ast.literal_eval(found[name]) for name in _LISTS]
    except (OSError, ValueError, SyntaxError, KeyError):
        return None
    aliases = [alias for names in lists[2].values() for alias in names]
    return frozenset([*ARGUMENTS, *lists[0], *lists[1], *aliases])


def build_parser() -> argparse.ArgumentParser | None:
    """The command line of ``lmms-eval eval``, as far as its options, types and choices are plain in the source."""
    made = _Parser(add_help=False, allow_abbrev=False)  # what is abbreviated would not be seen here
    try:
        functions = [node for node in _source("__main__.py").body if isinstance(node, ast.FunctionDef)]
        parsing = next(node for node in functions if node.name == "parse_eval_args")
        for call in _calls(parsing, "add_argument"):
            made.add_argument(*map(ast.literal_eval, call.args), **_settings(call))
    except (OSError, ValueError, SyntaxError, TypeError, StopIteration, argparse.ArgumentError):
        return None
    return made


class _Parser(argparse.ArgumentParser):
    """Argument parser that raises a ValueError where others end the program."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def _source(name: str) -> ast.Module:
    spec = find_spec("lmms_eval")
    if spec is None or spec.origin is None:
        raise OSError("lmms-eval is not installed")
    return ast.parse((Path(spec.origin).parent / name).read_text(encoding="utf-8"))


def _assigned(module: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """Names and values of the assignments of a module."""
    for node in module.body:
        if isinstance(node, ast.Assign):
            yield from ((target.id, node.value) for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, node.value


def _calls(function: ast.FunctionDef, method: str) -> Iterator[ast.Call]:
    for node in ast.walk(function):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == method:
            yield node


def _settings(call: ast.Call) -> dict[str, Any]:
    """What decides which values an option takes; a type that is a function of the harness's own checks nothing here."""
    found: dict[str, Any] = {}
    for keyword in call.keywords:
        if keyword.arg in ("action", "choices", "nargs", "dest", "const"):
            found[keyword.arg] = ast.literal_eval(keyword.value)
        elif keyword.arg == "type" and isinstance(keyword.value, ast.Name):
            found["type"] = _TYPES.get(keyword.value.id, str)
    return found
