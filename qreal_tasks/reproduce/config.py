"""What is reproduced, and with what: a file like ``configs/reproduce.yaml``."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from qreal_tasks.benchmark import Style
from qreal_tasks.files.settings import Settings
from qreal_tasks.files.yaml_models import load_yaml
from qreal_tasks.leaderboard.board.paper import load_paper_models
from qreal_tasks.llm.usage import GivenPrices


class ReproduceError(ValueError):
    """The file cannot be used, or names what is not there."""


class ReproducedModel(Settings):
    """One model of the paper: ``weights``, ``convert`` or ``server`` says where it is."""

    paper: str
    """Its name in the paper's tables, without a mark."""
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    """In names of steps and of recipes: ``configs/training/objectqa-<name>.yaml``."""
    weights: str | None = None
    """Hub id or folder. It is fine-tuned, and both ablations are made of it."""
    convert: str | None = None
    """As ``weights``: hub id of an original InternVL 2.5 checkpoint, which is fetched and converted."""
    server: str | None = None
    """``--model_args`` of ``qreal_openai``, for a model that is only asked."""
    prices: GivenPrices | None = None
    """Of a server: US dollars per million tokens."""
    parameters: float = Field(default=0.0, ge=0)
    """In billions, for the estimate."""
    picture_tokens: int = Field(default=0, ge=0)
    """The most that one picture takes, for the estimate."""

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        known = [one.name for one in load_paper_models()]
        if self.paper not in known:
            raise ValueError(f"paper is {self.paper!r}, expected one of {', '.join(dict.fromkeys(known))}")
        if sum(one is not None for one in (self.weights, self.convert, self.server)) != 1:
            raise ValueError(f"{self.name}: expected one of weights, convert and server")
        return self


class Hardware(Settings):
    """What hours and dollars are computed from, before anything was measured."""

    gpu: str
    gpus: int = Field(default=1, ge=1)
    """That work together on a step."""
    tflops: float = Field(gt=0)
    """Peak of one GPU in the type of the weights."""
    bandwidth_gb_s: float = Field(gt=0)
    utilisation: float = Field(gt=0, le=1)
    """Share of either that is reached; an assumption."""
    usd_per_gpu_hour: float = Field(ge=0)


class ReproduceConfig(Settings):
    """Everything that decides what is run."""

    models: list[ReproducedModel] = Field(min_length=1)
    prompts: list[Style] = Field(default_factory=lambda: [Style.PAPER, Style.BENCHMARK], min_length=1)
    """``paper``: its bare queries, as its tables; ``benchmark``: those of this project."""
    judge: str = "gpt-4o"
    """Name of a packaged judge, or a manifest file."""
    recipes: str = "training"
    """Folder of the recipes, from the folder of this file."""
    training: list[str] = Field(default_factory=list)
    """``KEY=VALUE`` over every recipe."""
    processes: int | None = Field(default=None, ge=1)
    """Of ``qreal train``."""
    deepspeed: str | None = None
    batch_size: int = Field(default=16, ge=1)
    """Of ``qreal eval``."""
    eval_args: str = ""
    """More ``--model_args`` for weights, such as ``dtype=float32``."""
    hardware: Hardware

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        names = [model.name for model in self.models]
        if len(set(names)) < len(names):
            raise ValueError(f"models: names are {', '.join(names)}, expected each once")
        return self


def load_reproduce_config(path: Path, models: list[str] | None = None) -> ReproduceConfig:
    """Read the file; ``recipes`` is then whole.

    Args:
        models: only these, by ``name``.

    Raises:
        ReproduceError: it cannot be read, a field is not as expected, or a model is not in it.
    """
    if not path.is_file():
        raise ReproduceError(
            f"{path} is not there: run this in a clone of Q-Real Bench, or give --config a copy of its "
            "configs/reproduce.yaml"
        )
    config = load_yaml(path, ReproduceConfig, str(path), ReproduceError)
    names = [model.name for model in config.models]
    if unknown := [name for name in models or () if name not in names]:
        raise ReproduceError(f"--models {unknown[0]}: {path} has {', '.join(names)}")
    chosen = [model for model in config.models if not models or model.name in models]
    return config.model_copy(update={"recipes": str((path.parent / config.recipes).resolve()), "models": chosen})
