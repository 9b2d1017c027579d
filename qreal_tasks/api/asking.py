"""Models that are asked about pictures of one's own: loaded once, asked often."""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, overload

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from qreal_tasks.api.findings import PictureFindings
    from qreal_tasks.api.pictures import Picture
    from qreal_tasks.boxes import Space
    from qreal_tasks.models.requests import Request, Response
    from qreal_tasks.models.store import AnswerStore, Engine

    Given = Sequence[tuple[str, ArrayLike]]
    """Entities of one picture: label, and box in its pixels."""
    Prompts = Literal["benchmark", "paper"]

SETS = ("realism", "plausibility")
"""What a picture is asked for unless told otherwise; ``human_plausibility`` is for portraits."""


class Model:
    """A model that stays loaded.

    ::

        with Model("Qwen/Qwen2.5-VL-7B-Instruct") as model:
            for path in paths:
                print(model.ask(path))

    Args:
        model: folder or hub id of a model, folder of an adapter, name that a server knows it by, or an engine of
            ``qreal_tasks.models`` that is loaded already.
        server: address of an OpenAI-compatible server, with ``/v1``; without it the model is loaded on this machine.
        box_space: in which the model writes boxes, one of ``boxes.Space``; by default what its family was trained to
            write. Where the family is not known either, ``norm1000`` is assumed, with a warning.
        store: file that keeps answers, so that no question is asked twice.
        base: model below an adapter, where its settings do not name it.
        options: of ``TransformersEngine`` (``device``, ``dtype``, ``batch_size`` …) or ``OpenAIEngine``
            (``concurrency``, ``prices``, ``family`` …).

    Raises:
        ValueError: there is no such folder, or an argument does not suit the model.
        OSError: the model cannot be loaded.
        StoppedRun: there is no key and OpenAI itself is asked.
    """

    def __init__(
        self,
        model: str | Path | Engine,
        *,
        server: str | None = None,
        box_space: str | None = None,
        store: str | Path | None = None,
        base: str | None = None,
        **options: Any,
    ) -> None:
        from qreal_tasks.boxes import parse_space

        space = parse_space(box_space) if box_space else None
        self._store: AnswerStore | None = _open_store(store)
        self._engine: Engine | None
        if not isinstance(model, str | Path):
            if server or base or options:
                given = ", ".join([*(["server"] if server else []), *(["base"] if base else []), *options])
                raise TypeError(f"{given}: of a model to be loaded, and {type(model).__name__} is loaded already")
            self._engine, self.name, known = model, type(model).__name__, hasattr(model, "box_space")
        elif server is not None:
            self._engine, known = _connect(str(model), server, space, options)
            self.name = f"{model} at {server}"
        else:
            # A path is no hub id, also when nothing is there.
            folder = str(model.expanduser().absolute()) if isinstance(model, Path) else model
            self._engine, known = _load(folder, base, options)
            self.name = str(model)
        self.box_space: Space = space or _space_of(self._engine)
        """The space that it is asked to write boxes in."""
        if not known and space is None:
            warnings.warn(
                f"{self.name}: boxes are ASSUMED to be written in {self.box_space}: nobody declared the space that "
                "this model writes in. If it is another one, every box is wrong; give box_space",
                stacklevel=2,
            )

    @overload
    def ask(
        self,
        image: Picture,
        entities: Given | None = None,
        *,
        sets: Sequence[str] = SETS,
        detect: bool = False,
        prompts: Prompts = "benchmark",
    ) -> PictureFindings: ...
    @overload
    def ask(
        self,
        image: list[Picture] | tuple[Picture, ...],
        entities: Sequence[Given | None] | None = None,
        *,
        sets: Sequence[str] = SETS,
        detect: bool = False,
        prompts: Prompts = "benchmark",
    ) -> list[PictureFindings]: ...
    def ask(
        self,
        image: Picture | list[Picture] | tuple[Picture, ...],
        entities: Given | Sequence[Given | None] | None = None,
        *,
        sets: Sequence[str] = SETS,
        detect: bool = False,
        prompts: Prompts = "benchmark",
    ) -> PictureFindings | list[PictureFindings]:
        """Ask about one picture, or about many at once, which is faster.

        Without ``entities`` the answers to the ImageQA prompts give them: those that the model finds flawed, with
        descriptions; the same one in several answers (IoU over .5) is one entity. Of every entity's crop the six
        questions are asked.

        Args:
            image: path, bytes of a file, PIL image or NumPy array, or a list of them, which are all in memory at once.
            entities: pairs of label and box in pixels, to ask the six questions about these alone; for a list of
                pictures a list of such, with None where the model shall find them.
            sets: ImageQA prompts to ask; ``human_plausibility`` for portraits.
            detect: also ask for all entities, flawed or not, as the detecting model of ``qreal_agent`` is asked; their
                boxes go before those of the sets.
            prompts: the benchmark's, or the paper's bare queries for models that were trained on them.

        Raises:
            PictureError: a picture cannot be read; says which. Nothing was asked then.
            ValueError: an entity is no pair of label and box inside its picture, or the model is closed.
            StoppedRun: the server cannot be asked at all.
        """
        from qreal_tasks.api.pictures import open_pictures
        from qreal_tasks.api.questions import ask_pictures, make_plan, read_given

        many = isinstance(image, list | tuple)
        pictures = open_pictures(image if isinstance(image, list | tuple) else [image])
        given: Any = entities if many else [entities]
        given = [None] * len(pictures) if given is None else given
        if len(given) != len(pictures):
            raise ValueError(f"entities of {len(given)} pictures for {len(pictures)}, expected a list or None for each")
        plan = make_plan(sets, detect, prompts, self.box_space)
        found = ask_pictures(pictures, read_given(pictures, given), plan, self.answer)
        return found if many else found[0]

    def answer(self, requests: Sequence[Request]) -> list[Response]:
        """Answer questions of any kind: one response for every request, in their order."""
        from qreal_tasks.models.requests import Response
        from qreal_tasks.models.store import answer_with_store

        if self._engine is None:
            raise ValueError(f"{self.name} is closed; make a new Model")
        if self._store is not None:
            found = dict(answer_with_store(self._engine, self._store, requests))
        else:
            found = dict(self._engine.run(requests)) if requests else {}
        return [found.get(at) or Response("", unanswered="the engine gave no response") for at in range(len(requests))]

    def identity(self) -> Mapping[str, Any]:
        """Everything that an answer depends on beside the question, in JSON types.

        Raises:
            ValueError: the model is closed, or its engine is around one in memory, which is known by nothing else.
        """
        if self._engine is None:
            raise ValueError(f"{self.name} is closed; make a new Model")
        return self._engine.identity()

    def cost(self) -> float | None:
        """Dollars spent so far; None where no prices were given, or no server is asked."""
        cost = getattr(self._engine, "cost", None)
        return None if cost is None else cost()

    def close(self) -> None:
        """Let go of the model, and give the memory of a GPU back."""
        self._engine = None
        gc.collect()
        if "torch" in sys.modules and sys.modules["torch"].cuda.is_available():
            sys.modules["torch"].cuda.empty_cache()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        closed = ", closed" if self._engine is None else ""
        return f"Model({self.name}, boxes in {self.box_space}{closed})"


@overload
def ask(
    model: Model | str | Path | Engine,
    image: Picture,
    entities: Given | None = None,
    *,
    sets: Sequence[str] = SETS,
    detect: bool = False,
    prompts: Prompts = "benchmark",
    **options: Any,
) -> PictureFindings: ...
@overload
def ask(
    model: Model | str | Path | Engine,
    image: list[Picture] | tuple[Picture, ...],
    entities: Sequence[Given | None] | None = None,
    *,
    sets: Sequence[str] = SETS,
    detect: bool = False,
    prompts: Prompts = "benchmark",
    **options: Any,
) -> list[PictureFindings]: ...
def ask(
    model: Model | str | Path | Engine,
    image: Any,
    entities: Any = None,
    *,
    sets: Sequence[str] = SETS,
    detect: bool = False,
    prompts: Prompts = "benchmark",
    **options: Any,
) -> PictureFindings | list[PictureFindings]:
    """Ask a model about one picture or many; arguments and result as ``Model.ask``.

    Args:
        model: a ``Model``, or what makes one: it is then loaded for this call, so use ``Model`` to ask often.
        options: of ``Model``, such as ``server``.
    """
    if isinstance(model, Model):
        if options:
            raise TypeError(f"{', '.join(options)}: options of a Model that is loaded already; give them to Model")
        return model.ask(image, entities, sets=sets, detect=detect, prompts=prompts)  # type: ignore[no-any-return]
    with Model(model, **options) as loaded:
        return loaded.ask(image, entities, sets=sets, detect=detect, prompts=prompts)  # type: ignore[no-any-return]


def _load(model: str, base: str | None, options: dict[str, Any]) -> tuple[Engine, bool]:
    """The engine, and whether its family is known."""
    from qreal_tasks.models.families import find_family_by_type
    from qreal_tasks.models.sources import resolve_model

    source = resolve_model(model, base)  # before the imports of torch, which take seconds
    from qreal_tasks.models.local.engine import TransformersEngine
    from qreal_tasks.models.local.weights.adapter_base import check_base

    if source.adapter is not None:
        check_base(source.adapter, source.pretrained, source.revision)
    settings = {"adapter": source.adapter, "revision": source.revision, **options}
    engine = TransformersEngine(source.pretrained, **settings)
    return engine, find_family_by_type(engine.model.config.model_type) is not None


def _connect(model: str, server: str, space: Space | None, options: dict[str, Any]) -> tuple[Engine, bool]:
    from qreal_tasks.models.server.engine import OpenAIEngine
    from qreal_tasks.models.server.served_model import served_family

    options = dict(options)
    family = served_family(model, server, options.pop("family", None)).family
    known = family.name if family else None
    engine = OpenAIEngine(model, base_url=server, family=known, box_space=space, **options)
    return engine, family is not None


def _space_of(engine: Engine) -> Space:
    from qreal_tasks.boxes import DEFAULT_BOX_SPACE, Space

    space = getattr(engine, "box_space", None)
    return space if isinstance(space, Space) else DEFAULT_BOX_SPACE


def _open_store(path: str | Path | None) -> AnswerStore | None:
    from qreal_tasks.models.store import AnswerStore

    return None if path is None else AnswerStore(Path(path).expanduser())
