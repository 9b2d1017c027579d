"""A config and its plan in the terms of TRL."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import torch

from training.config import ConfigError, TrainConfig
from training.data.writer import LENGTH
from training.plan import TrainPlan

PRESETS = {path.stem: path for path in sorted((Path(__file__).parents[1] / "presets").glob("*.json"))}
"""Settings of DeepSpeed by name; ``configs/deepspeed`` leads to them."""


def find_deepspeed_file(given: str) -> Path:
    """Find the settings of DeepSpeed that ``zero2``, ``zero3`` or a path names.

    Raises:
        ConfigError: there is no such file.
    """
    path = PRESETS.get(given, Path(given).expanduser())
    if not path.is_file():
        raise ConfigError(f"deepspeed is {given!r}: there is no such file, expected one or {' or '.join(PRESETS)}")
    return path


def make_trl_config(config: TrainConfig, plan: TrainPlan) -> Any:
    """Make the settings of SFTTrainer, but for the folder. This joins the processes of a distributed run.

    Raises:
        ConfigError: a value is not one of those that TRL knows, or a file of DeepSpeed is not there.
    """
    on_cpu = not torch.cuda.is_available()
    if on_cpu:
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    from trl import SFTConfig

    evaluates = plan.held_out is not None
    each_epoch = config.held_out.every_epochs == 1
    same = ("learning_rate", "weight_decay", "max_grad_norm", "gradient_checkpointing", "seed", "report_to")
    settings: dict[str, Any] = {
        **{key: getattr(config, key) for key in same},
        "output_dir": "unknown",  # set once the processes have agreed on it
        "per_device_train_batch_size": plan.batching.sequences,
        "per_device_eval_batch_size": plan.batching.sequences,
        "gradient_accumulation_steps": plan.batching.accumulation,
        "num_train_epochs": config.epochs,
        "max_steps": config.max_steps or -1,
        "lr_scheduler_type": config.schedule,
        "warmup_steps": config.warmup,
        "adam_beta1": config.betas[0],
        "adam_beta2": config.betas[1],
        "bf16": config.dtype == "bfloat16",
        "train_sampling_strategy": "group_by_length" if config.group_by_length else "random",
        "length_column_name": LENGTH,
        "data_seed": config.seed,
        "dataloader_num_workers": config.workers,
        "dataloader_persistent_workers": config.workers > 0,
        "logging_steps": config.log_every_steps,
        "logging_first_step": True,
        "run_name": config.name,
        "eval_strategy": ("epoch" if each_epoch else "steps") if evaluates else "no",
        "eval_steps": 1,  # in steps once it is known how many processes there are
        "prediction_loss_only": True,
        "metric_for_best_model": config.best if evaluates else None,
        "greater_is_better": not config.best_is_lowest,
        "save_strategy": "steps" if config.save_every_steps else "epoch",
        "save_steps": config.save_every_steps or 500,
        # How long the metric has not been better is part of what a resumed run goes on with.
        "restore_callback_states_from_checkpoint": config.held_out.early_stop is not None,
        "save_total_limit": None,  # older checkpoints are removed only once the new one is whole
        "deepspeed": str(find_deepspeed_file(config.deepspeed)) if config.deepspeed else None,
        "use_cpu": on_cpu,
        # The rest hands tokenising to the collator.
        "max_length": None,
        "remove_unused_columns": False,
        "dataset_kwargs": {"skip_prepare_dataset": True},
    }
    try:
        arguments = SFTConfig(**settings)
    except (ValueError, OSError, ImportError) as error:
        raise ConfigError(" ".join(str(error).split())) from None
    if arguments.n_gpu > 1:
        raise ConfigError(
            f"{arguments.n_gpu} GPUs are visible to one process: add --processes {arguments.n_gpu} to use them all, or "
            "--processes 1"
        )
    epoch = plan.batching.steps_an_epoch(sum(plan.seen.values()), arguments.world_size)
    most = config.max_steps or epoch * math.ceil(config.epochs)
    arguments.eval_steps = max(1, min(round(config.held_out.every_epochs * epoch), most))
    if config.deepspeed and on_cpu:
        import deepspeed

        deepspeed.init_distributed(dist_backend="gloo", auto_mpi_discovery=False)
    return arguments
