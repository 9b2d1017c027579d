"""What a built wheel holds."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from configparser import ConfigParser
from pathlib import Path

import yaml

from qreal_tasks import __version__

ROOT = Path(__file__).parents[1]
PACKAGES = ("qreal_tasks", "training", "annotation")


def test_a_wheel_holds_every_file_of_the_packages_and_the_entry_points(tmp_path: Path) -> None:
    source, target = tmp_path / "source", tmp_path / "wheel"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    backend = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]["build-backend"]
    code = f"import sys; from {backend} import build_wheel; build_wheel(sys.argv[1])"
    built = subprocess.run(
        [sys.executable, "-c", code, str(target)], cwd=source, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    with zipfile.ZipFile(next(target.glob("*.whl"))) as wheel:
        packed = set(wheel.namelist())
        entry_points = wheel.read(next(name for name in packed if name.endswith("entry_points.txt"))).decode()
    expected = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert expected - packed == set(), "name them in setup.cfg, package_data"
    assert {f"{package}/py.typed" for package in PACKAGES} <= packed
    assert packed - expected == {name for name in packed if ".dist-info/" in name}
    assert "[qreal.commands]" in entry_points


def test_a_release_has_one_version_and_its_pythons_are_tested() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == __version__
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert any(line.startswith("## ") and __version__ in line for line in changes.splitlines())
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    named = [line.rpartition(":: ")[2] for line in setup["metadata"]["classifiers"].splitlines() if ":: 3." in line]
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python"] == named
    assert setup["options"]["python_requires"] == f">={named[0]}"
