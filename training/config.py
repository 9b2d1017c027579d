"""The keys of a training run, with what each means and the checks between them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from qreal_tasks.benchmark import GROUPS, IMAGEQA_SETS, QUESTION_NAMES, Style
from qreal_tasks.files.settings import Settings
from qreal_tasks.metrics.catalogue import IMAGEQA
from qreal_tasks.subtasks import SUBTASKS

Task = Literal["objectqa", "imageqa", "detect", "filter", "describe"]

CHOICE_TASKS = ("objectqa", "filter")
"""Tasks whose answers are Yes or No."""

BOX_TASKS = ("imageqa", "detect")
"""Tasks whose answers hold boxes."""

CHOICE_METRICS = ("acc", "auc")
BOX_METRICS = ("iou", "detection_rate", "auc", "f1_at_50", "recall_at_50", "false_alarm", "unparsed")
LOWER_IS_BETTER = ("loss", *(metric.name for metric in IMAGEQA.values() if not metric.higher_is_better))


class ConfigError(ValueError):
    """A config that cannot be run; the message names the key, what was found and what was expected."""


class Lora(Settings):
    """Adapter of low rank beside linear layers (PEFT)."""

    r: int = Field(default=8, ge=1)
    alpha: float = Field(default=32, gt=0)
    dropout: float = Field(default=0.05, ge=0, lt=1)
    targets: str | list[str] | None = None
    """A regular expression over module names, or names; by default the family's: the language model's linear layers."""


class Freeze(Settings):
    """Which parts keep their weights; for ``method: full`` only, since LoRA trains what ``lora.targets`` names."""

    vision: bool = True
    projector: bool = True
    language: bool = False


class HeldOut(Settings):
    """Evaluation while training, on prompts of the train split that are kept back."""

    share: float = Field(default=0.05, ge=0, lt=1)
    """Share of the prompts; 0 for no evaluation. All images of a prompt are on one side."""
    most: int = Field(default=256, ge=1)
    """Entities or images to ask at each evaluation, drawn once with the seed."""
    every_epochs: float = Field(default=1.0, gt=0)
    best: str | None = None
    """Metric that chooses the best checkpoint; by default ``auc`` for Yes or No, ``f1_at_50`` for boxes, ``loss``
    for descriptions. One question's or set's has its name behind it: ``auc_realism_q1``."""
    early_stop: int | None = Field(default=None, ge=1)
    """Stop after so many evaluations without a better value."""
    batch_size: int = Field(default=8, ge=1)
    """Pictures at a time."""
    max_new_tokens: int = Field(default=1024, ge=1)


class TrainConfig(Settings):
    """Everything that decides a run."""

    task: Task
    prompts: Style = Style.BENCHMARK
    """What is asked, and how answers are written: as the benchmark's tasks ask, or as the paper prints it, its bare
    queries and for boxes the format of Figure 6."""
    model: str
    """Folder or hub id."""
    revision: str | None = None
    """Revision of a hub id."""
    adapter: str | None = None
    """Folder of an adapter to go on with, made for ``model`` (the second ablation of Table 4)."""
    data: str | None = None
    """As QREAL_DATA; by default that variable."""
    name: str | None = None
    """Name of the run, for its folder."""
    output: str | None = None
    """Folder of the run; by default a new one under runs/train/."""

    questions: list[str] = Field(default_factory=lambda: list(QUESTION_NAMES))
    """ObjectQA questions to train on."""
    sets: list[str] = Field(default_factory=lambda: list(IMAGEQA_SETS))
    """ImageQA sets to train on; each is a separate example of an image. By default all, with ``prompts: paper`` all but
    ``human_plausibility``: its bare query is that of ``plausibility``."""
    packing: bool | None = None
    """All questions about a picture as one sequence behind it; by default for answers of Yes or No."""
    max_tokens: int | None = Field(default=None, ge=1)
    """Most tokens of a question with its picture and answer, each counted apart also where they are packed."""
    over_length: Literal["error", "drop"] = "error"
    min_pixels: int | None = Field(default=None, ge=1)
    max_pixels: int | None = Field(default=None, ge=1)
    max_patches: int | None = Field(default=None, ge=1)

    method: Literal["lora", "full"] = "lora"
    lora: Lora = Field(default_factory=Lora)
    freeze: Freeze = Field(default_factory=Freeze)
    dtype: Literal["bfloat16", "float32"] = "bfloat16"
    attn_implementation: str = "sdpa"
    gradient_checkpointing: bool = True

    epochs: float = Field(default=3.0, gt=0)
    max_steps: int | None = Field(default=None, ge=1)
    """Stop after so many optimiser steps, whatever ``epochs`` says."""
    batch_size: int = Field(default=4, ge=1)
    """Questions a device sees at once. A packed picture counts as many as it has; see ``plan.choose_batching``."""
    gradient_accumulation: int = Field(default=1, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    schedule: Literal["cosine", "linear", "constant", "constant_with_warmup"] = "cosine"
    warmup: float = Field(default=0.05, ge=0, lt=1)
    """Share of the steps."""
    weight_decay: float = Field(default=0.1, ge=0)
    betas: list[Annotated[float, Field(ge=0, lt=1)]] = Field(default=[0.9, 0.95], min_length=2, max_length=2)
    max_grad_norm: float = Field(default=1.0, gt=0)
    group_by_length: bool = True
    seed: int = Field(default=42, ge=0, lt=2**32)
    workers: int = Field(default=4, ge=0)
    """Processes that decode and process pictures ahead, on each device."""
    deepspeed: str | None = None
    """``zero2`` or ``zero3``, or a JSON file of DeepSpeed."""

    held_out: HeldOut = Field(default_factory=HeldOut)
    save_every_steps: int | None = Field(default=None, ge=1)
    """Besides the checkpoint at each evaluation."""
    keep_checkpoints: int = Field(default=2, ge=1)
    """The newest; the best one is kept beside them."""
    log_every_steps: int = Field(default=10, ge=1)
    report_to: Literal["tensorboard", "wandb", "none"] = "tensorboard"

    @model_validator(mode="before")
    @classmethod
    def _sets_that_differ(cls, values: Any) -> Any:
        """The default of ``sets`` where two of them have the same query."""
        if isinstance(values, dict) and values.get("prompts") == Style.PAPER and "sets" not in values:
            return {**values, "sets": [name for name in IMAGEQA_SETS if name != "human_plausibility"]}
        return values

    @model_validator(mode="after")
    def _can_train(self) -> TrainConfig:
        for key, known in (("questions", QUESTION_NAMES), ("sets", IMAGEQA_SETS)):
            given = getattr(self, key)
            if not given or len(set(given)) < len(given) or not set(given) <= set(known):
                raise ValueError(f"{key} is {given}, expected some of {', '.join(known)}, each once")
        self._check_prompts()
        if self.method == "lora" and self.freeze != Freeze():
            raise ValueError("freeze is for method: full; with LoRA, lora.targets says what is trained")
        if self.method == "full" and self.adapter:
            raise ValueError("adapter is for method: lora; merge it into the model first (qreal train export)")
        if self.method == "full" and self.freeze.vision and self.freeze.projector and self.freeze.language:
            raise ValueError("freeze: everything is frozen, so nothing would be trained; set one part to false")
        self._check_held_out()
        return self

    def _check_prompts(self) -> None:
        if self.prompts is Style.BENCHMARK:
            return
        if self.task in SUBTASKS:
            raise ValueError(
                f"prompts is {self.prompts} and task {self.task}, but the paper prints no query of the agent's "
                f"subtasks ({', '.join(SUBTASKS)}); leave prompts out, or train objectqa or imageqa"
            )
        if self.task == "imageqa" and {"plausibility", "human_plausibility"} <= set(self.sets):
            raise ValueError(
                "sets has plausibility and human_plausibility, which the paper's query does not tell apart: a portrait "
                "would have two answers to one question. Name one of them, or leave prompts out"
            )

    def _check_held_out(self) -> None:
        held_out, known = self.held_out, self._metrics()
        if self.best not in known:
            raise ValueError(f"held_out.best is {self.best}, expected one of {', '.join(known)} for task {self.task}")
        if held_out.share and held_out.every_epochs > self.epochs:
            raise ValueError(
                f"held_out.every_epochs is {held_out.every_epochs:g} and epochs {self.epochs:g}, so nothing would ever "
                "be evaluated; lower it, or set held_out.share to 0"
            )
        if held_out.early_stop and not held_out.share:
            raise ValueError("held_out.early_stop needs prompts that are kept back, and held_out.share is 0")

    def _metrics(self) -> list[str]:
        """What is measured on the prompts that are kept back."""
        if self.task == "describe":
            return ["loss"]
        kinds = CHOICE_METRICS if self.task in CHOICE_TASKS else BOX_METRICS
        names = {"objectqa": self.questions, "detect": ["detect"]}.get(self.task, self.sets)
        return ["loss", *kinds, *(f"{kind}_{name}" for kind in kinds for name in names)]

    @property
    def eval_tasks(self) -> str:
        """The ``--tasks`` of ``qreal eval`` that ask a model what it learnt."""
        return f"{GROUPS[self.prompts]}_{'objectqa' if self.task == 'objectqa' else 'imageqa'}"

    @property
    def rows(self) -> str:
        """The config of the dataset whose rows a task shows: entities' crops or whole images."""
        return "imageqa" if self.task in BOX_TASKS else "objectqa"

    @property
    def best_is_lowest(self) -> bool:
        """Whether the best checkpoint is the one with the lowest value."""
        return self.best.startswith(LOWER_IS_BETTER)

    @property
    def packs(self) -> bool:
        """Whether the questions about a picture share a sequence."""
        return self.task in CHOICE_TASKS if self.packing is None else self.packing

    @property
    def best(self) -> str:
        """The metric that chooses the best checkpoint."""
        if self.held_out.best:
            return self.held_out.best
        return "auc" if self.task in CHOICE_TASKS else "f1_at_50" if self.task in BOX_TASKS else "loss"
