"""The steps of a reproduction, and which row of which table each run is.

For every model: asked as released; with weights also fine-tuned for ObjectQA and for ImageQA (``*``), by three models
for a third of ImageQA each (``^1``), and for ImageQA after ObjectQA (``^2``). Every run with descriptions is judged.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from qreal_tasks.benchmark import GROUPS, Dimension, Style, task_of
from qreal_tasks.reproduce.config import ReproduceConfig, ReproducedModel
from qreal_tasks.steps.step import GoingOn, Step, StepCommand, qreal
from qreal_tasks.subtasks import SUBTASKS

RELEASED, TUNED, AGENT, SECOND = "", "*", "^1", "^2"
"""Marks of the paper behind a model's name."""


@dataclass(frozen=True)
class PlannedRun:
    """A run of ``qreal eval``: a row of the tables, or a half of one."""

    step: str
    model: ReproducedModel
    row: str
    """Name and mark, as in the paper's tables."""
    style: Style
    halves: tuple[str, ...]
    """``objectqa``, ``imageqa`` or both."""
    folder: Path


@dataclass(frozen=True)
class Training:
    """A run of ``qreal train``."""

    step: str
    model: ReproducedModel
    recipe: str
    """What the name of its recipe begins with."""
    style: Style
    after: str | None = None
    """Step of the run whose adapter it goes on with."""


@dataclass(frozen=True)
class ReproducePlan:
    """All steps, and what they are for."""

    steps: tuple[Step, ...]
    runs: tuple[PlannedRun, ...]
    trainings: tuple[Training, ...]


def plan_reproduction(folder: Path, config: ReproduceConfig, data: str) -> ReproducePlan:
    """Plan everything.

    Args:
        folder: of all results.
        data: as QREAL_DATA.
    """
    planner = _Planner(folder, config, data)
    for model in config.models:
        planner.add(model)
    return ReproducePlan(tuple(planner.steps), tuple(planner.runs), tuple(planner.trainings))


class _Planner:
    """Collects the steps of one model after another."""

    def __init__(self, folder: Path, config: ReproduceConfig, data: str) -> None:
        self.folder, self.config, self.data = folder, config, data
        self.steps: list[Step] = []
        self.runs: list[PlannedRun] = []
        self.trainings: list[Training] = []

    def add(self, model: ReproducedModel) -> None:
        if model.convert:
            self.steps.append(self._conversion(model))
        for style in self.config.prompts:
            self._evaluate(f"released-{model.name}-{style}", model, RELEASED, style)
            if model.server is None:
                self._fine_tune(model, style)
        if model.server is None and Style.BENCHMARK in self.config.prompts:
            self._make_agent(model)

    def _fine_tune(self, model: ReproducedModel, style: Style) -> None:
        end = f"{model.name}-{style}"
        for half in ("objectqa", "imageqa"):
            trained = self._train(Training(f"train-{half}-{end}", model, half, style))
            self._evaluate(f"tuned-{half}-{end}", model, TUNED, style, (half,), {"adapter": trained})
        first = f"train-objectqa-{end}"
        second = self._train(Training(f"train-second-{end}", model, "imageqa-after-objectqa", style, first))
        self._evaluate(f"second-{end}", model, SECOND, style, ("imageqa",), {"adapter": second})

    def _make_agent(self, model: ReproducedModel) -> None:
        """Its three models are asked prompts of their own, which are the same whatever the style of the others."""
        thirds = {
            third: self._train(Training(f"train-{third}-{model.name}", model, f"agent-{third}", Style.BENCHMARK))
            for third in SUBTASKS
        }
        self._evaluate(f"agent-{model.name}", model, AGENT, Style.BENCHMARK, ("imageqa",), thirds)

    def _conversion(self, model: ReproducedModel) -> Step:
        original, weights = self.folder / "weights" / f"{model.name}-original", Path(self._weights(model))
        hub = (sys.executable, "-m", "huggingface_hub.cli.hf")
        return Step(
            f"weights-{model.name}",
            f"Bring {model.convert} into the form that is loaded.",
            (
                StepCommand(hub, "hf", ("download", str(model.convert), "--local-dir", str(original))),
                qreal("convert-internvl", original, weights),
            ),
            (original, weights),
        )

    def _weights(self, model: ReproducedModel) -> str:
        return str(self.folder / "weights" / model.name) if model.convert else str(model.weights)

    def _train(self, training: Training) -> Path:
        """Add a training; returns where its adapter will be."""
        config, model, run = self.config, training.model, self.folder / "training" / training.step
        recipe = Path(config.recipes) / f"{training.recipe}-{model.name}.yaml"
        keys = [f"model={self._weights(model)}", f"data={self.data}", f"output={run}"]
        keys += [f"prompts={training.style}"] if training.style is not Style.BENCHMARK else []
        if training.after is not None:
            keys.append(f"adapter={self.folder / 'training' / training.after / 'final'}")
        processes = ("--processes", config.processes) if config.processes else ()
        deepspeed = ("--deepspeed", config.deepspeed) if config.deepspeed else ()
        self.steps.append(
            Step(
                training.step,
                f"Fine-tune {model.paper} with the recipe {recipe.name}, prompts of the {training.style}.",
                (qreal("train", recipe, *keys, *config.training, *processes, *deepspeed),),
                (run,),
                (*self._needed(model), *((training.after,) if training.after else ())),
                GoingOn(run, "checkpoint-*/COMPLETE", (qreal("train", "--resume", run),)),
            )
        )
        self.trainings.append(training)
        return run / "final"

    def _evaluate(
        self,
        name: str,
        model: ReproducedModel,
        mark: str,
        style: Style,
        halves: tuple[str, ...] = ("objectqa", "imageqa"),
        adapters: dict[str, Path] | None = None,
    ) -> None:
        """Add a run, and one of the judge where it has descriptions."""
        run = self.folder / "runs" / name
        arguments = ",".join([*self._model_args(model, adapters), f"store={self.folder / 'answers' / name}.sqlite"])
        backend = "qreal_openai" if model.server is not None else "qreal_agent" if mark == AGENT else "qreal_hf"
        batch = () if model.server is not None else ("--batch_size", self.config.batch_size)
        tasks = ",".join(self._tasks(halves, style, mark))
        command = ("eval", "--model", backend, "--model_args", arguments, "--tasks", tasks, *batch)
        used = tuple(path.parent.name for path in (adapters or {}).values())
        self.steps.append(
            Step(
                name,
                f"Ask {model.paper}{mark} with the prompts of the {style}: {' and '.join(halves)}.",
                (qreal(*command, "--output_path", run, QREAL_DATA=self.data),),
                (run,),
                (*self._needed(model), *used),
            )
        )
        self.runs.append(PlannedRun(name, model, f"{model.paper}{mark}", style, halves, run))
        if "imageqa" in halves:
            judge = ("--judge", self.config.judge, "--cache", self.folder / "judgements.sqlite")
            self.steps.append(
                Step(
                    f"judge-{name}",
                    f"Judge the descriptions of {name} by {self.config.judge}.",
                    (qreal("judge", run, *judge),),
                    (),
                    (name,),
                )
            )

    def _needed(self, model: ReproducedModel) -> tuple[str, ...]:
        return (f"weights-{model.name}",) if model.convert else ()

    def _model_args(self, model: ReproducedModel, adapters: dict[str, Path] | None) -> Iterator[str]:
        if model.server is not None:
            yield model.server
            return
        yield f"pretrained={self._weights(model)}"
        yield from (f"{argument}={path}" for argument, path in (adapters or {}).items())
        if self.config.eval_args:
            yield self.config.eval_args

    def _tasks(self, halves: Sequence[str], style: Style, mark: str) -> Iterator[str]:
        for half in halves:
            if half == "imageqa" and mark in (AGENT, SECOND):  # Table 4 has no portraits
                yield from (task_of(style, str(dimension)) for dimension in Dimension)
            else:
                yield f"{GROUPS[style]}_{half}"
