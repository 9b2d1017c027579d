"""The model card of an exported model: data, recipe, how to use it and, where it was evaluated, its scores."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCardData

from qreal_tasks.benchmark import GROUPS, Style, task_of
from qreal_tasks.dataset.source import SourceKind
from qreal_tasks.files.regular import read_text
from qreal_tasks.leaderboard.exports.export_source import score_groups
from qreal_tasks.leaderboard.exports.model_card import render_model_card_section
from qreal_tasks.leaderboard.result import MetricValue
from qreal_tasks.leaf_tasks import MEAN
from qreal_tasks.metrics.catalogue import PAPER_IMAGEQA, PAPER_OBJECTQA
from qreal_tasks.results.run_folder import Run, newest_results, read_run
from qreal_tasks.subtasks import SUBTASKS
from qreal_tasks.text.addresses import shown, shown_arguments
from training.config import TrainConfig
from training.run.folder import CHOSEN_FILE, DRAWN, ENVIRONMENT_FILE, HISTORY_FILE

_SCORED = {"objectqa": (*PAPER_OBJECTQA, "recall"), "imageqa": (*PAPER_IMAGEQA, "f1_at_50")}
"""What the card's metadata holds: the paper's columns, recall, and what models are ranked by."""

Groups = Mapping[str, Mapping[str, MetricValue]]

_TEXT = """\
---
{metadata}
---

# {title}

`{model}` tuned on {tasks} of [Q-Real Bench](https://arxiv.org/abs/2511.16908): which entities of a
generated image are unreal or implausible, and why.
{warning}
## Use

```
{command}
```

{form} {asked}

## Data

| | |
|---|---|
{data}

## Training

{trained} {questions:,} questions, {step} a step on {devices}. {chosen}
The test split was not used.{curves}

```yaml
{recipe}```

Versions and git state are in `training_environment.json`.
{scores}
## Limits

The answers are those of one model trained on one set of generators; others may have flaws of other kinds. Scores are
comparable only where the same group of tasks asked, with the same version of its prompts (here {prompt_version}).
"""


def write_card(run: Path, config: TrainConfig, merged: bool, results: Path | None) -> str:
    """Write the text of README.md for a whole model (``merged``) or an adapter; arguments as ``export``.

    Raises:
        RunFolderError: ``results`` holds no run with the prompts that the model was trained on.
    """
    environment = json.loads(read_text(run / ENVIRONMENT_FILE))
    evaluated = read_run(newest_results(results), config.prompts) if results else None
    groups = score_groups(evaluated, resamples=2000) if evaluated else {}
    name, model = run.resolve().name, shown(config.model)
    use = "FOLDER" if merged else f"{model},adapter=FOLDER"
    data = {**environment["data"], "name": shown(environment["data"]["name"])}
    return _TEXT.format(
        metadata=_metadata(name, model, config, data, evaluated, groups, merged).to_yaml(),
        title=name,
        model=model,
        tasks=f"the task{'s' if len(config.tasks) > 1 else ''} " + " and ".join(f"**{task}**" for task in config.tasks),
        warning=_warning(data),
        command=write_command(config, "FOLDER", f"pretrained={use}"),
        form=_form(config, model, merged),
        asked=_asked(config),
        data="\n".join(f"| {key} | {value} |" for key, value in data.items() if value is not None),
        trained=_trained(config, environment["trainable_parameters"]),
        questions=environment["questions"]["train"],
        step=f"{environment['questions_a_step']:.4g}",
        devices=f"{environment['processes']} x {environment['devices'][0]}",
        chosen=_chosen(run, config),
        curves=_last_numbers(run),
        recipe=yaml.safe_dump(make_public_recipe(config), sort_keys=False, allow_unicode=True),
        scores=_scores(evaluated, groups) if evaluated else "",
        prompt_version=environment["prompt_version"],
    )


def write_command(config: TrainConfig, folder: str, model_args: str) -> str:
    """Write the command that evaluates an exported model; a third of an agent is evaluated with the other two.

    A model that learnt both a third and a whole task is evaluated by two commands, a line each.

    ``model_args`` are those of the export for ``qreal_hf``.
    """
    thirds = [task for task in config.tasks if task in SUBTASKS]
    whole = [task for task in config.tasks if task not in SUBTASKS]
    agent = ",".join(f"{name}={folder if name in thirds else name.upper()}" for name in SUBTASKS)
    return "\n".join(
        f"qreal eval --model {backend} --model_args {arguments} --tasks {','.join(map(config.group, tasks))}"
        for backend, arguments, tasks in (("qreal_hf", model_args, whole), ("qreal_agent", agent, thirds[:1]))
        if tasks
    )


def _metadata(
    name: str,
    model: str,
    config: TrainConfig,
    data: dict[str, Any],
    evaluated: Run | None,
    groups: Groups,
    merged: bool,
) -> ModelCardData:
    return ModelCardData(
        base_model=model,
        library_name="transformers" if merged else "peft",
        pipeline_tag="image-text-to-text",
        datasets=[data["name"]] if data["kind"] == "hub" else None,
        tags=["qreal-bench", "image-quality", *config.tasks],
        model_name=name,
        eval_results=_eval_results(evaluated, groups) if evaluated else None,
    )


def _eval_results(run: Run, groups: Groups) -> list[EvalResult]:
    found = []
    for key, numbers in groups.items():
        half, _, group = key.partition(".")
        if group == MEAN:  # of a submission's sets; no task of its own
            continue
        for metric in _SCORED[half]:
            value = numbers[metric]["value"] if metric in numbers else None
            if value is not None:
                result = EvalResult(
                    task_type="image-text-to-text",
                    task_name=task_of(run.style, group),
                    dataset_type=shown(run.data),
                    dataset_name="mini" if run.is_drawn else "Q-Real",
                    dataset_split="test",
                    dataset_config=group,
                    metric_type=metric,
                    metric_value=value,
                )
                found.append(result)
    return found


def _warning(data: Mapping[str, Any]) -> str:
    # A run of an earlier release has no origin.
    if data.get("origin") != DRAWN and data["kind"] != SourceKind.MINI:
        return ""
    return "\n**Trained on `mini`, pictures drawn for trying the software. It says nothing about generated images.**\n"


def _chosen(run: Path, config: TrainConfig) -> str:
    found = json.loads(read_text(run / CHOSEN_FILE))
    of = f"step {found['step']} of {found['of_steps']}"
    if found["best_value"] is None:
        return f"The last checkpoint was taken ({of})."
    value = f"`{config.best}` {found['best_value']:.4g}"
    return f"The best checkpoint ({of}) was chosen by {value} on prompts that were kept back."


def _form(config: TrainConfig, model: str, merged: bool) -> str:
    limits = [f"{n}={v}" for n in ("min_pixels", "max_pixels", "max_patches") if (v := getattr(config, n)) is not None]
    form = "A whole model" if merged else f"An adapter of PEFT for `{model}`"
    return f"{form}, with its processor{' (' + ', '.join(limits) + ')' if limits else ''}."


def _asked(config: TrainConfig) -> str:
    how = {
        Style.BENCHMARK: "the paper's queries, and behind them how to answer",
        Style.PAPER: "the paper's bare queries, answered in the paper's format",
    }
    asked = []
    if set(config.tasks) & set(SUBTASKS):
        asked.append(f"the agent's subtasks ({', '.join(SUBTASKS)})")
    if set(config.tasks) - set(SUBTASKS):
        asked.append(f"the tasks `{GROUPS[config.prompts]}`: {how[config.prompts]}")
    return f"It was trained on the prompts of {' and of '.join(asked)}."


def _trained(config: TrainConfig, parameters: int) -> str:
    if config.method == "full":
        return f"{parameters:,} weights were tuned."
    where = config.lora.targets or "all linear layers of the language model"
    return f"LoRA with rank {config.lora.r} in {where}: {parameters:,} weights."


def make_public_recipe(config: TrainConfig) -> dict[str, Any]:
    """List every key but those that only say where something lay."""
    values = config.model_dump(mode="json", exclude={"output", "data", "name"})
    return {**values, **{key: shown(values[key]) for key in ("model", "adapter", "deepspeed") if values[key]}}


def _last_numbers(run: Path) -> str:
    history = json.loads(read_text(run / HISTORY_FILE))
    losses = [entry["loss"] for entry in history if "loss" in entry]
    text = f" The last training loss was {losses[-1]:.4g}." if losses else ""
    return text + "\n\n![Loss and accuracy over steps](training_curves.png)"


def _scores(run: Run, groups: Groups) -> str:
    arguments = f"Arguments of that run: `{shown_arguments(run.model_args)}`."
    return f"\n{render_model_card_section(run, groups, 'Scores')}\n{arguments}\n"
