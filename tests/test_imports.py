"""Which module may import which, read from the sources: imports in functions and for types count as others do."""

from __future__ import annotations

import ast
import importlib
from collections import defaultdict
from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LAYERS = (
    ("text",),
    ("boxes", "files", "shipped"),
    ("benchmark", "tables", "shards"),
    ("records", "subtasks", "images", "console", "pages"),
    ("leaf_tasks", "steps"),
    ("answers", "metrics"),
    ("dataset",),
    ("samples", "mini"),
    ("llm",),
    ("models",),
    ("prompt_files", "results", "intake"),
    ("predictions",),
    ("report",),
    ("judge",),
    ("leaderboard", "api"),
    ("screening",),
    ("harness",),
    ("demo", "tour", "reproduce"),
    ("commands",),
    ("cli",),
)
"""The parts of ``qreal_tasks``, from the ground up: each imports only what is in lines above its own."""


def _imports(source: str) -> set[str]:
    """Names of modules, and of what may be modules, that a source imports."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, "a relative import, expected the full name"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def _read_sources() -> dict[str, set[str]]:
    """Module to all that it imports."""
    paths = [path for package in ("qreal_tasks", "training", "annotation") for path in (ROOT / package).rglob("*.py")]
    assert len(paths) > 300
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}
    return {name: _imports(path.read_text(encoding="utf-8")) for name, path in names.items()}


IMPORTS = _read_sources()


def _parents(name: str) -> list[str]:
    """The name and the packages around it.

    >>> _parents("a.b.c")
    ['a.b.c', 'a.b', 'a']
    """
    parts = name.split(".")
    return [".".join(parts[:end]) for end in range(len(parts), 0, -1)]


def _loaded(imports: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Module to the modules of this project that its imports run: what is named, and the ``__init__`` of each package
    around it but for those that are around the module itself."""
    loaded: defaultdict[str, set[str]] = defaultdict(set)
    for module, names in imports.items():
        for name in names:
            loaded[module] |= {one for one in _parents(name) if one in imports} - {*_parents(module)}
    return loaded


def _part(module: str) -> str:
    """The part of ``qreal_tasks`` that a module belongs to."""
    return f"{module}..".split(".")[1]


def test_the_helpers_of_this_test_see_every_kind_of_import() -> None:
    source = "import a.b\nfrom c import d\ndef f():\n    from e.f import g\nif TYPE_CHECKING:\n    import h\n"
    assert _imports(source) == {"a.b", "c.d", "e.f.g", "h"}
    imports = {"p": {"p.a.x"}, "p.a": set(), "p.a.x": {"p.a.NAME", "p.b.y.NAME"}, "p.b": set(), "p.b.y": {"p.a"}}
    assert _loaded(imports) == {"p": {"p.a", "p.a.x"}, "p.a.x": {"p.b", "p.b.y"}, "p.b.y": {"p.a"}}


@pytest.mark.slow
def test_every_module_can_be_imported() -> None:
    """Those of the benchmarks and those that tests share too; the ones without a doctest are imported by nothing else.
    When all tests are run, this process is a fork of one that has imported the most."""
    others = [path.stem for name in ("benchmarks", "support") for path in (ROOT / "tests" / name).glob("*.py")]
    assert len(others) > 50
    for name in (*IMPORTS, *others):
        if not name.endswith("__main__"):
            importlib.import_module(name)


def test_no_module_imports_itself_by_way_of_others() -> None:
    try:
        TopologicalSorter(_loaded(IMPORTS)).prepare()
    except CycleError as error:
        raise AssertionError(" <- ".join(error.args[1])) from None


def test_annotation_and_training_use_qreal_tasks_and_nothing_else_crosses() -> None:
    allowed = {("annotation", "qreal_tasks"), ("training", "qreal_tasks")}
    crossing = {
        (module, name)
        for module, names in IMPORTS.items()
        for name in names
        if (pair := (_parents(module)[-1], _parents(name)[-1])) not in allowed
        and pair[0] != pair[1]
        and pair[1] in ("qreal_tasks", "training", "annotation")
    }
    assert not crossing


def test_parts_of_qreal_tasks_use_only_those_below_them() -> None:
    heights = {part: height for height, parts in enumerate(LAYERS) for part in parts}
    parts = {_part(module) for module in IMPORTS if module.startswith("qreal_tasks.")}
    assert parts == set(heights), "a new part needs a line in LAYERS"
    upward = {
        (module, name)
        for module, names in _loaded(IMPORTS).items()
        for name in names
        if module.startswith("qreal_tasks.") and name.startswith("qreal_tasks.") and _part(module) != _part(name)
        if heights[_part(name)] >= heights[_part(module)]
    }
    assert not upward


def test_metrics_and_answers_are_numpy_and_the_standard_library() -> None:
    outside = {"torch", "transformers", "datasets", "lmms_eval", "openai", "aiohttp", "pydantic", "typer"}
    found = {
        (module, name)
        for module, names in IMPORTS.items()
        if _part(module) in ("answers", "metrics") and module.startswith("qreal_tasks.")
        for name in names
        if _parents(name)[-1] in outside
    }
    assert not found


def test_only_the_harness_imports_lmms_eval() -> None:
    found = {module for module, names in IMPORTS.items() if any(_parents(name)[-1] == "lmms_eval" for name in names)}
    assert found
    assert all(module.startswith("qreal_tasks.harness.") for module in found), found


def test_reports_never_ask_a_judge() -> None:
    found = {
        (module, name)
        for module, names in IMPORTS.items()
        if module.startswith(("qreal_tasks.report", "qreal_tasks.results", "qreal_tasks.pages"))
        for name in names
        if name.startswith(("qreal_tasks.judge", "qreal_tasks.llm", "openai", "aiohttp"))
    }
    assert not found
