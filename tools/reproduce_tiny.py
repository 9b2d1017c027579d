"""Proves `qreal reproduce` without a GPU: a drawn set, tiny models of the three families, scripts for the two servers.

    python tools/reproduce_tiny.py runs/reproduce-tiny

The tiny models are trained a little first, so that they write boxes; what they learn is worth nothing. A folder that is
there already is gone on with.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from qreal_tasks.benchmark import QUESTIONS
from qreal_tasks.judge.manifest import load_manifest
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion
from qreal_tasks.mini.write import draw_mini
from qreal_tasks.models.tiny import write_tiny_internvl, write_tiny_llava_next, write_tiny_qwen2_5_vl
from qreal_tasks.reproduce.commands import reproduce_command
from qreal_tasks.steps.step import qreal
from qreal_tasks.tour.scripted_judge import answer as answer_as_judge

CONFIG = Path(__file__).parents[1] / "configs" / "reproduce.yaml"
WRITERS = {
    "qwen2.5-vl-7b": write_tiny_qwen2_5_vl,
    "internvl2.5-8b": write_tiny_internvl,
    "llava-v1.6-mistral-7b": write_tiny_llava_next,
}
SMALL = (
    *("dtype=float32", "gradient_checkpointing=false", "held_out.share=0", "workers=0", "report_to=none"),
    *("batch_size=48", "over_length=drop"),
)
ENVIRONMENT = {"OPENAI_API_KEY": "none", "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}
TAUGHT = ("task=[objectqa,imageqa,detect]", "sets=[realism,plausibility]", "learning_rate=5e-3", "epochs=1000")
"""Keys of the training by which the tiny models learn a few images by heart, so that they write boxes at all."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prompts", nargs="+", default=["paper", "benchmark"], choices=["paper", "benchmark"])
    parser.add_argument("--teaching-steps", type=int, default=200)
    options = parser.parse_args()
    os.environ |= ENVIRONMENT
    reproduce(options.folder, options.prompts, options.teaching_steps)


def reproduce(folder: Path, prompts: Sequence[str], teaching: int, families: Sequence[str] = tuple(WRITERS)) -> None:
    """Run ``qreal reproduce`` with tiny stand-ins.

    Args:
        prompts: styles that are asked.
        teaching: steps that the tiny models are trained for, before they are taken as released.
        families: names of models in ``configs/reproduce.yaml``.

    Raises:
        typer.Exit: a step failed; the message was printed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "set"
    if not data.is_dir():
        draw_mini(data, images=40, seed=5)
        draw_mini(folder / "lesson", images=20, seed=6, test_share=0.8)
    weights = {family: _teach(folder, family, teaching) for family in families}
    with ScriptedServer(_answer) as server:
        config = _write_config(folder, weights, server.url, prompts)
        reproduce_command(data=str(data), folder=folder / "results", config=config)


def _teach(folder: Path, family: str, steps: int) -> Path:
    taught, start, run = (folder / kind / family for kind in ("models", "start", "teaching"))
    if taught.is_dir():
        return taught
    if not start.is_dir():
        WRITERS[family](start)
    recipe = CONFIG.parent / "training" / f"objectqa-{family}.yaml"
    if not run.is_dir():
        data = f"data={folder / 'lesson'}"
        keys = (*SMALL, *TAUGHT, f"max_steps={steps}", "method=full", data, f"model={start}", f"output={run}")
        subprocess.run(qreal("train", recipe, *keys).words, check=True)
    subprocess.run(qreal("train", "export", run, taught).words, check=True)
    return taught


def _write_config(folder: Path, weights: dict[str, Path], url: str, prompts: Sequence[str]) -> Path:
    """The config of the clone with other weights, servers and a few steps; addresses change from run to run."""
    judge = folder / "judge.yaml"
    changes = {"name": "scripted", "base_url": url, "model": "scripted", "prices": None}
    judge.write_text(yaml.safe_dump(load_manifest("gpt-4o").model_copy(update=changes).model_dump()), encoding="utf-8")
    content: dict[str, Any] = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))
    models = [one for one in content["models"] if one["name"] in weights or "server" in one]
    for model in models:
        if model["name"] in weights:
            model.pop("convert", None)
            model["weights"] = str(weights[model["name"]])
        else:
            model["server"] = f"model=gpt-4o,base_url={url}"
    content |= {"models": models, "prompts": list(prompts), "judge": str(judge), "eval_args": "dtype=float32"}
    content |= {"recipes": str(CONFIG.parent / "training"), "training": [*SMALL, "max_steps=2"]}
    path = folder / "reproduce.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def _answer(asked: Asked) -> Reply:
    """As a judge, to a question about a crop, or to a query about a whole image."""
    messages = json.dumps(asked.body["messages"])
    if "<reference>" in messages:
        return answer_as_judge(asked)
    if any(question.text in messages for question in QUESTIONS):
        return completion("Yes", {"Yes": 0.7, "No": 0.3})
    box = {"bbox_2d": [250, 250, 750, 750], "label": "dog", "description": "There are three legs."}
    return completion(json.dumps([box]))


if __name__ == "__main__":
    main()
