"""Engine that asks any image-text-to-text model of transformers many questions about many pictures.

>>> engine = TransformersEngine("Qwen/Qwen2.5-VL-7B-Instruct", adapter="runs/objectqa")  # doctest: +SKIP
>>> request = Request(image, "Does the entity have missing parts? Answer Yes or No.", ("Yes", "No"))  # doctest: +SKIP
>>> [response.p for _, response in engine.run([request])]  # doctest: +SKIP
[(0.73, 0.27)]
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, Literal

import torch

from qreal_tasks.boxes import Space
from qreal_tasks.llm.completions import explain_blank
from qreal_tasks.models.families import find_box_space, takes_shared_prefix
from qreal_tasks.models.local.batching import (
    GIVE_UP_AFTER,
    START_TOKENS,
    AdaptiveBatches,
    BatchSize,
    Failure,
    count_tokens_to_write,
    cuda_memory_used,
)
from qreal_tasks.models.local.chat import Chat
from qreal_tasks.models.local.choices import ChoiceQuestion, answer_alone, answer_sharing
from qreal_tasks.models.local.generation import (
    NOT_FINITE,
    GeneratedAnswer,
    decode_answer,
    find_stop_ids,
    generate_each,
    generate_sharing,
)
from qreal_tasks.models.local.jobs import WINDOW, ReadyJob, plan_jobs, prepare_windows, refuse_job, split_windows
from qreal_tasks.models.local.spellings import Spellings
from qreal_tasks.models.local.weights.loading import LoadedModel, identify, limit_pictures, load_model
from qreal_tasks.models.local.weights.threads import choose_threads, compute_in
from qreal_tasks.models.requests import Request, Response, identify_reading
from qreal_tasks.models.sources import find_shipped

logger = logging.getLogger(__name__)

ENGINE_VERSION = 3
"""Changes when the same model may answer otherwise; part of every cache key."""

_Answers = Generator[tuple[int, Response], None, None]


class TransformersEngine:
    """Engine over one model, whose greedy answers it gives.

    What it records of an answer is in ``requests.Response``. The questions with choices about one picture share its
    vision pass and their common prefix (``prefix.py``), and are answered side by side up to the end of their turns
    (``choices.py``); ``p`` and ``mass`` are over all tokens of the vocabulary that spell a choice (``spellings.py``).
    Where the chat template opens reasoning, its mark is put before the text.

    Args:
        pretrained: folder, hub id, or ``mini`` for the model that ships.
        adapter: folder of a PEFT adapter.
        merge_adapter: add the adapter to the weights, which is faster; otherwise it is computed beside them.
        revision: of a hub id.
        dtype: ``auto`` is that of the weights.
        device: ``auto`` choice when None: this process's GPU, or the CPU.
        device_map: overrides ``device``; ``auto`` spreads the model over all GPUs.
        attn_implementation: as transformers names them.
        batch_size: pictures a batch, with all questions about each; ``auto`` fills the memory.
        min_pixels, max_pixels: of the picture that a Qwen model is fed.
        max_patches: tiles that an InternVL model is fed.

    Raises:
        ValueError: an argument does not suit the model.
        OSError: there is no such model or adapter.
    """

    def __init__(
        self,
        pretrained: str,
        *,
        adapter: str | None = None,
        merge_adapter: bool = True,
        revision: str | None = None,
        dtype: str = "auto",
        device: str | None = None,
        device_map: str | None = None,
        attn_implementation: str | None = "sdpa",
        batch_size: int | Literal["auto"] = "auto",
        min_pixels: int | None = None,
        max_pixels: int | None = None,
        max_patches: int | None = None,
    ) -> None:
        fixed = _fixed(batch_size)
        pretrained = find_shipped(pretrained)
        loaded = load_model(
            pretrained,
            adapter=adapter,
            merge_adapter=merge_adapter,
            revision=revision,
            dtype=dtype,
            device=device,
            device_map=device_map,
            attn_implementation=attn_implementation,
        )
        limit_pictures(loaded.processor, min_pixels=min_pixels, max_pixels=max_pixels, max_patches=max_patches)
        self._take(loaded, fixed)
        self._identity |= {
            "engine": "transformers",
            "engine_version": ENGINE_VERSION,
            **identify(pretrained, revision, adapter, merge_adapter, self.model.config, loaded.processor),
            "attention": self.model.config._attn_implementation,
            "dtype": str(self.model.dtype).removeprefix("torch."),
        }

    @classmethod
    def around(cls, loaded: LoadedModel, batch_size: int | Literal["auto"] = "auto") -> TransformersEngine:
        """An engine over a model that is in memory already, one that is being trained for instance.

        It has no identity, so its answers cannot be kept in a store.

        Args:
            loaded: the model in evaluation mode whenever it is asked.
        """
        engine = cls.__new__(cls)
        engine._take(loaded, _fixed(batch_size))
        return engine

    def _take(self, loaded: LoadedModel, fixed: int | None) -> None:
        self.model, self.device = loaded.model, loaded.device
        self._shares = takes_shared_prefix(self.model.config)
        if not self._shares:
            logger.warning(
                "%s: sharing a prefix is not proven for such a model; every question is asked alone, which is slow",
                self.model.config.model_type,
            )
        self._chat = Chat(loaded.processor, alone=not self._shares)
        self._tokenizer = self._chat.tokenizer
        self._stops = find_stop_ids(self.model, self._tokenizer)
        self._pad = next(at for at in (self._tokenizer.pad_token_id, *self._stops) if at is not None)
        self._spellings: dict[tuple[str, ...], Spellings] = {}
        self._threads = choose_threads(self.model)
        self._scored_size = BatchSize(fixed, cuda_memory_used)
        tokens = count_tokens_to_write(self.model) if self._shares else START_TOKENS
        self._generated_size = BatchSize(fixed, cuda_memory_used, tokens)
        self._window = max(WINDOW, 2 * (fixed or 0))
        self._identity: dict[str, Any] = {}

    @property
    def box_space(self) -> Space:
        """The space that this family was trained to write boxes in."""
        return find_box_space(self.model.config.model_type)

    def identity(self) -> dict[str, Any]:
        """What an answer depends on beside the request: the engine's part of a cache key; JSON types only.

        Raises:
            ValueError: the engine was put around a model that is known by its memory only.
        """
        if not self._identity:
            raise ValueError("this engine is around a model in memory, which has no identity to keep answers under")
        return {**self._identity, **identify_reading()}

    def run(self, requests: Sequence[Request], known: Collection[int] = frozenset()) -> Iterator[tuple[int, Response]]:
        """Yield (index, response) for every request that is not in ``known`` once, as they are answered.

        Pictures are answered by size, largest first, so that memory runs out at the start or not at all. A request
        that cannot be answered gets a response with ``unanswered``.

        Args:
            known: indexes whose answers are known. Batches without any other request are left out, and the others
                are made as if nothing were known: the last digits of a probability depend on what shares its batch,
                so a run that died and goes on ends with the same digits. With ``auto`` on a GPU, where batches grow
                with what has gone through, they agree up to rounding. A known request in a batch that is made anew
                is yielded too.

        Raises:
            ValueError: a choice cannot be scored with this tokenizer.
            Exception: what the model raised, when it fails on everything.
        """
        with closing(self._answer(requests, known)) as answers:
            while True:
                with compute_in(self._threads):  # not while the caller has its turn
                    found = next(answers, None)
                if found is None:
                    return
                yield found

    def _answer(self, requests: Sequence[Request], known: Collection[int]) -> _Answers:
        opened = requests and self._chat.opened_reasoning(requests[0].text)
        if opened and any(request.choices for request in requests):
            logger.warning(
                "its chat template opens reasoning (%r): an answer that comes after more than %d tokens has no P",
                opened,
                max(request.max_new_tokens for request in requests if request.choices),
            )
        work = plan_jobs(requests)
        yield from work.unreadable
        for job in work.scored:
            for request in job.requests:
                self._spellings_of(request.choices)
        for jobs, answer, size in (
            (work.scored, self._score, self._scored_size),
            (work.generated, self._generate, self._generated_size),
        ):
            reasons: list[str] = []
            batches: AdaptiveBatches[ReadyJob, list[Response]] = AdaptiveBatches(answer, lambda ready: ready.cost, size)
            windows = [
                window for window in split_windows(jobs, self._window) if any(job.needs_answer(known) for job in window)
            ]
            for ready, refused in prepare_windows(self._chat, windows, ahead=self.device.type != "cpu"):
                yield from refused
                reasons = [] if ready else [*reasons, *(response.unanswered or "" for _, response in refused)]
                if len(reasons) >= GIVE_UP_AFTER:
                    raise ValueError(f"the processor refused the first {len(reasons)} questions: {reasons[0]}")
                for item, answers in batches.run(ready, lambda item: item.job.needs_answer(known)):
                    if isinstance(answers, Failure):
                        yield from refuse_job(item.job, answers.reason)
                    else:
                        yield from zip(item.job.places, answers, strict=True)

    @torch.inference_mode()
    def _score(self, batch: Sequence[ReadyJob]) -> list[list[Response]]:
        asked = [(ready, request) for ready in batch for request in ready.job.requests]
        questions = [ChoiceQuestion(self._spellings_of(r.choices), r.max_new_tokens) for _, r in asked]
        answer = answer_sharing if self._shares else answer_alone
        answers = answer(self.model, [ready.asked for ready in batch], questions, self._stops, self._pad)
        opened = self._chat.opened_reasoning(asked[0][1].text)
        responses = iter(
            [
                found.response(self._tokenizer, request.choices, opened, ready.asked.input_size)
                for found, (ready, request) in zip(answers, asked, strict=True)
            ]
        )
        return [[next(responses) for _ in ready.job.requests] for ready in batch]

    @torch.inference_mode()
    def _generate(self, batch: Sequence[ReadyJob]) -> list[list[Response]]:
        asked = [(ready, request) for ready in batch for request in ready.job.requests]
        generate = generate_sharing if self._shares else generate_each
        limits = [request.max_new_tokens for _, request in asked]
        answers = iter(generate(self.model, [ready.asked for ready in batch], limits, self._stops, self._pad))
        # The mark that opens the reasoning goes in front of it, or it would be read as the answer.
        opened = self._chat.opened_reasoning(asked[0][1].text)
        return [
            [self._read(next(answers), opened, ready.asked.input_size) for _ in ready.job.requests] for ready in batch
        ]

    def _read(self, answer: GeneratedAnswer, opened: str, input_size: tuple[int, int]) -> Response:
        if not answer.is_finite:
            return Response("", input_size=input_size, unanswered=NOT_FINITE)
        text = decode_answer(self._tokenizer, answer.ids)
        blank = explain_blank(text, answer.is_cut_off)
        return Response(text if blank else opened + text, input_size=input_size, unanswered=blank)

    def _spellings_of(self, choices: tuple[str, ...]) -> Spellings:
        if choices not in self._spellings:
            self._spellings[choices] = Spellings(self._tokenizer, choices)
        return self._spellings[choices]


def _fixed(batch_size: int | Literal["auto"]) -> int | None:
    fixed = None if batch_size == "auto" else int(batch_size)
    if fixed is not None and fixed < 1:
        raise ValueError(f"batch_size={batch_size}: expected auto, or 1 or more")
    return fixed
