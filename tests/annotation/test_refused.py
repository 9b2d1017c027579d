"""Commands of annotation on a full disk and without permission: one line with the file, and what was there stays."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from annotating import config_for, write_pictures
from refusing import refused
from verified_run import write_verified_run

from annotation.config import dump_config

COMMANDS: dict[str, tuple[str, str]] = {
    # command, and the file or folder that its line names
    "config of a run": ("init {at}/pictures {out}/new --config {at}/config.yaml", "out/new"),
    "shards": ("run {out}/run --stage drafts --stage imageqa", "out/run"),
    "page": ("preview {out}/run", "out/run/preview.html"),
    "merged votes": ("verify merge {out}/run --no-combine", "out/run/verification"),
    "report on agreement": ("verify report {out}/run", "out/run/verification"),
    "list of people": (
        "verify start {out}/run --url http://127.0.0.1:9 --token t --media-url http://127.0.0.1:9",
        "out/run/verification",
    ),
    "published set": ("publish {out}/run {out}/set", "/out/"),
}


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A merged run of a few images, pictures that are none yet, and a config."""
    folder = tmp_path_factory.mktemp("made")
    run = write_verified_run(folder, 8)
    shutil.rmtree(run.path / "verification" / "media", ignore_errors=True)
    write_pictures(folder / "pictures", 2)
    (folder / "config.yaml").write_text(dump_config(config_for("http://127.0.0.1:9/v1")))
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("refusing", ["no room", "no permission"])
@pytest.mark.parametrize("command", COMMANDS)
def test_a_refused_command_says_it_in_a_line_and_leaves_what_was_there(
    command: str, refusing: str, at: Path, tmp_path: Path
) -> None:
    words, named = COMMANDS[command]
    out = tmp_path / "out"
    shutil.copytree(at / "run", out / "run")
    line = refused(refusing, out, "annotate", *(word.format(at=at, out=out) for word in words.split()))
    assert named in line
    assert ".new" not in line
