"""Images a second of every stage, with tiny models of random weights on this machine's processors.

    python tests/benchmarks/annotation_stages.py [--workers 2] [--executor ray]

96 drawn scenes; a scripted server in a thread that answers at once. The numbers are of the code around the models: with
the published weights, detection and quality take what their own forward passes take. Beside detection and quality, in
turns, stands the bare forward pass over the same inputs ("floor"): what the model itself needs, without reading shards,
decoding pictures, looking again for names without a box, choosing boxes and writing.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from annotating import answer, config_for, write_pictures
from tiny_annotators import write_tiny_grounding_dino, write_tiny_q_eval

from annotation.execution.driver import RunOptions, Watcher, init_run, run_stages
from annotation.run.chain import STAGES
from annotation.run.folder import RunFolder
from annotation.run.gallery import Gallery
from annotation.stages.entity_views import load_entities
from qreal_tasks.llm.scripted_server import ScriptedServer
from qreal_tasks.shards.executors import Executor, ExecutorOptions

IMAGES = 96


def timed(run: RunFolder, stage: str, where: ExecutorOptions) -> float:
    start = time.perf_counter()
    run_stages(run, RunOptions(stages=(stage,), where=where), Watcher())
    return time.perf_counter() - start


def detection_floor(run: RunFolder) -> float:
    """Seconds of the forward passes that the first pass makes, in the same batches."""
    from qreal_tasks.models.detector.grounding_dino import Detector

    detector = Detector(run.config.detection)
    batches = []
    for shard in run.shard_numbers:
        pictures = run.pictures(shard)
        gallery = Gallery(pictures)
        names = {row["image_id"]: [one["name"] for one in row["entities"]] for row in run.read("entities", shard)}
        size = detector.settings.batch_size
        for start in range(0, len(pictures), size):
            some = pictures[start : start + size]
            batches.append(([gallery.whole(one.image_id) for one in some], [names[one.image_id] for one in some]))
    start_s = time.perf_counter()
    for pictures_of_batch, texts in batches:
        detector._forward(pictures_of_batch, texts)
    return time.perf_counter() - start_s


def quality_floor(run: RunFolder) -> float:
    """Seconds of scoring all crops, already cut."""
    from annotation.local_models.q_eval import QEvalScore

    scorer = QEvalScore(run.config.quality)
    shards = []
    for shard in run.shard_numbers:
        found = load_entities(run, shard)
        shards.append([found.gallery.crop(one.image.image_id, one.box_px) for one in found.entities])
    start = time.perf_counter()
    for crops in shards:
        scorer.levels(crops)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--executor", choices=["local", "ray"], default="local")
    arguments = parser.parse_args()
    executor: Executor = arguments.executor
    where = ExecutorOptions(executor, arguments.workers)
    seconds: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as place, ScriptedServer(answer) as server:
        folder = Path(place)
        write_tiny_grounding_dino(folder / "dino")
        write_tiny_q_eval(folder / "q_eval")
        images = write_pictures(folder / "images", IMAGES)
        for repeat in range(arguments.repeats + 1):
            start = time.perf_counter()
            run = init_run(str(images), folder / f"run{repeat}", config_for(server.url, folder), where, Watcher())
            found = {"intake": time.perf_counter() - start}
            for stage in STAGES:
                found[stage] = timed(run, stage, where)
            found["detection floor"], found["quality floor"] = detection_floor(run), quality_floor(run)
            if repeat:  # the first one loads models and libraries
                for stage, value in found.items():
                    seconds[stage].append(value)
    print(f"{IMAGES} images, {arguments.executor}, {arguments.workers} workers, medians of {arguments.repeats}")
    for stage, values in seconds.items():
        print(
            f"{stage:<18}{IMAGES / statistics.median(values):>9.1f} images/s   {[round(value, 2) for value in values]}"
        )


if __name__ == "__main__":
    main()
