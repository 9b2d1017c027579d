"""Milliseconds of processor time that a sequence takes in training a tiny model on a CPU, and what two savings save.

    python tests/benchmarks/training_rows.py [--repeats 7]

The learner of 1.5 M weights (``qreal_tasks.models.tiny``), trained whole on the embedded set, 16 sequences a batch, one
thread. In turns in one run, medians:

- rows to batches: pictures decoded and processed, tokens, masks, positions. ``whole`` calls the processor as a whole
  for every picture, ``step`` only its step for pictures (``PictureStep``). The batches are compared byte by byte.
- batches to gradients: ``every position`` is TRL's head as it is on CPUs, ``learnt positions`` this project's.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from qreal_tasks.dataset.source import locate
from qreal_tasks.models.local.chat import Chat
from qreal_tasks.models.tiny import write_learner_qwen2_5_vl
from training.data.collator import Collator
from training.model import load_model, read_outline
from training.plan import make_plan
from training.recipe import parse_config
from training.run.trainer import Tuner
from training.run.trl_config import make_trl_config

BATCH = 16
TASKS = {"objectqa": ["objectqa"], "imageqa": ["imageqa"], "both": ["objectqa", "imageqa"]}


class WholeChat(Chat):
    """Calls the processor as a whole for every picture."""

    def _processed_like_another(self, image: Image.Image) -> tuple[None, None]:
        return None, None


def medians(contenders: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, float]:
    """Milliseconds of processor time by contender, in turns; the first round warms up."""
    taken: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats + 1):
        for name, run in contenders.items():
            start = time.process_time()
            run()
            taken[name].append(1000 * (time.process_time() - start))
    return {name: statistics.median(times[1:]) for name, times in taken.items()}


def _collate(collator: Collator, batches: list[list[Any]]) -> list[Any]:
    return [collator(rows) for rows in batches]


def compare(name: str, model: Path, repeats: int) -> None:
    """Print a line for each half of the way of a batch."""
    keys = {
        "task": TASKS[name],
        "model": str(model),
        "data": "mini",
        "method": "full",
        "dtype": "float32",
        "workers": 0,
    }
    keys |= {"freeze": {"vision": False, "projector": False}, "gradient_checkpointing": False, "report_to": "none"}
    config = parse_config(keys | {"held_out": {"share": 0}}, "benchmark")
    outline = read_outline(config)
    plan = make_plan(config, locate(config.data), outline)
    chosen = torch.randperm(len(plan.train), generator=torch.Generator().manual_seed(0))[: 6 * BATCH].tolist()
    batches = [[plan.train[at] for at in chosen[start : start + BATCH]] for start in range(0, len(chosen), BATCH)]
    collators = {
        kind.__name__: Collator(kind(outline.processor), plan.rows, outline.empty.model) for kind in (WholeChat, Chat)
    }
    for rows in batches:
        one, other = (collator(rows) for collator in collators.values())
        assert one.keys() == other.keys()
        assert all(torch.equal(value, other[key]) for key, value in one.items())
    runs = {each: functools.partial(_collate, collator, batches) for each, collator in collators.items()}
    found = [each / len(chosen) for each in medians(runs, repeats).values()]
    print(f"{name:9} rows to batches       whole {found[0]:6.2f}, step {found[1]:6.2f} ms a sequence")

    arguments = make_trl_config(config, plan)
    arguments.output_dir = str(model / "out")
    tuner = Tuner(
        model=load_model(config, outline.family),
        args=arguments,
        data_collator=collators["Chat"],
        train_dataset=plan.train,
        processing_class=outline.processor,
        family=outline.family,
        evaluator=None,
        end_of_turn=outline.processor.tokenizer.convert_tokens_to_ids(outline.family.end_of_turn),
        keep_checkpoints=1,
    )
    tuned, batch = tuner.model.train(), collators["Chat"](batches[0])

    def every_position() -> None:
        outputs = tuned(**batch, use_cache=False, fused_lm_head=True)
        torch.autograd.backward(-outputs.log_probs.sum() / outputs.label_mask.sum())

    def learnt_positions() -> None:
        torch.autograd.backward(tuner.compute_loss(tuned, batch))

    found = [each / BATCH for each in medians({"all": every_position, "learnt": learnt_positions}, repeats).values()]
    print(
        f"{name:9} batches to gradients  every position {found[0]:6.2f}, learnt positions {found[1]:6.2f} ms a sequence"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        write_learner_qwen2_5_vl(Path(place))
        for name in TASKS:
            compare(name, Path(place), options.repeats)


if __name__ == "__main__":
    main()
