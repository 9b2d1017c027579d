"""What a run leaves behind: enough to repeat it, to go on with it and to see how it went.

::

    runs/train/<name>-<time>/
        config.yaml        every key, as it was run
        environment.json   versions, git state, data, plan, devices
        constraints.txt    every installed package
        checkpoint-<step>/ adapter or model, optimiser, random states; whole when COMPLETE is in it
        history.json       losses and metrics by step
        curves.png         the same as a picture
        final/             adapter or model and processor: of the best checkpoint, else of the last step
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import yaml
from datasets import Dataset

from qreal_tasks.benchmark import PROMPT_VERSION
from qreal_tasks.dataset import Kind, Source
from training.config import ConfigError, TrainConfig, checked

CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"
HISTORY = "history.json"
CURVES = "curves.png"
FINAL = "final"
COMPLETE = "COMPLETE"

_TRAINING_STATE = re.compile(
    r"(optimizer|scheduler|rng_state|scaler|trainer_state|training_args|global_step|latest$|COMPLETE$|README|zero_to_)"
)


def checkpoint_folder(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step is."""
    return folder / f"checkpoint-{step}"


def newest_checkpoint(folder: Path) -> Path | None:
    """The last checkpoint that is whole; one that was being written when the run died is passed over."""
    whole = [path.parent for path in folder.glob(f"checkpoint-*/{COMPLETE}")]
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def clear_incomplete(folder: Path) -> None:
    """Remove what a run that died left of a checkpoint, so that it is not counted among the newest."""
    for path in folder.glob("checkpoint-*"):
        if not (path / COMPLETE).is_file():
            shutil.rmtree(path)


def write_start(folder: Path, config: TrainConfig, facts: Mapping[str, Any]) -> None:
    """Config, environment and installed packages."""
    folder.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    (folder / CONFIG).write_text(text, encoding="utf-8")
    packages = sorted({f"{d.metadata['Name']}=={d.version}" for d in distributions()}, key=str.lower)
    (folder / "constraints.txt").write_text("\n".join(packages) + "\n", encoding="utf-8")
    environment = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "prompt_version": PROMPT_VERSION,
        "git": git_state(),
        **facts,
    }
    (folder / ENVIRONMENT).write_text(json.dumps(environment, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_config(folder: Path) -> TrainConfig:
    """The config of a run.

    Raises:
        ConfigError: the folder holds no run.
    """
    path = folder / CONFIG
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ConfigError(f"{folder} is not the folder of a training run: {error}") from None
    return checked(values, str(path))


def check_same(folder: Path, facts: Mapping[str, Any]) -> None:
    """Refuse to go on with a run on other data or in another number of processes: it would not end the same.

    Raises:
        ConfigError: it was started otherwise.
    """
    started = json.loads((folder / ENVIRONMENT).read_text(encoding="utf-8"))
    for name in ("data", "processes"):
        if started[name] != facts[name]:
            raise ConfigError(f"{folder} was started with {name} {started[name]}, and now has {facts[name]}")


def data_facts(source: Source, rows: Dataset) -> dict[str, Any]:
    """What names the data: where it is, and a revision or a digest of its files."""
    facts = {"name": source.name, "kind": str(source.kind), "rows": len(rows)}
    files = [Path(entry["filename"]) for entry in rows.cache_files]
    if source.kind is Kind.HUB:
        # The hub's commit is the last folder of the cache's path.
        return {**facts, "revision": source.revision, "commit": files[0].parent.name if files else None}
    digest = hashlib.sha256()
    for path in sorted([*Path(source.path).rglob("*.parquet"), *Path(source.path).rglob("*.arrow")]):
        with path.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return {**facts, "sha256": digest.hexdigest()}


def git_state() -> dict[str, Any] | None:
    """Commit of the project's checkout, and whether it was changed; None outside of one."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()

    try:
        if Path(__file__).name not in git("ls-files", Path(__file__).name):
            return None
        return {"commit": git("rev-parse", "HEAD"), "changed": bool(git("status", "--porcelain"))}
    except (OSError, subprocess.SubprocessError):
        return None


def write_history(folder: Path, history: Sequence[Mapping[str, float]], best: str) -> None:
    """The log as JSON and as a picture."""
    defined = [{k: None if v != v else v for k, v in entry.items()} for entry in history]
    (folder / HISTORY).write_text(json.dumps(defined, indent=1) + "\n", encoding="utf-8")
    _draw(folder / CURVES, history, best)


def keep_final(folder: Path, checkpoint: Path) -> Path:
    """Copy model or adapter, processor and settings of a checkpoint, without what only training needs."""
    target, partial = folder / FINAL, folder / f"{FINAL}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(checkpoint, partial, ignore=lambda _, names: [n for n in names if _TRAINING_STATE.match(n)])
    shutil.rmtree(target, ignore_errors=True)
    partial.rename(target)
    return target


def _draw(path: Path, history: Sequence[Mapping[str, float]], best: str) -> None:
    """Loss of training and of what is kept back, and the metric that chooses the best checkpoint, over steps."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for key, label in (("loss", "training"), ("eval_loss", "kept back")):
        points = [(entry["step"], entry[key]) for entry in history if key in entry]
        if points:
            left.plot(*zip(*points, strict=True), marker="o" if len(points) < 30 else None, markersize=3, label=label)
    left.set(xlabel="optimiser step", ylabel="cross-entropy a token", title="Loss")
    wanted = [("answer_token_accuracy", "answer tokens right, training")]
    wanted += [(f"eval_{best}", f"{best}, kept back")] if best != "loss" else []
    for key, label in wanted:
        points = [(entry["step"], entry[key]) for entry in history if key in entry and entry[key] == entry[key]]
        if points:
            right.plot(*zip(*points, strict=True), marker="o" if len(points) < 30 else None, markersize=3, label=label)
    right.set(xlabel="optimiser step", ylim=(0, 1.02), title="Accuracy and metric")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        if axes.has_data():
            axes.legend()
    figure.savefig(path, dpi=110)
