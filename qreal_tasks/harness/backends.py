"""Thin backends of lmms-eval over the engines of ``qreal_tasks.models``.

They turn the harness's requests into questions about pictures, keep every answer on disk as it comes, and hand back
``[text, beside]`` where the engine knows more than the text: P over the choices, or the size the model was fed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from accelerate import PartialState
from lmms_eval.api.model import lmms
from loguru import logger
from tqdm import tqdm

from qreal_tasks.answers import declare_marks
from qreal_tasks.boxes import Space
from qreal_tasks.harness.backend_arguments import (
    ARGUMENTS,
    HARNESS_ARGUMENTS,
    parse_arguments,
    prepare_options,
    resolve_store_path,
)
from qreal_tasks.harness.box_space import read_declared_space
from qreal_tasks.images import refuse_damaged_files
from qreal_tasks.llm.usage import Prices, Usage, load_prices
from qreal_tasks.models.local.batching import shorten_error
from qreal_tasks.models.local.engine import TransformersEngine
from qreal_tasks.models.local.weights.adapter_base import check_base
from qreal_tasks.models.requests import Request, Response
from qreal_tasks.models.server.engine import OpenAIEngine
from qreal_tasks.models.server.served_model import served_family
from qreal_tasks.models.store import AnswerStore, Engine, answer_with_store


class EngineBackend(lmms):  # type: ignore[misc]
    """Base of all backends: it shards, asks, keeps and reports."""

    is_simple = False

    def __init__(self, engine: Engine, store: AnswerStore) -> None:
        super().__init__()
        state = PartialState()
        self._rank, self._world_size = state.process_index, state.num_processes
        self.device = state.device
        self.accelerator = state  # the evaluator waits for the other processes through it
        self.engine = engine
        self.store = store

    def generate_until(self, requests: Sequence[Any]) -> list[list[str] | str]:
        """Ask the engine what the store does not know; one response per request, in their order."""
        with refuse_damaged_files():
            outcomes = self._collect_questions(requests)
            responses = [Response("", unanswered=o) if isinstance(o, str) else None for o in outcomes]
            asked = {place: o for place, o in enumerate(outcomes) if isinstance(o, Request)}
            places = list(asked)
            pictures = len({id(request.image) for request in asked.values()})
            begun = f"qreal: process {self._rank} asks {len(asked)} questions about {pictures} pictures"

            def say(known: int, to_ask: int) -> None:
                logger.info(f"{begun}: {known} known from {self.store.path}, {to_ask} to ask")

            with tqdm(total=len(asked), desc="Answers", unit="q", disable=self._rank != 0) as bar:
                for at, response in answer_with_store(self.engine, self.store, list(asked.values()), say):
                    responses[places[at]] = response
                    self._show(bar)
                    bar.update()
        self._report()
        reports_size = read_declared_space() is Space.RESIZED_PIXELS
        return [_to_harness(response, reports_size) for response in responses]

    def _collect_questions(self, requests: Sequence[Any]) -> list[Request | str]:
        """The questions; a row is decoded once for all requests about it. A reason where it cannot be read.

        Raises:
            ValueError: a task shows no picture, or several.
        """
        docs: dict[tuple[str, str, int], Any] = {}
        pictures: dict[tuple[str, str, int], Any] = {}
        asked: list[Request | str] = []
        for request in requests:
            _, doc_to_messages, generation, doc_id, task, split = request.args
            rows = self.task_dict[task][split]
            row = (getattr(rows, "_fingerprint", task), split, doc_id)
            try:
                if row not in docs:
                    docs[row] = rows[doc_id]
                content = doc_to_messages(docs[row])[-1]["content"]
            except Exception as error:  # Pillow's plugins raise many types; one picture must not cost the others
                asked.append(f"unreadable picture: {shorten_error(error)}")
                continue
            shown = [part["url"] for part in content if part["type"] == "image"]
            if len(shown) != 1:
                raise ValueError(f"task {task}, row {doc_id}: {len(shown)} pictures, expected one picture a question")
            asked.append(
                Request(
                    image=pictures.setdefault(row, shown[0]),
                    text="".join(part["text"] for part in content if part["type"] == "text"),
                    choices=tuple(generation.get("score_choices", ())),
                    max_new_tokens=int(generation.get("max_new_tokens", 16)),
                )
            )
        return asked

    def _show(self, bar: Any) -> None:
        """Show in the bar what it says beside count, rate and remaining time."""

    def _report(self) -> None:
        """Log what is to be said once the answers are there."""

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        raise NotImplementedError("qreal backends answer generate_until tasks; choices are scored by `score_choices`")

    def generate_until_multi_round(self, requests: Sequence[Any]) -> list[str]:
        raise NotImplementedError("qreal backends answer one question at a time, not conversations")


class QRealOpenAI(EngineBackend):
    """``qreal_openai``: any OpenAI-compatible server, with P over the choices where it gives log-probabilities.

    Args: those of ``OpenAIEngine``; ``family`` is asked of the server where it is not given, ``store`` is the file for
        answers, ``prices`` a YAML file with dollars per million tokens by model, ``reasoning_marks`` as
        ``answers.reasoning.parse_marks``. Boxes are in the space of the run.
    """

    def __init__(self, **given: Any) -> None:
        options = parse_arguments(given, *ARGUMENTS["qreal_openai"])
        for unused in HARNESS_ARGUMENTS:
            options.pop(unused, None)
        declare_marks(options.pop("reasoning_marks", None))
        store = open_store(options.pop("store", None))
        prices = _load_prices_of(options.pop("prices", None), options["model"])
        space = read_declared_space()
        if space is Space.RESIZED_PIXELS:
            served = served_family(options["model"], options.get("base_url"), options.get("family"))
            options["family"] = served.family and served.family.name
        self.openai = OpenAIEngine(prices=prices, box_space=space, **options)
        super().__init__(self.openai, store)

    def _show(self, bar: Any) -> None:
        cost = self.openai.cost()
        if cost is not None:
            bar.set_postfix_str(f"${cost:.2f}", refresh=False)

    def _report(self) -> None:
        logger.info(f"qreal: {_format_usage(self.openai.usage, self.openai.cost())}")


class QRealHF(EngineBackend):
    """``qreal_hf``: any image-text-to-text model of transformers; the questions about a crop share its vision pass.

    Args: those of ``TransformersEngine``; ``store`` is the file for answers, ``reasoning_marks`` as
        ``answers.reasoning.parse_marks``. ``--batch_size`` counts pictures; the harness's default of 1 stands for
        ``auto``, which fills the memory.
    """

    def __init__(self, **given: Any) -> None:
        options = parse_arguments(given, *ARGUMENTS["qreal_hf"])
        declare_marks(options.pop("reasoning_marks", None))
        if options.get("adapter"):
            check_base(options["adapter"], options["pretrained"], options.get("revision"))
        store = open_store(options.pop("store", None))  # before the model, whose loading takes minutes
        super().__init__(TransformersEngine(**prepare_options(options)), store)


def open_store(store: str | None) -> AnswerStore:
    """Open the file for answers, and say in the log where it is."""
    path = resolve_store_path(store)
    opened = AnswerStore(path)
    logger.info(f"qreal: answers are kept in {path}; a run that died goes on from there")
    return opened


def _load_prices_of(path: str | None, model: str) -> Prices | None:
    """The model's prices; None, said once, where the file does not list it."""
    if path is None:
        return None
    try:
        prices = load_prices(Path(path).expanduser(), model)
    except ValueError as error:
        raise ValueError(f"prices={error}") from None
    if prices is None:
        logger.warning(f"qreal: no price listed for {model} in {path}: tokens are counted, no cost")
    return prices


def _format_usage(usage: Usage, cost_usd: float | None) -> str:
    """What the run took, for the log.

    >>> _format_usage(Usage(requests=6, prompt_tokens=5400, cached_tokens=900, completion_tokens=6, retries=1), 0.012)
    '6 requests answered, 5400 prompt tokens (900 cached), 6 completion tokens, 1 retries, no failures, $0.0120'
    """
    failures = ", ".join(f"{count} {reason}" for reason, count in usage.failures.most_common())
    served_by = ", ".join(f"{count} by {name}" for name, count in usage.served_by.most_common())
    without_p = ", ".join(f"{count} {reason}" for reason, count in usage.without_p.most_common())
    parts = [
        f"{usage.requests} requests answered" + (f" ({served_by})" if served_by else ""),
        f"{usage.prompt_tokens} prompt tokens ({usage.cached_tokens} cached)",
        f"{usage.completion_tokens} completion tokens",
        f"{usage.retries} retries",
        f"{usage.failures.total()} failures ({failures})" if failures else "no failures",
        *([f"{usage.without_p.total()} answers without P ({without_p})"] if without_p else []),
        *([] if cost_usd is None else [f"${cost_usd:.4f}"]),
    ]
    return ", ".join(parts)


def _to_harness(response: Response | None, reports_size: bool) -> list[str] | str:
    response = response or Response("", unanswered="the engine gave no response")
    if not reports_size:  # only boxes in its pixels are read with it, and no server tells it
        response = replace(response, input_size=None)
    beside = response.beside()
    return response.text if beside is None else [response.text, beside]
