"""A trained model as a folder for others: merged weights or the adapter, processor, and a card that says what it is."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from qreal_tasks.dataset.hub_errors import describe_hub_error, hub_failures
from qreal_tasks.files.atomic import new_folder, write_whole
from qreal_tasks.files.regular import read_text
from qreal_tasks.models.local.weights.loading import attach_adapter
from qreal_tasks.text.addresses import shown
from training.config import ConfigError, TrainConfig
from training.export.card import make_public_recipe, write_card, write_command
from training.model import read_outline
from training.run.folder import CONFIG_FILE, CURVES_FILE, ENVIRONMENT_FILE, FINAL_FOLDER, name_base, read_config

_OF_TRAINING = "training_"
"""Before the names of files that tell how the model was made."""


@dataclass(frozen=True)
class Exported:
    """What was written."""

    folder: Path
    model_args: str
    """For ``qreal eval --model qreal_hf --model_args``."""
    command: str
    """Evaluates it."""


def export(run: Path, folder: Path, *, merge: bool = True, results: Path | None = None) -> Exported:
    """Write the model of a run into ``folder``.

    Args:
        run: folder of a finished run.
        folder: empty or not there.
        merge: add the adapter to the base model's weights, so that the folder is a model by itself; otherwise the
            adapter alone is written, a thousandth of the size, which needs its base model beside it.
        results: folder of a run of ``qreal eval`` whose recomputed scores go into the card. Where ``folder`` is an
            export of this run already, only its card is written anew: a model is exported first and evaluated then.

    Raises:
        ConfigError: the run has not finished, or ``folder`` holds something else.
        RunFolderError: ``results`` holds no run with the prompts that the model was trained on.
    """
    config = read_config(run)
    trained = run / FINAL_FOLDER
    if not trained.is_dir():
        raise ConfigError(
            f"{run} has no {FINAL_FOLDER}/: the run has not finished; go on with `qreal train --resume {run}`"
        )
    exists = _is_export_of(folder, run)
    if not exists and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} holds something already: name an empty folder, or one that is not there")
    merged = merge or config.method == "full"
    if exists and merged != (folder / "config.json").is_file():
        raise ConfigError(f"{folder} is an export of this run in the other form: name another folder, or leave --merge")
    model_args = f"pretrained={folder}" if merged else f"pretrained={config.model},adapter={folder}"
    exported = Exported(folder, model_args, write_command(config, str(folder), model_args))
    card = write_card(run, config, merged, results)  # before the weights: it may refuse the results
    if exists:
        write_whole(folder / "README.md", card)
        return exported
    with new_folder(folder) as beside:
        if merged:
            _write_model(config, trained, beside)
        else:
            shutil.copytree(trained, beside, dirs_exist_ok=True)
            name_base(beside, config.model, config.revision)
        shutil.copy(run / CURVES_FILE, beside / f"{_OF_TRAINING}{CURVES_FILE}")
        recipe = yaml.safe_dump(make_public_recipe(config), sort_keys=False, allow_unicode=True)
        (beside / f"{_OF_TRAINING}{CONFIG_FILE}").write_text(recipe, encoding="utf-8")
        (beside / f"{_OF_TRAINING}{ENVIRONMENT_FILE}").write_text(_environment(run), encoding="utf-8")
        (beside / "README.md").write_text(card, encoding="utf-8")
    return exported


def push(folder: Path, repository: str, private: bool) -> str:
    """Upload an exported folder, and return its address.

    An adapter on a base model in a folder of this machine then names it without that folder.

    Raises:
        ConfigError: the hub refuses; the message is the hub's.
    """
    from huggingface_hub import HfApi

    if (folder / "adapter_config.json").is_file():
        settings = json.loads(read_text(folder / "adapter_config.json"))
        name_base(folder, shown(settings["base_model_name_or_path"]), settings.get("revision"))
    api = HfApi()
    try:
        address = api.create_repo(repository, private=private, exist_ok=True)
        api.upload_folder(repo_id=repository, folder_path=folder, commit_message="Model tuned on Q-Real")
    except hub_failures() as error:
        raise ConfigError(
            f"--push {repository}: {describe_hub_error(error)}. {folder} is written; push it again when mended"
        ) from None
    return str(address)


def _is_export_of(folder: Path, run: Path) -> bool:
    copy = folder / f"{_OF_TRAINING}{ENVIRONMENT_FILE}"
    return copy.is_file() and read_text(copy) == _environment(run)


def _environment(run: Path) -> str:
    """Read what the run notes of itself, without where its data lay."""
    facts = json.loads(read_text(run / ENVIRONMENT_FILE))
    facts["data"]["name"] = shown(facts["data"]["name"])
    return json.dumps(facts, indent=2, ensure_ascii=False) + "\n"


def _write_model(config: TrainConfig, trained: Path, folder: Path) -> None:
    """Write the whole model, an adapter added to its base, and the processor with the pixel limits of training."""
    import torch
    from transformers import AutoModelForImageTextToText

    lora = config.method == "lora"
    base = config.loads_from if lora else str(trained)
    try:
        model: Any = AutoModelForImageTextToText.from_pretrained(
            base, revision=config.revision if lora else None, dtype=getattr(torch, config.dtype)
        )
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"the base model {base} cannot be loaded: {reason}. With --no-merge the adapter is written without it"
        ) from None
    if lora:
        model = attach_adapter(model, str(trained)).merge_and_unload(safe_merge=True)
    model.config.use_cache = True
    model.save_pretrained(folder)
    read_outline(config).processor.save_pretrained(folder)
