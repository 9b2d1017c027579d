"""Makes the model that ships as ``mini``: draws scenes, trains, evaluates on scenes of another seed, writes its card.

    python tools/train_mini_model.py runs/mini-model

A step whose result is in the folder already is not done again, so an interrupted run goes on where it stopped; with
other options it is refused, since what is there was made by the first ones. With
the same versions of the libraries on the same kind of processor, the same weights come out. The last step puts model
and card where the package looks for them. ``configs/training/mini-model.yaml`` is the recipe.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mini_model_card import Origin, write_mini_card

from qreal_tasks.console.terminal import echo
from qreal_tasks.files.atomic import new_folder, write_whole
from qreal_tasks.mini import MINI_MODEL
from qreal_tasks.mini.write import draw_mini
from qreal_tasks.models.tiny import write_learner_qwen2_5_vl
from qreal_tasks.results.run_folder import find_results, read_run

RECIPE = Path("configs/training/mini-model.yaml")
IMAGES, SEED, TEST_SHARE = 12_000, 11, 0.06
"""What training draws. Its test split only serves the check of the data: training keeps back prompts of train."""
UNSEEN_IMAGES, UNSEEN_SEED, UNSEEN_SHARE = 600, 12, 0.95
"""What the card's scores are measured on: the test split of a set of another seed."""
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}


@dataclass(frozen=True)
class Places:
    """Where each step leaves its result."""

    folder: Path

    def __getattr__(self, name: str) -> Path:
        return self.folder / name.replace("_", "-")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the steps leave their results, about 2 GB")
    parser.add_argument("--images", type=int, default=IMAGES, help="scenes to train on (default: %(default)s)")
    parser.add_argument("--into", type=Path, default=MINI_MODEL, help="where the model is put (default: the package)")
    parser.add_argument("keys", nargs="*", metavar="KEY=VALUE", help="over the recipe, for a try: epochs=1")
    options = parser.parse_intermixed_args()
    if (options.keys or options.images != IMAGES) and options.into == MINI_MODEL:
        parser.error("a try (--images, KEY=VALUE) is not for the package: give --into FOLDER")
    at = Places(options.folder.resolve())
    at.folder.mkdir(parents=True, exist_ok=True)
    if differs := find_other_options(at.folder, {"images": options.images, "keys": sorted(options.keys)}):
        parser.error(f"{options.folder} was begun with {differs}; give the same, or another folder")
    workers = os.cpu_count() or 1
    _step(at, "drawn", lambda: draw_mini(at.drawn, options.images, SEED, test_share=TEST_SHARE, workers=workers))
    _step(at, "start", lambda: write_learner_qwen2_5_vl(at.start))
    _step(at, "run/final", lambda: _train(at, options.keys))
    _step(at, "exported", lambda: _qreal("train", "export", str(at.run), str(at.exported)))
    _step(at, "qreal-mini", lambda: _store(at.exported, at.qreal_mini))
    _step(
        at, "unseen", lambda: draw_mini(at.unseen, UNSEEN_IMAGES, UNSEEN_SEED, test_share=UNSEEN_SHARE, workers=workers)
    )
    _step(at, "results", lambda: _evaluate(at))
    origin = Origin(
        images=options.images,
        seed=SEED,
        unseen_images=UNSEEN_IMAGES,
        unseen_seed=UNSEEN_SEED,
        drawn=at.drawn,
        run=at.run,
        seconds=_read_times(at),
        cores=workers,
        parameters=_count_weights(at.qreal_mini),
    )
    write_whole(at.qreal_mini / "README.md", write_mini_card(read_run(find_results(at.results)[-1]), origin))
    with new_folder(options.into, instead=True) as beside:
        shutil.copytree(at.qreal_mini, beside, dirs_exist_ok=True)
    echo(f"Written: {options.into}. Its card is {options.into / 'README.md'}")


def _step(at: Places, result: str, make: Callable[[], object]) -> None:
    """Do a step and write down how long it took, all its parts together, unless its result is there.

    A part that was killed outright leaves no time.
    """
    if (at.folder / result).exists():
        echo(f"{result}: there already")
        return
    echo(f"{result} …")
    begun = time.perf_counter()
    try:
        make()
    finally:
        before = _read_times(at)
        times = {**before, result: before.get(result, 0) + round(time.perf_counter() - begun)}
        write_whole(at.folder / "times.json", json.dumps(times, indent=2) + "\n")
    echo(f"{result}: {times[result]} s")


def find_other_options(folder: Path, options: dict[str, object]) -> str | None:
    """The options that a folder was begun with, where they are others than these; a new folder keeps these."""
    options = {**options, "recipe": RECIPE.read_text(encoding="utf-8")}
    path = folder / "options.json"
    if not path.is_file():
        write_whole(path, json.dumps(options, indent=2) + "\n")
        return None
    begun = json.loads(path.read_text(encoding="utf-8"))
    others = [name for name in options if begun.get(name) != options[name]]
    return ", ".join(f"another {name}" if name == "recipe" else f"{name}={begun.get(name)}" for name in others) or None


def _read_times(at: Places) -> dict[str, int]:
    """Seconds of each step."""
    path = at.folder / "times.json"
    found: dict[str, int] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return found


def _train(at: Places, keys: list[str]) -> None:
    if at.run.exists():
        _qreal("train", "--resume", str(at.run))
        return
    _qreal("train", str(RECIPE), f"model={at.start}", f"data={at.drawn}", f"output={at.run}", *keys)


def _store(exported: Path, folder: Path) -> None:
    """Store the weights in half the size; the settings still ask for float32, so that is what they are loaded in."""
    import torch
    from safetensors.torch import load_file, save_file

    left_out = shutil.ignore_patterns("training_*", "README.md", "*.safetensors")
    with new_folder(folder) as beside:
        shutil.copytree(exported, beside, ignore=left_out, dirs_exist_ok=True)
        weights = {name: tensor.to(torch.float16) for name, tensor in load_file(exported / "model.safetensors").items()}
        save_file(weights, beside / "model.safetensors", {"format": "pt"})
        (beside / "model.safetensors").chmod(0o644)  # safetensors writes for its owner alone


def _count_weights(folder: Path) -> int:
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", "pt") as weights:
        return sum(math.prod(weights.get_slice(name).get_shape()) for name in list(weights.keys()))


def _evaluate(at: Places) -> None:
    model = (
        "--model",
        "qreal_hf",
        "--model_args",
        f"pretrained={at.qreal_mini},store={at.folder}/answers.sqlite",
        "--batch_size",
        "32",
    )
    with new_folder(at.results) as beside:
        _qreal("eval", *model, "--output_path", str(beside), QREAL_DATA=str(at.unseen))


def _qreal(*arguments: str, **environment: str) -> None:
    """Run the command as a user would."""
    command = [sys.executable, "-c", "from qreal_tasks.cli import main; main()", *arguments]
    subprocess.run(command, env={**os.environ, **ONE_THREAD, **environment}, check=True)


if __name__ == "__main__":
    main()
