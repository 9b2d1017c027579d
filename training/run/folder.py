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
from qreal_tasks.dataset.drawn import is_drawn_id
from qreal_tasks.dataset.source import Source, SourceKind
from qreal_tasks.files.atomic import new_folder, replace_file, write_whole
from qreal_tasks.files.regular import open_file, read_text
from qreal_tasks.files.system_errors import describe_error
from qreal_tasks.files.yaml_files import read_yaml
from qreal_tasks.models.sources import ADAPTER_SETTINGS
from qreal_tasks.shipped import SHIPPED
from training.config import ConfigError, TrainConfig
from training.recipe import parse_config
from training.run.checkpoints import find_best_checkpoint, list_checkpoints, read_state

CONFIG_FILE = "config.yaml"
ENVIRONMENT_FILE = "environment.json"
HISTORY_FILE = "history.json"
CURVES_FILE = "curves.png"
FINAL_FOLDER = "final"
CHOSEN_FILE = "chosen.json"
DRAWN = "drawn by `qreal mini`, all or some"
"""The origin of such data, among what names the data."""

_TRAINING_STATE = re.compile(
    r"(optimizer|scheduler|rng_state|scaler|trainer_state|training_args|global_step|latest$|COMPLETE$|README|zero_to_)"
)
"""Files of a checkpoint that only training needs."""


def make_paths_absolute(config: TrainConfig, source: Source) -> TrainConfig:
    """Give the config paths that mean the same from any folder; hub ids stay as they are, and so does a data set that
    only QREAL_DATA names; ``source`` is what ``config.data`` was found to be.
    """
    whole: dict[str, str] = {}
    if config.data is not None and source.kind in (SourceKind.FOLDER, SourceKind.SAVED):
        whole["data"] = source.path
    for key in ("model", "adapter", "deepspeed"):
        value = getattr(config, key)
        path = Path(value or "").expanduser()
        if value and value != SHIPPED and (path.is_file() if key == "deepspeed" else path.is_dir()):
            whole[key] = os.path.abspath(path)  # by its own name, not that of what a link leads to
    return config.model_copy(update=whole)


def write_start(folder: Path, config: TrainConfig, facts: Mapping[str, Any]) -> None:
    """Write config, environment and installed packages."""
    folder.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    write_whole(folder / CONFIG_FILE, text)
    packages = sorted({f"{d.metadata['Name']}=={d.version}" for d in distributions()}, key=str.lower)
    write_whole(folder / "constraints.txt", "\n".join(packages) + "\n")
    environment = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "prompt_version": PROMPT_VERSION,
        "git": read_git_state(),
        **facts,
    }
    write_whole(folder / ENVIRONMENT_FILE, json.dumps(environment, indent=2, ensure_ascii=False) + "\n")


def read_config(folder: Path) -> TrainConfig:
    """Read the config of a run.

    Raises:
        ConfigError: the folder holds no run.
    """
    document = read_yaml(
        folder / CONFIG_FILE, f"{folder} is not the folder of a training run: {CONFIG_FILE}", ConfigError
    )
    return parse_config(document.content, str(folder / CONFIG_FILE), document.written)


def read_processes(folder: Path) -> int:
    """Read in how many processes a run was started.

    Raises:
        ConfigError: the folder holds no run.
    """
    try:
        return int(json.loads(read_text(folder / ENVIRONMENT_FILE))["processes"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            f"{folder} is not the folder of a training run: {ENVIRONMENT_FILE}: {describe_error(error)}"
        ) from None


def check_same(folder: Path, facts: Mapping[str, Any]) -> None:
    """Refuse to go on with a run on other data, with other texts of the questions or in another number of processes: it
    would not end the same.

    Raises:
        ConfigError: it was started otherwise.
    """
    started = json.loads(read_text(folder / ENVIRONMENT_FILE))
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
    commit, now = started["data"].get("commit"), facts["data"].get("commit")
    if commit and now and commit != now:
        name = str(facts["data"]["name"]).partition("@")[0]
        raise ConfigError(
            f"{folder} was started with commit {commit} of {started['data']['name']}, which is at {now} now; to go on, "
            f"write `data: {name}@{commit}` into its {CONFIG_FILE}"
        )
    content = ("sha256", "commit", "rows")  # wherever the data lies now
    if any(started["data"].get(key) != facts["data"].get(key) for key in content):
        raise ConfigError(f"{folder} was started with the data {started['data']}, and now has {facts['data']}")


def describe_data(source: Source, rows: Mapping[str, Dataset]) -> dict[str, Any]:
    """Describe the data: where it is, and a revision or a digest of its files; ``rows`` as ``TrainPlan.rows``."""
    facts: dict[str, Any] = {"name": source.name, "kind": str(source.kind), "rows": sum(map(len, rows.values()))}
    if source.is_drawn or any(is_drawn_id(name) for shown in rows.values() for name in shown["image_id"]):
        facts["origin"] = DRAWN
    if source.kind is SourceKind.HUB:
        return {**facts, "revision": source.revision, "commit": source.commit}
    digest = hashlib.sha256()
    for path in source.files():
        with open_file(path) as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return {**facts, "sha256": digest.hexdigest()}


def read_git_state() -> dict[str, Any] | None:
    """Read the commit of the project's checkout, and whether it was changed; None outside of one."""

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
    """Write the log as JSON and as a picture; nothing when there is none, so that an earlier one stays."""
    if not history:
        return
    defined = [{k: None if v != v else v for k, v in entry.items()} for entry in history]
    write_whole(folder / HISTORY_FILE, json.dumps(defined, indent=1) + "\n")
    with replace_file(folder / CURVES_FILE) as beside:
        _draw(beside, history, best)


def copy_final(folder: Path, config: TrainConfig) -> None:
    """Copy the best checkpoint's model or adapter, processor and settings, without what only training needs.

    An adapter on the shipped model names it as the user did: where it is installed differs between machines.
    """
    best, last = find_best_checkpoint(folder), read_state(list_checkpoints(folder)[0])
    step = read_state(best)["global_step"]
    chosen = {"step": step, "of_steps": last["global_step"], "best_value": last["best_metric"]}
    write_whole(folder / CHOSEN_FILE, json.dumps(chosen) + "\n")
    with new_folder(folder / FINAL_FOLDER, instead=True) as beside:
        shutil.copytree(best, beside, ignore=_list_training_state, dirs_exist_ok=True)
        if config.model == SHIPPED and (beside / ADAPTER_SETTINGS).is_file():
            name_base(beside, SHIPPED, None)


def name_base(folder: Path, base: str, revision: str | None) -> None:
    """Say which model an adapter lies on, and its revision."""
    path = folder / ADAPTER_SETTINGS
    settings = json.loads(read_text(path))
    settings |= {"base_model_name_or_path": base, "revision": revision}
    write_whole(path, json.dumps(settings, indent=2) + "\n")


def _list_training_state(_: str, names: list[str]) -> list[str]:
    return [name for name in names if _TRAINING_STATE.match(name)]


def _draw(path: Path, history: Sequence[Mapping[str, float]], best: str) -> None:
    """Draw the loss of training and of what is kept back, and the metric that chooses the best checkpoint, by step."""
    from matplotlib.figure import Figure

    metric = [] if best == "loss" else [(f"eval_{best}", f"{best}, kept back")]
    panels: tuple[tuple[dict[str, Any], str, list[tuple[str, str]]], ...] = (
        (
            {"title": "Loss", "ylabel": "cross-entropy a token"},
            "upper right",
            [("loss", "training"), ("eval_loss", "kept back")],
        ),
        (
            {"title": "Accuracy and metric" if metric else "Accuracy", "ylabel": "from 0 to 1", "ylim": (0, 1.02)},
            "lower right",
            [("answer_token_accuracy", "answer tokens right, training"), *metric],
        ),
    )
    figure = Figure(figsize=(9, 3.4), layout="constrained")
    for axes, (look, corner, curves) in zip(figure.subplots(1, 2), panels, strict=True):
        for (key, label), line in zip(curves, ("-", "--"), strict=False):
            points = [(entry["step"], entry[key]) for entry in history if key in entry and entry[key] == entry[key]]
            if points:
                marker = "o" if len(points) < 30 else None
                axes.plot(*zip(*points, strict=True), linestyle=line, marker=marker, markersize=3, label=label)
        axes.set(xlabel="optimiser step", **look)
        axes.grid(alpha=0.3)
        if axes.has_data():
            axes.legend(loc=corner)
    figure.savefig(path, dpi=110, format="png")
