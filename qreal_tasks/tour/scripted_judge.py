"""A judge for drawn pictures that is a script: how many flaws two descriptions share.

    python -m qreal_tasks.tour.scripted_judge MANIFEST RUN …

Starts a server on this machine, writes its manifest, and runs ``qreal judge`` on every run.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from qreal_tasks.console.terminal import echo
from qreal_tasks.files.atomic import write_whole
from qreal_tasks.judge.manifest import load_manifest
from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer, completion
from qreal_tasks.mini.words import find_kinds
from qreal_tasks.steps.step import qreal

NAME = "scripted"
_PAIR = re.compile(r"<prediction>\s*(\".*\")\s*</prediction>\s*<reference>\s*(\".*\")\s*</reference>", re.DOTALL)


def score_flaws(predicted: str, reference: str) -> float:
    """``2 |P ∩ R| / (|P| + |R|)`` of the planted flaws that two descriptions name; 0 where neither names one.

    >>> score_flaws("There are three legs.", "The dog is drawn as a cartoon with dark outlines. There are three legs.")
    0.67
    """
    kinds = find_kinds(predicted), find_kinds(reference)
    total = sum(map(len, kinds))
    return round(2 * len(kinds[0] & kinds[1]) / total, 2) if total else 0.0


def answer(asked: Asked) -> Reply:
    """The judge's answer to a request of ``qreal judge``."""
    found = _PAIR.search(asked.body["messages"][-1]["content"])
    if found is None:
        return completion("no pair of descriptions was found")
    return completion(json.dumps({"score": score_flaws(json.loads(found[1]), json.loads(found[2]))}))


def judge_runs(path: Path, runs: Sequence[Path]) -> int:
    """Judge the runs; returns the exit status of the first command that fails, or 0.

    Args:
        path: of the manifest, which is left there once all are judged.
    """
    environment = {name: value for name, value in os.environ.items() if name != "OPENAI_API_KEY"}
    written = path.with_name(f"unfinished-{path.name}")
    with ScriptedServer(answer) as server:
        changes = {"name": NAME, "base_url": server.url, "model": NAME, "prices": None}
        manifest = load_manifest("gpt-4o").model_copy(update=changes)
        write_whole(written, yaml.safe_dump(manifest.model_dump(), sort_keys=False, allow_unicode=True))
        for run in runs:
            command = qreal("judge", run, "--judge", written, "--cache", path.with_name("judgements.sqlite"))
            echo(f"$ {command}")
            if status := subprocess.run(command.words, env=environment, check=False).returncode:
                return status
    written.replace(path)
    return 0


if __name__ == "__main__":
    sys.exit(judge_runs(Path(sys.argv[1]), [Path(one) for one in sys.argv[2:]]))
