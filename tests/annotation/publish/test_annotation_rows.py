"""The config ``annotations`` of a run that really went through all stages: its prices, models and prompts."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from verified_run import as_drafted, cast, merge_run

from annotation.llm.calls import CallRecord
from annotation.publish.annotation_rows import ANNOTATIONS_FEATURES, Pseudonyms, _make_shareable
from annotation.publish.publish import PublishOptions, publish
from annotation.run.folder import RunFolder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def published(chain: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, Path]:
    folder = tmp_path_factory.mktemp("evidence")
    run = RunFolder(Path(shutil.copytree(chain.run.path, folder / "run")))
    cast(run, as_drafted)
    merge_run(run)
    return run, publish(run, folder / "set", PublishOptions()).folder


def test_prices_add_up_to_what_the_run_has_spent(published: tuple[RunFolder, Path]) -> None:
    run, folder = published
    rows = [row for path in (folder / "data" / "annotations").iterdir() for row in pq.read_table(path).to_pylist()]
    images = {row["image_id"]: row["image_cost_usd"] for row in rows}
    entities = [row["cost_usd"] for row in rows if row["cost_usd"] is not None]
    with CallRecord(run.calls_path) as calls:
        spent = sum(stage.cost_usd for stage in calls.spent().values())
    assert spent > 0
    # Two people with the same remarks share one call of stage merge, and each row shows its price.
    assert sum(images.values()) + sum(entities) == pytest.approx(spent, rel=0.01)
    text = (folder / "README.md").read_text()
    assert f"cost ${sum(images.values()) + sum(entities):.2f}" in text


def test_rows_of_images_without_entities_and_of_lost_entities_are_there(published: tuple[RunFolder, Path]) -> None:
    run, folder = published
    drafted = [row for shard in run.shard_numbers for row in run.read("drafts", shard)]
    for path in sorted((folder / "data" / "annotations").iterdir()):
        assert pq.read_schema(path).equals(ANNOTATIONS_FEATURES.arrow_schema)
    written = sum(pq.read_metadata(path).num_rows for path in (folder / "data" / "annotations").iterdir())
    assert written == len(drafted)


def test_the_card_names_models_and_prompts_that_were_used(published: tuple[RunFolder, Path]) -> None:
    run, folder = published
    text = (folder / "README.md").read_text()
    drafted = [row for shard in run.shard_numbers for row in run.read("drafts", shard)]
    for name in ("entities", "judgment", "parts"):
        titles = {row[f"{name}_prompt_version"] for row in drafted} - {None}
        assert titles
        assert all(title.replace("#", "\\#") in text for title in titles)
    assert "| Boxes |" in text
    assert "| Quality score |" in text


def test_pseudonyms_do_not_follow_the_alphabet_and_stay() -> None:
    people = ["anna", "ben", "cara"]
    found = {salt: [Pseudonyms(people, ["zoe"], salt, keep=False).of(name) for name in people] for salt in "abcdefgh"}
    assert all(sorted(map(str, names)) == ["annotator_1", "annotator_2", "annotator_3"] for names in found.values())
    assert len({tuple(names) for names in found.values()}) > 1
    names = Pseudonyms(people, ["zoe"], "a", keep=False)
    assert (names.of("zoe"), names.of(None)) == ("adjudicator", None)
    assert Pseudonyms(people, ["zoe"], "a", keep=True).of("ben") == "ben"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("cats/1.png", "cats/1.png"),
        ("./cats/1.png", "cats/1.png"),
        ("../../cats/1.png", "cats/1.png"),
        (".\\cats\\1.png", "cats\\1.png"),
        ("/data/me/1.png", "1.png"),
        ("~/pictures/1.png", "1.png"),
        ("C:\\Users\\me\\1.png", "1.png"),
        ("C:/Users/me/1.png", "1.png"),
        ("\\\\server\\share\\1.png", "1.png"),
        ("~1.png", "~1.png"),
        ("...png", "...png"),
        (".hidden/1.png", ".hidden/1.png"),
        ("row 7", "row 7"),
        ("org/model", "org/model"),
        ("http://gpu7:8000/m", "<address>"),
    ],
)
def test_names_of_files_tell_them_apart_and_not_where_they_lay(name: str, shown: str) -> None:
    assert _make_shareable(name) == shown
