"""TRL's SFTTrainer with packed batches, the benchmark's evaluation, and checkpoints that are whole or not there."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback
from trl import SFTTrainer

from qreal_tasks.models.local.batching import is_out_of_memory
from qreal_tasks.models.local.prefix import as_attention_mask
from training.data.collator import TASK
from training.data.epochs import WeightedSampler
from training.data.families import TunedFamily
from training.data.packing import IGNORED
from training.data.writer import LENGTH
from training.run.checkpoints import COMPLETE, checkpoint_path, remove_old_checkpoints
from training.run.held_out import HeldOutEvaluator

ANSWER_ACCURACY = "answer_token_accuracy"
"""Share of answer tokens that would be written so, ends of turn left out: they are always right and would flatter."""


class CheckpointError(OSError):
    """A checkpoint could not be saved; those before it are whole."""


class Tuner(SFTTrainer):  # type: ignore[misc]
    """Trains on batches of ``packing.make_batch``.

    Args:
        evaluator: asks what is kept back at each evaluation, None where nothing can be scored.
        end_of_turn: token id.
        keep_checkpoints: the newest that stay, beside the best.
        weights: by the run's tasks, in the order in which batches number them, how often the sequences of each are seen
            in an epoch; by default all once.
        given: as SFTTrainer takes it.
    """

    def __init__(
        self,
        *,
        family: TunedFamily,
        evaluator: HeldOutEvaluator | None,
        end_of_turn: int,
        keep_checkpoints: int,
        weights: Mapping[str, float] | None = None,
        **given: Any,
    ) -> None:
        super().__init__(**given)
        self.model_accepts_loss_kwargs = family.loss_mean_over == "step"
        self._evaluator = evaluator
        self._end_of_turn = end_of_turn
        self._keep_checkpoints = keep_checkpoints
        self._weights = weights or {}
        self._saved_step = -1

    def compute_loss(
        self,
        model: Any,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Cross-entropy over the answers' tokens: ``Σ -log p / n``, with ``n`` the tokens of this batch, or of all
        batches of the step where the family counts so."""
        inputs = dict(inputs)
        of_task, labels = inputs.pop(TASK, None), inputs.pop("labels")[:, 1:]
        if inputs["attention_mask"].ndim == 4:
            inputs["attention_mask"] = as_attention_mask(inputs["attention_mask"], self.bare_model())
        log_probs, is_top1 = self._score_labels(model, inputs, labels)
        counted = (labels != IGNORED).sum().clamp(min=1) if num_items_in_batch is None else num_items_in_batch
        loss: torch.Tensor = -log_probs.sum() / counted
        if self.args.average_tokens_across_devices and num_items_in_batch is not None:
            loss = loss * self.accelerator.num_processes  # gradients are averaged over the processes afterwards
        self._note_accuracy(labels, is_top1)
        if of_task is not None:
            self._note_losses(of_task, labels, log_probs.detach())
        return loss

    def _score_labels(
        self, model: Any, inputs: Mapping[str, Any], labels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The log-probability of every label, and whether it is the likeliest; 0 where none is, shape of ``labels``.

        The output head sees the hidden states before a label only. TRL's head does so by itself on GPUs; on CPUs it
        would score every position, which for a small model is a third of all arithmetic.
        """
        learnt = labels != IGNORED

        def keep_learnt(_: Any, __: Any, output: Any) -> Any:
            output.last_hidden_state = output.last_hidden_state[:, :-1][learnt][None]
            return output

        with self.bare_model().model.register_forward_hook(keep_learnt):
            found = model(**inputs, shift_labels=labels[learnt][None], use_cache=False, fused_lm_head=True)
        empty = found.log_probs.new_zeros(labels.shape)
        return empty.masked_scatter(learnt, found.log_probs), empty.masked_scatter(learnt, found.is_top1.to(empty))

    def _get_train_sampler(self, train_dataset: Any = None) -> Any:
        """Put together each epoch anew where a task is not seen just once in it."""
        rows = self.train_dataset if train_dataset is None else train_dataset
        if all(weight == 1 for weight in self._weights.values()):
            return super()._get_train_sampler(train_dataset)
        return WeightedSampler(
            list(rows["task"]),
            self._weights,
            epoch=lambda: int(self.state.epoch or 0),  # also that which a resumed run is in
            seed=self.args.data_seed,
            lengths=list(rows[LENGTH]) if self.args.train_sampling_strategy == "group_by_length" else None,
            group=self.args.train_batch_size * self.args.gradient_accumulation_steps,
        )

    def evaluation_loop(self, *given: Any, **named: Any) -> Any:
        """The loss on what is kept back, and the metrics of the benchmark beside it."""
        output = super().evaluation_loop(*given, **named)
        if self._evaluator is not None:
            apart = not (self.is_deepspeed_enabled and self.accelerator.state.deepspeed_plugin.zero_stage == 3)
            share = (self.args.process_index, self.args.world_size) if apart else (0, 1)
            with torch.no_grad(), self.compute_loss_context_manager():
                found = self._evaluator.evaluate(self.bare_model(), *share)
            output.metrics.update({f"{named.get('metric_key_prefix', 'eval')}_{k}": v for k, v in found.items()})
        return output

    def create_model_card(self, *given: Any, **named: Any) -> None:
        """None beside a checkpoint; ``qreal train export`` writes one that says what was done."""

    def bare_model(self) -> Any:
        """Without the wrappers of PEFT and of several processes; an adapter is in its layers."""
        return self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model

    def _note_accuracy(self, labels: torch.Tensor, is_top1: torch.Tensor) -> None:
        counts = (labels != IGNORED) & (labels != self._end_of_turn)
        both = torch.stack([(is_top1.bool() & counts).sum(), counts.sum()])
        right, total = self.accelerator.reduce(both, "sum").tolist()
        if total:
            mode = "train" if self.model.training else "eval"
            self._metrics[mode][ANSWER_ACCURACY].append(right / total)

    def _note_losses(self, of_task: torch.Tensor, labels: torch.Tensor, log_probs: torch.Tensor) -> None:
        """The loss of each task: of its tokens in this batch, where it has any."""
        sums = torch.stack([-log_probs.sum(1), (labels != IGNORED).sum(1).to(log_probs)])
        noted = sums.new_zeros(2, len(self._weights)).index_add_(1, of_task, sums)
        losses, tokens = self.accelerator.reduce(noted, "sum").tolist()
        mode = "train" if self.model.training else "eval"
        for task, loss, count in zip(self._weights, losses, tokens, strict=True):
            if count:
                self._metrics[mode][f"{task}_loss"].append(loss / count)

    def save_last(self) -> None:
        """Save the last step, where the schedule of checkpoints did not."""
        if self._saved_step != self.state.global_step:
            self._save_checkpoint(self.model, None)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Save, mark it as whole once every process has written its part, and only then remove older ones.

        Raises:
            CheckpointError: it could not be written, for instance because the disk is full.
        """
        folder = checkpoint_path(Path(self.args.output_dir), self.state.global_step)
        try:
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if self.args.should_save:
                (folder / COMPLETE).write_text("Every file of this checkpoint was written.\n", encoding="utf-8")
        except Exception as error:
            if is_out_of_memory(error):
                raise
            # torch, safetensors and the system each report a full disk as another type.
            shutil.rmtree(folder, ignore_errors=True)
            reason = " ".join(str(error).split())[:300]
            raise CheckpointError(
                f"checkpoint {folder} could not be saved: {reason}. Those before it are whole: "
                f"free space, then go on with `qreal train --resume {folder.parent}`"
            ) from error
        self._saved_step = self.state.global_step
        if self.args.should_save:
            remove_old_checkpoints(folder.parent, self._keep_checkpoints, self.state.best_model_checkpoint)


class SaveWhatWasEvaluated(TrainerCallback):  # type: ignore[misc]
    """A checkpoint after every evaluation, so that the best one is there to keep."""

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> Any:
        """Ask for one."""
        control.should_save = True
        return control
