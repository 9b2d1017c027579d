"""Which images of a dataset a run takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from datasets import Dataset, DatasetDict
from PIL import Image
from small_set import small_rows, write_hub_layout

from qreal_tasks.dataset.schema import FEATURES
from qreal_tasks.intake.errors import IntakeError
from qreal_tasks.screening.run.settings import ScreeningIntake
from qreal_tasks.screening.run.sources import DatasetSource, open_images

pytestmark = pytest.mark.slow  # loads datasets


def _write_saved(folder: Path) -> Path:
    for config, splits in small_rows().items():
        saved = {split: Dataset.from_list(rows, features=FEATURES[config]) for split, rows in splits.items()}
        DatasetDict(saved).save_to_disk(str(folder / config))
    return folder


@pytest.mark.parametrize("write", [lambda path: write_hub_layout(path, small_rows()), _write_saved])
def test_all_splits_are_taken_unless_some_are_named(tmp_path: Path, write: Callable[[Path], Path]) -> None:
    folder = str(write(tmp_path / "set"))
    ids = {split: [row["image_id"] for row in rows] for split, rows in small_rows()["imageqa"].items()}

    def listed(split: str = ScreeningIntake().split) -> list[str]:
        return [one.name for one in open_images(folder, ScreeningIntake(split=split)).listing()]

    assert listed() == [*ids["train"], *ids["test"]]
    assert listed(split="test") == ids["test"]
    assert listed(split="test+train") == [*ids["test"], *ids["train"]]
    with pytest.raises(IntakeError, match="validation"):
        listed(split="validation")


def test_mini_is_the_embedded_set_and_a_folder_of_that_name_is_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mini").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "mini" / "own.png")
    monkeypatch.chdir(tmp_path)
    assert isinstance(open_images("mini", ScreeningIntake()), DatasetSource)
    assert [one.name for one in open_images("./mini", ScreeningIntake()).listing()] == ["own.png"]
