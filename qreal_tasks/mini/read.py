"""Reading a drawn set back without the datasets library: what is seen is the file, never a cache."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image

from qreal_tasks.mini.write import parquet_name


def read_drawn_rows(folder: Path, config: str, split: str) -> list[dict[str, Any]]:
    """The rows of a config and split, answers as 0 (No) and 1 (Yes), images as PNG bytes."""
    rows: list[dict[str, Any]] = pq.read_table(folder / parquet_name(config, split)).to_pylist()
    return rows


def decode_pixels(row: Mapping[str, Any]) -> NDArray[np.uint8]:
    """The decoded image of a row, shape (height, width, 3)."""
    return np.asarray(Image.open(io.BytesIO(row["image"]["bytes"])))
