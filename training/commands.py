"""``qreal train``: fine-tune a model. Heavy imports stay inside the commands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from qreal_tasks.command_line import fail


class _RecipeFirst(TyperGroup):
    """``qreal train RECIPE`` stands for ``qreal train run RECIPE``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in (*self.commands, "--help"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


train_app = typer.Typer(
    cls=_RecipeFirst,
    help="Fine-tune a model: qreal train RECIPE KEY=VALUE …, qreal train --resume RUN, qreal train export RUN DIR.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@train_app.command("run", context_settings={"ignore_unknown_options": True})  # --key=value reaches the config
def run_command(
    recipe: Annotated[Path | None, typer.Argument(help="YAML file, for instance of configs/training/.")] = None,
    overrides: Annotated[list[str] | None, typer.Argument(help="key=value, for instance lora.r=16.")] = None,
    resume: Annotated[Path | None, typer.Option(help="Folder of an interrupted run to go on with.")] = None,
) -> None:
    """Train with a recipe, any key of which can be set behind it.

    \b
    qreal train configs/training/objectqa-qwen2.5-vl-7b.yaml learning_rate=2e-4 lora.r=16
    accelerate launch -m training configs/training/imageqa-qwen2.5-vl-7b.yaml deepspeed=configs/deepspeed/zero3.json
    qreal train --resume runs/train/objectqa-Qwen2.5-VL-7B-Instruct-20260101-120000
    """
    from qreal_tasks.dataset import DatasetError
    from training.config import ConfigError, load_config

    try:
        if resume is not None:
            if recipe is not None:
                raise ConfigError("--resume takes everything from the run's own config.yaml; leave recipe and keys out")
            from training.run_folder import read_config

            config = read_config(resume)
        elif recipe is not None:
            config = load_config(recipe, overrides or [])
        else:
            raise ConfigError("name a recipe, for instance configs/training/objectqa-qwen2.5-vl-7b.yaml")
        from training.sft import BatchTooLargeError, train
    except (ConfigError, OSError) as error:
        fail("train", error)
    try:
        folder = train(config, resume)
    except (ConfigError, DatasetError, BatchTooLargeError, OSError) as error:
        fail("train", error)
    if int(os.environ.get("RANK", "0")) == 0:
        typer.echo(f"Done: {folder}\nNext: qreal train export {folder} {folder.name}-merged")


@train_app.command("export")
def export_command(
    run: Annotated[Path, typer.Argument(help="Folder of a finished training run.")],
    folder: Annotated[Path, typer.Argument(help="Where to write; empty or not there.")],
    merge: Annotated[bool, typer.Option(help="Add the adapter to the weights, or keep it apart.")] = True,
    results: Annotated[Path | None, typer.Option(help="Run of `qreal eval` whose scores go into the card.")] = None,
    push: Annotated[str | None, typer.Option(help="Upload to this repository of the hub, org/name.")] = None,
    private: Annotated[bool, typer.Option(help="The repository is private, when it is new.")] = False,
) -> None:
    """Write a trained model into a folder that `qreal eval --model qreal_hf` takes.

    \b
    qreal train export runs/train/objectqa-… qreal-objectqa-7b
    qreal eval --model qreal_hf --model_args pretrained=qreal-objectqa-7b --tasks qreal_objectqa --output_path runs/a
    qreal train export runs/train/objectqa-… qreal-objectqa-7b --results runs/a --push org/qreal-objectqa-7b
    """
    from qreal_tasks.report.run_folder import RunFolderError
    from training import export as exporting
    from training.config import ConfigError

    try:
        exported = exporting.export(run, folder, merge=merge, results=results)
        typer.echo(f"Written: {folder}\nNext: qreal eval --model qreal_hf --model_args {exported.model_args}")
        if push:
            typer.echo(f"Uploaded: {exporting.push(folder, push, private)}")
    except (ConfigError, RunFolderError, OSError, ValueError) as error:
        fail("train", error)
