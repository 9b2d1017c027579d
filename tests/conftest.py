"""What several test modules share: an offline environment, and a small dataset written through the real library."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Generator
from pathlib import Path

import pytest
from _pytest.doctest import DoctestModule

os.environ.update(HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1", WANDB_MODE="disabled", NO_COLOR="1")
os.environ.setdefault("QREAL_TESTS_OWNER", str(os.getpid()))  # workers of pytest-xdist inherit it

import preloaded
from small_set import Rows, small_rows, write_hub_layout

SLOW_FIXTURES = {"browser", "chain", "models", "redrawn", "small_set", "tiny_model"}
"""Fixtures that start a program, draw a data set or write a model."""

_SLOW_FILE = re.compile(r"^pytestmark = (\[[^]]*)?pytest\.mark\.(slow|harness)\b", re.MULTILINE)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """``-m "not slow"`` does not even import a file that is slow as a whole, since its libraries take longest."""
    if config.option.markexpr != "not slow" or not collection_path.match("test_*.py"):
        return None
    return True if _SLOW_FILE.search(collection_path.read_text(encoding="utf-8")) else None


class _Doctests:
    """Passes over the files without a doctest, six of seven: to look for one takes longer than to read them. That all
    can be imported is a test of its own."""

    @pytest.hookimpl(wrapper=True)
    def pytest_collect_file(self, file_path: Path) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
        found = yield
        has_some = file_path.suffix != ".py" or ">>>" in file_path.read_text(encoding="utf-8")
        return [one for one in found if has_some or not isinstance(one, DoctestModule)]


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Doctests())  # of a conftest's own hooks only those for its folder are called


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of the harness and those with a slow fixture are slow; their files come first, lest a worker end alone, and
    before them the files that are slow as a whole."""
    for item in items:
        if item.get_closest_marker("harness") or not SLOW_FIXTURES.isdisjoint(getattr(item, "fixturenames", ())):
            item.add_marker("slow")
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    wholly = {path for path in slow if _SLOW_FILE.search(path.read_text(encoding="utf-8"))}
    items.sort(key=lambda item: (item.path not in wholly, item.path not in slow))


@pytest.hookimpl(wrapper=True)
def pytest_sessionstart(session: pytest.Session) -> Generator[None, object, object]:
    """When all tests are run, the workers that are started here are forks of the process that has all imported."""
    config = session.config
    all_tests = config.args_source is pytest.Config.ArgsSource.TESTPATHS and not config.option.markexpr
    with pytest.MonkeyPatch.context() as patch:
        if all_tests and getattr(config.option, "numprocesses", None):
            patch.setenv(preloaded.WORKER, "1")
            patch.setattr(subprocess, "Popen", preloaded.Popen)
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Programs that tests of the harness start are forks of a process that has it imported; not so with ``console``."""
    with pytest.MonkeyPatch.context() as patch:
        if item.get_closest_marker("harness") and not item.get_closest_marker("console"):
            patch.setattr(subprocess, "Popen", preloaded.Popen)
        return (yield)


def pytest_unconfigure() -> None:
    if os.environ[preloaded.OWNER] == str(os.getpid()):
        preloaded.stop()


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the user's dataset or box space, nor a Pillow that another library told to pass over damage."""
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", False)
    monkeypatch.delenv("QREAL_DATA", raising=False)
    monkeypatch.delenv("QREAL_BOX_SPACE", raising=False)
    monkeypatch.delenv("QREAL_REASONING_MARKS", raising=False)


@pytest.fixture
def small_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Write ``small_rows()``, changed by the function given, and return the folder."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")

    def write(change: Callable[[Rows], None] | None = None) -> Path:
        rows = small_rows()
        if change:
            change(rows)
        return write_hub_layout(tmp_path / "dataset", rows)

    return write
