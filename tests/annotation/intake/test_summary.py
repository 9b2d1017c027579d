"""What ``init`` says at its end."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from taking_in import begin, noise, png, put
from typer.testing import CliRunner

from annotation.commands import annotate_app
from annotation.intake.summary import IntakeSummary
from qreal_tasks.intake.reasons import reason_kind

CONFIG = 'language_model: {model: m, base_url: "http://127.0.0.1:9/v1"}\n'


def result(images: Path, run: Path) -> list[str]:
    config = put(run.parent / "config.yaml", CONFIG)
    called = CliRunner().invoke(annotate_app, ["init", str(images), str(run), "--config", str(config)])
    assert called.exit_code == 0, called.output
    return str(called.output).splitlines()


def test_everything_is_counted(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    for number in range(6):
        put(folder / f"sdxl/{number}.png", png(number))
    for number in range(3):
        put(folder / f"sdxl/{number}.txt", "café".encode("cp1252"))
    put(folder / "sdxl/3.txt", "a dog")
    put(folder / "7.png", png(7))
    put(folder / "again.png", png(7))
    wide = io.BytesIO()
    noise(8).save(wide, "AVIF")
    put(folder / "8.avif", wide.getvalue())
    for number in range(2):
        put(folder / f"empty {number}.png", b"")
    put(folder / "small.png", b"no")
    lines = result(folder, tmp_path / "run")
    at = lines.index("12 inputs: 8 accepted, 3 rejected, 1 duplicate")
    counted = lines[at + 1 : -1]
    assert counted[:2] == ["  2 rejected: the file is empty", "  1 rejected: no picture"]
    assert counted[2].startswith("  4 of 8 images without a prompt: ")
    assert counted[3].startswith("  2 of 8 images without a generator: ")
    assert counted[4:] == ["  3 images: prompt read as Windows-1252", "  1 image: AVIF stored as PNG"]
    assert lines[-1] == f"Next: qreal annotate run {tmp_path / 'run'} --dry-run"


def test_nothing_is_said_of_what_is_not_lacking(tmp_path: Path) -> None:
    put(tmp_path / "in/sdxl/0.png", png(0))
    put(tmp_path / "in/sdxl/0.txt", "a dog")
    assert list(IntakeSummary(begin(tmp_path / "in", tmp_path / "run")).list_counts()) == ["1 input: 1 accepted"]


def test_many_are_not_all_named_and_names_are_cut(tmp_path: Path) -> None:
    put(tmp_path / "0.png", png(0))
    cells = "\n".join(["0.png", *("x" * 30_000 + str(number) for number in range(25)), "new\tline.png"])
    put(tmp_path / "t.csv", f"image\n{cells}\n")
    named = list(IntakeSummary(begin(tmp_path / "t.csv", tmp_path / "run")).list_rejected())
    assert len(named) == 21
    assert named[-1] == f"… and 6 more; {tmp_path / 'run' / 'manifest.parquet'} has them all"
    assert max(map(len, named)) < 700


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("the file is empty (0 bytes)", "the file is empty"),
        ("no picture (36 bytes, b'{\"file_n'…), expected PNG", "no picture"),
        ("too small: 20 x 400 px, expected sides of at least 32", "too small"),
        ("no such file: looked for /a (1)/b.png", "no such file"),
        ("the row names no picture", "the row names no picture"),
    ],
)
def test_kinds_of_reasons(reason: str, kind: str) -> None:
    assert reason_kind(reason) == kind
