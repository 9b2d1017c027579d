"""``portraits``: the people of every image, or of exactly the listed ones."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from annotating import answer, config_for, mini_pictures, stage_of
from typer.testing import CliRunner

from annotation.commands import annotate_app
from annotation.config import PortraitSettings, dump_config, load_annotation_config
from annotation.errors import AnnotationError
from annotation.execution.driver import RunOptions, Watcher, init_run, run_stages
from annotation.run.chain import STAGES
from annotation.run.folder import RunFolder
from annotation.run.portrait_list import load_portrait_ids
from annotation.status.estimate import forecast
from qreal_tasks.benchmark import BODY_PARTS
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer
from qreal_tasks.shards.executors import ExecutorOptions

NOWHERE = "http://127.0.0.1:9/v1"
NAMES = ["oak/one.png", "oak/two.png", "pine/two.png", "pine/caf\u00e9.png"]


def write_images(folder: Path) -> Path:
    """Four pictures, a copy of the first under another name, and a file that is no picture."""
    contents = [content for content, _, _ in mini_pictures(len(NAMES))]
    for name, content in zip(
        [*NAMES, "zinc/copy.png", "zinc/broken.png"], [*contents, contents[0], b"no"], strict=True
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("begun")
    return init_run(
        str(write_images(folder / "images")), folder / "run", config_for(NOWHERE), ExecutorOptions(), Watcher()
    )


@pytest.fixture
def run(begun: RunFolder, tmp_path: Path) -> RunFolder:
    """A copy that the test may change."""
    return RunFolder(Path(shutil.copytree(begun.path, tmp_path / "run")))


def ids(run: RunFolder) -> dict[str, str]:
    return {one.name: one.image_id for shard in run.shard_numbers for one in run.pictures(shard)}


def with_list(run: RunFolder, content: bytes | str) -> RunFolder:
    path = run.path / "portraits.txt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    config = run.config.model_copy(update={"portraits": PortraitSettings(list=path)})
    run.config_path.write_text(dump_config(config), encoding="utf-8")
    return RunFolder(run.path)


@pytest.mark.parametrize(
    ("content", "meant"),
    [
        pytest.param("oak/one.png\npine/two.png\n", ["oak/one.png", "pine/two.png"], id="file names"),
        pytest.param("one.png", ["oak/one.png"], id="the last part of a name, without an end of line"),
        pytest.param("\ufeffoak/one.png\n", ["oak/one.png"], id="a byte order mark"),
        pytest.param("oak/one.png\r\npine/two.png\r\n", ["oak/one.png", "pine/two.png"], id="line ends of Windows"),
        pytest.param("# mine\n\n  \n#\noak/one.png\n# end", ["oak/one.png"], id="comments and empty lines"),
        pytest.param("one.png\noak/one.png\none.png\n", ["oak/one.png"], id="named more than once"),
        pytest.param(" ./oak/one.png \noak\\two.png", ["oak/one.png", "oak/two.png"], id="blanks, ./ and backslashes"),
        pytest.param("pine/cafe\u0301.png", ["pine/caf\u00e9.png"], id="another spelling in Unicode"),
        pytest.param("zinc/copy.png", ["oak/one.png"], id="a duplicate means the image that is kept"),
        pytest.param("{IMAGES}/oak/two.png", ["oak/two.png"], id="a whole path"),
        pytest.param("{ID}", ["pine/two.png"], id="an image id"),
    ],
)
def test_what_a_list_means(run: RunFolder, content: str, meant: list[str]) -> None:
    known = ids(run)
    listed = with_list(run, content.replace("{IMAGES}", run.images).replace("{ID}", known["pine/two.png"]))
    assert load_portrait_ids(listed) == frozenset(known[name] for name in meant)
    assert load_portrait_ids(run) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(
            "oak/one.png\noak/onne.png",
            r"1 of 2 names .*'oak/onne.png' is no image of it \(nearest: 'oak/one.png'\)",
            id="unknown, with the nearest",
        ),
        pytest.param("x\ny\nz\nu\nv\nw\n", r"6 of 6 names .*'v' is no image of it; and 1 more", id="the first of many"),
        pytest.param("two.png", r"'two.png' may be 'oak/two.png' or 'pine/two.png'", id="two images"),
        pytest.param("zinc/broken.png", r"'zinc/broken.png' was rejected \(no picture", id="rejected"),
        pytest.param("#one.png", r"'#one.png' is no image of it", id="a comment needs a blank"),
        pytest.param("# none\n\n", r"portraits.txt names no image", id="nothing in it"),
        pytest.param("caf\u00e9.png".encode("latin-1"), r"portraits.txt cannot be read as UTF-8", id="no UTF-8"),
    ],
)
def test_a_wrong_list_is_explained_before_anything_is_paid_for(
    run: RunFolder, content: bytes | str, message: str
) -> None:
    listed = with_list(run, content)
    with pytest.raises(AnnotationError, match=message):
        run_stages(listed, RunOptions(), Watcher())
    shown = CliRunner().invoke(annotate_app, ["run", str(run.path), "--dry-run"])
    assert shown.exit_code == 1


def test_a_list_that_is_not_there(run: RunFolder) -> None:
    listed = with_list(run, "one.png")
    (run.path / "portraits.txt").unlink()
    with pytest.raises(AnnotationError, match=r"portraits.list .*portraits.txt cannot be read"):
        run_stages(listed, RunOptions(), Watcher())


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        pytest.param("portraits: auto", None, id="auto"),
        pytest.param("", None, id="nothing"),
        pytest.param("portraits: {list: mine.txt}", "mine.txt", id="beside the config"),
        pytest.param("portraits:\n  list: ../mine.txt\n  max_tokens: 5", "../mine.txt", id="in another folder"),
        pytest.param("portraits: {list: /lists/mine.txt}", "/lists/mine.txt", id="a whole path"),
    ],
)
def test_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, result: str, expected: str | None) -> None:
    path = tmp_path / "configs" / "config.yaml"
    path.parent.mkdir()
    path.write_text(f"language_model: {{model: m}}\n{result}\n")
    monkeypatch.chdir(tmp_path)
    found = load_annotation_config(Path("configs/config.yaml"))
    assert found.portraits.list == (expected and path.parent / expected)
    again = tmp_path / "again.yaml"
    again.write_text(dump_config(found))
    assert load_annotation_config(again) == found


@pytest.mark.parametrize("result", ["none", "list mine.txt", "[a.png]", "{list: 3}"])
def test_another_config_is_refused(tmp_path: Path, result: str) -> None:
    (tmp_path / "config.yaml").write_text(f"language_model: {{model: m}}\nportraits: {result}\n")
    with pytest.raises(AnnotationError, match="portraits"):
        load_annotation_config(tmp_path / "config.yaml")


def one_man(asked: Asked) -> Reply:
    def names(chance: random.Random) -> list[str]:
        return ["man", "dog"]

    return answer(asked, names)


def test_exactly_the_listed_images_are_portraits(tmp_path: Path, models: Path) -> None:
    detection = {"threshold": 0.001, "second_threshold": 0.001, "min_area_px": 0, "duplicate_iou": 1.0}
    with ScriptedServer(one_man) as server:
        config = config_for(server.url, models, detection=detection, quality={"scorer": "none"}, images_per_shard=2)
        run = init_run(str(write_images(tmp_path / "images")), tmp_path / "run", config, ExecutorOptions(), Watcher())
        listed = with_list(run, "one.png\npine/two.png\n")
        before = {one.stage: (one.calls, one.calls_basis) for one in forecast(listed, list(listed.shard_numbers))}
        assert list(before["parts"]) == [2, "expected 1 a listed image"]
        run_stages(listed, RunOptions(), Watcher())
        known, drafts = ids(run), rows_of(listed, "drafts")
        chosen = {known["oak/one.png"], known["pine/two.png"]}
        people = [row for row in rows_of(listed, "detection") if row["is_person"] and row["state"] == "done"]
        asked = [one for one in server.asked if stage_of(one) == "parts"]
        assert {row["image_id"] for row in drafts if row["is_portrait"]} == chosen
        assert {row["image_id"] for row in drafts if row["parts"] is not None} == chosen
        assert len(asked) == sum(row["image_id"] in chosen for row in people) < len(people)
        skipped = [row for row in rows_of(listed, "parts") if row["state"] == "skipped"]
        assert {row["reason"] for row in skipped} == {"the image is not in portraits.list"}
        assert all(row[part] is None for row in skipped for part in BODY_PARTS)
        more = with_list(run, "one.png\npine/two.png\noak/two.png\n")
        stale = [stage for stage in STAGES if not more.is_done(stage, 0)]
        assert stale == ["parts", "merge", "drafts", "imageqa", "objectqa"]
        run_stages(more, RunOptions(), Watcher())
        assert len({row["image_id"] for row in rows_of(more, "drafts") if row["is_portrait"]}) == 3


def test_listed_images_without_a_person_are_named(tmp_path: Path, models: Path) -> None:
    with ScriptedServer(lambda asked: answer(asked, lambda chance: ["dog"])) as server:
        config = config_for(server.url, models, quality={"scorer": "none"})
        run = init_run(str(write_images(tmp_path / "images")), tmp_path / "run", config, ExecutorOptions(), Watcher())
        run_stages(with_list(run, "one.png\npine/two.png\n"), RunOptions(), Watcher())
    shown = CliRunner(env={"COLUMNS": "200"}).invoke(annotate_app, ["status", str(run.path)])
    assert "portraits.list: no person was found in 2 of its images: oak/one.png, pine/two.png" in shown.output


def rows_of(run: RunFolder, stage: str) -> list[dict[str, Any]]:
    return [row for shard in run.shard_numbers for row in run.read(stage, shard)]
