"""What a config would train, worked out and checked before a weight is loaded."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

from datasets import Dataset

from qreal_tasks.dataset.loading import load
from qreal_tasks.dataset.source import Source
from qreal_tasks.models.families import takes_shared_prefix
from qreal_tasks.models.local.prefix import takes_any_mask
from training.config import BOX_TASKS, ConfigError, TrainConfig
from training.data.conversations import Conversation
from training.data.round_trip import name_characters
from training.data.writer import ConversationWriter, Counts
from training.model import Outline, Trainable, count_trainable


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
    rows: Dataset
    """The split's rows with undecoded pictures."""
    train: Dataset
    """A row a sequence; see ``ConversationWriter.to_dataset``."""
    held_out: Dataset | None
    counts: Mapping[str, Counts]
    """By ``train`` and ``held_out``."""
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
    rows = load(source, config.rows, "train")
    writer = ConversationWriter(config, source, outline)
    kept_back = choose_held_out_prompts(source, config)
    made: dict[str, list[Conversation]] = {"train": [], "held_out": []}
    plain = rows.remove_columns("image")
    for at, row in enumerate(plain):
        part = "held_out" if row["prompt_id"] in kept_back else "train"
        made[part] += writer.write(at, row)
    counts = {part: writer.count(of_part) for part, of_part in made.items()}
    if not counts["train"].questions:
        raise ConfigError(f"{source.name}: no question of task {config.task} is left to train on")
    _check_answers(config, counts)
    _check_characters(config, writer.lost)
    return TrainPlan(
        config=config,
        source=source,
        outline=outline,
        trainable=trainable,
        rows=rows,
        train=writer.to_dataset(made["train"]),
        held_out=writer.to_dataset(made["held_out"]) if made["held_out"] else None,
        counts=counts,
        batching=choose_batching(config, counts["train"].questions / counts["train"].sequences),
        cleaned=writer.cleaner.changed,
        dropped=writer.dropped,
        stretched=writer.stretched,
    )


def choose_batching(config: TrainConfig, questions_per_sequence: float) -> Batching:
    """Choose whole sequences such that a step sees as many questions as the config says, or as near as can be.

    ``batch_size`` counts questions, as in the paper, where every question is a sequence. A packed picture is several,
    and is not cut: memory allows for it, since its questions share the picture. So a device sees
    ``batch_size / questions_per_sequence`` sequences at once, at least one, and gradients are accumulated over as many
    batches as come nearest to ``batch_size · gradient_accumulation`` questions.
    """
    wanted = config.batch_size * config.gradient_accumulation
    sequences = max(1, math.floor(config.batch_size / questions_per_sequence))
    accumulation = max(1, round(wanted / (sequences * questions_per_sequence)))
    return Batching(sequences, accumulation, sequences * accumulation * questions_per_sequence)


def choose_held_out_prompts(source: Source, config: TrainConfig) -> frozenset[str]:
    """Choose the prompts that are kept back, with all that was made from them, so that no scene is on both sides.

    They are drawn from the images' prompts whatever the task, so that the second of two runs on one model does not
    learn what the first kept back.
    """
    if config.held_out.share == 0:
        return frozenset()
    prompts = sorted(set(load(source, "imageqa", "train")["prompt_id"]))
    count = max(1, round(config.held_out.share * len(prompts)))
    if count >= len(prompts):
        raise ConfigError(
            f"held_out.share is {config.held_out.share}, which keeps back {count} of {len(prompts)} prompts and leaves "
            "none to train on; set it to 0 or use more data"
        )
    return frozenset(random.Random(config.seed).sample(prompts, count))


def _check_packing(config: TrainConfig, outline: Outline) -> None:
    if not config.packs:
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


def _check_answers(config: TrainConfig, counts: Mapping[str, Counts]) -> None:
    longest = counts["held_out"].longest_answer
    if config.task in BOX_TASKS and longest > config.held_out.max_new_tokens:
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
