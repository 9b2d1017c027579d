"""``import qreal_tasks`` costs nothing, and has everything that ``docs/python.md`` names."""

from __future__ import annotations

import subprocess
import sys

import pytest

import qreal_tasks as qreal

HEAVY = {"torch", "transformers", "lmms_eval", "scipy", "numpy", "pandas", "datasets", "pydantic", "openai", "aiohttp"}


def loaded_after(code: str) -> set[str]:
    """Which of the heavy libraries a fresh Python has loaded behind some code."""
    program = f"{code}\nimport sys\nprint(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return HEAVY.intersection(done.stdout.split())


def test_the_import_loads_no_library() -> None:
    assert loaded_after("import qreal_tasks") == set()


def test_runs_and_comparisons_need_no_library_before_they_are_called() -> None:
    assert loaded_after("from qreal_tasks import ask, compare, load_run, Model, score") == set()


def test_every_name_is_there() -> None:
    for name in qreal.__all__:
        assert getattr(qreal, name) is not None
        assert name in dir(qreal)


def test_another_name_is_none_of_ours() -> None:
    with pytest.raises(AttributeError, match="no attribute 'load_runs'"):
        qreal.load_runs  # noqa: B018
