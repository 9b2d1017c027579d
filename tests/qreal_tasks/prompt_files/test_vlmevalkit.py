"""The TSV files hold against the rules of VLMEvalKit's loader, as ``docs/other-harnesses.md`` writes them down."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import Image
from refusing import qreal
from small_set import small_rows, write_hub_layout

from qreal_tasks.dataset.loading import load_split
from qreal_tasks.dataset.source import locate
from qreal_tasks.harness import hooks
from qreal_tasks.leaf_tasks import TASKS
from qreal_tasks.prompt_files import vlmevalkit
from qreal_tasks.prompt_files.prompt_id import parse_prompt_id

LONGEST_REFERENCE = 64
"""Characters of ``image`` up to which the kit takes it for the index of another row."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hub_layout(tmp_path_factory.mktemp("data"), small_rows())


def export(data: Path, folder: Path, *arguments: str) -> list[Path]:
    status, result = qreal("data", "export-vlmevalkit", data, folder, *arguments)
    assert status == 0, result
    return sorted(folder.iterdir())


def load_as_the_kit(path: Path) -> pd.DataFrame:
    """Load a file by the rules for a name that the kit does not know, and refuse what breaks one of them."""
    assert path.suffix == ".tsv"
    assert path.stat().st_size <= 2**30, "the kit would write its pictures out as JPEG"
    assert "openended" in path.stem.lower(), "its type would be multiple choice"
    assert "VIDEO" not in path.stem.upper()
    assert path.stem.replace("_", "").isalnum(), "the name is also that of a folder and in that of the results"
    table = pd.read_csv(path, sep="\t")
    assert "question" in table
    assert not {"A", "B"} <= set(table.columns), "it would be asked as multiple choice"
    assert not table.isna().any().any()
    indices = [str(one) for one in table["index"]]
    assert len(set(indices)) == len(indices)
    assert pd.api.types.is_integer_dtype(table["index"])
    pictures = dict(zip(indices, map(str, table["image"]), strict=True))
    for index, held in pictures.items():
        if len(held) <= LONGEST_REFERENCE:
            assert len(pictures[held]) > LONGEST_REFERENCE, f"row {index} refers to no picture"
            pictures[index] = pictures[held]
    table["image"] = [pictures[index] for index in indices]
    by_path = table.groupby("image_path")["image"].nunique()
    assert by_path.max() == 1, "a file that is there is not written again"
    assert not table["image_path"].str.contains(r"[/\\[\]]").any(), "a list in brackets would be several pictures"
    return table


def row_of(data: Path, prompt_id: Any) -> dict[str, Any]:
    half, _ = TASKS[prompt_id.task]
    key = "entity_id" if half == "objectqa" else "image_id"
    rows = load_split(locate(str(data)), half, "test")
    return next(row for row in rows if row[key] == prompt_id.sample_id)


def test_the_kit_asks_every_prompt_about_every_pixel(data: Path, tmp_path: Path) -> None:
    paths = export(data, tmp_path / "kit")
    assert [path.stem.rsplit("_", 1)[0] for path in paths] == ["QReal_ImageQA_openended", "QReal_ObjectQA_openended"]
    asked: list[str] = []
    for path in paths:
        for line in load_as_the_kit(path).to_dict("records"):
            prompt_id = parse_prompt_id(line["id"])
            assert prompt_id is not None
            row, name = row_of(data, prompt_id), TASKS[prompt_id.task][1]
            assert line["question"] == getattr(hooks, f"text_{name}")(row)
            picture = Image.open(io.BytesIO(base64.b64decode(line["image"])))
            expected = hooks.visual(row)[0]
            assert (picture.mode, picture.size) == ("RGB", expected.size)
            assert picture.tobytes() == expected.tobytes()
            asked.append(line["id"])
    assert len(asked) == len(set(asked)) == 6 * 6 + 3 * 2 + 1


def test_a_picture_is_stored_once(data: Path, tmp_path: Path) -> None:
    for path in export(data, tmp_path / "kit"):
        table = pd.read_csv(path, sep="\t", dtype=str)
        stored = table["image"][table["image"].str.len() > LONGEST_REFERENCE]
        assert len(stored) == table["image_path"].nunique() < len(table)


def test_other_pictures_or_words_have_another_name(data: Path, tmp_path: Path) -> None:
    """The kit keeps the pictures of a name, and shows them again under that name whatever the file holds."""
    rows = small_rows()
    for split in rows["imageqa"].values():
        for row in split:
            row["image"] = split[0]["image"]
    other = write_hub_layout(tmp_path / "other", rows)
    names = [
        {path.stem for path in export(where, tmp_path / f"kit{number}", *arguments)}
        for number, (where, arguments) in enumerate(
            [(data, ()), (data, ()), (data, ("--prompts", "paper")), (data, ("--box-space", "unit")), (other, ())]
        )
    ]
    assert names[0] == names[1]
    changed = [len(one - names[0]) for one in names[2:]]
    assert changed == [2, 1, 1]


def test_what_would_be_too_large_for_the_kit_is_several_files(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = export(data, tmp_path / "whole", "--only", "realism_q1", "--only", "realism_q2")
    monkeypatch.setattr(vlmevalkit, "MOST_BYTES", 4_000)
    parts = export(data, tmp_path / "parts", "--only", "realism_q1", "--only", "realism_q2")
    assert len(parts) > 1
    tables = [load_as_the_kit(path) for path in parts]
    assert all(path.stat().st_size <= 4_000 for path in parts)
    ids = [one for table in tables for one in table["id"]]
    assert sorted(ids) == sorted(load_as_the_kit(whole[0])["id"])


def test_a_folder_that_is_not_empty_is_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    status, result = qreal("data", "export-vlmevalkit", data, tmp_path)
    assert status == 1
    assert "is not empty" in result
    assert [one.name for one in tmp_path.iterdir()] == ["mine.txt"]
