"""Drawing into a folder: reproducible to the byte, in the schema, and never over somebody's files."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from contact_sheet import draw_contact_sheet

from qreal_tasks.dataset.schema import CONFIGS, FEATURES, SPLITS
from qreal_tasks.mini.prompts import MIN_IMAGES
from qreal_tasks.mini.write import draw_mini

_DRAW = "import sys, pathlib, qreal_tasks.mini.write as w; w.draw_mini(pathlib.Path(sys.argv[1]), 20, seed=7)"


def digests(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_same_seed_gives_the_same_bytes_in_other_processes(small_set: Path, tmp_path: Path) -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", _DRAW, str(tmp_path / hash_seed)],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
        )
        for hash_seed in ("1", "271828")
    ]
    assert [run.wait() for run in runs] == [0, 0]
    assert digests(tmp_path / "1") == digests(tmp_path / "271828") == digests(small_set)


def test_another_seed_gives_other_images(small_set: Path, tmp_path: Path) -> None:
    other = digests(draw_mini(tmp_path / "other", 20, seed=8).folder)
    same = digests(small_set)
    assert other.keys() == same.keys()
    assert [name for name in same if same[name] == other[name]] == []


@pytest.mark.parametrize("config", CONFIGS)
def test_datasets_loads_it_with_exactly_the_schema(small_set: Path, tmp_path: Path, config: str) -> None:
    from datasets import load_dataset

    loaded = load_dataset(str(small_set), config, cache_dir=str(tmp_path))
    assert set(loaded) == set(SPLITS)
    for split in SPLITS:
        assert loaded[split].features == FEATURES[config]
        row = loaded[split][0]
        assert row["image"].size == (row["width"], row["height"])
        assert row["image"].mode == "RGB"
        assert len({row["is_portrait"] for row in loaded[split]}) == 2, f"{split} lacks a kind of image"


def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(FileExistsError, match="not empty"):
        draw_mini(tmp_path, 20, seed=0)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"images": MIN_IMAGES - 1}, "at least 20"),
        ({"images": 20, "portrait_share": 0.0}, "portrait_share is 0.0"),
        ({"images": 20, "test_share": 1.0}, "test_share is 1.0"),
        ({"images": 20, "workers": 0}, "workers is 0"),
    ],
)
def test_arguments_are_checked_before_anything_is_written(
    tmp_path: Path, arguments: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        draw_mini(tmp_path / "set", seed=0, **arguments)
    assert not (tmp_path / "set").exists()


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, qreal_tasks.mini; print([m for m in ('PIL', 'numpy', 'pyarrow') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_contact_sheet_shows_the_images_asked_for(small_set: Path, tmp_path: Path) -> None:
    from PIL import Image

    draw_contact_sheet(small_set, tmp_path / "a.png", columns=3, images=3)
    draw_contact_sheet(small_set, tmp_path / "b.png", columns=3, images=4)
    one, two = Image.open(tmp_path / "a.png"), Image.open(tmp_path / "b.png")
    assert one.width == two.width
    assert two.height - one.height > 2 * 224, "the fourth image needs a second line"
