"""The step of a processor from a picture to what the vision tower takes, without the text around it.

A processor makes tokens and pixels in one call, and for small pictures half of that call's time goes into the template,
the tokens and the checks of arguments, which are the same for every picture. The step alone is the processor's own call
of its image processor, repeated with the same arguments.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

Pictures = dict[str, torch.Tensor]


class PictureStep:
    """Processes pictures as a processor does. How is learnt from its first call.

    Args:
        processor: of a transformers image-text-to-text model.
    """

    def __init__(self, processor: Any) -> None:
        self._processor = processor
        self._step: _Step | None = None
        self._is_learnt = False

    def __call__(self, image: Image.Image) -> Pictures | None:
        """What the vision tower takes for ``image``; None where only the processor as a whole can tell.

        Raises:
            ValueError: the processor refuses the image.
        """
        return self._step(image) if self._step is not None else None

    def learn(self, image: Image.Image, call: Callable[[Any], Pictures]) -> None:
        """Watch the processor process a picture, once, and keep the step if it gives the same by itself.

        Args:
            call: has a processor process ``image`` with any text.
        """
        if self._is_learnt or getattr(self._processor, "image_processor", None) is None:
            return
        watched = copy.copy(self._processor)
        watched.image_processor = _Watched(self._processor.image_processor)
        expected = call(watched)
        self._step = _find_step(watched.image_processor, image, expected)
        self._is_learnt = True


class _Watched:
    """An image processor that notes how it is called."""

    def __init__(self, image_processor: Any) -> None:
        self.own = image_processor
        self.calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def __call__(self, *given: Any, **named: Any) -> Any:
        self.calls.append((given, dict(named)))
        return self.own(*given, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.own, name)


def _holds(given: Any, image: Image.Image) -> bool:
    return any(_holds(one, image) for one in given) if isinstance(given, list | tuple) else given is image


def _put_in(given: Any, instead_of: Image.Image, picture: Image.Image) -> Any:
    """Arguments with another picture in them, however deep the lists are that hold it."""
    if isinstance(given, list | tuple):
        return [_put_in(one, instead_of, picture) for one in given]
    return picture if given is instead_of else given


@dataclass(frozen=True)
class _Step:
    """A call of an image processor, to be repeated; data loaders take it to other processes."""

    image_processor: Any
    given: tuple[Any, ...]
    named: Mapping[str, Any]
    image: Image.Image
    """The picture among the arguments, in whose place others go."""
    keys: tuple[str, ...]
    """Of the result, what the vision tower takes."""

    def __call__(self, picture: Image.Image) -> Pictures:
        found = self.image_processor(*_put_in(self.given, self.image, picture), **self.named)
        return {key: found[key] for key in self.keys}


def _find_step(watched: _Watched, image: Image.Image, expected: Pictures) -> _Step | None:
    """The step that gave ``expected`` for ``image``; None where the call, or what became of it, is another."""
    if len(watched.calls) != 1:
        return None
    given, named = watched.calls[0]
    if not _holds(given, image):  # the processor has made something else of it
        return None
    step = _Step(watched.own, given, named, image, tuple(expected))
    try:
        same = all(torch.equal(value, expected[key]) for key, value in step(image).items())
    except (KeyError, TypeError):  # the processor adds to what it is given, or changes it
        return None
    return step if same else None
