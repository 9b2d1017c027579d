"""Keys, addresses and home folders in what a training run says, searched for in what is exported for others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import yaml
from canaries import FOLDER, HOST, KEYS, PRIVATE, found, keys, result, set_canaries
from typer.testing import CliRunner
from written_run import PREFIX, write_run

from qreal_tasks.cli import app


def write_finished(run: Path, home: Path) -> Path:
    """As much of a finished run of LoRA as an export of its adapter reads, with paths and addresses in all of it."""
    final = run / "final"
    final.mkdir(parents=True)
    base = f"/data/{FOLDER}/base"
    (final / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": base}))
    (final / "adapter_model.safetensors").write_bytes(b"weights")
    settings = {"task": "objectqa", "model": base, "adapter": f"{home}/first/final", "data": f"/data/{FOLDER}/set"}
    settings |= {"output": str(run), "name": f"of {home}", "deepspeed": f"{home}/zero9.json"}
    (run / "config.yaml").write_text(yaml.safe_dump(settings))
    environment = {
        "prompt_version": "1",
        "data": {"name": f"/data/{FOLDER}/set", "kind": "folder", "rows": 7, "sha256": "0" * 64},
        "questions": {"train": 7},
        "trainable_parameters": 7,
        "questions_a_step": 7,
        "processes": 1,
        "devices": ["cpu"],
    }
    (run / "environment.json").write_text(json.dumps(environment))
    (run / "history.json").write_text(json.dumps([{"step": 1, "loss": 0.7}]))
    (run / "chosen.json").write_text(json.dumps({"step": 1, "of_steps": 1, "best_value": None}))
    (run / "curves.png").write_bytes(b"picture")
    return run


def write_results(folder: Path, home: Path) -> Path:
    write_run(folder)
    path = folder / f"{PREFIX}_results.json"
    results = json.loads(path.read_text())
    arguments = (
        f"pretrained={home}/m,adapter=/data/{FOLDER}/a,base_url=http://{HOST}:8000/v1,api_key={KEYS['HF_TOKEN']}"
    )
    results["config"]["model_args"] = arguments
    path.write_text(json.dumps(results))
    return folder


class _Hub:
    def __init__(self, text: str) -> None:
        self._text = text

    def create_repo(self, *_: Any, **__: Any) -> None:
        raise OSError(self._text)


def test_an_exported_adapter_says_nothing_private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = set_canaries(monkeypatch, tmp_path)
    run, results = write_finished(tmp_path / "mine" / "run", home), write_results(tmp_path / "mine" / "results", home)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: _Hub(result(home, KEYS["HF_TOKEN"])))
    folder = tmp_path / "others" / "adapter"
    words = ["train", "export", str(run), str(folder), "--no-merge", "--results", str(results), "--push", "org/name"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 1, done.output
    assert "--push org/name: bad <key>" in done.output
    assert "\n".join(found(folder, [*keys(), *PRIVATE], {})) == ""
    assert found(tmp_path / "others", keys(), {"export": done.output}) == []
    assert {"README.md", "training_config.yaml", "training_environment.json"} <= {one.name for one in folder.iterdir()}
    assert "## Scores" in (folder / "README.md").read_text()
