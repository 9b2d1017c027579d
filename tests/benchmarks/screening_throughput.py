"""Images per second of ``qreal screen`` against a loop of one ``generate`` a question, with one Qwen model.

    python tests/benchmarks/screening_throughput.py [--model mini] [--images 40] [--rounds 3]

Drawn images, in turns, medians. Both go through ``screen``: files are read and checked, the questions are those of its
defaults (realism, plausibility, all entities, and the six about each entity), the results are written. ``loop`` answers
each question with one call of transformers' ``generate`` on one picture, and has no P; ``screen`` answers with the
engine of this project. The more entities a picture has, and the larger the model, the more there is to share. Also
printed: processor seconds an image, which other programs on the machine hardly touch, and how many answers to the six
questions differ.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from qreal_tasks.api.asking import Model
from qreal_tasks.boxes import Space
from qreal_tasks.dataset.loading import load_split
from qreal_tasks.dataset.source import locate as locate_set
from qreal_tasks.mini.write import draw_mini
from qreal_tasks.models.families import find_box_space
from qreal_tasks.models.local.weights.loading import load_model
from qreal_tasks.models.requests import Request, Response
from qreal_tasks.models.sources import find_shipped
from qreal_tasks.screening.rows import read_rows
from qreal_tasks.screening.run.screening import screen
from qreal_tasks.screening.run.settings import ScreeningSettings


class OneByOne:
    """One ``generate`` a question."""

    def __init__(self, folder: str, device: str) -> None:
        loaded = load_model(
            folder,
            adapter=None,
            merge_adapter=False,
            revision=None,
            dtype="auto",
            device=device,
            device_map=None,
            attn_implementation="sdpa",
        )
        self._model, self._processor, self._device = loaded.model, loaded.processor, loaded.device
        self.box_space: Space = find_box_space(self._model.config.model_type)

    def identity(self) -> Mapping[str, Any]:
        return {"engine": "one by one"}

    def run(self, requests: Sequence[Request], known: Collection[int] = frozenset()) -> Iterator[tuple[int, Response]]:
        for at, request in enumerate(requests):
            if at not in known:
                yield at, self._generate(request)

    def _generate(self, request: Request) -> Response:
        parts = [{"type": "image", "image": request.image}, {"type": "text", "text": request.text}]
        inputs = self._processor.apply_chat_template(
            [{"role": "user", "content": parts}],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
        ).to(self._device)
        with torch.inference_mode():
            written = self._model.generate(**inputs, max_new_tokens=request.max_new_tokens, do_sample=False)
        text = self._processor.batch_decode(written[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)[0]
        _, rows, columns = inputs["image_grid_thw"][0].tolist()
        side = self._processor.image_processor.patch_size
        return Response(str(text), request.choices, input_size=(columns * side, rows * side))


def write_images(folder: Path, count: int, seed: int) -> Path:
    """Drawn scenes, as files."""
    draw_mini(folder / "set", count, seed)
    images = folder / "images"
    images.mkdir()
    source = locate_set(str(folder / "set"))
    rows = [row for split in ("train", "test") for row in load_split(source, "imageqa", split)]
    for row in rows:
        row["image"].save(images / f"{row['image_id']}.png")
    return images


def answers_of(out: Path) -> dict[tuple[str, str, str], str | None]:
    """Answer by image, box and question."""
    return {
        (row["image"], str(entity["bbox"]), name): cell["answer"]
        for row in read_rows(out)
        for entity in row["entities"]
        for name, cell in entity["answers"].items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    given = parser.parse_args()
    folder = find_shipped(given.model)
    with tempfile.TemporaryDirectory() as place:
        images = write_images(Path(place), given.images, seed=1)
        count = sum(1 for _ in images.iterdir())
        models = {"loop": Model(OneByOne(folder, given.device)), "screen": Model(folder, device=given.device)}
        rates: dict[str, list[float]] = {name: [] for name in models}
        costs: dict[str, list[float]] = {name: [] for name in models}
        outs: dict[str, Path] = {}
        for number in range(given.rounds):
            for name, model in models.items():
                outs[name] = Path(place) / f"{name} {number}"
                begun, spent = time.perf_counter(), time.process_time()
                screen(str(images), outs[name], ScreeningSettings(model="given"), model=model)
                rates[name].append(count / (time.perf_counter() - begun))
                costs[name].append((time.process_time() - spent) / count)
        for name, found in rates.items():
            spread = f"{min(found):.2f} to {max(found):.2f}"
            cost = f"{statistics.median(costs[name]):.3f} processor s an image"
            print(f"{name:<7} {statistics.median(found):6.2f} images/s ({spread}, {count} images), {cost}")
        faster = statistics.median(rates["screen"]) / statistics.median(rates["loop"])
        cheaper = statistics.median(costs["loop"]) / statistics.median(costs["screen"])
        print(f"screen is {faster:.1f} times the loop, {cheaper:.1f} times by processor time")
        print(f"{torch.get_num_threads()} threads of torch, OMP_WAIT_POLICY={os.environ.get('OMP_WAIT_POLICY')}")
        loop, ours = answers_of(outs["loop"]), answers_of(outs["screen"])
        both = loop.keys() & ours.keys()
        differing = sum(loop[one] != ours[one] for one in both)
        print(f"{differing} of {len(both)} answers differ; {len(loop.keys() ^ ours.keys())} are of boxes of one alone")


if __name__ == "__main__":
    main()
