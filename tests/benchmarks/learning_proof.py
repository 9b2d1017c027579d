"""Can it learn? A tiny Qwen2.5-VL with random weights, trained on a drawn set, scored on its held-out test split.

    python tests/benchmarks/learning_proof.py [--images 5000] [--folder runs/learning]

Every step is the command that a user would type: ``qreal mini``, ``qreal train`` with the recipes ``mini-*.yaml``,
``qreal train export``, ``qreal eval``. Then for every ObjectQA question: accuracy and AUC, and the accuracy above the
better of two answers that need no picture (the majority of the train split, and the majority among its entities of the
same label), paired by image, with its 95 % interval. For ImageQA: IoU beside that of the same model before training and
that of a box around the whole image. Settings were chosen on a part of train.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from answered_alike import majority, majority_per_label
from typed import present

from qreal_tasks.benchmark import QUESTION_NAMES
from qreal_tasks.dataset.loading import load_split
from qreal_tasks.dataset.source import locate
from qreal_tasks.metrics.objectqa import compare_objectqa
from qreal_tasks.models.tiny import write_learner_qwen2_5_vl
from qreal_tasks.records import JudgmentRecord
from qreal_tasks.results.run_folder import Run, find_results, read_run
from qreal_tasks.results.score import RunScores, score_run
from qreal_tasks.samples import ModelAnswer, SampleContext, judgment_record

RECIPES = Path(__file__).parents[2] / "configs" / "training"
UNTRAINED_IMAGES = 40
"""An untrained model never ends its answer, so each takes its 2,048 tokens."""


def qreal(*arguments: str, data: Path | None = None) -> float:
    """Run the command, show what it says, and return its seconds."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"} | ({"QREAL_DATA": str(data)} if data else {})
    start = time.perf_counter()
    print(f"$ qreal {' '.join(arguments)}", flush=True)
    subprocess.run(
        [sys.executable, "-c", "from qreal_tasks.cli import main; main()", *arguments], env=environment, check=True
    )
    return time.perf_counter() - start


def evaluated(model: Path, data: Path, output: Path, tasks: str, *more: str) -> Run:
    """The run of ``qreal eval``."""
    given = ["--model", "qreal_hf", "--model_args", f"pretrained={model}", "--tasks", tasks, "--batch_size", "32"]
    qreal("eval", *given, "--output_path", str(output), *more, data=data)
    return read_run(find_results(output)[-1])


def trained(recipe: str, model: Path, data: Path, folder: Path, more: Sequence[str]) -> tuple[Path, float]:
    """The exported model and the seconds of its training."""
    run = folder / f"{recipe}-run"
    seconds = qreal("train", str(RECIPES / f"{recipe}.yaml"), f"model={model}", f"data={data}", f"output={run}", *more)
    exported = folder / f"{recipe}-model"
    qreal("train", "export", str(run), str(exported))
    return exported, seconds


def judgments(run: Run) -> list[JudgmentRecord]:
    return [record for task in run.tasks for record in task.records if isinstance(record, JudgmentRecord)]


def known_of(data: Path) -> list[JudgmentRecord]:
    """The train split's answers as records, for the baselines."""
    rows = load_split(locate(str(data)), "objectqa", "train").remove_columns("image")
    return [
        judgment_record(row, name, ModelAnswer(""), SampleContext(str(data))) for row in rows for name in QUESTION_NAMES
    ]


def report_objectqa(run: Run, known: list[JudgmentRecord]) -> None:
    """A line a question."""
    records = judgments(run)
    baselines = {"majority": majority(records, known), "majority per label": majority_per_label(records, known)}
    differences = {name: compare_objectqa([records, answers])[0] for name, answers in baselines.items()}
    scores = score_run(run, resamples=0).objectqa
    print(f"\n{'ObjectQA, test':18} {'acc':>6} {'auc':>6}   accuracy above the better baseline, 95 % interval")
    for question in QUESTION_NAMES:
        name, found = min(
            ((n, d[question]["acc"]) for n, d in differences.items()), key=lambda pair: present(pair[1].value)
        )
        clear = "clear of it" if present(found.low) > 0 else "NOT learnt: the interval is not clear of the baseline"
        metrics = scores[question].metrics
        interval = f"{found.value:+.3f} ({found.low:+.3f} to {found.high:+.3f}) above {name}"
        print(f"{question:18} {metrics['acc']:6.3f} {metrics['auc']:6.3f}   {interval}: {clear}")


def report_imageqa(before: RunScores, after: RunScores) -> None:
    """A line a set."""
    heads = f"{'IoU':>6} {'95 %':>15} {'det.':>6} {'F1@.5':>6} {'unread':>6}"
    print(f"\n{'ImageQA, test':18} {heads}   IoU untrained, of a box")
    for name, row in after.imageqa.items():
        shown = [row.metrics[m] for m in ("iou", "detection_rate", "f1_at_50", "unparsed")]
        iou = row.intervals["iou"]
        numbers = " ".join(f"{_text(value):>6}" for value in shown[1:])
        untrained = _text(before.imageqa[name].metrics["iou"])
        box = _text(row.baselines["whole image"]["iou"])
        print(f"{name:18} {_text(shown[0]):>6} {f'{iou.low:.3f}-{iou.high:.3f}':>15} {numbers}   {untrained}, {box}")


def _text(value: Any) -> str:
    return "N/A" if value is None else f"{value:.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--folder", type=Path, default=Path("runs/learning"))
    parser.add_argument("more", nargs="*", help="key=value for both trainings")
    options = parser.parse_args()
    folder: Path = options.folder
    data, start = folder / "data", folder / "untrained"
    drawing = qreal("mini", str(data), "--images", str(options.images), "--seed", str(options.seed))
    write_learner_qwen2_5_vl(start)
    tasks = "qreal_imageqa_realism,qreal_imageqa_plausibility"
    before = evaluated(start, data, folder / "untrained-results", tasks, "--limit", str(UNTRAINED_IMAGES))
    first, seconds = trained("mini-objectqa", start, data, folder, options.more)
    objectqa = evaluated(first, data, folder / "objectqa-results", "qreal_objectqa")
    detecting, detect_seconds = trained("mini-detect", start, data, folder, options.more)
    second, imageqa_seconds = trained("mini-imageqa", detecting, data, folder, options.more)
    imageqa = evaluated(second, data, folder / "imageqa-results", tasks)
    report_objectqa(objectqa, known_of(data))
    report_imageqa(score_run(before, resamples=0), score_run(imageqa, resamples=2000))
    taken = f"ObjectQA {seconds:.0f} s, detection {detect_seconds:.0f} s, ImageQA {imageqa_seconds:.0f} s"
    print(f"\nDrawing {drawing:.0f} s; training, with start-up and data check: {taken}")
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
