"""Installs Label Studio into an environment of its own: it pins libraries that this project needs in other versions.

``QREAL_LABEL_STUDIO`` names an installed ``label-studio`` program instead.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

from annotation.errors import AnnotationError
from qreal_tasks.console.terminal import echo
from qreal_tasks.files.atomic import new_folder
from qreal_tasks.files.user_cache import cache_path

VERSION = "1.23.2"
ENVIRONMENT = "QREAL_LABEL_STUDIO"


def default_environment() -> Path:
    """The folder that it is installed into unless told otherwise; 800 MB."""
    return cache_path(f"label-studio-{VERSION}", ENVIRONMENT)


def find_or_install(folder: Path | None = None) -> Path:
    """Find the program, or install it on the first use.

    Raises:
        AnnotationError: the named program is not there, or the installation fails; the message says why.
    """
    if named := os.environ.get(ENVIRONMENT):
        if not Path(named).is_file():
            raise AnnotationError(f"{ENVIRONMENT}={named}: there is no such program")
        return Path(named).resolve()
    folder = folder or default_environment()
    program = folder.resolve() / "bin" / "label-studio"
    if not program.is_file():
        _install(folder)
    return program


def _install(folder: Path) -> None:
    """Install into a folder that is there whole or not at all. uv's environments may be moved if they are made for
    it."""
    pinned = resources.files("annotation.label_studio") / "label-studio.txt"
    with new_folder(folder) as beside, resources.as_file(pinned) as requirements:
        _uv("venv", "--quiet", "--relocatable", "--python", sys.executable, str(beside))
        _uv("pip", "install", "--quiet", "--python", str(beside / "bin" / "python"), "-r", str(requirements))


def _uv(*arguments: str) -> None:
    beside = Path(sys.executable).with_name("uv")
    program = shutil.which("uv") or (str(beside) if beside.is_file() else None)
    if program is None:
        raise AnnotationError(
            f"Label Studio {VERSION} gets an environment of its own through uv, which is not here: `pip install uv`, "
            f"or install label-studio=={VERSION} yourself and name its program in {ENVIRONMENT}"
        )
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise AnnotationError(f"Label Studio cannot be installed: {done.stderr.strip()[-600:]}")


if __name__ == "__main__":  # the tests' Makefile target
    echo(find_or_install(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
