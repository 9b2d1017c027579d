"""The keys of a training run, with what each means and the checks between them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from qreal_tasks.benchmark import GROUPS, IMAGEQA_SETS, QUESTION_NAMES, Style
from qreal_tasks.files.settings import Settings
from qreal_tasks.metrics.catalogue import IMAGEQA
from qreal_tasks.models.sources import find_shipped
from qreal_tasks.subtasks import SUBTASKS
from training.tasks import MEAN, TASKS, TaskName

LOWER_IS_BETTER = ("loss", *(metric.name for metric in IMAGEQA.values() if not metric.higher_is_better))


class ConfigError(ValueError):
    """A config that cannot be run; the message names the key, what was found and what was expected."""


def _check_tasks(value: Any) -> Any:
    """One task by its name, or several in a list; a list of one is that one."""
    given = value if isinstance(value, list | tuple) else [value]
    if not given or any(task not in TASKS for task in map(str, given)) or len(set(map(str, given))) < len(given):
        raise PydanticCustomError(
            "tasks", "expected one of {known}, or several in a list, each once", {"known": ", ".join(TASKS)}
        )
    return list(given) if len(given) > 1 else given[0]


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
    """Entities or images to ask at each evaluation in each task, drawn once with the seed."""
    every_epochs: float = Field(default=1.0, gt=0)
    best: str | None = None
    """Metric that chooses the best checkpoint; by default ``auc`` for Yes or No, ``f1_at_50`` for boxes, ``loss``
    for descriptions. One question's or set's has its name behind it: ``auc_realism_q1``. In a run of several tasks, the
    task's name stands before it (``objectqa_auc_realism_q1``), and the default is ``mean``, that of the metrics which
    each task alone would be chosen by: they lie between 0 and 1, so every task has an equal say, while the ``loss`` is
    mostly that of the task with the longest answers. With descriptions among the tasks it is ``loss``: nothing else
    is measured of these."""
    early_stop: int | None = Field(default=None, ge=1)
    """Stop after so many evaluations without a better value."""
    batch_size: int = Field(default=8, ge=1)
    """Pictures at a time."""
    max_new_tokens: int = Field(default=1024, ge=1)


class TrainConfig(Settings):
    """Everything that decides a run."""

    task: Annotated[TaskName | list[TaskName], BeforeValidator(_check_tasks)]
    """What is learnt; of a list all together, by one model."""
    weights: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """How often the sequences of a task are seen in an epoch, by its name; 1 where nothing is said. Of a fraction,
    another part is seen in every epoch, until all have been."""
    prompts: Style = Style.BENCHMARK
    """What is asked, and how answers are written: as the benchmark's tasks ask, or as the paper prints it, its bare
    queries and for boxes the format of Figure 6."""
    model: str
    """Folder or hub id, or ``mini`` for the small model that ships."""
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
        if absent := [name for name in self.weights if name not in self.tasks]:
            raise ValueError(
                f"weights has {', '.join(absent)}, expected some of the run's tasks {', '.join(self.tasks)}"
            )
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
        if thirds := [task for task in self.tasks if task in SUBTASKS]:
            raise ValueError(
                f"prompts is {self.prompts} and task {' and '.join(thirds)}, but the paper prints no query of the "
                f"agent's subtasks ({', '.join(SUBTASKS)}); leave prompts out, or train objectqa or imageqa"
            )
        if "imageqa" in self.tasks and {"plausibility", "human_plausibility"} <= set(self.sets):
            raise ValueError(
                "sets has plausibility and human_plausibility, which the paper's query does not tell apart: a portrait "
                "would have two answers to one question. Name one of them, or leave prompts out"
            )

    def _check_held_out(self) -> None:
        held_out, known = self.held_out, self._metrics()
        if self.best not in known:
            tasks = " and ".join(self.tasks)
            raise ValueError(f"held_out.best is {self.best}, expected one of {', '.join(known)} for task {tasks}")
        if held_out.share and held_out.every_epochs > self.epochs:
            raise ValueError(
                f"held_out.every_epochs is {held_out.every_epochs:g} and epochs {self.epochs:g}, so nothing would ever "
                "be evaluated; lower it, or set held_out.share to 0"
            )
        if held_out.early_stop and not held_out.share:
            raise ValueError("held_out.early_stop needs prompts that are kept back, and held_out.share is 0")

    def _metrics(self) -> list[str]:
        """What is measured on the prompts that are kept back."""
        found = ["loss", *([MEAN] if len(self.tasks) > 1 else [])]
        for task in self.tasks:
            kinds, prefix = TASKS[task].answers.metrics, self.prefix(task)
            found += [f"{prefix}{kind}" for kind in kinds]
            found += [f"{prefix}{kind}_{name}" for kind in kinds for name in self.names(task)]
        return found

    @property
    def loads_from(self) -> str:
        """Folder or hub id where the weights of ``model`` are read."""
        return find_shipped(self.model)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks of the run."""
        return (self.task,) if isinstance(self.task, str) else tuple(self.task)

    @property
    def rows(self) -> tuple[str, ...]:
        """The configs of the dataset whose rows are shown."""
        return tuple(dict.fromkeys(TASKS[task].rows for task in self.tasks))

    def names(self, task: str) -> list[str]:
        """What a task asks about a picture: names of questions or sets."""
        return {"objectqa": self.questions, "detect": ["detect"]}.get(task, self.sets)

    def prefix(self, task: str) -> str:
        """What stands before a task's metrics: nothing where it is the only one."""
        return f"{task}_" if len(self.tasks) > 1 else ""

    def packs(self, task: str) -> bool:
        """Whether a task's questions about a picture share a sequence."""
        return TASKS[task].answers.packs if self.packing is None else self.packing

    def weight(self, task: str) -> float:
        """How often a task's sequences are seen in an epoch."""
        return self.weights.get(task, 1.0)

    @property
    def eval_tasks(self) -> str:
        """The ``--tasks`` of ``qreal eval`` that ask a model what it learnt."""
        return ",".join(dict.fromkeys(map(self.group, self.tasks)))

    def group(self, task: str) -> str:
        """The group of the harness's tasks that scores a task."""
        return f"{GROUPS[self.prompts]}_{TASKS[task].half}"

    @property
    def best(self) -> str:
        """The metric that chooses the best checkpoint."""
        own = [TASKS[task].answers.best for task in self.tasks]
        return self.held_out.best or (own[0] if len(own) == 1 else "loss" if "loss" in own else MEAN)

    @property
    def best_is_lowest(self) -> bool:
        """Whether the best checkpoint is the one with the lowest value."""
        lowest = [f"{self.prefix(task)}{metric}" for task in self.tasks for metric in LOWER_IS_BETTER]
        return self.best.startswith(("loss", *lowest))
