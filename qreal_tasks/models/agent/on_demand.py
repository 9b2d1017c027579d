"""Engines whose model is loaded when it is asked and freed when another one is: one in memory at a time."""

from __future__ import annotations

import gc
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch

from qreal_tasks.boxes import Space
from qreal_tasks.models.families import find_box_space
from qreal_tasks.models.local.engine import ENGINE_VERSION, TransformersEngine
from qreal_tasks.models.local.weights.adapter_base import check_base
from qreal_tasks.models.local.weights.loading import identify, limit_pictures, load_processor
from qreal_tasks.models.requests import Request, Response, identify_reading
from qreal_tasks.models.sources import ModelSource


@dataclass(frozen=True)
class EngineOptions:
    """Options that all the engines have in common: ``TransformersEngine``'s arguments beside the model itself."""

    merge_adapter: bool = True
    dtype: str = "auto"
    device: str | None = None
    device_map: str | None = None
    attn_implementation: str | None = "sdpa"
    batch_size: int | Literal["auto"] = "auto"
    min_pixels: int | None = None
    max_pixels: int | None = None
    max_patches: int | None = None


class OneInMemory:
    """Holder of the one engine in memory: the one that was asked last."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._source: ModelSource | None = None
        self._engine: TransformersEngine | None = None

    def engine(self, source: ModelSource) -> TransformersEngine:
        """The engine of ``source``: the one in memory, or a new one in its place.

        Raises:
            ValueError, OSError: as ``TransformersEngine``.
        """
        if self._engine is None or source != self._source:
            self.free()
            self._engine = TransformersEngine(
                source.pretrained, adapter=source.adapter, revision=source.revision, **asdict(self._options)
            )
            self._source = source
        return self._engine

    def free(self) -> None:
        """Give the memory back."""
        if self._engine is None:
            return
        self._engine = self._source = None
        gc.collect()  # a cycle, of an error's traceback for instance, would keep a whole model beside the next one
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()  # the next model's batches grow by its own peak


class OnDemand:
    """The engine of one model, for ``store.Engine``: its weights are read only when something is asked.

    Args:
        source: the model.
        memory: shared by all engines of which one may be loaded.

    Raises:
        ValueError: an option does not suit the model.
        OSError: there is no such model or adapter.
    """

    def __init__(self, source: ModelSource, options: EngineOptions, memory: OneInMemory) -> None:
        from transformers import AutoConfig

        self.source, self._memory = source, memory
        if source.adapter is not None:
            check_base(source.adapter, source.pretrained, source.revision, refuse=False)
        config = AutoConfig.from_pretrained(source.pretrained, revision=source.revision)
        processor = load_processor(source.pretrained, source.adapter, source.revision)
        limit_pictures(
            processor, min_pixels=options.min_pixels, max_pixels=options.max_pixels, max_patches=options.max_patches
        )
        self._model_type = str(config.model_type)
        self._identity = {
            "engine": "transformers on demand",
            "engine_version": ENGINE_VERSION,
            **identify(source.pretrained, source.revision, source.adapter, options.merge_adapter, config, processor),
            "attention": options.attn_implementation,
            "dtype": options.dtype,
        }

    @property
    def box_space(self) -> Space:
        """The space that this family was trained to write boxes in."""
        return find_box_space(self._model_type)

    def identity(self) -> dict[str, Any]:
        """What an answer depends on beside the request, as far as it is known without the weights in memory."""
        return {**self._identity, **identify_reading()}

    def run(self, requests: Sequence[Request], known: Collection[int] = frozenset()) -> Iterator[tuple[int, Response]]:
        """Load the model in the place of the one in memory, and answer as ``TransformersEngine.run``."""
        yield from self._memory.engine(self.source).run(requests, known)
