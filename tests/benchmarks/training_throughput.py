"""Questions per second of ObjectQA training: packed entities against TRL's usual rows, same model, data and adapter.

    python tests/benchmarks/training_throughput.py [--quick]

Qwen2.5-VL shapes with random weights, LoRA on the language model, crops of 100 to 800 image tokens (about 400 in the
mean), six questions each, one epoch a measurement. In turns, several times, medians:

- ``TRL at N``: SFTTrainer as it comes, rows of prompt and completion with an image, its collator, N questions a batch.
- ``apart at N``: this project's trainer with ``packing: false``: what is not the packing's doing.
- ``packed``: this project's trainer, the six questions of a crop in one sequence.

Beside them stands the ratio of the arithmetic: vision tower forward once a row; language model forward, backward to its
inputs and, with ``--checkpointing``, forward again, of one row a question against one row a crop. The floor is the
packed form's arithmetic over the rate of large matrix products measured in the same run. On a GPU memory and the share
of that rate (model-flops utilisation) are printed; ``--shapes 7B --dtype bfloat16`` is for one with 80 GB.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import Dataset, Features, Image, List, Value
from objectqa_throughput import SHAPES, Operations, crops, matrix_rate, operations, write_model
from PIL import Image as PillowImage
from transformers import AutoModelForImageTextToText, AutoProcessor
from trl import SFTConfig, SFTTrainer

from qreal_tasks.benchmark import QUESTION_NAMES, objectqa_prompt
from qreal_tasks.models.local.chat import Chat
from qreal_tasks.models.local.engine import TransformersEngine
from training.config import TrainConfig
from training.data.collator import Collator
from training.data.families import TUNED_FAMILIES
from training.data.writer import LENGTH
from training.model import make_lora_config, skip_vision_gradient
from training.recipe import parse_config
from training.run.trainer import Tuner

QUESTIONS = len(QUESTION_NAMES)
FAMILY = TUNED_FAMILIES["qwen2_5_vl"]


def answer_to(crop: int, question: int) -> str:
    """Anything, as long as it is the same for all."""
    return ("Yes", "No")[(crop + question) % 2]


def settings(folder: Path, options: argparse.Namespace, batch: int, **more: Any) -> SFTConfig:
    """What all contenders share."""
    return SFTConfig(
        output_dir=str(folder / "out"),
        per_device_train_batch_size=batch,
        num_train_epochs=1,
        learning_rate=1e-4,
        bf16=options.dtype == "bfloat16",
        gradient_checkpointing=options.checkpointing,
        max_length=None,
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
        use_cpu=not torch.cuda.is_available(),
        **more,
    )


def trl_rows(folder: Path, pictures: list[PillowImage.Image], options: argparse.Namespace, batch: int) -> SFTTrainer:
    """TRL as its documentation says for a vision-language model."""
    rows = [
        {
            "images": [picture],
            "prompt": [
                {
                    "role": "user",
                    "content": [{"type": "image", "text": ""}, {"type": "text", "text": objectqa_prompt(name)}],
                }
            ],
            "completion": [{"role": "assistant", "content": [{"type": "text", "text": answer_to(at, n)}]}],
        }
        for at, picture in enumerate(pictures)
        for n, name in enumerate(QUESTION_NAMES)
    ]
    messages = List({"role": Value("string"), "content": List({"type": Value("string"), "text": Value("string")})})
    features = Features({"images": List(Image()), "prompt": messages, "completion": messages})
    return SFTTrainer(
        model=fresh_model(folder, options),
        args=settings(folder, options, batch),
        train_dataset=Dataset.from_list(rows, features=features),
        processing_class=AutoProcessor.from_pretrained(folder),
        peft_config=make_lora_config(recipe(folder, options), FAMILY),
    )


def ours(
    folder: Path, pictures: list[PillowImage.Image], options: argparse.Namespace, packs: bool, batch: int
) -> Tuner:
    """This project's trainer; ``batch`` counts sequences."""
    rows = Dataset.from_list(
        [{"image_id": str(at), "image": picture} for at, picture in enumerate(pictures)],
        features=Features({"image_id": Value("string"), "image": Image()}),
    )
    chat = Chat(AutoProcessor.from_pretrained(folder))
    groups = [list(range(QUESTIONS))] if packs else [[n] for n in range(QUESTIONS)]
    train = Dataset.from_list(
        [
            {
                "task": "objectqa",
                "row": at,
                "names": [QUESTION_NAMES[n] for n in group],
                "prompts": [objectqa_prompt(QUESTION_NAMES[n]) for n in group],
                "answers": [FAMILY.answer(answer_to(at, n)) for n in group],
                LENGTH: 1,
            }
            for at in range(len(pictures))
            for group in groups
        ]
    )
    model = fresh_model(folder, options)
    tuner = Tuner(
        model=model,
        args=settings(
            folder, options, batch, remove_unused_columns=False, dataset_kwargs={"skip_prepare_dataset": True}
        ),
        data_collator=Collator(chat, {"objectqa": rows}, model.model),
        train_dataset=train,
        processing_class=chat.processor,
        peft_config=make_lora_config(recipe(folder, options), FAMILY),
        family=FAMILY,
        evaluator=None,
        end_of_turn=chat.tokenizer.convert_tokens_to_ids(FAMILY.end_of_turn),
        keep_checkpoints=1,
    )
    skip_vision_gradient(tuner.bare_model(), FAMILY)
    return tuner


def recipe(folder: Path, options: argparse.Namespace) -> TrainConfig:
    return parse_config({"task": "objectqa", "model": str(folder), "dtype": options.dtype}, "benchmark")


def fresh_model(folder: Path, options: argparse.Namespace) -> Any:
    dtype = getattr(torch, options.dtype)
    return AutoModelForImageTextToText.from_pretrained(folder, dtype=dtype, attn_implementation="sdpa")


def training_operations(name: str, folder: Path, pictures: list[PillowImage.Image], checkpointing: bool) -> Operations:
    """The forward pass's arithmetic, with the language model's counted for its backward pass too."""
    engine = TransformersEngine(str(folder), device="cpu")
    whole = operations(name, engine, pictures)
    tower_once = operations(name, engine, pictures, with_text=False)
    times = 3 if checkpointing else 2
    tower_of_rows = times if checkpointing else 1  # TRL's hooks make even a frozen tower's inputs ask for gradients
    return Operations(
        shared=tower_once.shared + times * (whole.shared - tower_once.shared),
        separate=tower_of_rows * tower_once.separate + times * (whole.separate - tower_once.separate),
    )


def timed(train: Callable[[], Any]) -> tuple[float, float]:
    """Seconds, and GiB of GPU memory at its highest."""
    on_gpu = torch.cuda.is_available()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
        torch.cuda.synchronize()
    start = time.perf_counter()
    train()
    if on_gpu:
        torch.cuda.synchronize()
    return time.perf_counter() - start, torch.cuda.max_memory_allocated() / 2**30 if on_gpu else 0.0


def compare(name: str, pictures: list[PillowImage.Image], options: argparse.Namespace) -> None:
    """Print a table for one shape."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        dtype = getattr(torch, options.dtype)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        write_model(folder, name, dtype)
        contenders: dict[str, Any] = {
            f"TRL at {batch}": trl_rows(folder, pictures, options, batch) for batch in options.batches
        }
        contenders[f"apart at {options.batches[0]}"] = ours(folder, pictures, options, False, options.batches[0])
        contenders["packed"] = ours(folder, pictures, options, True, 1)
        taken: dict[str, list[float]] = {each: [] for each in contenders}
        memory = dict.fromkeys(contenders, 0.0)
        rates = []
        for repeat in range(options.repeats + 1):
            for each, trainer in contenders.items():
                seconds, memory[each] = timed(trainer.train)
                if repeat:  # the first round warms up
                    taken[each].append(seconds)
            rates.append(matrix_rate(dtype, device, 2048 if device == "cpu" else 8192))
        needed = training_operations(name, folder, pictures, options.checkpointing)
        parameters = sum(weight.numel() for weight in contenders["packed"].model.parameters())
    tokens = [picture.width * picture.height / 28**2 for picture in pictures]
    count, rate = len(pictures) * QUESTIONS, statistics.median(rates)
    checkpointing = "gradient checkpointing" if options.checkpointing else "no gradient checkpointing"
    print(f"\n{name}: {parameters / 1e6:.0f} M parameters, {options.dtype}, {device}, {checkpointing}")
    print(
        f"  {len(pictures)} crops of {min(tokens):.0f} to {max(tokens):.0f} image tokens (mean {np.mean(tokens):.0f})"
    )
    best = statistics.median(taken["packed"])
    for each, times in taken.items():
        middle = statistics.median(times)
        spread = f"({count / max(times):.2f} to {count / min(times):.2f})"
        line = f"  {each:12} {count / middle:8.2f} questions/s {spread:20} packed is {middle / best:5.2f} x"
        if device == "cuda":
            own = needed.shared if each == "packed" else needed.separate
            line += f"; {memory[each]:.1f} GiB, {100 * own / middle / rate:.0f} % of the matrix rate"
        print(line)
    floor = needed.shared / rate
    line = f"  {'floor':12} {count / floor:8.2f} questions/s at {rate / 1e9:.0f} GFLOP/s"
    print(f"{line}; packed reaches {floor / best:.0%}")
    print(f"  rows apart need {needed.separate / needed.shared:.2f} x the arithmetic of the packed form")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="few crops, one repeat")
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=["20M"])
    parser.add_argument("--crops", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batches", type=int, nargs="+", default=[4, 1, 2, 8], help="questions a batch of TRL's")
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--checkpointing", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.crops, options.repeats, options.batches = 4, 1, [4]
    for name in options.shapes:
        compare(name, crops(options.crops), options)


if __name__ == "__main__":
    main()
