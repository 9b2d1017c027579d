"""``qreal data check`` as people run it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from qreal_tasks.cli import app
from qreal_tasks.dataset.check import check_dataset
from qreal_tasks.dataset.schema import SPLITS
from qreal_tasks.dataset.source import locate


def _run(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["data", "check", *map(str, arguments)])


@pytest.mark.slow
def test_mini_is_without_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path)
    done = _run("mini")
    assert (done.exit_code, done.output) == (0, "mini: no problem found\n"), "no bars where there is no terminal"
    for split in SPLITS:
        assert check_dataset(locate("mini"), (split,)) == []


def test_problems_are_listed_and_summed_up(small_dataset: Callable[..., Path]) -> None:
    def spoil(rows: Any) -> None:
        rows["objectqa"]["test"].pop(2)
        rows["imageqa"]["test"][0]["width"] = 9
        rows["imageqa"]["test"][2]["width"] = 9

    folder = small_dataset(spoil)
    done = _run(folder, "--most", 2)
    assert done.exit_code == 1
    assert "imageqa/test row 0, img2: image is 100 x 80 px but width and height say 9 x 80" in done.output
    assert "… and 1 more; --most 3 prints all" in done.output
    assert "3 problems (size: 2, entity without crop: 1)" in done.output


@pytest.mark.parametrize("splits", [("train",), ("test",)])
def test_one_split_alone_is_not_blamed_for_the_other(
    splits: tuple[str, ...], small_dataset: Callable[..., Path]
) -> None:
    def spoil(rows: Any) -> None:
        other = "train" if splits == ("test",) else "test"
        rows["imageqa"][other][0]["width"] = 9

    assert check_dataset(locate(str(small_dataset(spoil))), splits) == []
