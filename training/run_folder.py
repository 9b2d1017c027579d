"""What a run leaves behind: enough to repeat it, to go on with it and to see how it went.

::

    runs/train/<name>-<time>/
        config.yaml        every key, as it was run
        environment.json   versions, git state, data, plan, devices
        constraints.txt    every installed package
        checkpoint-<step>/ adapter or model, optimiser, random states; whole when COMPLETE is in it
        history.json       losses and metrics by step
        curves.png         the same as a picture
        chosen.json        the step of the checkpoint in final/, and its value of the metric
        final/             adapter or model and processor: of the best checkpoint, else of the last step
"""

from __future__ import annotations

import hashlib
import json
import os
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
from qreal_tasks.dataset.source import Kind, Source
from qreal_tasks.files.atomic import new_folder, replaced, write_whole
from qreal_tasks.files.regular import open_file, read_text
from qreal_tasks.files.system_errors import reason_of
from qreal_tasks.files.yaml_files import YamlError, read
from qreal_tasks.mini.origin import is_drawn_id
from training.config import ConfigError, TrainConfig, checked

CONFIG = "config.yaml"
ENVIRONMENT = "environment.json"
HISTORY = "history.json"
CURVES = "curves.png"
FINAL = "final"
CHOSEN = "chosen.json"
COMPLETE = "COMPLETE"
DRAWN = "drawn by `qreal mini`, all or some"
"""The origin of such data, among what names the data."""

_TRAINING_STATE = re.compile(
    r"(optimizer|scheduler|rng_state|scaler|trainer_state|training_args|global_step|latest$|COMPLETE$|README|zero_to_)"
)


def checkpoint_folder(folder: Path, step: int) -> Path:
    """Where the checkpoint of a step is."""
    return folder / f"checkpoint-{step}"


def newest_checkpoint(folder: Path) -> Path | None:
    """The last checkpoint that is whole; one that was being written when the run died is passed over."""
    whole = [path.parent for path in folder.glob(f"checkpoint-*/{COMPLETE}")]
    return max(whole, key=_step, default=None)


def is_finished(checkpoint: Path) -> bool:
    """Whether training ended with this checkpoint: all steps were made, or it was stopped early."""
    state = _state(checkpoint)
    control = state.get("stateful_callbacks", {}).get("TrainerControl", {}).get("args", {})
    return bool(state["global_step"] >= state["max_steps"] or control.get("should_training_stop"))


def best_checkpoint(folder: Path) -> Path:
    """The checkpoint with the best metric, or the newest one where none was measured or defined."""
    newest = newest_checkpoint(folder)
    assert newest is not None, "called once a checkpoint is saved"
    best = folder / Path(_state(newest)["best_model_checkpoint"] or "none").name  # the run may have been moved
    return best if (best / COMPLETE).is_file() else newest


def rotate(folder: Path, keep: int, best: str | None) -> None:
    """Remove all whole checkpoints but the newest ``keep`` and the best."""
    whole = sorted((path.parent for path in folder.glob(f"checkpoint-*/{COMPLETE}")), key=_step, reverse=True)
    for path in whole[keep:]:
        if path.name != Path(best or "none").name:
            (path / COMPLETE).unlink()  # first: what a kill leaves of it is not taken for whole
            shutil.rmtree(path)


def _state(checkpoint: Path) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(read_text(checkpoint / "trainer_state.json"))
    return state


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def clear_incomplete(folder: Path) -> list[str]:
    """Remove what a run that died left of checkpoints, so that it is not counted among the newest; their names."""
    left = sorted(path for path in folder.glob("checkpoint-*") if not (path / COMPLETE).is_file())
    for path in left:
        shutil.rmtree(path)
    return [path.name for path in left]


def with_whole_paths(config: TrainConfig, source: Source) -> TrainConfig:
    """The config with paths that mean the same from any folder; hub ids stay as they are, and so does a data set that
    only QREAL_DATA names.

    Args:
        config: as it was given.
        source: what ``config.data`` was found to be.
    """
    whole: dict[str, str] = {}
    if config.data is not None and source.kind in (Kind.FOLDER, Kind.SAVED):
        whole["data"] = source.path
    for key in ("model", "adapter", "deepspeed"):
        value = getattr(config, key)
        path = Path(value or "").expanduser()
        if value and (path.is_file() if key == "deepspeed" else path.is_dir()):
            whole[key] = os.path.abspath(path)  # by its own name, not that of what a link leads to
    return config.model_copy(update=whole)


def write_start(folder: Path, config: TrainConfig, facts: Mapping[str, Any]) -> None:
    """Config, environment and installed packages."""
    folder.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    write_whole(folder / CONFIG, text)
    packages = sorted({f"{d.metadata['Name']}=={d.version}" for d in distributions()}, key=str.lower)
    write_whole(folder / "constraints.txt", "\n".join(packages) + "\n")
    environment = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "prompt_version": PROMPT_VERSION,
        "git": git_state(),
        **facts,
    }
    write_whole(folder / ENVIRONMENT, json.dumps(environment, indent=2, ensure_ascii=False) + "\n")


def read_config(folder: Path) -> TrainConfig:
    """The config of a run.

    Raises:
        ConfigError: the folder holds no run.
    """
    path = folder / CONFIG
    try:
        document = read(path)
    except YamlError as error:
        raise ConfigError(f"{folder} is not the folder of a training run: {path.name} {error}") from None
    return checked(document.content, str(path), document.written)


def processes_of(folder: Path) -> int:
    """In how many processes a run was started.

    Raises:
        ConfigError: the folder holds no run.
    """
    try:
        return int(json.loads(read_text(folder / ENVIRONMENT))["processes"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{folder} is not the folder of a training run: {ENVIRONMENT}: {reason_of(error)}") from None


def check_same(folder: Path, facts: Mapping[str, Any]) -> None:
    """Refuse to go on with a run on other data, with other texts of the questions or in another number of processes: it
    would not end the same.

    Raises:
        ConfigError: it was started otherwise.
    """
    started = json.loads(read_text(folder / ENVIRONMENT))
    if started["processes"] != facts["processes"]:
        raise ConfigError(
            f"{folder} was started in {started['processes']} processes, and now has {facts['processes']}; go on with "
            f"--processes {started['processes']}"
        )
    if started["prompt_version"] != PROMPT_VERSION:
        raise ConfigError(
            f"{folder} was started with version {started['prompt_version']} of the prompts, and this is version "
            f"{PROMPT_VERSION}; go on with the release that it was started with, or start anew"
        )
    content = ("sha256", "commit", "rows")  # wherever the data lies now
    if any(started["data"].get(key) != facts["data"].get(key) for key in content):
        raise ConfigError(f"{folder} was started with the data {started['data']}, and now has {facts['data']}")


def data_facts(source: Source, rows: Dataset) -> dict[str, Any]:
    """What names the data: where it is, and a revision or a digest of its files."""
    facts: dict[str, Any] = {"name": source.name, "kind": str(source.kind), "rows": len(rows)}
    if source.is_drawn or any(map(is_drawn_id, rows["image_id"])):
        facts["origin"] = DRAWN
    if source.kind is Kind.HUB:
        return {**facts, "revision": source.revision, "commit": source.commit}
    digest = hashlib.sha256()
    for path in source.files():
        with open_file(path) as file:
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
    """The log as JSON and as a picture; nothing when there is none, so that an earlier one stays."""
    if not history:
        return
    defined = [{k: None if v != v else v for k, v in entry.items()} for entry in history]
    write_whole(folder / HISTORY, json.dumps(defined, indent=1) + "\n")
    with replaced(folder / CURVES) as beside:
        _draw(beside, history, best)


def keep_final(folder: Path) -> Path:
    """Copy the best checkpoint's model or adapter, processor and settings, without what only training needs."""
    checkpoint = best_checkpoint(folder)
    newest = newest_checkpoint(folder)
    state = _state(newest or checkpoint)
    chosen = {"step": _step(checkpoint), "of_steps": state["global_step"], "best_value": state["best_metric"]}
    write_whole(folder / CHOSEN, json.dumps(chosen) + "\n")
    with new_folder(folder / FINAL, instead=True) as beside:
        shutil.copytree(checkpoint, beside, ignore=_training_state, dirs_exist_ok=True)
    return folder / FINAL


def _training_state(_: str, names: list[str]) -> list[str]:
    """Files of a checkpoint that only training needs."""
    return [name for name in names if _TRAINING_STATE.match(name)]


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
    figure.savefig(path, dpi=110, format="png")
