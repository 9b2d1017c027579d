"""Pictures as training code holds them (PIL images, arrays, tensors), as the RGB that a model is shown."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from qreal_tasks.api.pictures import open_picture
from qreal_tasks.images import PictureError

if TYPE_CHECKING:
    from PIL import Image

_EXPECTED = (
    "a list of PIL images, of arrays H x W x 3 or of tensors 3 x H x W; an array N x H x W x 3; or a tensor "
    "N x 3 x H x W; of uint8 or of floats from 0 to 1"
)
_FAR_BELOW, _FAR_ABOVE = -0.05, 1.5
"""Values beyond these are of another range; those between them and 0 or 1 are of the right one, but not clipped."""


def read_batch(images: Any) -> list[Image.Image]:
    """The pictures of a batch in RGB.

    Arrays have their colours last and tensors first, as NumPy's and torch's users keep them. Floats are those from 0
    to 1, of any precision, and are rounded to 8 bits after they were made ``float32``, so that pictures in ``bfloat16``
    lose nothing more. A tensor may be on any device and have gradients.

    Args:
        images: a list of PIL images, arrays or tensors, which may be mixed (paths and bytes of files too); or a whole
            batch as one array or tensor.

    Raises:
        PictureError: something is no picture, or its values are not in the range of its type: says which picture, what
            was found and what to do.
    """
    given = [_take_array(one, number) for number, one in enumerate(_split(images), start=1)]
    _check_range(given, "clamp" if _holds_tensors(images) else "clip")
    opened = []
    for number, one in enumerate(given, start=1):
        try:
            opened.append(open_picture(one))
        except PictureError as error:
            raise PictureError(f"picture {number}: {error}") from None
    return opened


def _split(images: Any) -> Sequence[Any]:
    if _is_tensor(images) or isinstance(images, np.ndarray):
        kind, shape = "a tensor" if _is_tensor(images) else "an array", tuple(images.shape)
        if len(shape) == 3:
            raise PictureError(f"{kind} of shape {shape}: one picture, expected a list of them; put it in a list")
        if len(shape) != 4:
            raise PictureError(f"{kind} of shape {shape}, expected {_EXPECTED}")
        return list(images)
    if isinstance(images, list | tuple):
        return images
    raise PictureError(f"{type(images).__name__}, expected {_EXPECTED}")


def _take_array(one: Any, number: int) -> Any:
    """A tensor as an array with its colours last; anything else as it is."""
    if not _is_tensor(one):
        return one
    shape = tuple(one.shape)
    if len(shape) != 3 or shape[0] not in (1, 3, 4):
        last = len(shape) == 3 and shape[2] in (1, 3, 4)
        mend = "; .permute(2, 0, 1) puts the colours first" if last else ""
        raise PictureError(f"picture {number}: a tensor of shape {shape}, expected 3 x height x width{mend}")
    moved = one.detach().permute(1, 2, 0).cpu()
    values = (moved.float() if moved.dtype.is_floating_point else moved).numpy()
    return np.ascontiguousarray(values)


def _check_range(given: Sequence[Any], clip: str) -> None:
    """All pictures of a batch are in one range, also those that alone would seem to be in 0 to 1."""
    low, high = 0.0, 1.0
    for number, one in enumerate(given, start=1):
        if isinstance(one, np.ndarray) and one.dtype.kind == "f" and one.size:
            if not np.isfinite(one).all():
                raise PictureError(f"picture {number} holds NaN or infinity: what made it has diverged")
            low, high = min(low, float(one.min())), max(high, float(one.max()))
    if low >= 0 and high <= 1:
        return
    mend = f".{clip}(0, 1) cuts off what is a little outside"
    if high > _FAR_ABOVE:
        mend = f"(images / 255).{clip}(0, 1) brings 0 to 255 there"
    elif low < _FAR_BELOW:
        mend = f"(images / 2 + 0.5).{clip}(0, 1) brings -1 to 1 there"
    raise PictureError(f"floats from {low:g} to {high:g}, expected 0 to 1; {mend}")


def _holds_tensors(images: Any) -> bool:
    return _is_tensor(images) or (isinstance(images, list | tuple) and any(_is_tensor(one) for one in images))


def _is_tensor(one: Any) -> bool:
    """Without importing torch: whoever has a tensor has imported it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(one, torch.Tensor)
