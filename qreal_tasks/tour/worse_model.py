"""A model to improve: the shipped one with noise added to its weights.

python -m qreal_tasks.tour.worse_model FOLDER
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from qreal_tasks.console.terminal import echo
from qreal_tasks.files.atomic import new_folder
from qreal_tasks.mini import MINI_MODEL

NOISE = 0.35
"""Standard deviation of the noise, as a share of that of each matrix."""
WEIGHTS = "model.safetensors"


def write_worse_model(folder: Path, noise: float = NOISE, seed: int = 0) -> None:
    """Write the shipped model with Gaussian noise on every matrix; biases and norms stay as they are.

    ``w + noise · std(w) · g`` with independent standard normal ``g``. The same arguments give the same weights.

    Args:
        folder: empty or not there; appears whole, or not at all.

    Raises:
        OSError: it cannot be written, or the shipped model is not there.
    """
    import torch
    from safetensors.torch import load_file, save_file

    generator = torch.Generator().manual_seed(seed)
    weights = load_file(MINI_MODEL / WEIGHTS)
    for name, weight in sorted(weights.items()):
        if weight.ndim > 1:
            noisy = weight.float()
            noisy += noise * noisy.std() * torch.randn(noisy.shape, generator=generator)
            weights[name] = noisy.to(weight.dtype)
    with new_folder(folder) as beside:
        shutil.copytree(MINI_MODEL, beside, ignore=shutil.ignore_patterns("*.safetensors", "*.md"), dirs_exist_ok=True)
        save_file(weights, beside / WEIGHTS, {"format": "pt"})


if __name__ == "__main__":
    write_worse_model(Path(sys.argv[1]))
    echo(f"Written: {sys.argv[1]}, the shipped model with noise of {NOISE} standard deviations on its weights")
