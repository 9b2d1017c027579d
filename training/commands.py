"""``qreal train``: fine-tune a model. Heavy imports stay inside the commands."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, NoReturn

import click
import typer
from typer.core import TyperGroup


class _RecipeFirst(TyperGroup):
    """``qreal train RECIPE`` stands for ``qreal train run RECIPE``."""

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in self.commands:
            args = ["run", *args]
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] == "--resume":
            args = ["run", *args]
        return super().parse_args(ctx, args)


train_app = typer.Typer(
    cls=_RecipeFirst,
    help="Fine-tune a model: qreal train RECIPE [key=value …], qreal train --resume RUN, qreal train export RUN DIR.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@train_app.command("run")
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
        _fail(error)
    try:
        folder = train(config, resume)
    except (ConfigError, DatasetError, BatchTooLargeError, OSError) as error:
        _fail(error)
    if int(os.environ.get("RANK", "0")) == 0:
        typer.echo(f"Done: {folder}\nNext: qreal train export {folder} {folder.name}-merged")


def _fail(error: Exception) -> NoReturn:
    typer.secho(f"qreal train: {error}", fg=typer.colors.RED, err=True)
    raise typer.Exit(1)
