"""Changes to a submission as a cheat who repacks it well would make them: hashes and id follow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qreal_tasks.leaderboard.submission.samples_file import compress, decompress, digest_samples
from qreal_tasks.leaf_tasks import TASKS

Sample = dict[str, Any]


def samples(folder: Path, task: str) -> list[Sample]:
    """The records of a task as plain JSON."""
    lines = decompress((folder / f"samples/{task}.jsonl.gz").read_bytes(), task)
    assert isinstance(lines, bytes), lines
    return [json.loads(line) for line in lines.splitlines()]


def change_samples(folder: Path, task: str, change: Callable[[list[Sample]], object]) -> None:
    """Change the records of a task in place, and repack."""
    found = samples(folder, task)
    change(found)
    write_samples(folder, task, found)


def write_samples(folder: Path, task: str, found: list[Sample]) -> None:
    text = "".join(json.dumps(sample, separators=(",", ":")) + "\n" for sample in found)
    (folder / f"samples/{task}.jsonl.gz").write_bytes(compress(text.encode("ascii")))
    rehash(folder)


def change_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    change(manifest)
    path.write_text(json.dumps(manifest), encoding="utf-8")


def change_scores(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "scores.json"
    scores = json.loads(path.read_text(encoding="utf-8"))
    change(scores)
    path.write_text(json.dumps(scores), encoding="utf-8")
    rehash(folder)


def rehash(folder: Path) -> None:
    """Files' hashes and the end of the id as `qreal submit pack` would write them."""
    lines = {}
    for task in TASKS:
        path = folder / f"samples/{task}.jsonl.gz"
        if path.is_file():
            unpacked = decompress(path.read_bytes(), task)
            lines[task] = unpacked if isinstance(unpacked, bytes) else b""

    def change(manifest: dict[str, Any]) -> None:
        for file in manifest["files"]:
            if (folder / file["path"]).is_file():
                file["sha256"] = hashlib.sha256((folder / file["path"]).read_bytes()).hexdigest()
        manifest["id"] = f"{manifest['id'][:-13]}-{digest_samples(lines)[:12]}"

    change_manifest(folder, change)
