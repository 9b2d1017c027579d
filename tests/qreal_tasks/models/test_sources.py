"""What a name in the arguments stands for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from qreal_tasks import shipped
from qreal_tasks.harness.named_models import check_models, find_box_writer
from qreal_tasks.mini import MINI_MODEL
from qreal_tasks.models.sources import ModelSource, find_local_folder, find_shipped, resolve_model
from qreal_tasks.screening.asking import AskingSettings


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    """A model, an adapter that names its base, one that names none, one that is damaged, and a folder of neither."""
    for name in ("model", "adapter", "orphan", "damaged", "neither"):
        (tmp_path / name).mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "adapter" / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "org/base"}))
    (tmp_path / "orphan" / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": None}))
    (tmp_path / "damaged" / "adapter_config.json").write_text("{")
    return tmp_path


@pytest.mark.parametrize(
    ("given", "base", "expected"),
    [
        ("{tmp}/model", None, ModelSource("{tmp}/model")),
        ("{tmp}/model", "org/other", ModelSource("{tmp}/model")),
        ("{tmp}/adapter", None, ModelSource("org/base", "{tmp}/adapter")),
        ("{tmp}/adapter", "org/other", ModelSource("org/other", "{tmp}/adapter", "v1")),
        ("{tmp}/orphan", "org/other", ModelSource("org/other", "{tmp}/orphan", "v1")),
        ("org/name", "org/other", ModelSource("org/name")),
        ("org/name@main", None, ModelSource("org/name", revision="main")),
    ],
)
def test_models_and_adapters_are_told_apart(given: str, base: str | None, expected: ModelSource, folders: Path) -> None:
    """A revision belongs to the base that was given, not to one that an adapter names."""
    filled = ModelSource(
        expected.pretrained.format(tmp=folders),
        expected.adapter and expected.adapter.format(tmp=folders),
        expected.revision,
    )
    assert resolve_model(given.format(tmp=folders), base, "v1") == filled


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("/no/folder", "model folder '/no/folder' does not exist"),
        ("./no/folder", "looked for "),
        ("", "no model is named"),
        ("{tmp}/neither", "neither config.json nor adapter_config.json"),
        ("{tmp}/orphan", "names no base_model_name_or_path; expected pretrained=BASE"),
        ("{tmp}/damaged", "cannot be read"),
    ],
)
def test_what_is_no_model_is_refused(given: str, message: str, folders: Path) -> None:
    with pytest.raises(ValueError, match=message):
        resolve_model(given.format(tmp=folders))


def test_mini_is_the_shipped_model_whatever_lies_here(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folders / "model").rename(folders / "mini")
    (folders / "orphan" / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "mini"}))
    monkeypatch.chdir(folders)
    assert find_shipped("mini") == str(MINI_MODEL) == str(find_local_folder("mini"))
    assert resolve_model("mini") == ModelSource(str(MINI_MODEL))
    assert resolve_model("orphan") == ModelSource(str(MINI_MODEL), "orphan")
    for written in ("./mini", "mini/"):
        assert resolve_model(written) == ModelSource(str(folders / "mini")), "never a name that is resolved once more"
    assert find_box_writer("qreal_hf", {"pretrained": "mini"}) == str(MINI_MODEL)


def test_a_folder_that_is_not_meant_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped._tell_of_folder.cache_clear()
    find_shipped("mini")
    assert caplog.messages == [], "no folder of that name lies here"
    (tmp_path / "mini").mkdir()
    for _ in range(2):
        find_shipped("mini")
    assert caplog.messages == ["mini is what ships with this package; for the folder of that name here write ./mini"]


def test_the_shipped_model_is_no_adapter() -> None:
    with pytest.raises(ValueError, match=r"^adapter=mini: mini is the model that ships, a whole one and no adapter\."):
        check_models("qreal_hf", {"pretrained": "org/name", "adapter": "mini"}, [])
    with pytest.raises(ValueError, match="a whole one and no adapter"):
        AskingSettings(model="org/name", adapter="mini")


def test_a_backend_of_the_harness_is_not_given_the_shipped_model_by_name() -> None:
    check_models("qreal_hf", {"pretrained": "mini"}, [])
    with pytest.raises(ValueError, match="qwen2_5_vl does not know the shipped model by its name; `qreal mini-model"):
        check_models("qwen2_5_vl", {"pretrained": "mini"}, [])


@pytest.mark.parametrize("given", ["MINI", "Mini", "mini@main"])
def test_another_spelling_of_the_shipped_model_is_told(given: str) -> None:
    with pytest.raises(ValueError, match="the model that ships is written 'mini', and has no revisions"):
        resolve_model(given)
