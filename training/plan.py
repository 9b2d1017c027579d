"""What a config would train, worked out and checked before a weight is loaded."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

from datasets import Dataset

from qreal_tasks.dataset import Source, load
from qreal_tasks.models.families import takes_shared_prefix
from qreal_tasks.models.prefix import takes_any_mask
from training.config import BOX_TASKS, ConfigError, TrainConfig
from training.conversations import Conversation
from training.model import Outline, Trainable, counted
from training.writer import CONFIG_OF_TASK, Counts, Writer


@dataclass(frozen=True)
class Batching:
    """How many questions go into a step."""

    sequences: int
    """A device sees at once."""
    accumulation: int
    questions: float
    """Of an optimiser step, on one device, in the mean."""


@dataclass(frozen=True)
class Plan:
    """Everything that is known before the model is loaded."""

    config: TrainConfig
    source: Source
    outline: Outline
    trainable: Trainable
    rows: Dataset
    """The split's rows with undecoded pictures."""
    train: Dataset
    """A row a sequence; see ``Writer.as_dataset``."""
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


def make_plan(config: TrainConfig, source: Source, outline: Outline) -> Plan:
    """Work out what would be trained.

    Raises:
        ConfigError: nothing would be learnt, an example is too long, or an answer would be cut.
        DatasetError: there is no train split, or it is not what the schema says.
    """
    trainable = counted(config, outline)
    _check_packing(config, outline)
    rows = load(source, CONFIG_OF_TASK[config.task], "train")
    writer = Writer(config, source, outline)
    kept_back = held_out_rows(rows, config)
    made: dict[str, list[Conversation]] = {"train": [], "held_out": []}
    plain = rows.remove_columns("image")
    for at, row in enumerate(plain):
        part = "held_out" if at in kept_back else "train"
        made[part] += writer.conversations(at, row)
    counts = {part: writer.counts(of_part) for part, of_part in made.items()}
    if not counts["train"].questions:
        raise ConfigError(f"{source.name}: no question of task {config.task} is left to train on")
    _check_answers(config, counts)
    per_sequence = counts["train"].questions / counts["train"].sequences
    return Plan(
        config=config,
        source=source,
        outline=outline,
        trainable=trainable,
        rows=rows,
        train=writer.as_dataset(made["train"]),
        held_out=writer.as_dataset(made["held_out"]) if made["held_out"] else None,
        counts=counts,
        batching=batching(config, per_sequence),
        cleaned=writer.cleaner.changed,
        dropped=writer.dropped,
        stretched=writer.stretched,
    )


def batching(config: TrainConfig, questions_per_sequence: float) -> Batching:
    """Whole sequences such that a step sees as many questions as the config says, or as near as can be.

    ``batch_size`` counts questions, as in the paper, where every question is a sequence. A packed picture is several,
    and is not cut: memory allows for it, since its questions share the picture. So a device sees
    ``batch_size / questions_per_sequence`` sequences at once, at least one, and gradients are accumulated over as many
    batches as come nearest to ``batch_size · gradient_accumulation`` questions.
    """
    wanted = config.batch_size * config.gradient_accumulation
    sequences = max(1, math.floor(config.batch_size / questions_per_sequence))
    accumulation = max(1, round(wanted / (sequences * questions_per_sequence)))
    return Batching(sequences, accumulation, sequences * accumulation * questions_per_sequence)


def held_out_rows(rows: Dataset, config: TrainConfig) -> frozenset[int]:
    """Rows of the prompts that are kept back: whole prompts, so that no scene is on both sides."""
    if config.held_out.share == 0:
        return frozenset()
    prompts = sorted(set(rows["prompt_id"]))
    count = max(1, round(config.held_out.share * len(prompts)))
    if count >= len(prompts):
        raise ConfigError(
            f"held_out.share is {config.held_out.share}, which keeps back {count} of {len(prompts)} prompts and leaves "
            "none to train on; set it to 0 or use more data"
        )
    chosen = set(random.Random(config.seed).sample(prompts, count))
    return frozenset(at for at, prompt in enumerate(rows["prompt_id"]) if prompt in chosen)


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
