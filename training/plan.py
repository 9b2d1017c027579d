"""What a config would train, worked out and checked before a weight is loaded."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

from datasets import Dataset

from qreal_tasks.dataset.loading import load_split
from qreal_tasks.dataset.source import Source
from qreal_tasks.models.families import takes_shared_prefix
from qreal_tasks.models.local.prefix import takes_any_mask
from training.config import ConfigError, TrainConfig
from training.data.conversations import Conversation
from training.data.epochs import count_seen
from training.data.round_trip import name_characters
from training.data.writer import ConversationWriter, Counts
from training.model import Outline, Trainable, count_trainable
from training.tasks import BOXES, TASKS


@dataclass(frozen=True)
class Batching:
    """How many questions go into a step."""

    sequences: int
    """Sequences that a device sees at once."""
    accumulation: int
    questions: float
    """Questions of an optimiser step on one device, in the mean."""

    def steps_an_epoch(self, sequences: int, processes: int) -> int:
        """Optimiser steps in which ``processes`` go through so many sequences once."""
        return max(1, math.ceil(math.ceil(sequences / (self.sequences * processes)) / self.accumulation))


@dataclass(frozen=True)
class TrainPlan:
    """Everything that is known before the model is loaded."""

    config: TrainConfig
    source: Source
    outline: Outline
    trainable: Trainable
    rows: Mapping[str, Dataset]
    """By config of the dataset, for those that a task shows, the split's rows with undecoded pictures."""
    train: Dataset
    """A row a sequence; see ``ConversationWriter.to_dataset``."""
    held_out: Dataset | None
    counts: Mapping[str, Counts]
    """By ``train`` and ``held_out``, of all tasks together."""
    of_tasks: Mapping[str, Mapping[str, Counts]]
    """The same of every task by itself."""
    seen: Mapping[str, int]
    """By task, how many of its sequences an epoch holds."""
    batching: Batching
    cleaned: int
    """Captions that held special tokens."""
    dropped: int
    """Questions left out because they were too long."""
    stretched: int
    """Pictures whose sides differ by more than Qwen's processors take."""


def make_plan(config: TrainConfig, source: Source, outline: Outline) -> TrainPlan:
    """Work out what would be trained.

    Raises:
        ConfigError: nothing would be learnt, an example is too long, an answer would be cut, or a text holds what the
            tokenizer does not know.
        DatasetError: there is no train split, or it is not what the schema says.
    """
    trainable = count_trainable(config, outline)
    _check_packing(config, outline)
    rows = {shown: load_split(source, shown, "train") for shown in config.rows}
    writer = ConversationWriter(config, source, outline)
    kept_back = choose_held_out_prompts(source, config)
    made: dict[str, list[Conversation]] = {"train": [], "held_out": []}
    for shown, split in rows.items():
        for at, row in enumerate(split.remove_columns("image")):
            part = "held_out" if row["prompt_id"] in kept_back else "train"
            made[part] += writer.write(shown, at, row)
    of_tasks = {
        part: {task: writer.count([one for one in of_part if one.task == task]) for task in config.tasks}
        for part, of_part in made.items()
    }
    seen = _count_epoch(config, source, of_tasks["train"])
    _check_answers(config, of_tasks["held_out"])
    _check_characters(config, writer.lost)
    return TrainPlan(
        config=config,
        source=source,
        outline=outline,
        trainable=trainable,
        rows=rows,
        train=writer.to_dataset(made["train"]),
        held_out=writer.to_dataset(made["held_out"]) if made["held_out"] else None,
        counts={part: writer.count(of_part) for part, of_part in made.items()},
        of_tasks=of_tasks,
        seen=seen,
        batching=choose_batching(config, of_tasks["train"], seen),
        cleaned=writer.cleaner.changed,
        dropped=writer.dropped,
        stretched=writer.stretched,
    )


def choose_batching(config: TrainConfig, counts: Mapping[str, Counts], seen: Mapping[str, int]) -> Batching:
    """Choose whole sequences such that a step sees as many questions as the config says, or as near as can be.

    ``batch_size`` counts questions, as in the paper, where every question is a sequence. A packed picture is several,
    and is not cut: memory allows for it, since its questions share the picture. So a device sees
    ``batch_size / questions_per_sequence`` sequences at once, at least one, and gradients are accumulated over as many
    batches as come nearest to ``batch_size · gradient_accumulation`` questions.

    Batches of several tasks hold what the shuffle puts there, in the worst case only sequences of the task that has
    most questions in one. A device's sequences are counted by that task, so that a batch is never larger than asked
    for; the batches of a step by the mean over all sequences of an epoch.

    Args:
        counts: what is learnt in each task.
        seen: how many sequences of each an epoch holds.
    """
    questions = {task: counts[task].questions / counts[task].sequences for task in seen}
    mean = sum(questions[task] * seen[task] for task in seen) / sum(seen.values())
    wanted = config.batch_size * config.gradient_accumulation
    sequences = max(1, math.floor(config.batch_size / max(questions.values())))
    accumulation = max(1, round(wanted / (sequences * mean)))
    return Batching(sequences, accumulation, sequences * accumulation * mean)


def choose_held_out_prompts(source: Source, config: TrainConfig) -> frozenset[str]:
    """Choose the prompts that are kept back, with all that was made from them, so that no scene is on both sides.

    They are drawn from the images' prompts whatever the task, so that the second of two runs on one model does not
    learn what the first kept back.
    """
    if config.held_out.share == 0:
        return frozenset()
    prompts = sorted(set(load_split(source, "imageqa", "train")["prompt_id"]))
    count = max(1, round(config.held_out.share * len(prompts)))
    if count >= len(prompts):
        raise ConfigError(
            f"held_out.share is {config.held_out.share}, which keeps back {count} of {len(prompts)} prompts and leaves "
            "none to train on; set it to 0 or use more data"
        )
    return frozenset(random.Random(config.seed).sample(prompts, count))


def _count_epoch(config: TrainConfig, source: Source, counts: Mapping[str, Counts]) -> dict[str, int]:
    """Count the sequences of each task that an epoch holds; refuse a task of which nothing is learnt."""
    seen = {task: count_seen(of_task.sequences, config.weight(task)) for task, of_task in counts.items()}
    for task, count in seen.items():
        if not counts[task].sequences:
            raise ConfigError(f"{source.name}: no question of task {task} is left to train on")
        if not count:
            raise ConfigError(
                f"weights.{task} is {config.weight(task):g}, so that an epoch holds none of the "
                f"{counts[task].sequences} sequences of task {task}; raise it, or leave the task out"
            )
    return seen


def _check_packing(config: TrainConfig, outline: Outline) -> None:
    if not any(map(config.packs, config.tasks)):
        return
    if not takes_any_mask(outline.config):
        raise ConfigError(
            f"packing: attn_implementation {config.attn_implementation} cannot keep questions apart in one sequence; "
            "use sdpa or eager, or set packing: false"
        )
    if not takes_shared_prefix(outline.config):
        raise ConfigError(
            f"packing: this {outline.config.model_type} has attention that slides or is linear; set packing: false"
        )


def _check_answers(config: TrainConfig, held_out: Mapping[str, Counts]) -> None:
    longest = max(
        (of_task.longest_answer for task, of_task in held_out.items() if TASKS[task].answers is BOXES), default=0
    )
    if longest > config.held_out.max_new_tokens:
        raise ConfigError(
            f"held_out.max_new_tokens is {config.held_out.max_new_tokens}, which would cut answers of up to {longest} "
            "tokens and make every evaluation too low; raise it"
        )


def _check_characters(config: TrainConfig, lost: Mapping[str, tuple[str, ...]]) -> None:
    if not lost:
        return
    first, characters = next(iter(lost.items()))
    everywhere = dict.fromkeys(character for of_one in lost.values() for character in of_one)
    others = f" ({len(lost)} questions hold such, all together {name_characters(everywhere)})" if len(lost) > 1 else ""
    raise ConfigError(
        f"{first}: the tokenizer of {config.model} cannot write {name_characters(characters)}{others}; something else "
        "would be learnt in their place. Replace or take out these characters in the data set, or train a model that "
        "knows them"
    )
