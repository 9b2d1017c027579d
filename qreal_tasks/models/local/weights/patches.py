"""Faster patch convolution for the vision towers.

Towers cut a picture into patches with a convolution whose stride is its kernel. On patches that are cut already, as
Qwen's processors hand them over, that is a matrix product, which both CPUs and GPUs do several times faster.
"""

from __future__ import annotations

from typing import Any

import torch


class PatchProduct(torch.nn.Module):
    """The convolution of whole patches as a matrix product: the same numbers up to rounding.

    Args:
        convolution: with stride equal to kernel and no padding.
    """

    def __init__(self, convolution: torch.nn.Conv3d) -> None:
        super().__init__()
        self.weight = convolution.weight
        self.bias = convolution.bias

    def forward(self, patches: torch.Tensor) -> torch.Tensor:
        """Shape (patches, colours, frames, height, width) to (patches, features, 1, 1, 1)."""
        product = torch.nn.functional.linear(patches.flatten(1), self.weight.flatten(1), self.bias)
        return product[:, :, None, None, None]


def use_patch_products(model: Any) -> None:
    """Replace the three-dimensional patch convolutions of ``model``; other towers convolve whole tiles and stay."""
    for module in model.modules():
        projection = getattr(module, "proj", None)
        if isinstance(projection, torch.nn.Conv3d) and projection.stride == projection.kernel_size:
            module.proj = PatchProduct(projection)
