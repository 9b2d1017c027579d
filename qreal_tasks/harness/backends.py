"""Two thin backends of lmms-eval over the engines of ``qreal_tasks.models``.

They turn the harness's requests into questions about pictures, keep every answer on disk as it comes, and hand back
``[text, beside]`` where the engine knows more than the text: P over the choices, or the size the model was fed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from accelerate import PartialState
from lmms_eval.api.model import lmms
from loguru import logger
from PIL import ImageFile
from tqdm import tqdm

from qreal_tasks.models.batching import reason_of
from qreal_tasks.models.openai_engine import OpenAIEngine
from qreal_tasks.models.openai_usage import load_prices
from qreal_tasks.models.requests import Request, Response
from qreal_tasks.models.store import AnswerStore, Engine, answered_with_store
from qreal_tasks.models.transformers_engine import TransformersEngine

STORE_ENVIRONMENT = "QREAL_ANSWERS"
DEFAULT_STORE = Path("~/.cache/qreal/answers.sqlite")
"""Answers of earlier runs, for all models: keyed by model, prompt, settings and pixels, so they never mix."""

HARNESS_OPTIONS = ("batch_size", "max_batch_size", "device")
"""What the harness adds to every backend's arguments; a server has no use for it."""


class _EngineBackend(lmms):  # type: ignore[misc]
    """What both backends share: shard, ask, keep, report."""

    is_simple = False

    def __init__(self, engine: Engine, store: str | None) -> None:
        super().__init__()
        state = PartialState()
        self._rank, self._world_size = state.process_index, state.num_processes
        self.device = state.device
        self.accelerator = state  # the evaluator waits for the other processes through it
        self.engine = engine
        path = Path(store or os.environ.get(STORE_ENVIRONMENT) or DEFAULT_STORE).expanduser()
        self.store = AnswerStore(path)
        logger.info(f"qreal: answers are kept in {path}; a run that died goes on from there")

    def generate_until(self, requests: Sequence[Any]) -> list[list[str] | str]:
        """Ask the engine what the store does not know; one response per request, in their order."""
        with _damage_seen():
            outcomes = self._asked(requests)
            responses = [Response("", unanswered=o) if isinstance(o, str) else None for o in outcomes]
            asked = {place: o for place, o in enumerate(outcomes) if isinstance(o, Request)}
            places = list(asked)
            pictures = len({id(request.image) for request in asked.values()})
            logger.info(f"qreal: process {self._rank} asks {len(asked)} questions about {pictures} pictures")
            with tqdm(total=len(asked), desc="Answers", unit="q", disable=self._rank != 0) as bar:
                for at, response in answered_with_store(self.engine, self.store, list(asked.values())):
                    responses[places[at]] = response
                    self._show(bar)
                    bar.update()
        self._report()
        return [_handed_over(response) for response in responses]

    def _asked(self, requests: Sequence[Any]) -> list[Request | str]:
        """The questions; requests about one row share one decoded picture. A reason where a row cannot be read."""
        pictures: dict[tuple[str, str, int], Any] = {}
        asked: list[Request | str] = []
        for request in requests:
            _, doc_to_messages, generation, doc_id, task, split = request.args
            rows = self.task_dict[task][split]
            try:
                content = doc_to_messages(rows[doc_id])[-1]["content"]
            except (OSError, SyntaxError) as error:  # Pillow's, for a file that is cut off or no picture
                asked.append(f"unreadable picture: {reason_of(error)}")
                continue
            picture = next(part["url"] for part in content if part["type"] == "image")
            asked.append(
                Request(
                    image=pictures.setdefault((getattr(rows, "_fingerprint", task), split, doc_id), picture),
                    text="".join(part["text"] for part in content if part["type"] == "text"),
                    choices=tuple(generation.get("score_choices", ())),
                    max_new_tokens=int(generation.get("max_new_tokens", 16)),
                )
            )
        return asked

    def _show(self, bar: Any) -> None:
        """What the bar says beside count, rate and remaining time."""

    def _report(self) -> None:
        """What is printed once the answers are there."""

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        raise NotImplementedError("qreal backends answer generate_until tasks; choices are scored by `score_choices`")

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[str]:
        raise NotImplementedError("qreal backends answer one question at a time, not conversations")


class QRealOpenAI(_EngineBackend):
    """``qreal_openai``: any OpenAI-compatible server, with P over the choices where it gives log-probabilities.

    Args: those of ``OpenAIEngine``; ``store`` is the file for answers, ``prices`` a YAML file with dollars per million
        tokens by model.
    """

    def __init__(self, model: str, store: str | None = None, prices: str | None = None, **options: Any) -> None:
        for unused in HARNESS_OPTIONS:
            options.pop(unused, None)
        known = load_prices(Path(prices), model) if prices else None
        self.openai = OpenAIEngine(model, prices=known, **options)
        super().__init__(self.openai, store)

    def _show(self, bar: Any) -> None:
        cost = self.openai.cost()
        if cost is not None:
            bar.set_postfix_str(f"${cost:.2f}", refresh=False)

    def _report(self) -> None:
        cost = self.openai.cost()
        logger.info(f"qreal: {self.openai.usage}" + ("" if cost is None else f", ${cost:.4f}"))


class QRealHF(_EngineBackend):
    """``qreal_hf``: any image-text-to-text model of transformers; the questions about a crop share its vision pass.

    Args: those of ``TransformersEngine``; ``store`` is the file for answers. ``--batch_size`` counts pictures; the
        harness's default of 1 stands for ``auto``, which fills the memory.
    """

    def __init__(
        self,
        pretrained: str,
        store: str | None = None,
        batch_size: int | str = 1,
        max_batch_size: int | None = None,
        device: str | None = None,
        **options: Any,
    ) -> None:
        if device is None and options.get("device_map") is None:
            device = str(PartialState().device)  # one GPU a process
        pictures: int | Literal["auto"] = "auto" if str(batch_size) in ("1", "auto") else int(batch_size)
        super().__init__(TransformersEngine(pretrained, batch_size=pictures, device=device, **options), store)


@contextmanager
def _damage_seen() -> Iterator[None]:
    """Let Pillow refuse a file that is cut off; lmms-eval tells it to fill the rest with grey and say nothing."""
    before = ImageFile.LOAD_TRUNCATED_IMAGES
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def _handed_over(response: Response | None) -> list[str] | str:
    response = response or Response("", unanswered="the engine gave no response")
    beside = response.beside()
    return response.text if beside is None else [response.text, beside]
