"""Pictures to take in, and what ``init_run`` makes of them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from annotating import config_for
from PIL import Image

from annotation.execution.driver import Watcher, init_run
from annotation.run.folder import RunFolder
from qreal_tasks.shards import parquet_files as shards
from qreal_tasks.shards.executors import ExecutorOptions


def noise(seed: int, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """A picture of its own for each seed."""
    pixels = np.random.default_rng(seed).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def png(seed: int) -> bytes:
    out = io.BytesIO()
    noise(seed).save(out, "PNG")
    return out.getvalue()


def put(path: Path, content: bytes | str) -> Path:
    """Write a file, in UTF-8 where it is text, with the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def begin(images: Path | str, run: Path, **changes: Any) -> RunFolder:
    return init_run(str(images), run, config_for("http://127.0.0.1:9/v1", **changes), ExecutorOptions(), Watcher())


def manifest(run: RunFolder) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in shards.read_table(run.manifest_path).to_pylist()}


def taken(images: Path, run: Path, **changes: Any) -> dict[str, dict[str, Any]]:
    """By name, what became of every input."""
    return manifest(begin(images, run, **changes))
