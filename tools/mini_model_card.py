"""The card of the shipped model: what it is, what it is not for, how it was made, its scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from mini_model_scores import compare_with_baselines, count_descriptions, load_references

from qreal_tasks.benchmark import IMAGEQA_SETS, question
from qreal_tasks.metrics.objectqa import OVERALL
from qreal_tasks.pages.numbers import decimals, with_interval
from qreal_tasks.results.run_folder import Run
from qreal_tasks.results.score import score_run
from training.export.card import make_public_recipe
from training.run.folder import read_config

_TEXT = """\
---
license: apache-2.0
library_name: transformers
pipeline_tag: image-text-to-text
tags: [qreal-bench, toy-model]
model_name: qreal-mini
---

# qreal-mini

A Qwen2.5-VL of {parameters:.2f} M parameters that answers both tasks of Q-Real Bench about the scenes that `qreal mini`
draws. It ships with the package under the name `mini`, so that everything can be tried in minutes, offline and on a
laptop.

```
qreal eval --model qreal_hf --model_args pretrained=mini
qreal mini-model FOLDER      # copies it, for other programs
```

## What it is not for

It has seen nothing but drawn scenes of eight kinds of things. About photographs and about images of real generators its
answers mean nothing, and its scores say nothing about Q-Real. It writes the sentences of the drawn set and no others.

## How it was made

```
python tools/train_mini_model.py FOLDER
```

It began with random weights. {images:,} scenes were drawn with seed {seed}; of their train split, prompts were kept
back to choose the best checkpoint. Weights are stored in float16 and computed with in float32. On {cores} CPU cores, of
which training used one while other programs used the other, the steps took:
{times}.

```yaml
{recipe}```

## Scores

On the test split of {unseen_images:,} scenes of seed {unseen_seed}, which training never saw, by `qreal eval`; in
brackets 95 % intervals over images.

| question | AUC | accuracy | accuracy above the better baseline |
|---|---:|---:|---|
{questions}

The baselines need no picture: the majority of the training split, and the majority among its entities of the same
label.

| set | IoU | F1 at IoU .5 | detection rate | unread |
|---|---:|---:|---:|---:|
{sets}

Of {found:,} entities that were found (IoU over .5), {right_kind:.0%} are described with a flaw that is there;
{exact:.0%} of the descriptions are the reference's to the letter, whose sentences were drawn among several of the same
meaning.
"""


_STEPS = {
    "drawn": "drawing",
    "run/final": "training",
    "exported": "exporting",
    "unseen": "drawing what it is tried on",
    "results": "evaluating",
}
"""Results of steps to what they are called."""


@dataclass(frozen=True)
class Origin:
    """What the model was made from."""

    images: int
    seed: int
    unseen_images: int
    unseen_seed: int
    drawn: Path
    """The set that it was trained on."""
    run: Path
    """Folder of the training run."""
    seconds: Mapping[str, int]
    """Step to how long it took."""
    cores: int
    parameters: int


def write_mini_card(run: Run, origin: Origin) -> str:
    """Write the text of README.md.

    Args:
        run: the evaluation on unseen scenes.
        origin: how the model was made.
    """
    scores = score_run(run, resamples=2000)
    gains = compare_with_baselines(run.judgments(), load_references(origin.drawn))
    questions = []
    for name, one in gains.items():
        row = scores.objectqa[name]
        numbers = [with_interval(row.metrics[metric], row.intervals[metric]) for metric in ("auc", "acc")]
        gain = f"{with_interval(one.gain.value, one.gain)}, {one.baseline}"
        questions.append(f"| {name}, {question(name).about} | {' | '.join(numbers)} | {gain} |")
    mean = scores.objectqa[OVERALL].metrics
    questions.append(f"| mean | {decimals(mean['auc'])} | {decimals(mean['acc'])} | |")
    sets = []
    for name in IMAGEQA_SETS:
        if name in scores.imageqa:
            row = scores.imageqa[name]
            columns = ("iou", "f1_at_50", "detection_rate", "unparsed")
            sets.append(
                f"| {name} | {' | '.join(with_interval(row.metrics[m], row.intervals.get(m)) for m in columns)} |"
            )
    config = read_config(origin.run)
    recipe, changed = make_public_recipe(config), config.model_dump(exclude_defaults=True, exclude={"output", "data"})
    described = count_descriptions([one for name in ("realism", "plausibility") for one in run.groundings(name)])
    return _TEXT.format(
        parameters=origin.parameters / 1e6,
        images=origin.images,
        seed=origin.seed,
        cores=origin.cores,
        times=", ".join(f"{what} {_duration(origin.seconds[step])}" for step, what in _STEPS.items()),
        recipe=yaml.safe_dump({key: recipe[key] for key in changed}, sort_keys=False),
        unseen_images=origin.unseen_images,
        unseen_seed=origin.unseen_seed,
        questions="\n".join(questions),
        sets="\n".join(sets),
        found=described.found,
        right_kind=described.right_kind / max(1, described.found),
        exact=described.exact / max(1, described.found),
    )


def _duration(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else f"{seconds / 60:.0f} min"
