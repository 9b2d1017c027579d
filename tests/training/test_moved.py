"""Bases and data that lie elsewhere: an adapter is held against its base, and a run goes on from another folder."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from few_rows import write_few
from safetensors.torch import load_file, save_file

from qreal_tasks.dataset.source import DatasetError, locate
from qreal_tasks.mini import MINI_MODEL
from qreal_tasks.models.local.weights.adapter_base import BaseMatch, identify_base
from qreal_tasks.models.sources import ModelSource, resolve_model
from training.config import ConfigError, TrainConfig
from training.export.export import export
from training.run.folder import make_paths_absolute, read_config
from training.run.sft import train

pytestmark = pytest.mark.slow

SHORT: dict[str, Any] = {"max_steps": 1, "batch_size": 24, "epochs": 1, "held_out": {"share": 0}}


def _copy_with_other_weights(model: str, folder: Path) -> Path:
    shutil.copytree(model, folder)
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"] = weights["lm_head.weight"] + 1
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_an_adapter_is_held_against_the_content_of_its_base(config: Callable[..., TrainConfig], tmp_path: Path) -> None:
    """The last part of a path says nothing: every result of this program is called ``final``."""
    one = tmp_path / "one" / "final"
    shutil.copytree(config().model, one)
    two = _copy_with_other_weights(str(one), tmp_path / "two" / "final")
    keys = SHORT
    adapter = str(train(config(**keys, model=str(one), output=str(tmp_path / "first"))) / "final")
    with pytest.raises(ConfigError, match=r"was made for .*one/final, and .* is .*two/final: their weights differ"):
        train(config(**keys, model=str(two), adapter=adapter))
    shutil.copytree(one, tmp_path / "elsewhere" / "renamed")
    train(config(**keys, model=str(tmp_path / "elsewhere" / "renamed"), adapter=adapter, output=str(tmp_path / "2")))
    one.rename(tmp_path / "final")  # what the adapter names is not there any more, its name is all that is known
    train(config(**keys, model=str(tmp_path / "final"), adapter=adapter, output=str(tmp_path / "3")))
    with pytest.raises(ConfigError, match=r"they cannot be compared here\. Where that is the same model under another"):
        train(config(**keys, model=str(tmp_path / "elsewhere" / "renamed"), adapter=adapter))


def test_an_adapter_on_the_shipped_model_names_it_as_its_base(
    config: Callable[..., TrainConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the package is installed says nothing on another machine, and a folder called mini is another thing."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mini").mkdir()
    run = train(config(**SHORT, model="mini"))
    assert read_config(run).model == "mini"
    assert json.loads((run / "final" / "adapter_config.json").read_text())["base_model_name_or_path"] == "mini"
    source = resolve_model(str(run / "final"))
    assert source == ModelSource(str(MINI_MODEL), str(run / "final"))
    assert identify_base(str(run / "final"), "mini").match is BaseMatch.SAME
    exported = export(run, tmp_path / "adapter", merge=False)
    assert exported.model_args == f"pretrained=mini,adapter={tmp_path / 'adapter'}"


def test_qreal_hf_refuses_an_adapter_of_another_base(config: Callable[..., TrainConfig], tmp_path: Path) -> None:
    from qreal_tasks.harness.backends import QRealHF

    adapter = train(config(**SHORT)) / "final"
    other = _copy_with_other_weights(config().model, tmp_path / Path(config().model).name)
    given = {"adapter": str(adapter), "dtype": "float32", "store": str(tmp_path / "answers.sqlite")}
    QRealHF(pretrained=config().model, **given)
    with pytest.raises(ValueError, match=rf"pretrained={other} is another model: their weights differ"):
        QRealHF(pretrained=str(other), **given)


def _write_as_the_release_before(run: Path) -> None:
    """Without what a run of several tasks has brought."""
    settings = yaml.safe_load((run / "config.yaml").read_text())
    assert settings.pop("weights") == {}
    assert settings["task"] == "objectqa"
    (run / "config.yaml").write_text(yaml.safe_dump(settings))
    environment = json.loads((run / "environment.json").read_text())
    environment.pop("tasks")
    (run / "environment.json").write_text(json.dumps(environment))


def test_a_run_goes_on_and_is_exported_from_another_folder(
    config: Callable[..., TrainConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    write_few(Path("few"), 8)
    shutil.copytree(config().model, "tiny")
    keys = SHORT | {"max_steps": 2, "save_every_steps": 1}
    recipe = config(**keys, model="tiny", data="few", output=str(tmp_path / "run"))
    train(recipe)
    shutil.rmtree(tmp_path / "run" / "final")
    shutil.rmtree(tmp_path / "run" / "checkpoint-2")
    _write_as_the_release_before(tmp_path / "run")
    saved = read_config(tmp_path / "run")
    assert (saved.data, saved.model) == (str(tmp_path / "here" / "few"), str(tmp_path / "here" / "tiny"))
    assert saved == recipe.model_copy(update={"data": saved.data, "model": saved.model})
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.delenv("QREAL_DATA", raising=False)
    train(saved, resume=tmp_path / "run")
    exported = export(tmp_path / "run", Path("model"))
    text = (exported.folder / "README.md").read_text(encoding="utf-8")
    assert str(tmp_path) not in text


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        ("few", "{here}/few"),
        ("./few", "{here}/few"),
        ("few/../few", "{here}/few"),
        ("mini", "mini"),
        ("org/name", "org/name"),
        ("org/name@v1", "org/name@v1"),
        (None, None),
    ],
)
def test_paths_are_kept_whole_and_hub_ids_as_they_are(
    data: str | None,
    kept: str | None,
    config: Callable[..., TrainConfig],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_few(tmp_path / "few", 3)
    monkeypatch.setenv("QREAL_DATA", "few")
    (tmp_path / "set.json").write_text("{}")
    (tmp_path / "real").mkdir()
    (tmp_path / "named").symlink_to(tmp_path / "real")
    recipe = config(data=data, model="org/model", adapter="named", deepspeed="set.json")
    found = make_paths_absolute(recipe, locate(recipe.data))
    assert found.data == (kept and kept.format(here=tmp_path))
    assert (found.model, found.adapter, found.deepspeed) == ("org/model", f"{tmp_path}/named", f"{tmp_path}/set.json")
    assert make_paths_absolute(config(deepspeed="zero3"), locate("mini")).deepspeed == "zero3"


def test_data_that_is_not_there_is_named_as_it_was_given(
    config: Callable[..., TrainConfig], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DatasetError, match=r"^dataset fewer: there is no such folder"):
        train(config(data="fewer"))
    monkeypatch.setenv("QREAL_DATA", "fewest")
    with pytest.raises(DatasetError, match=r"^QREAL_DATA=fewest: there is no such folder"):
        train(config(data=None))
