"""What the images of a run are, by the name that is given."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from qreal_tasks.intake.settings import IntakeSettings
from qreal_tasks.screening.run.sources import DatasetSource, open_images


def test_mini_is_the_embedded_set_and_a_folder_of_that_name_is_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mini").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "mini" / "own.png")
    monkeypatch.chdir(tmp_path)
    assert isinstance(open_images("mini", IntakeSettings()), DatasetSource)
    assert [one.name for one in open_images("./mini", IntakeSettings()).listing()] == ["own.png"]
