"""``qreal train``: fine-tune a model. Heavy imports stay inside the commands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qreal_tasks.console.command_line import RunByDefault, fail_on, new_group
from qreal_tasks.console.terminal import echo
from qreal_tasks.files.user_cache import require_hub_cache

if TYPE_CHECKING:
    from training.config import TrainConfig


train_app = new_group(
    "Fine-tune a model, or export what was trained.\n\n"
    "\b\nqreal train RECIPE KEY=VALUE …\nqreal train --resume RUN\nqreal train export RUN DIR\n\n"
    "qreal train RECIPE is qreal train run RECIPE.",
    RunByDefault,
)


@train_app.command("run", context_settings={"ignore_unknown_options": True})  # --key=value reaches the config
def run_command(
    recipe: Annotated[
        Path | None,
        typer.Argument(help="YAML file, for instance of configs/training/. Not with --resume.", show_default=False),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            help="Keys of the recipe as key=value, for instance lora.r=16. Default: as the recipe has it.",
            show_default=False,
        ),
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes on this machine, one a GPU. Default: 1, or as many as the run to go on with had.",
            show_default=False,
        ),
    ] = None,
    deepspeed: Annotated[
        str | None,
        typer.Option(help="DeepSpeed: zero2, zero3 or a JSON file. Default: that of the recipe.", show_default=False),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(help="Folder of an interrupted run to go on with. Default: a new run.", show_default=False),
    ] = None,
) -> None:
    """Train with a recipe, any key of which can be set behind it.

    \b
    qreal train configs/training/objectqa-qwen2.5-vl-7b.yaml learning_rate=2e-4 lora.r=16
    qreal train configs/training/imageqa-internvl2.5-8b.yaml prompts=paper
    qreal train configs/training/imageqa-qwen2.5-vl-7b.yaml --processes 8 --deepspeed zero3
    qreal train --resume runs/train/objectqa-Qwen2.5-VL-7B-Instruct-20260101-120000

    Writes checkpoints, logs and the final model into a run folder, runs/train/<name>-<time> unless output=DIR names
    another. A run is resumed in as many processes as it was started in. Several machines start with torchrun, see
    docs/training.md.
    """
    from qreal_tasks.dataset.source import DatasetError
    from training.config import ConfigError
    from training.recipe import check_complete, load_recipe

    overrides = [*(overrides or []), *([f"deepspeed={deepspeed}"] if deepspeed else [])]
    require_hub_cache()
    with fail_on("train", ConfigError, OSError):
        if resume is not None:
            if recipe is not None or overrides:
                raise ConfigError("--resume takes everything from the run's own config.yaml; leave recipe and keys out")
            from training.run.folder import read_config, read_processes

            config = read_config(resume)
            if processes is None and (started := read_processes(resume)) > 1:
                processes = started
        elif recipe is not None:
            config = load_recipe(recipe, overrides)
            check_complete(config, recipe)
        else:
            raise ConfigError("name a recipe, for instance configs/training/objectqa-qwen2.5-vl-7b.yaml")
        _launch(config, ["--resume", str(resume)] if resume else [str(recipe), *overrides], processes)
        from training.run.sft import BatchTooLargeError, train
    with fail_on("train", ConfigError, DatasetError, BatchTooLargeError, OSError):
        folder = train(config, resume)
    if int(os.environ.get("RANK", "0")) == 0:
        echo(f"Done: {folder}\nNext: qreal train export {folder} {folder.name}-merged")


def _launch(config: TrainConfig, arguments: list[str], processes: int | None) -> None:
    """Run the command in processes of their own and end this one with them, where several or DeepSpeed are asked for.

    A process that a launcher started has that behind it.

    Raises:
        ConfigError: it cannot be launched so.
    """
    if "RANK" in os.environ or (config.deepspeed is None and processes is None):
        return
    from training.run.launch import StoppedError, launch
    from training.run.trl_config import find_deepspeed_file

    if config.deepspeed is not None:
        find_deepspeed_file(config.deepspeed)
    try:
        launch(arguments, processes)
    except StoppedError as error:
        echo(f"qreal train: {error}", colour=typer.colors.RED, err=True)
        raise typer.Exit(error.status) from None
    raise typer.Exit


@train_app.command("export")
def export_command(
    run: Annotated[Path, typer.Argument(help="Folder of a finished training run.")],
    folder: Annotated[Path, typer.Argument(help="Where to write; empty or not there.")],
    merge: Annotated[bool, typer.Option(help="Add the adapter to the weights, or keep it apart.")] = True,
    results: Annotated[
        Path | None, typer.Option(help="Run of `qreal eval` whose scores go into the card. Default: none.")
    ] = None,
    push: Annotated[
        str | None, typer.Option(help="Upload to this repository of the hub, org/name. Default: no upload.")
    ] = None,
    private: Annotated[bool, typer.Option(help="The repository is private, when it is new.")] = False,
) -> None:
    """Write a trained model into a folder that `qreal eval --model qreal_hf` takes.

    \b
    qreal train export runs/train/objectqa-… qreal-objectqa-7b
    qreal eval --model qreal_hf --model_args pretrained=qreal-objectqa-7b --tasks qreal_objectqa --output_path runs/a
    qreal train export runs/train/objectqa-… qreal-objectqa-7b --results runs/a --push org/qreal-objectqa-7b
    """
    from qreal_tasks.results.run_folder import RunFolderError
    from training.config import ConfigError
    from training.export import export as exporting

    with fail_on("train", ConfigError, RunFolderError, OSError, ValueError):
        exported = exporting.export(run, folder, merge=merge, results=results)
        echo(f"Written: {folder}\nNext: {exported.command}")
        if push:
            echo(f"Uploaded: {exporting.push(folder, push, private)}")
