"""A published run: what stands in it, what opens it, and what is refused."""

from __future__ import annotations

import errno
import io
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from datasets import Image as ImageFeature
from datasets import load_dataset
from PIL import Image
from refusing import at_every_moment, tree
from typed import present
from typer.testing import CliRunner
from verified_run import as_drafted, cast, merge_run, write_verified_run, write_voted_run

from annotation.commands import annotate_app
from annotation.errors import AnnotationError
from annotation.merging.forms import DraftForm, load_forms
from annotation.publish.checksums import check_checksums
from annotation.publish.config import PublishConfig, load_publish_config
from annotation.publish.publish import PublishOptions, PublishResult, publish
from annotation.publish.writer import SplitWriter
from annotation.run.folder import RunFolder
from qreal_tasks.benchmark import ANSWERS, QUESTION_NAMES, QUESTIONS, parts_description
from qreal_tasks.cli import app
from qreal_tasks.dataset.schema import FEATURES, SPLITS

pytestmark = pytest.mark.slow

SCENES = 60


def result(place: int, drafted: DraftForm, who: str) -> dict[str, Any] | None:
    """Entity 0 is dropped; 1 gets another box, label and answer; 2 another text by one."""
    found: dict[str, Any] = dict(drafted.answers)
    x1, y1, x2, y2 = drafted.bbox_px
    if place == 0:
        return {"drop": "unclear"}
    if place == 1:
        found |= {"bbox_px": (x1, y1, x1 + (x2 - x1) / 2, y2), "label": "half a thing", "plausibility_q3": "Yes"}
        found["plausibility"] = "It floats."
    if place == 2 and who == "ben":
        found["realism"] = "Ben's own words."
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return write_verified_run(tmp_path_factory.mktemp("verified"), SCENES, result)


@pytest.fixture(scope="module")
def done(run: RunFolder, tmp_path_factory: pytest.TempPathFactory) -> PublishResult:
    return publish(run, tmp_path_factory.mktemp("published") / "set", PublishOptions())


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


def rows_of(folder: Path, config: str, split: str | None = None) -> list[dict[str, Any]]:
    paths = sorted((folder / "data" / config).glob(f"{split or '*'}-*.parquet"))
    return [row for path in paths for row in pq.read_table(path, partitioning=None).to_pylist()]


def test_it_opens_with_datasets_pandas_and_duckdb(done: PublishResult) -> None:
    for config, features in FEATURES.items():
        for split in SPLITS:
            expected = len(rows_of(done.folder, config, split))
            loaded = load_dataset(str(done.folder), config, split=split)
            assert (loaded.features, len(loaded)) == (features, expected)
            pattern = str(done.folder / "data" / config / f"{split}-*.parquet")
            assert len(pd.concat(map(pd.read_parquet, Path(pattern).parent.glob(f"{split}-*")))) == expected
            assert present(duckdb.sql(f"SELECT count(*) FROM '{pattern}'")).fetchall() == [(expected,)]
    no_art = duckdb.sql(f"SELECT label FROM '{done.folder}/data/objectqa/*.parquet' WHERE realism_q1 = 0")
    labels = present(no_art).fetchall()
    assert len(labels) == sum(row["realism_q1"] == 0 for row in rows_of(done.folder, "objectqa"))
    votes = load_dataset(str(done.folder), "annotations", split="train")
    assert votes[1]["votes"][0]["annotator"] == "annotator_1"


def test_the_projects_own_check_finds_nothing(done: PublishResult) -> None:
    checked = CliRunner().invoke(app, ["data", "check", str(done.folder)])
    assert checked.exit_code == 0, checked.output
    info = CliRunner().invoke(app, ["data", "info", str(done.folder)])
    entities = sum(tally.entities for tally in done.splits.values())
    assert info.exit_code == 0, info.output
    assert str(entities * 8 * 3) in info.output


def test_images_are_the_bytes_of_the_inputs_and_crops_lose_nothing(run: RunFolder, done: PublishResult) -> None:
    inputs = {path.read_bytes() for path in Path(run.images).rglob("*.png")}
    images = {row["image_id"]: row for row in rows_of(done.folder, "imageqa")}
    assert {row["image"]["bytes"] for row in images.values()} <= inputs
    for row in rows_of(done.folder, "objectqa"):
        whole = np.asarray(Image.open(io.BytesIO(images[row["image_id"]]["image"]["bytes"])).convert("RGB"))
        crop = np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])))
        x1, y1 = (int(np.floor(side)) for side in row["bbox"][:2])
        assert (crop == whole[y1 : y1 + row["height"], x1 : x1 + row["width"]]).all(), row["entity_id"]


def test_what_people_decided_stands_in_both_configs(run: RunFolder, done: PublishResult) -> None:
    forms = list(load_forms(run).values())
    crops = {row["entity_id"]: row for row in rows_of(done.folder, "objectqa")}
    listed = {entity["entity_id"]: entity for row in rows_of(done.folder, "imageqa") for entity in row["entities"]}
    assert crops.keys() == listed.keys() == {form.entity_id for form in forms[1:]}
    changed = forms[1]
    for rows in (crops, listed):
        row = rows[changed.entity_id]
        assert (row["label"], ANSWERS[row["plausibility_q3"]]) == ("half a thing", "Yes")
        # A portrait: what people wrote stands beside the parts that they left.
        assert row["plausibility_description"] == f"{parts_description(changed.parts or {})} It floats."
        assert row["bbox"][2] == pytest.approx((changed.bbox_px[0] + changed.bbox_px[2]) / 2)
    assert listed[changed.entity_id]["plausibility_flawed"]
    width = crops[changed.entity_id]["width"]
    assert width == np.ceil(np.float32(crops[changed.entity_id]["bbox"][2])) - np.floor(changed.bbox_px[0])
    as_it_was = forms[5]
    row = listed[as_it_was.entity_id]
    assert tuple(row["bbox"]) == as_it_was.bbox_px
    assert {name: ANSWERS[row[name]] for name in QUESTION_NAMES} == as_it_was.answers


def test_no_prompt_is_in_both_splits_in_any_config(done: PublishResult) -> None:
    for config in ("objectqa", "imageqa", "annotations"):
        train, test = ({row["prompt_id"] for row in rows_of(done.folder, config, split)} for split in SPLITS)
        assert train
        assert test
        assert not train & test, config
    assert {row["prompt_id"] for row in rows_of(done.folder, "annotations", "test")} == done.split.test_prompts


def test_prompts_that_a_run_holds_under_several_ids_are_in_one_split(tmp_path: Path) -> None:
    """Earlier versions of ``init`` gave a prompt another id for each way to type it."""
    run = write_voted_run(tmp_path, 14, images_per_shard=4)
    typed = ["a caf\u00e9", "A  cafe\u0301", "\ufeffa caf\u00e9", "a caf\u00e9\u200b"]
    image_ids = list(dict.fromkeys(form.image_id for form in load_forms(run).values()))
    for shard in run.shard_numbers:
        for stage in ("intake", "drafts"):
            rows = run.read(stage, shard)
            for row in rows:
                at = image_ids.index(row["image_id"])
                row |= {"prompt": typed[at % 4] if at < 12 else f"scene {at}", "prompt_id": f"old-{at}"}
            run.write(stage, shard, rows)
    merge_run(run)
    done = publish(run, tmp_path / "set", PublishOptions(test_images=1))
    held = {split: {row["prompt_id"] for row in rows_of(done.folder, "imageqa", split)} for split in SPLITS}
    assert {f"old-{at}" for at in range(12)} <= held["train"]
    assert held["test"]
    checked = CliRunner().invoke(app, ["data", "check", str(done.folder)])
    assert checked.exit_code == 0, checked.output


def test_annotations_hold_every_draft_vote_and_source(run: RunFolder, done: PublishResult) -> None:
    rows = {row["entity_id"]: row for row in rows_of(done.folder, "annotations")}
    forms = list(load_forms(run).values())
    assert rows.keys() == {form.entity_id for form in forms}
    dropped, edited = rows[forms[0].entity_id], rows[forms[2].entity_id]
    assert (dropped["verification_state"], dropped["drop_reason"]) == ("dropped", "unclear")
    assert (dropped["label"], dropped["final_label"]) == (forms[0].label, None)
    assert edited["final_realism_description"] == "Ben's own words."
    assert edited["realism_description"] == forms[2].descriptions["realism"]
    realism = [source for source in edited["sources"] if source["field"] == "realism_description"]
    assert sorted(source["text"] for source in realism).count("Ben's own words.") == 1
    assert {source["annotator"] for source in realism} == {f"annotator_{n}" for n in (1, 2, 3)}
    content = b"".join(path.read_bytes() for path in (done.folder / "data" / "annotations").iterdir())
    assert b"anna" not in content.replace(b"annotat", b"")


def test_names_only_on_request(run: RunFolder, tmp_path: Path) -> None:
    named = publish(run, tmp_path / "named", PublishOptions(names=True))
    assert {vote["annotator"] for row in rows_of(named.folder, "annotations") for vote in row["votes"]} == {
        "anna",
        "ben",
        "cara",
    }


def test_the_same_seed_gives_the_same_bytes(run: RunFolder, done: PublishResult, tmp_path: Path) -> None:
    again = publish(run, tmp_path / "again", PublishOptions())
    names = [path.relative_to(done.folder) for path in sorted(done.folder.rglob("*")) if path.is_file()]
    assert all((again.folder / name).read_bytes() == (done.folder / name).read_bytes() for name in names)


def test_checksums(done: PublishResult, tmp_path: Path) -> None:
    command = shutil.which("sha256sum")
    if command is not None:
        subprocess.run([command, "-c", "--quiet", "SHA256SUMS"], cwd=done.folder, check=True)
    check_checksums(done.folder)
    copy = shutil.copytree(done.folder, tmp_path / "copy")
    readme = copy / "README.md"
    readme.write_text(readme.read_text() + "More.")
    with pytest.raises(AnnotationError, match=r"README\.md was changed"):
        check_checksums(copy)
    readme.unlink()
    with pytest.raises(AnnotationError, match=r"README\.md is missing"):
        check_checksums(copy)


def test_what_is_open_is_refused_or_left_out(tmp_path: Path) -> None:
    def half(place: int, drafted: DraftForm, who: str) -> dict[str, Any] | None:
        if place == 3 and who == "cara":
            return None
        return dict(drafted.answers) | ({"label": who} if place == 4 else {})

    run = write_verified_run(tmp_path, 20, half)
    with pytest.raises(AnnotationError, match=r"1 entities are pending and 1 in conflict: .*--partial"):
        publish(run, tmp_path / "set", PublishOptions())
    assert not (tmp_path / "set").exists()
    found = publish(run, tmp_path / "set", PublishOptions(partial=True))
    forms = list(load_forms(run))
    assert [entity for entity, _ in found.left_out] == [forms[3], forms[4]]
    rows = {row["entity_id"]: row for row in rows_of(found.folder, "annotations")}
    assert (rows[forms[3]]["verification_state"], len(rows[forms[3]]["votes"])) == ("pending", 2)
    assert rows[forms[4]]["conflicts"] == ["label: 'anna', 'ben', 'cara'"]
    assert forms[4] not in {row["entity_id"] for row in rows_of(found.folder, "objectqa")}
    assert "**Partial:** 1 pending and 1 conflicting" in (found.folder / "README.md").read_text()


def test_entities_without_forms_are_in_annotations_alone(tmp_path: Path) -> None:
    run = write_verified_run(tmp_path, 20)
    rows = run.read("drafts", 0)
    rows[0] |= {"state": "undetected", "stage": "detection", "bbox": None, "reason": "no box"}
    rows[1] |= {"entity_id": None, "label": None, "bbox": None, "state": "no entities", "stage": "entities"}
    run.write("drafts", 0, rows)
    merge_run(run)
    found = publish(run, tmp_path / "set", PublishOptions())
    written = rows_of(found.folder, "annotations")
    assert {row["state"] for row in written} == {"done", "undetected", "no entities"}
    lost = [row for row in written if row["state"] != "done"]
    assert [row["verification_state"] for row in lost] == [None, None]
    assert len(rows_of(found.folder, "objectqa")) == len(written) - 2


@pytest.mark.parametrize("kind", ["not empty", "a file"])
def test_a_folder_that_holds_something_is_left_alone(run: RunFolder, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "set"
    if kind == "a file":
        target.write_text("mine")
    else:
        target.mkdir()
        (target / "mine").write_text("mine")
    with pytest.raises(AnnotationError, match=kind):
        publish(run, target, PublishOptions())
    assert (target if kind == "a file" else target / "mine").read_text() == "mine"


def test_votes_that_came_after_the_merge_are_not_passed_over(tmp_path: Path) -> None:
    run = write_verified_run(tmp_path, 20)
    cast(run, as_drafted, updated_at="2026-02-01T00:00:00")
    with pytest.raises(AnnotationError, match="older than the votes"):
        publish(run, tmp_path / "set", PublishOptions())


def test_a_full_disk_leaves_nothing(run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: SplitWriter) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(SplitWriter, "_flush", full)
        with pytest.raises(AnnotationError, match=r"disk of .* is full"):
            publish(run, tmp_path / "set", PublishOptions())
    assert list(tmp_path.iterdir()) == []
    publish(run, tmp_path / "set", PublishOptions())


def test_a_set_is_there_whole_or_not_at_all_at_every_moment_of_a_kill(run: RunFolder, tmp_path: Path) -> None:
    target, killed = tmp_path / "here" / "set", tmp_path / "killed"
    target.parent.mkdir()
    moments = 0

    def look() -> None:
        nonlocal moments
        moments += 1
        if target.exists():
            check_checksums(target)
        elif moments % 8 == 0:
            shutil.copytree(target.parent, killed / str(moments))

    with at_every_moment(look):
        publish(run, target, PublishOptions())
    left = sorted(killed.iterdir(), key=lambda path: int(path.name))
    assert any(path.suffix == ".new" for path in left[-1].iterdir()), "no kill left anything: this proves nothing"
    publish(run, left[-1] / "set", PublishOptions())
    assert tree(left[-1]) == tree(target.parent)


def test_large_splits_are_several_files(run: RunFolder, done: PublishResult, tmp_path: Path) -> None:
    small = publish(run, tmp_path / "set", PublishOptions(most_file_bytes=200_000))
    names = sorted(path.name for path in (small.folder / "data" / "imageqa").iterdir())
    trains = [name for name in names if name.startswith("train")]
    assert len(trains) > 1
    assert trains == [f"train-{n:05d}-of-{len(trains):05d}.parquet" for n in range(len(trains))]
    assert rows_of(small.folder, "imageqa") == rows_of(done.folder, "imageqa")
    assert len(load_dataset(str(small.folder), "imageqa", split="train").cast_column("image", ImageFeature())) > 0


def test_card(run: RunFolder, tmp_path: Path) -> None:
    config = PublishConfig(
        title="A | set <b>",
        license="cc-by-4.0",
        generators={"pretend-alder": "MIT", "pretend-birch": "odd | [x](y)"},
        citation="@misc{x}\n```",
    )
    found = publish(run, tmp_path / "set", PublishOptions(config, repository="org/name"))
    text = (found.folder / "README.md").read_text()
    front = yaml.safe_load(text.split("---")[1])
    assert (front["license"], front["size_categories"]) == ("cc-by-4.0", ["n<1K"])
    assert [config["config_name"] for config in front["configs"]] == ["objectqa", "imageqa", "annotations"]
    assert "# A \\| set &lt;b&gt;" in text
    assert "odd \\| \\[x\\](y) |" in text
    assert 'load_dataset("org/name", "objectqa"' in text
    entities = sum(tally.entities for tally in found.splits.values())
    assert f"| {entities * 24:,} |" in text
    assert "scripted-1" in text
    assert "judgment@1:00000000" in text
    assert all(f"- `{question.name}`: {question.text}\n" in text for question in QUESTIONS)
    assert "own; the paper's was not available" not in text
    assert "pretend-cedar" in found.unlicensed
    assert "pretend-alder" not in found.unlicensed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("licence: MIT", "licence is no field; did you mean license?"),
        ("generators: 3", "generators is 3"),
        ("language: [no]", 'YAML reads no as false; write "no" in quotes'),
        ("language: no", r'Write it in brackets: \["no"\]'),
        ("language: en", r"Write it in brackets: \[en\]"),
        ("language: [English]", "found 'English', expected codes of two or three small letters, such as en or de"),
        ("license: CC-BY-4.0", "expected a licence as the hub spells it, .*, perhaps cc-by-4.0"),
        ("license: Apache 2.0", "perhaps apache-2.0"),
        ("generators: {off: MIT}", 'line 1: YAML reads the key off as false; write "off" in quotes'),
        ("generators: {sdxl: no}", 'generators.sdxl is False.* write "no" in quotes'),
        ("title: ~", 'YAML reads ~ as no value; write "~" in quotes'),
        ("[", "cannot be read"),
        ("", None),
    ],
)
def test_config(tmp_path: Path, text: str, message: str | None) -> None:
    path = tmp_path / "publish.yaml"
    path.write_text(text)
    if message is None:
        assert load_publish_config(path) == PublishConfig()
    else:
        with pytest.raises(AnnotationError, match=message):
            load_publish_config(path)


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("generators: {1.5: mit, 1.10: apache-2.0}", "generators", {"1.5": "mit", "1.10": "apache-2.0"}),
        ("generators: {2024-01-01: mit, sd: 1.0}", "generators", {"2024-01-01": "mit", "sd": "1.0"}),
        ("title: 2024-13-45", "title", "2024-13-45"),
        ("title: 1.10", "title", "1.10"),
        ('language: ["no"]', "language", ["no"]),
    ],
)
def test_numbers_and_dates_are_taken_as_they_are_written(tmp_path: Path, text: str, field: str, value: object) -> None:
    path = tmp_path / "publish.yaml"
    path.write_text(text)
    assert getattr(load_publish_config(path), field) == value


def test_the_example_config_is_one() -> None:
    path = Path(__file__).parents[3] / "configs" / "annotation" / "publish.yaml"
    assert load_publish_config(path).license == "cc-by-4.0"


def test_command(run: RunFolder, tmp_path: Path) -> None:
    target = tmp_path / "set"
    shown = CliRunner().invoke(annotate_app, ["publish", str(run.path), str(target), "--test-images", "10"])
    assert shown.exit_code == 0, shown.output
    assert "test: 10 images" in shown.output
    assert "no licence stated for the images of pretend-alder" in shown.output
    again = CliRunner().invoke(annotate_app, ["publish", str(run.path), str(target)])
    assert (again.exit_code, "is not empty" in again.output) == (1, True)
    alone = CliRunner().invoke(annotate_app, ["publish", str(run.path), str(target), "--private"])
    assert (alone.exit_code, "go with --push" in alone.output) == (1, True)
