"""``init_run``: names, sources, duplicates, manifest, and being interrupted."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from pathlib import Path

import pytest
from annotating import config_for
from datasets import ClassLabel, Dataset, Features, Value
from datasets import Image as ImageFeature
from PIL import Image
from refusing import at_every_moment
from taking_in import begin, manifest, png

from annotation.errors import AnnotationError
from annotation.execution.driver import Watcher, init_run
from annotation.intake.start import prepare_run
from annotation.run.folder import LOCK, RunFolder
from qreal_tasks.files.locks import hold_lock
from qreal_tasks.intake.errors import IntakeError
from qreal_tasks.shards import parquet_files as shards
from qreal_tasks.shards.executors import ExecutorOptions

ODD_NAMES = [
    "with space.png",
    "quote'and\"double.png",
    "木の絵.png",
    "صورة.png",
    "naïve é.png",
    "[brackets] *? {x}.png",
    "semi;colon & $dollar.png",
    "new\nline.png",
    "-dash.png",
    "#1%20.png",
]


def test_names_of_every_kind(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number, name in enumerate(ODD_NAMES):
        (folder / name).write_bytes(png(number))
    raw = os.fsencode(folder) + b"/latin-\xe9.png"
    with open(raw, "wb") as file:
        file.write(png(99))
    run = begin(folder, tmp_path / "run")
    rows = manifest(run)
    assert set(rows) == {*ODD_NAMES, "latin-\\xe9.png"}
    assert {row["state"] for row in rows.values()} == {"done"}
    assert [picture.content for shard in run.shard_numbers for picture in run.pictures(shard)][-1]


def test_generators_and_prompts_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    for number, path in enumerate(("a/1.png", "a/deep/2.png", "b/3.jpeg", "4.png")):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(png(number))
    (folder / "a/1.txt").write_text(" A dog. \n", encoding="utf-8")
    (folder / "b/3.txt").write_text("", encoding="utf-8")
    (folder / "alone.txt").write_text("no picture beside it")
    (folder / ".hidden.png").write_bytes(b"x")
    rows = manifest(begin(folder, tmp_path / "run"))
    assert {name: row["generator"] for name, row in rows.items()} == {
        "a/1.png": "a",
        "a/deep/2.png": "a",
        "b/3.jpeg": "b",
        "4.png": "unknown",
        "alone.txt": "unknown",
    }
    assert rows["a/1.png"]["prompt"] == "A dog."
    assert rows["alone.txt"]["state"] == "rejected"
    # Images without a prompt do not share a prompt_id: a split by prompt would tie them together.
    without = [rows[name] for name in ("a/deep/2.png", "b/3.jpeg", "4.png")]
    assert len({row["prompt_id"] for row in without}) == 3
    assert all(row["prompt_id"] == f"none-{row['image_id']}" for row in without)


def test_one_prompt_has_one_id(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number, prompt in enumerate(["A dog  in rain.", "a DOG in rain.\n", "A cat."]):
        (folder / f"{number}.png").write_bytes(png(number))
        (folder / f"{number}.txt").write_text(prompt)
    ids = [row["prompt_id"] for row in manifest(begin(folder, tmp_path / "run")).values()]
    assert ids[0] == ids[1] != ids[2]


def test_rejected_and_duplicate_inputs_are_in_the_manifest_and_go_no_further(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "1.png").write_bytes(png(1))
    (folder / "2 the same file.png").write_bytes(png(1))
    with Image.open(io.BytesIO(png(1))) as image:
        image.save(folder / "3 the same pixels.bmp")
    (folder / "4.png").write_bytes(png(4))
    (folder / "5 empty.png").write_bytes(b"")
    (folder / "6 cut.png").write_bytes(png(6)[:800])
    (folder / "7.csv").write_text("a,b\n")
    run = begin(folder, tmp_path / "run", images_per_shard=2)
    states = {name: (row["state"], row["reason"]) for name, row in manifest(run).items()}
    assert states["1.png"] == states["4.png"] == ("done", "")
    assert states["2 the same file.png"] == ("duplicate", "the same pixels as 1.png")
    assert states["3 the same pixels.bmp"] == ("duplicate", "the same pixels as 1.png")
    assert states["5 empty.png"] == ("rejected", "the file is empty (0 bytes)")
    assert states["6 cut.png"][0] == states["7.csv"][0] == "rejected"
    assert [picture.name for shard in run.shard_numbers for picture in run.pictures(shard)] == ["1.png", "4.png"]


def in_table(kind: str, folder: Path, rows: list[dict[str, str]]) -> Path:
    path = folder / f"table.{kind}"
    if kind == "csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
    elif kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        Dataset.from_list(rows).to_parquet(str(path))
    return path


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_tables_of_paths(tmp_path: Path, kind: str) -> None:
    (tmp_path / "sub dir").mkdir()
    rows = []
    for number in range(5):
        path = f"sub dir/{number}, é.png"
        (tmp_path / path).write_bytes(png(number))
        rows.append({"image": path, "prompt": f'A, "{number}"', "generator": "g", "prompt_id": f"p{number}"})
    rows.append({"image": "gone.png", "prompt": "", "generator": "", "prompt_id": ""})
    found = manifest(begin(in_table(kind, tmp_path, rows), tmp_path / "run", images_per_shard=2))
    assert [found[row["image"]]["prompt_id"] for row in rows[:5]] == [f"p{number}" for number in range(5)]
    assert found["sub dir/3, é.png"]["prompt"] == 'A, "3"'
    assert (found["gone.png"]["state"], found["gone.png"]["reason"]) == (
        "rejected",
        f"no such file: looked for {tmp_path.resolve() / 'gone.png'}",
    )


def test_half_a_surrogate_pair_in_a_table(tmp_path: Path) -> None:
    """JSON can spell what UTF-8 cannot."""
    (tmp_path / "a.png").write_bytes(png(1))
    rows = [{"image": "a.png", "prompt": "dog \ud800"}, {"image": "b\ud800.png"}]
    table = tmp_path / "table.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = manifest(begin(table, tmp_path / "run"))
    assert (found["a.png"]["state"], found["a.png"]["prompt"]) == ("done", "dog ?")
    assert found["b?.png"]["state"] == "rejected"


def embedded(folder: Path, image: object) -> Path:
    rows = [{"image": {"bytes": png(n), "path": f"{n}.png"}, "prompt": f"p {n}"} for n in range(5)]
    features = Features({"image": image, "prompt": Value("string")})
    path = folder / "set" / "train-00000.parquet"
    path.parent.mkdir()
    Dataset.from_list(rows, features=features).to_parquet(str(path))
    return path


@pytest.mark.parametrize("image", [ImageFeature(), {"bytes": Value("binary"), "path": Value("string")}])
def test_parquet_with_pictures_in_it(tmp_path: Path, image: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    run = begin(embedded(tmp_path, image), tmp_path / "run", images_per_shard=2)
    assert [picture.content for shard in run.shard_numbers for picture in run.pictures(shard)] == [
        png(number) for number in range(5)
    ]
    assert [row["prompt"] for row in manifest(run).values()] == [f"p {number}" for number in range(5)]


def test_generators_that_are_classes_have_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The numbers of classes mean nothing outside of the set. The hub is stood in for by a folder."""
    from qreal_tasks.intake.settings import IntakeSettings
    from qreal_tasks.intake.table import HubSource

    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    rows = [{"image": {"bytes": png(n), "path": None}, "generator": n} for n in range(2)]
    features = Features({"image": ImageFeature(), "generator": ClassLabel(names=["sdxl", "flux"])})
    path = tmp_path / "org/set/train-00000.parquet"
    path.parent.mkdir(parents=True)
    Dataset.from_list(rows, features=features).to_parquet(str(path))
    assert [row["generator"] for row in manifest(begin(path, tmp_path / "run")).values()] == ["sdxl", "flux"]
    assert [one.generator for one in HubSource("org/set", IntakeSettings()).listing()] == ["sdxl", "flux"]


def test_a_set_as_the_hub_gives_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaded by the library itself; the hub is stood in for by a folder, since tests have no network."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    embedded(tmp_path, ImageFeature())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org").mkdir()
    (tmp_path / "set").rename(tmp_path / "org" / "set")
    from qreal_tasks.intake.settings import IntakeSettings
    from qreal_tasks.intake.table import HubSource

    source = HubSource("org/set", IntakeSettings())
    listed = list(source.listing())
    assert [one.prompt for one in listed] == [f"p {number}" for number in range(5)]
    assert list(source.read([listed[3].locator, listed[0].locator])) == [png(3), png(0)]


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ("missing folder", "no such folder or file"),
        ("empty", "holds no file or row"),
        ("note.md", "neither a folder nor a table"),
        ("bad.jsonl", "bad.jsonl, line 2"),
        ("other.csv", "no column 'image', found picture; name it in intake.columns.image"),
        ("broken.parquet", "cannot be read"),
    ],
)
def test_inputs_that_cannot_be_listed(tmp_path: Path, images: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "note.md").write_text("x")
    (tmp_path / "bad.jsonl").write_text('{"image": "a.png"}\n{"image": \n')
    (tmp_path / "other.csv").write_text("picture\na.png\n")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    with pytest.raises((AnnotationError, IntakeError), match=message):
        begin(tmp_path / images, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_another_run_or_config_is_not_written_over(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.png").write_bytes(png(1))
    begin(tmp_path / "one", tmp_path / "run")
    begin(tmp_path / "one", tmp_path / "run")  # again: goes on, does nothing
    with pytest.raises(AnnotationError, match=r"is a run of .*one; give another folder for .*two"):
        begin(tmp_path / "two", tmp_path / "run")
    with pytest.raises(AnnotationError, match="begun with another config"):
        begin(tmp_path / "one", tmp_path / "run", images_per_shard=3)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("x")
    with pytest.raises(AnnotationError, match="is not empty and no run"):
        begin(tmp_path / "one", tmp_path / "taken")


def test_an_interrupted_init_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(9):
        (folder / f"{number}.png").write_bytes(png(number))

    class Killed(BaseException):
        pass

    done: list[int] = []

    def stop(stage: str, shard: int) -> None:
        done.append(shard)
        if len(done) == 2:
            raise Killed

    config = config_for("http://127.0.0.1:9/v1", images_per_shard=2)
    with pytest.raises(Killed):
        init_run(str(folder), tmp_path / "run", config, ExecutorOptions(), Watcher(shard=stop))
    assert not (tmp_path / "run" / "manifest.parquet").exists()
    with pytest.raises(AnnotationError, match="intake is not finished"):
        RunFolder(tmp_path / "run").pictures(0)
    run = init_run(str(folder), tmp_path / "run", config, ExecutorOptions(), Watcher(shard=stop))
    assert done == [0, 1, 2, 3, 4]
    assert len(manifest(run)) == 9


def test_a_listing_of_an_earlier_version_is_taken_up(tmp_path: Path) -> None:
    """It has neither notes nor problems."""
    folder, path = tmp_path / "images", tmp_path / "run"
    folder.mkdir()
    (folder / "0.png").write_bytes(png(0))
    config = config_for("http://127.0.0.1:9/v1")
    run = prepare_run(str(folder), path, config)
    listing = shards.read_table(run.listing_path).drop_columns(["note", "problem"])
    shards.write_table(run.listing_path, listing, shards.read_recipe(run.listing_path) or "")
    assert manifest(begin(folder, path))["0.png"]["state"] == "done"


def test_an_init_that_was_killed_at_any_moment_is_taken_up(tmp_path: Path) -> None:
    folder, path, killed = tmp_path / "images", tmp_path / "here" / "run", tmp_path / "killed"
    folder.mkdir()
    (folder / "0.png").write_bytes(png(0))
    config = config_for("http://127.0.0.1:9/v1")
    moments = 0

    def look() -> None:
        nonlocal moments
        moments += 1
        if path.exists():
            shutil.copytree(path, killed / str(moments))

    with at_every_moment(look):
        run = prepare_run(str(folder), path, config)
    assert any(one.name.endswith(".new") for one in killed.rglob("*")), "no kill left anything: this proves nothing"
    for left in killed.iterdir():
        again = prepare_run(str(folder), left, config)
        assert again.run_id == run.run_id
        assert again.config == config


def test_a_second_init_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    folder, path = tmp_path / "images", tmp_path / "run"
    folder.mkdir()
    path.mkdir()
    (folder / "0.png").write_bytes(png(0))
    with (
        hold_lock(path / LOCK),
        pytest.raises(AnnotationError, match=r"another program works on .*run; let it end first"),
    ):
        prepare_run(str(folder), path, config_for("http://127.0.0.1:9/v1"))
    assert list(path.iterdir()) == []
