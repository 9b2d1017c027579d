"""Folders of pictures: prompt files, metadata, links."""

from __future__ import annotations

import hashlib
import json
import os
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import Image as ImageFeature
from datasets import load_dataset
from taking_in import png, put, taken

from qreal_tasks.intake.errors import IntakeError

CAFE = "a café by the sea"


def prompts(found: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    return {name: row["prompt"] for name, row in found.items() if row["state"] == "done"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_one_prompt_in_any_encoding_has_one_id(tmp_path: Path, encoding: str) -> None:
    put(tmp_path / "in/0.png", png(0))
    put(tmp_path / "in/0.txt", CAFE)
    put(tmp_path / "in/1.png", png(1))
    put(tmp_path / "in/1.txt", f"{CAFE}\r\n".encode(encoding))
    found = taken(tmp_path / "in", tmp_path / "run")
    assert prompts(found) == {"0.png": CAFE, "1.png": CAFE}
    assert found["0.png"]["prompt_id"] == found["1.png"]["prompt_id"]
    expected = "prompt read as Windows-1252 (1.txt is no UTF-8)" if encoding == "cp1252" else ""
    assert found["1.png"]["note"] == expected


@pytest.mark.parametrize(
    "prompt",
    [
        unicodedata.normalize("NFD", CAFE),
        f"\ufeff{CAFE}",
        f"{CAFE}\u200b",
        "a cafe\u200b\u0301 by the sea",
        f"\u202a{CAFE}\u202c",
        CAFE.upper(),
        CAFE.replace(" ", "  "),
        CAFE.replace(" ", "\u00a0"),
    ],
    ids=ascii,
)
def test_what_a_reader_does_not_see_makes_no_other_prompt(tmp_path: Path, prompt: str) -> None:
    for number, text in enumerate((CAFE, prompt)):
        put(tmp_path / f"in/{number}.png", png(number))
        put(tmp_path / f"in/{number}.txt", text)
    ids = [row["prompt_id"] for row in taken(tmp_path / "in", tmp_path / "run").values()]
    assert ids[0] == ids[1]


def test_a_prompt_of_invisible_characters_is_none(tmp_path: Path) -> None:
    put(tmp_path / "in/0.png", png(0))
    put(tmp_path / "in/0.txt", "\u200b\u2060")
    assert taken(tmp_path / "in", tmp_path / "run")["0.png"]["prompt_id"].startswith("none-")


@pytest.mark.parametrize(
    ("picture", "text"),
    [
        ("x.png", "x.txt"),
        ("x.png", "x.TXT"),
        ("x.png", "x.caption"),
        ("x.png", "x.png.txt"),
        ("x.png", "x.png.caption"),
        ("X.png", "X.TXT"),
        ("X.PNG", "x.txt"),
        pytest.param("é.png", unicodedata.normalize("NFD", "é.txt"), id="name decomposed"),
        ("image (1).png", "image (1).txt"),
    ],
)
def test_prompt_files_of_every_name(tmp_path: Path, picture: str, text: str) -> None:
    put(tmp_path / "in" / picture, png(0))
    put(tmp_path / "in" / text, "A dog.")
    found = taken(tmp_path / "in", tmp_path / "run")
    assert {name: row["prompt"] for name, row in found.items()} == {picture: "A dog."}


def test_which_prompt_file_counts(tmp_path: Path) -> None:
    for number, name in enumerate(("a.png", "A.png", "b.png", "c.png")):
        put(tmp_path / "in" / name, png(number))
    texts = {"a.txt": "lower", "A.txt": "upper", "b.txt": " \n", "b.caption": "not empty", "c.png.txt": "long"}
    for name, text in (*texts.items(), ("c.txt", "short"), ("lonely.txt", "nobody's")):
        put(tmp_path / "in" / name, text)
    found = taken(tmp_path / "in", tmp_path / "run")
    assert prompts(found) == {"a.png": "lower", "A.png": "upper", "b.png": "not empty", "c.png": "short"}
    assert found["c.png"]["note"] == "another prompt passed over (of c.png.txt)"
    assert found["lonely.txt"]["reason"] == "a prompt file: no picture beside it has its name"


def test_a_prompt_file_that_is_no_text_is_said(tmp_path: Path) -> None:
    put(tmp_path / "in/0.png", png(0))
    put(tmp_path / "in/0.txt", bytes(range(256)))
    row = taken(tmp_path / "in", tmp_path / "run")["0.png"]
    assert (row["state"], row["prompt"]) == ("done", "")
    assert row["note"].startswith("prompt file cannot be read (0.txt: no text in UTF-8 or Windows-1252")


def as_metadata(kind: str, path: Path, rows: Sequence[Mapping[str, str]]) -> Path:
    if kind == "jsonl":
        return put(path / "metadata.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(list(rows)), path / "metadata.parquet")
        return path / "metadata.parquet"
    lines = [",".join(f'"{cell}"' for cell in row.values()) for row in rows]
    return put(path / "metadata.csv", "\n".join([",".join(rows[0]), *lines]))


@pytest.mark.slow
@pytest.mark.parametrize("column", ["text", "caption", "prompt", "Text"])
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_metadata_beside_pictures(tmp_path: Path, kind: str, column: str) -> None:
    """As ``datasets`` writes and reads image folders."""
    for number, name in enumerate(("0.png", "sub/1.png", "sub/2.png", "3.png")):
        put(tmp_path / "in" / name, png(number))
    put(tmp_path / "in/3.txt", "of its own")
    put(tmp_path / "in/0.txt", "another one")
    rows = [{"file_name": "0.png", column: "zero"}, {"file_name": "sub/1.png", column: "one"}]
    rows += [{"file_name": "sub\\2.png", column: "two"}, {"file_name": "gone.png", column: "nobody's"}]
    as_metadata(kind, tmp_path / "in", rows)
    found = taken(tmp_path / "in", tmp_path / "run")
    assert prompts(found) == {"0.png": "zero", "sub/1.png": "one", "sub/2.png": "two", "3.png": "of its own"}
    assert found["0.png"]["note"].startswith("another prompt passed over")
    assert found["3.png"]["note"] == f"no row of metadata names the picture (metadata.{kind})"
    assert found["sub/1.png"]["generator"] == "sub"
    gone = found[f"metadata.{kind} row 3, gone.png"]
    looked_for = (tmp_path / "in/gone.png").resolve()
    assert (gone["state"], gone["reason"]) == ("rejected", f"no such file: looked for {looked_for}")
    assert len(found) == 5


def test_metadata_of_subfolders_is_relative_to_itself(tmp_path: Path) -> None:
    for number, split in enumerate(("train", "test")):
        put(tmp_path / "in" / split / "0.png", png(number))
        rows = [{"file_name": "0.png", "prompt": split, "generator": f"g{number}", "prompt_id": f"p{number}"}]
        as_metadata("jsonl", tmp_path / "in" / split, rows)
    found = taken(tmp_path / "in", tmp_path / "run")
    assert prompts(found) == {"test/0.png": "test", "train/0.png": "train"}
    assert (found["train/0.png"]["generator"], found["train/0.png"]["prompt_id"]) == ("g0", "p0")


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("", "the row names no picture"),
        ("https://example.org/0.png", "addresses are not fetched"),
        ("../outside.png", "is hidden or lies outside of it"),
        (".hidden.png", "is hidden or lies outside of it"),
        ("/nowhere/0.png", "no such file: looked for /nowhere/0.png"),
        ("0.png", "named twice: metadata.jsonl has a row before this one"),
    ],
)
def test_rows_of_metadata_that_name_no_picture(tmp_path: Path, cell: str, reason: str) -> None:
    for number, name in enumerate(("in/0.png", "in/.hidden.png", "outside.png")):
        put(tmp_path / name, png(number))
    as_metadata("jsonl", tmp_path / "in", [{"file_name": "0.png"}, {"file_name": cell}])
    found = taken(tmp_path / "in", tmp_path / "run")
    (result,) = (row["reason"] for row in found.values() if row["state"] == "rejected")
    assert reason in result


def test_metadata_that_is_not_read_is_said(tmp_path: Path) -> None:
    for folder in ("two", "other", "pictures"):
        put(tmp_path / "in" / folder / "0.png", png(len(folder)))
    as_metadata("csv", tmp_path / "in/two", [{"file_name": "0.png", "text": "of csv"}])
    as_metadata("jsonl", tmp_path / "in/two", [{"file_name": "0.png", "text": "of jsonl"}])
    as_metadata("csv", tmp_path / "in/other", [{"id": "1", "label": "dog"}])
    pq.write_table(pa.table({"image": [png(9)]}), tmp_path / "in/pictures/metadata.parquet")
    found = taken(tmp_path / "in", tmp_path / "run")
    assert found["two/0.png"]["prompt"] == "of jsonl"
    assert "metadata.jsonl beside it counts" in found["two/metadata.csv"]["reason"]
    assert "no column 'file_name', found id, label" in found["other/metadata.csv"]["reason"]
    assert "give this file in place" in found["pictures/metadata.parquet"]["reason"]


@pytest.mark.parametrize("name", ["train-00000.parquet", "rows.CSV", "rows.tsv", "captions.jsonl"])
def test_a_table_among_pictures_is_no_picture(tmp_path: Path, name: str) -> None:
    put(tmp_path / "in/0.png", png(0))
    put(tmp_path / "in" / name, "image,prompt\n0.png,a dog\n")
    found = taken(tmp_path / "in", tmp_path / "run")
    assert found["0.png"]["state"] == "done"
    assert found[name]["reason"] == "a table, no picture: give this file in place of the folder"


def test_damaged_metadata_stops(tmp_path: Path) -> None:
    put(tmp_path / "in/0.png", png(0))
    put(tmp_path / "in/metadata.jsonl", '{"file_name": "0.png"}\n{"file_name"\n')
    with pytest.raises(IntakeError, match=r"metadata\.jsonl, line 2: "):
        taken(tmp_path / "in", tmp_path / "run")


def test_folders_behind_links_are_read_once_each(tmp_path: Path) -> None:
    put(tmp_path / "in/sdxl/0.png", png(0))
    put(tmp_path / "elsewhere/1.png", png(1))
    put(tmp_path / "elsewhere/deep/2.png", png(2))
    put(tmp_path / "elsewhere/1.txt", "A dog.")
    links = {"flux": "../elsewhere", "again": "sdxl", "zoo": "../elsewhere/deep", "sdxl/loop": "..", "self": "self"}
    for name, target in links.items():
        os.symlink(target, tmp_path / "in" / name)
    os.symlink("/nowhere/at/all.png", tmp_path / "in/broken.png")
    found = taken(tmp_path / "in", tmp_path / "run")
    assert prompts(found) == {"sdxl/0.png": "", "flux/1.png": "A dog.", "flux/deep/2.png": ""}
    assert found["flux/deep/2.png"]["generator"] == "flux"
    reasons = {name: row["reason"] for name, row in found.items() if row["state"] == "rejected"}
    assert reasons.pop("broken.png").startswith("no such file: looked for ")
    assert "symbolic links" in reasons.pop("self")
    assert reasons == {
        "again": "a folder that is read already: it is sdxl",
        "zoo": "a folder that is read already: it is flux/deep",
        "sdxl/loop": "a folder that is read already: it is the folder itself",
    }


def test_two_folders_that_link_to_each_other_end(tmp_path: Path) -> None:
    for number, (name, target) in enumerate((("a", "b"), ("b", "a"))):
        put(tmp_path / name / f"{number}.png", png(number))
        os.symlink(tmp_path / target, tmp_path / name / "other")
    assert set(prompts(taken(tmp_path / "a", tmp_path / "run"))) == {"0.png", "other/1.png"}


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    put(tmp_path / "in/0.png", png(0))
    os.mkfifo(tmp_path / "in/pipe.png")
    found = taken(tmp_path / "in", tmp_path / "run")
    assert found["pipe.png"]["reason"].startswith("the file is a named pipe, expected a file: ")


@pytest.mark.parametrize("first", ["bare", "told"])
def test_of_equal_pictures_the_one_with_a_prompt_is_kept(tmp_path: Path, first: str) -> None:
    order = ["bare", "told"] if first == "bare" else ["told", "bare"]
    for place, name in enumerate(order):
        put(tmp_path / f"in/{place} {name}.png", png(0))
        if name == "told":
            put(tmp_path / f"in/{place} told.txt", "A dog.")
    put(tmp_path / "in/9 told.png", png(0))
    put(tmp_path / "in/9 told.txt", "A later one.")
    found = taken(tmp_path / "in", tmp_path / "run", images_per_shard=1)
    kept = f"{order.index('told')} told.png"
    assert prompts(found) == {kept: "A dog."}
    assert {row["reason"] for row in found.values()} == {"", f"the same pixels as {kept}"}


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_pictures_and_prompts_are_those_that_datasets_reads(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    for number, name in enumerate(("0.png", "sub/1.png", "sub/deep/2.png")):
        put(tmp_path / "in" / name, png(number))
    rows = [{"file_name": "0.png", "text": "zero, é"}, {"file_name": "./sub/1.png", "text": "one"}]
    as_metadata(kind, tmp_path / "in", [*rows, {"file_name": "sub/../sub/deep/2.png", "text": "two"}])
    loaded = load_dataset("imagefolder", data_dir=str(tmp_path / "in"), split="train")
    theirs = {
        hashlib.sha256(Path(row["image"]["path"]).read_bytes()).hexdigest()[:20]: row["text"]
        for row in loaded.cast_column("image", ImageFeature(decode=False))
    }
    ours = {row["image_id"]: row["prompt"] for row in taken(tmp_path / "in", tmp_path / "run").values()}
    assert ours == theirs
