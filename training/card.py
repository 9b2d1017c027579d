"""The model card of an exported model: data, recipe, how to use it and, where it was evaluated, its scores."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from huggingface_hub import EvalResult, ModelCardData

from qreal_tasks.report.run_folder import find_results, read_run
from qreal_tasks.report.score import RunScores, score_run
from training.config import TrainConfig
from training.run_folder import ENVIRONMENT, HISTORY

_SCORED = {
    "objectqa": ("acc", "precision", "recall", "f1", "auc"),
    "imageqa": ("iou", "detection_rate", "auc", "llm_score", "f1_at_50"),
}
"""The paper's columns, and the one that models are ranked by."""

_TEXT = """\
---
{metadata}
---

# {title}

`{model}` tuned on the task **{task}** of [Q-Real Bench](https://arxiv.org/abs/2511.16908): which entities of a
generated image are unreal or implausible, and why.
{warning}
## Use

```
qreal eval --model qreal_hf --model_args {arguments}
```

{form}

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

The answers are those of one model trained on one set of generators; others may have flaws of other kinds. The wording
of the questions is version {prompt_version} of this project's, so scores are comparable within one task version only.
"""


def model_card(run: Path, config: TrainConfig, merged: bool, results: Path | None) -> str:
    """The text of README.md.

    Args:
        run: folder of the training run.
        merged: whether the folder is a whole model, not an adapter.
        results: see ``export``.

    Raises:
        RunFolderError: ``results`` holds no run.
    """
    environment = json.loads((run / ENVIRONMENT).read_text(encoding="utf-8"))
    scores = score_run(read_run(find_results(results)[-1]), resamples=2000) if results else None
    name, model = run.resolve().name, _shown(config.model)
    data = {**environment["data"], "name": _shown(environment["data"]["name"])}
    return _TEXT.format(
        metadata=_metadata(name, model, config, data, scores, merged).to_yaml(),
        title=name,
        model=model,
        task=config.task,
        warning=_warning(data["name"]),
        arguments="pretrained=FOLDER" if merged else f"pretrained={model},adapter=FOLDER",
        form=_form(config, model, merged),
        data="\n".join(f"| {key} | {value} |" for key, value in data.items() if value is not None),
        trained=_trained(config, environment["trainable_parameters"]),
        questions=environment["questions"]["train"],
        step=f"{environment['questions_a_step']:.4g}",
        devices=f"{environment['processes']} x {environment['devices'][0]}",
        chosen=f"The best checkpoint was chosen by `{config.best}` on prompts that were kept back."
        if environment["questions"]["held_out"]
        else "The last checkpoint was taken.",
        curves=_last_numbers(run),
        recipe=yaml.safe_dump(_recipe(config), sort_keys=False, allow_unicode=True),
        scores=_score_tables(scores) if scores else "",
        prompt_version=environment["prompt_version"],
    )


def _shown(name: str) -> str:
    """A hub id as it is; of a folder its last name, since where it lay says nothing to others."""
    return Path(name).resolve().name if Path(name).exists() else name


def _metadata(
    name: str, model: str, config: TrainConfig, data: dict[str, Any], scores: RunScores | None, merged: bool
) -> ModelCardData:
    return ModelCardData(
        base_model=model,
        library_name="transformers" if merged else "peft",
        pipeline_tag="image-text-to-text",
        datasets=[data["name"]] if data["kind"] == "hub" else None,
        tags=["qreal-bench", "image-quality", config.task],
        model_name=name,
        eval_results=_eval_results(scores, data["name"]) if scores else None,
    )


def _eval_results(scores: RunScores, data: str) -> list[EvalResult]:
    return [
        EvalResult(
            task_type="image-text-to-text",
            dataset_type=data,
            dataset_name="Q-Real",
            dataset_split="test",
            dataset_config=group,
            metric_type=metric,
            metric_value=value,
        )
        for table, rows in (("objectqa", scores.objectqa), ("imageqa", scores.imageqa))
        for group, row in rows.items()
        for metric in _SCORED[table]
        if (value := row.metrics.get(metric)) is not None
    ]


def _warning(data: str) -> str:
    if data != "mini":
        return ""
    return "\n**Trained on `mini`, a set drawn for trying the software. It says nothing about generated images.**\n"


def _form(config: TrainConfig, model: str, merged: bool) -> str:
    limits = [f"{n}={v}" for n in ("min_pixels", "max_pixels", "max_patches") if (v := getattr(config, n)) is not None]
    form = "A whole model" if merged else f"An adapter of PEFT for `{model}`"
    return f"{form}, with its processor{' (' + ', '.join(limits) + ')' if limits else ''}."


def _trained(config: TrainConfig, parameters: int) -> str:
    if config.method == "full":
        return f"{parameters:,} weights were tuned."
    where = config.lora.targets or "all linear layers of the language model"
    return f"LoRA with rank {config.lora.r} in {where}: {parameters:,} weights."


def _recipe(config: TrainConfig) -> dict[str, Any]:
    """Every key but those that only say where something lay."""
    values = config.model_dump(mode="json", exclude={"output", "data", "name"})
    return {**values, **{key: _shown(values[key]) for key in ("model", "adapter") if values[key]}}


def _last_numbers(run: Path) -> str:
    history = json.loads((run / HISTORY).read_text(encoding="utf-8"))
    losses = [entry["loss"] for entry in history if "loss" in entry]
    text = f" The last training loss was {losses[-1]:.4g}." if losses else ""
    return text + "\n\n![Loss and accuracy over steps](training_curves.png)"


def _score_tables(scores: RunScores) -> str:
    lines = [
        "",
        "## Scores",
        "",
        f"Recomputed from the samples of a run on `{scores.run.data}` ({scores.run.model}, `{scores.run.model_args}`), "
        "95 % intervals from a bootstrap over images.",
    ]
    if scores.run.limit is not None:
        lines.append(f"The run was cut to {scores.run.limit:g} samples a task.")
    for table, rows in (("objectqa", scores.objectqa), ("imageqa", scores.imageqa)):
        if not rows:
            continue
        metrics = _SCORED[table]
        lines += ["", f"| {table} | {' | '.join(metrics)} |", "|---" * (len(metrics) + 1) + "|"]
        lines += [f"| {name} | {' | '.join(_cell(row, metric) for metric in metrics)} |" for name, row in rows.items()]
    return "\n".join([*lines, ""])


def _cell(row: Any, metric: str) -> str:
    value, estimate = row.metrics.get(metric), row.intervals.get(metric)
    if value is None:
        return "N/A"
    if estimate is None or estimate.low is None:
        return f"{value:.3f}"
    return f"{value:.3f} ({estimate.low:.3f}–{estimate.high:.3f})"
