"""One training run, from a config to a folder: read top to bottom.

Of several processes (``launch.py``, or a launcher of several machines), with or without DeepSpeed, each runs this.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

import torch

from qreal_tasks.console.terminal import console, echo
from qreal_tasks.dataset.check import check_dataset
from qreal_tasks.dataset.source import DatasetError, Source, locate
from qreal_tasks.files.atomic import find_free_name
from qreal_tasks.files.locks import hold_lock
from qreal_tasks.models.local.batching import is_out_of_memory
from qreal_tasks.models.local.chat import Chat
from training.config import ConfigError, TrainConfig
from training.data.collator import Collator, check_labels
from training.model import load_model, make_lora_config, read_outline, skip_vision_gradient
from training.plan import TrainPlan, make_plan
from training.plan_table import print_plan
from training.run.checkpoints import find_newest_checkpoint, is_finished, remove_incomplete_checkpoints
from training.run.folder import (
    CONFIG_FILE,
    check_same,
    copy_final,
    describe_data,
    make_paths_absolute,
    write_history,
    write_start,
)
from training.run.held_out import HeldOutEvaluator
from training.run.trl_config import make_trl_config
from training.tasks import TASKS

_LOCK = ".lock"


class BatchTooLargeError(RuntimeError):
    """The batch did not fit; the message says what to change."""


def train(config: TrainConfig, resume: Path | None = None) -> Path:
    """Train, and return the run's folder, whose ``final/`` holds the adapter or the model.

    Args:
        resume: folder of a run that was interrupted; it goes on from its last whole checkpoint, and ends as if it had
            never stopped.

    Raises:
        ConfigError: the config would train nothing, cut an answer or learn the wrong tokens; before a weight is loaded.
        DatasetError: the data is missing or damaged; before a weight is loaded.
        BatchTooLargeError: a batch did not fit.
        CheckpointError: a checkpoint could not be saved.
    """
    first = int(os.environ.get("RANK", "0")) == 0
    source = locate(config.data)
    config = make_paths_absolute(config, source)
    if first:
        _check_data(source)
    found = read_outline(config)
    plan = make_plan(config, source, found)
    chat = Chat(found.processor)
    collator = Collator(chat, plan.rows, found.empty.model, config.tasks)
    check_labels(collator, chat, plan.train)

    arguments = make_trl_config(config, plan)
    with contextlib.ExitStack() as held:
        folder = _choose_folder(config, resume, held)
        arguments.output_dir = str(folder)
        os.environ["TENSORBOARD_LOGGING_DIR"] = str(folder / "tensorboard")
        if first:
            print_plan(plan, arguments.world_size, folder, console())
            facts = _list_facts(plan, arguments.world_size)
            if resume is None:
                write_start(folder, config, facts)
            else:
                check_same(folder, facts)
                _tell_where(folder, remove_incomplete_checkpoints(folder))

        checkpoint = find_newest_checkpoint(folder) if resume else None
        if checkpoint is None or not is_finished(checkpoint):  # else stopped behind its last step, or asked for twice
            try:
                _run(config, plan, collator, arguments, checkpoint)
            except Exception as error:
                if is_out_of_memory(error):
                    raise BatchTooLargeError(_advise(plan)) from error
                raise
        if first:
            copy_final(folder, config)
        return folder


def _tell_where(folder: Path, removed: list[str]) -> None:
    """Tell from which checkpoint a run goes on, and what a kill has left of others."""
    newest = find_newest_checkpoint(folder)
    where = "the first step: no checkpoint is whole" if newest is None else newest.name
    lost = f"; {', '.join(removed)} was being written or removed when the run died, and is gone" if removed else ""
    echo(f"Going on from {where}{lost}")


def _run(config: TrainConfig, plan: TrainPlan, collator: Collator, arguments: Any, checkpoint: Path | None) -> None:
    """Load the model and train it, from a checkpoint where there is one."""
    from transformers import EarlyStoppingCallback, ProgressCallback

    from training.run.progress import Progress
    from training.run.trainer import SaveWhatWasEvaluated, Tuner

    found, folder = plan.outline, Path(arguments.output_dir)
    model = load_model(config, found.family)
    examined = plan.held_out is not None and any(TASKS[task].answers.metrics for task in config.tasks)
    callbacks: list[Any] = [SaveWhatWasEvaluated()]
    if config.held_out.early_stop:
        callbacks.append(EarlyStoppingCallback(config.held_out.early_stop))
    tuner = Tuner(
        model=model,
        args=arguments,
        data_collator=collator,
        train_dataset=plan.train,
        eval_dataset=plan.held_out,
        processing_class=found.processor,
        peft_config=make_lora_config(config, found.family) if config.method == "lora" and not config.adapter else None,
        callbacks=callbacks,
        family=found.family,
        evaluator=HeldOutEvaluator(plan) if examined else None,
        end_of_turn=found.processor.tokenizer.convert_tokens_to_ids(found.family.end_of_turn),
        keep_checkpoints=config.keep_checkpoints,
        weights={task: config.weight(task) for task in config.tasks},
    )
    tuner.pop_callback(ProgressCallback)
    tuner.add_callback(Progress)
    skip_vision_gradient(tuner.bare_model(), found.family)
    _check_prepared(config, tuner)

    try:
        tuner.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    finally:
        if tuner.is_world_process_zero():
            with contextlib.suppress(OSError):  # a full disk must not hide what went wrong
                write_history(folder, tuner.state.log_history, config.best)
    tuner.save_last()
    tuner.accelerator.wait_for_everyone()


def _check_data(source: Source) -> None:
    """Read every row of the train split: a picture that is missing would stop the run hours later."""
    if problems := check_dataset(source, splits=("train",)):
        shown = "\n".join(f"  {problem}" for problem in problems[:5])
        more = f"\n  … and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise DatasetError(
            f"dataset {source.name} has {len(problems)} problems in its train split; "
            f"`qreal data check {source.name}` lists all:\n{shown}{more}"
        )


def _choose_folder(config: TrainConfig, resume: Path | None, held: contextlib.ExitStack) -> Path:
    """Choose the run's folder, the same one for every process.

    Args:
        held: keeps the folder's lock, so that no other program trains in it.

    Raises:
        ConfigError: the one that the config names holds something, or another program trains in it.
    """
    from accelerate.utils import broadcast_object_list

    name = config.name or f"{'-'.join(config.tasks)}-{Path(config.model).name}"
    by_date = Path(f"runs/train/{name}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}")
    folder = resume or (Path(config.output).expanduser() if config.output else find_free_name(by_date))
    refusal = None
    if int(os.environ.get("RANK", "0")) == 0:  # it decides alone: it writes into the folder soon after
        refusal = None if resume else _refuse_taken(folder)
        if refusal is None:
            folder.mkdir(parents=True, exist_ok=True)
            taken = ConfigError(f"another program trains in {folder}; let it end first")
            try:
                held.enter_context(hold_lock(folder / _LOCK, taken))
            except ConfigError as error:
                refusal = str(error)
    agreed: list[Any] = broadcast_object_list([folder, refusal])
    if agreed[1]:
        raise ConfigError(agreed[1])
    return Path(agreed[0])


def _refuse_taken(folder: Path) -> str | None:
    """Why a new run cannot have this folder; one that died before its first checkpoint is started again."""
    if not folder.is_dir() or not any(path.name != _LOCK for path in folder.iterdir()):
        return None
    if (folder / CONFIG_FILE).is_file() and find_newest_checkpoint(folder) is None:
        return None
    return f"output {folder} holds something already: name another, or go on with --resume {folder}"


def _list_facts(plan: TrainPlan, processes: int) -> dict[str, Any]:
    """List the facts of a run for ``environment.json``."""
    devices = [torch.cuda.get_device_name(at) for at in range(torch.cuda.device_count())]
    return {
        "data": describe_data(plan.source, plan.rows),
        "model": {"type": plan.outline.family.model_type, "commit": getattr(plan.outline.config, "_commit_hash", None)},
        "questions": {part: counts.questions for part, counts in plan.counts.items()},
        "tasks": {
            task: {"questions": counts.questions, "sequences_an_epoch": plan.seen[task]}
            for task, counts in plan.of_tasks["train"].items()
        },
        "trainable_parameters": plan.trainable.parameters,
        "questions_a_step": plan.batching.questions * processes,
        "processes": processes,
        "devices": devices or ["cpu"],
    }


def _check_prepared(config: TrainConfig, tuner: Any) -> None:
    """Two mistakes that would cost a whole run without an error.

    An adapter loaded for use and not for training would be trained without an effect; DeepSpeed's settings are passed
    over when something has set up the processes before.
    """
    if not any(weight.requires_grad for weight in tuner.model.parameters()):
        raise ConfigError("nothing would be trained: no weight of the loaded model takes gradients")
    if config.deepspeed and str(tuner.accelerator.distributed_type).rpartition(".")[2] != "DEEPSPEED":
        raise ConfigError(
            f"deepspeed: {config.deepspeed} was not taken up (the processes work as "
            f"{tuner.accelerator.distributed_type}): unset ACCELERATE_USE_CPU"
        )


def _advise(plan: TrainPlan) -> str:
    """Advise what to change where a batch did not fit."""
    config = plan.config
    limits = " or ".join(plan.outline.family.pixel_limits)
    smaller = f"batch_size={max(1, config.batch_size // 2)} gradient_accumulation={2 * config.gradient_accumulation}"
    steps = [
        smaller if plan.batching.sequences > 1 else "",
        "" if config.gradient_checkpointing else "gradient_checkpointing=true",
        f"a lower {limits}" if limits else "",
        "" if config.deepspeed else "--deepspeed zero3 (configs/deepspeed/zero3.json) on several devices",
        "devices with more memory",
    ]
    return (
        f"out of memory with {plan.batching.sequences} sequences of up to {plan.counts['train'].longest} tokens on a "
        f"device. Try, in this order: {'; '.join(step for step in steps if step)}"
    )
