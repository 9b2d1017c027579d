"""An adapter is held against its base by the content of both, wherever they lie."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from qreal_tasks.models.local.weights.adapter_base import BaseMatch, check_base, identify_base, read_tensors

pytestmark = pytest.mark.slow


def weights(seed: int = 0, rows: int = 4) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(rows, 3, generator=generator) for name in ("a.weight", "b.weight")}


def write_model(folder: Path, tensors: dict[str, torch.Tensor], files: int = 1) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    names = sorted(tensors)
    for at in range(files):
        save_file({name: tensors[name] for name in names[at::files]}, folder / f"model-{at + 1}-of-{files}.safetensors")
    return folder


@pytest.fixture
def models(tmp_path: Path) -> Path:
    write_model(tmp_path / "one" / "final", weights())
    write_model(tmp_path / "two" / "final", weights(seed=1))
    write_model(tmp_path / "larger" / "final", weights(rows=5))
    write_model(tmp_path / "halved" / "final", {name: t.half() for name, t in weights().items()})
    last = weights()
    last["b.weight"][-1, -1] += 1e-3
    write_model(tmp_path / "last number" / "final", last)
    write_model(tmp_path / "spread", weights(), files=2)
    write_model(tmp_path / "quantised", {"a.weight": torch.zeros(12, 1, dtype=torch.uint8)})
    indexed = write_model(tmp_path / "indexed", weights(), files=2)
    listed = {"a.weight": "model-1-of-2.safetensors", "b.weight": "model-2-of-2.safetensors"}
    (indexed / "model.safetensors.index.json").write_text(json.dumps({"weight_map": listed}))
    save_file(weights(seed=1), indexed / "model-3-of-3.safetensors")  # left over; no program loads it
    beside = write_model(tmp_path / "beside another program's", {"other": torch.zeros(2)})
    save_file(weights(), beside / "model.safetensors")
    for name, size in (("damaged", b"\xff" * 8), ("too long a header", (2**40).to_bytes(8, "little"))):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model.safetensors").write_bytes(size + b"{}")
    shutil.copytree(tmp_path / "one" / "final", tmp_path / "moved" / "renamed")
    (tmp_path / "moved" / "renamed" / "chat_template.jinja").write_text("another")
    (tmp_path / "link").symlink_to(tmp_path / "one" / "final")
    (tmp_path / "empty").mkdir()
    return tmp_path


def write_adapter(folder: Path, base: str | None, revision: str | None = None) -> str:
    folder.mkdir(exist_ok=True)
    settings = {"base_model_name_or_path": base, "revision": revision}
    (folder / "adapter_config.json").write_text(json.dumps(settings))
    return str(folder)


@pytest.mark.parametrize(
    ("model", "match"),
    [
        ("one/final", BaseMatch.SAME),
        ("link", BaseMatch.SAME),
        ("moved/renamed", BaseMatch.SAME),
        ("spread", BaseMatch.SAME),
        ("two/final", BaseMatch.OTHER),
        ("larger/final", BaseMatch.OTHER),
        ("halved/final", BaseMatch.UNKNOWN),  # perhaps the same, in another type of numbers
        ("quantised", BaseMatch.UNKNOWN),
        ("indexed", BaseMatch.SAME),
        ("beside another program's", BaseMatch.SAME),
        ("damaged", BaseMatch.UNKNOWN),
        ("too long a header", BaseMatch.UNKNOWN),
        ("last number/final", BaseMatch.OTHER),
        ("empty", BaseMatch.UNKNOWN),
        ("not there/final", BaseMatch.UNKNOWN),
    ],
)
def test_folders_are_compared_by_their_weights(models: Path, model: str, match: BaseMatch) -> None:
    adapter = write_adapter(models / "adapter", str(models / "one" / "final"))
    assert identify_base(adapter, str(models / model)).match is match


@pytest.mark.parametrize(
    ("named", "of_adapter", "model", "revision", "match"),
    [
        ("org/base", None, "org/base", None, BaseMatch.SAME),
        ("org/base", "abc", "org/base", "abc", BaseMatch.SAME),
        ("org/base", None, "org/base", "abc", BaseMatch.SAME),
        ("org/base", "abc", "org/base", None, BaseMatch.UNKNOWN),
        ("org/base", None, "org/other", None, BaseMatch.UNKNOWN),
        ("org/base", None, "one/final", None, BaseMatch.UNKNOWN),
        ("gone/final", None, "one/final", None, BaseMatch.UNKNOWN),
        (None, None, "one/final", None, BaseMatch.UNKNOWN),
    ],
)
def test_names_are_compared_where_there_is_no_content(
    named: str | None,
    of_adapter: str | None,
    model: str,
    revision: str | None,
    match: BaseMatch,
    models: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(models)
    assert identify_base(write_adapter(models / "adapter", named, of_adapter), model, revision).match is match


def test_another_model_is_refused_and_what_is_not_known_is_said(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    one, two = str(models / "one" / "final"), str(models / "two" / "final")
    adapter = write_adapter(models / "adapter", one)
    with caplog.at_level(logging.WARNING):
        check_base(adapter, one)
        check_base(adapter, str(models / "moved" / "renamed"))
    assert not caplog.messages
    with pytest.raises(ValueError, match=r"was trained on .*one/final, and pretrained=.*two/final is another model"):
        check_base(adapter, two)
    check_base(adapter, two, refuse=False)
    check_base(adapter, "org/base")
    check_base(write_adapter(models / "orphan", None), one)
    check_base(write_adapter(models / "pinned", "org/base", "abc"), "org/base")
    for result, message in zip(
        (
            "their weights differ",
            f"names {one} as its base, and runs on pretrained=org/base: whether",
            "names no model as its base",
            "runs on pretrained=org/base (revision main)",
        ),
        caplog.messages,
        strict=True,
    ):
        assert result in message


def test_a_damaged_file_is_left_to_what_loads_it(models: Path) -> None:
    adapter = write_adapter(models / "adapter", str(models / "one" / "final"))
    (models / "two" / "final" / "model-1-of-1.safetensors").write_bytes(b"cut")
    assert identify_base(adapter, str(models / "two" / "final")).match is BaseMatch.UNKNOWN


def test_tensors_are_read_from_where_they_lie(models: Path) -> None:
    found = read_tensors(models / "one" / "final" / "model-1-of-1.safetensors")
    assert {name: tensor.shape for name, tensor in found.items()} == {"a.weight": (4, 3), "b.weight": (4, 3)}
    assert found["b.weight"].read() == weights()["b.weight"].numpy().tobytes()


@pytest.mark.parametrize("settings", ["null", "[]", "5", "{"])
def test_settings_that_hold_none_are_refused(settings: str, models: Path) -> None:
    adapter = write_adapter(models / "adapter", None)
    (models / "adapter" / "adapter_config.json").write_text(settings)
    with pytest.raises(ValueError, match=r"holds no settings|Expecting"):
        identify_base(adapter, str(models / "one" / "final"))
