"""Names in double backticks are those of the code."""

from __future__ import annotations

import ast
import itertools
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
SOURCES = [path for package in ("qreal_tasks", "training", "annotation") for path in (ROOT / package).rglob("*.py")]
SUFFIXES = ("py", "yaml", "json", "jsonl", "csv", "html", "md", "parquet", "sqlite", "j2", "css")
LIBRARIES = ("json", "model", "metadata", "parts", "record")
"""Modules of others, objects and keys that share a name with one of ours."""
NAMED = re.compile(r"``((?:[a-z_][a-z0-9_]*\.)+[A-Za-z_]\w*)``")


def _defined(tree: ast.Module) -> set[str]:
    """Every name that a module defines or takes, at any depth."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
    return found


def test_names_of_modules_and_what_they_define_exist() -> None:
    """``module.name`` names something in a module of that name, and ``qreal_tasks.…`` a module or something in it."""
    texts = {path: path.read_text(encoding="utf-8") for path in SOURCES}
    inside: dict[str, set[str]] = defaultdict(set)
    children: dict[str, set[str]] = defaultdict(set)
    modules: set[str] = set()
    for path, text in texts.items():
        parts = path.relative_to(ROOT).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        modules.add(".".join(parts))
        inside[parts[-1]] |= _defined(ast.parse(text))
        for parent, child in itertools.pairwise(parts):
            children[parent].add(child)
    checked, wrong = 0, []
    for path, text in texts.items():
        for name in NAMED.findall(text):
            *_, module, last = name.split(".")
            full = name.startswith(("qreal_tasks.", "training.", "annotation."))
            if (module not in inside and not full) or last in SUFFIXES or module in LIBRARIES:
                continue  # of a library, a file, or an attribute
            checked += 1
            if name not in modules and last not in inside.get(module, set()) | children.get(module, set()):
                wrong.append(f"{path.relative_to(ROOT)}: {name}")
    assert checked > 50
    assert not wrong, "\n".join(wrong)
