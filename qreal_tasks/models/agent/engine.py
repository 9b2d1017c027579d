"""An agent of three models that answers ImageQA: detect, filter, describe (Table 4).

>>> engine = AgentEngine("runs/detect", "runs/filter", "runs/describe")  # doctest: +SKIP
>>> text = imageqa_prompt("realism", engine.box_space, *image.size)  # doctest: +SKIP
>>> [response.text for _, response in engine.run([Request(image, text, max_new_tokens=2048)])]  # doctest: +SKIP
['[{"bbox_2d": [12, 30, 200, 180], "label": "dog", "description": "The fur looks painted."}]']
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any, TypeVar

from qreal_tasks.answers import extract_answer_text
from qreal_tasks.benchmark import PROMPT_VERSION, Answer
from qreal_tasks.boxes import Space
from qreal_tasks.llm.completions import EMPTY
from qreal_tasks.models.agent.on_demand import EngineOptions, OnDemand, OneInMemory
from qreal_tasks.models.agent.pictures import (
    DESCRIPTION_TOKENS,
    EntitySearch,
    SearchedPicture,
    crop_entities,
    group_by_picture,
)
from qreal_tasks.models.local.batching import Failure
from qreal_tasks.models.requests import Request, Response
from qreal_tasks.models.sources import resolve_model
from qreal_tasks.models.store import AnswerStore, answer_with_store
from qreal_tasks.subtasks import SUBTASK_PROMPT_VERSION, SUBTASKS

logger = logging.getLogger(__name__)

KEPT_ABOVE = 0.5
"""An entity is described when the filter's P(Yes) exceeds it."""

_ENGINE_VERSION = 1
"""Changes when the same models may answer otherwise; part of every cache key."""

_COUNTED = {
    "detect": (
        "pictures",
        "unreadable pictures",
        "unanswered",
        "unreadable answers",
        "answers cut off",
        "entities",
        "entities without a usable box",
    ),
    "filter": ("questions", "unanswered", "kept"),
    "describe": ("descriptions", "unanswered", "empty descriptions"),
}

Item = TypeVar("Item")
_Answers = Iterator[tuple[int, Response]]


_Left = Generator[tuple[int, Response], None, list[EntitySearch]]
"""Answers as they are known; returns what the next stage has to do."""


class AgentEngine:
    """Answers ImageQA requests with three models, stage by stage, one of them in memory at a time.

    Detect is asked once about each picture, whatever the number of sets; filter scores Yes and No for every crop and
    set, where the sets of a crop share its vision pass; describe writes about the crops that filter kept. The answer is
    the JSON that ``imageqa_prompt`` asks for, with the boxes as detect wrote them. Stages that follow each other with
    the same model load it once.

    Args:
        detect, filter, describe: as ``sources.resolve_model``: the folder of a model or of an adapter, or a hub id.
        pretrained, revision: the base of those that are adapters; without it, the one that each names.
        store: keeps the answers of every stage as they come, so that a run that died in any stage goes on there.
        say: takes a line when a stage begins, and one with its counts when it ends.
        options: those of ``on_demand.EngineOptions``, for all three.

    Raises:
        ValueError: a model's folder is not one, a base is given and none is an adapter, or an option does not suit.
        TypeError: an option is unknown.
        OSError: there is no such model.
    """

    def __init__(
        self,
        detect: str,
        filter: str,
        describe: str,
        *,
        pretrained: str | None = None,
        revision: str | None = None,
        store: AnswerStore | None = None,
        say: Callable[[str], None] = logger.info,
        **options: Any,
    ) -> None:
        given = dict(zip(SUBTASKS, (detect, filter, describe), strict=True))
        sources = {name: resolve_model(value, pretrained, revision) for name, value in given.items()}
        if pretrained is not None and not any(source.adapter for source in sources.values()):
            raise ValueError(
                f"pretrained={pretrained}: the base of adapters, but none of {', '.join(SUBTASKS)} is an adapter"
            )
        common = EngineOptions(**options)
        self._memory = OneInMemory(common)
        engines = {source: OnDemand(source, common, self._memory) for source in dict.fromkeys(sources.values())}
        self._engines = {name: engines[source] for name, source in sources.items()}
        self._store, self._say = store, say
        self.counts = _zeros()
        """Counts of the last run, by stage."""

    @property
    def box_space(self) -> Space:
        """The space that the detecting model's family was trained to write boxes in."""
        return self._engines["detect"].box_space

    def identity(self) -> dict[str, Any]:
        """What an answer depends on beside the request: the engine's part of a cache key; JSON types only."""
        return {
            "engine": "agent",
            "engine_version": _ENGINE_VERSION,
            "prompts": f"{PROMPT_VERSION}.{SUBTASK_PROMPT_VERSION}",
            "kept_above": KEPT_ABOVE,
            "description_tokens": DESCRIPTION_TOKENS,
            **{name: self._engines[name].identity() for name in SUBTASKS},
        }

    def run(self, requests: Sequence[Request], known: Collection[int] = frozenset()) -> _Answers:
        """Yield (index, response) for every request that is not in ``known`` once, as they are answered.

        A request is answered as soon as no later stage can change it. One that a stage cannot answer gets a response
        with ``unanswered``, which names the stage; what detect wrote and could not be read is that response's text.

        Args:
            known: indexes whose answers are known. Without a store they are left out. With one they go through the
                stages again, where the store has their answers: batches are then made of the same questions as in the
                run that died, and end with the same digits.

        Raises:
            ValueError: a request is none of ImageQA; raised before a model is loaded.
            Exception: what a model raised, when it cannot be loaded or fails on everything.
        """
        everything = self._store is not None
        asked = group_by_picture({at: request for at, request in enumerate(requests) if everything or at not in known})
        self.counts = _zeros()
        self.counts["detect"]["unreadable pictures"] = len(asked.unreadable)
        for place, reason in asked.unreadable.items():
            yield place, Response("", unanswered=f"detect: {reason}")
        try:
            found = yield from self._detected(asked.pictures)
            kept = yield from self._filtered(found)
            yield from self._described(kept)
        finally:
            self._memory.free()

    def _detected(self, pictures: Sequence[SearchedPicture]) -> _Left:
        """The pictures with entities, by set; the others are answered."""
        counts, left = self.counts["detect"], list[EntitySearch]()
        counts["pictures"] = len(pictures)
        for picture, answers in self._stage("detect", [(picture, [picture.detection()]) for picture in pictures]):
            if isinstance(answers, Failure):
                counts["unanswered"] += 1
                yield from _unanswered(picture.all_places, answers.reason)
                continue
            [response] = answers
            try:
                found = crop_entities(picture, response)
            except (ValueError, OSError) as error:
                counts["unreadable answers"] += 1
                yield from _unanswered(picture.all_places, f"detect: {error}", response.text)
                continue
            counts["entities"] += len(found.entities)
            counts["entities without a usable box"] += found.dropped
            counts["answers cut off"] += found.truncated
            for set_name, places in picture.places.items():
                search = EntitySearch(set_name, places, found.entities, response.input_size)
                if found.entities:
                    left.append(search)
                else:
                    yield from search.answered([])
        self._report("detect")
        return _in_order(left)

    def _filtered(self, searches: Sequence[EntitySearch]) -> _Left:
        """The entities with the issue; where there is none, the picture is answered."""
        counts, left = self.counts["filter"], list[EntitySearch]()
        for search, answers in self._stage("filter", [(search, search.filtering()) for search in searches]):
            if isinstance(answers, Failure):
                counts["unanswered"] += 1
                yield from _unanswered(search.places, answers.reason)
                continue
            kept = [e for e, answer in zip(search.entities, answers, strict=True) if _p_yes(answer) > KEPT_ABOVE]
            counts["questions"] += len(answers)
            counts["kept"] += len(kept)
            if kept:
                left.append(replace(search, entities=kept))
            else:
                yield from replace(search, entities=()).answered([])
        self._report("filter")
        return _in_order(left)

    def _described(self, searches: Sequence[EntitySearch]) -> _Answers:
        """The answers with an entity."""
        counts = self.counts["describe"]
        for search, answers in self._stage("describe", [(search, search.describing()) for search in searches]):
            if isinstance(answers, Failure):
                counts["unanswered"] += 1
                yield from _unanswered(search.places, answers.reason)
                continue
            descriptions = [extract_answer_text(answer.text).text.strip() for answer in answers]
            counts["descriptions"] += len(descriptions)
            counts["empty descriptions"] += descriptions.count("")
            yield from search.answered(descriptions)
        self._report("describe")

    def _stage(
        self, name: str, asked: Sequence[tuple[Item, Sequence[Request]]]
    ) -> Iterator[tuple[Item, list[Response] | Failure]]:
        """Ask the model of stage ``name``, and yield each item once all its requests have their answers.

        An item with a request that got none fails, with the stage in the reason.
        """
        requests = [request for _, own in asked for request in own]
        if not requests:
            return
        owner = [number for number, (_, own) in enumerate(asked) for _ in own]
        waiting = [len(own) for _, own in asked]
        ends = list(accumulate(waiting))
        engine = self._engines[name]

        def begin(known: int, to_ask: int) -> None:
            self._say(f"agent, {name}: {known} answers known, {to_ask} to ask of {engine.source}")

        if self._store is not None:
            answers = answer_with_store(engine, self._store, requests, begin)
        else:
            begin(0, len(requests))
            answers = engine.run(requests)
        got: dict[int, Response] = {}
        for place, response in answers:
            got[place] = response
            number = owner[place]
            waiting[number] -= 1
            if waiting[number] == 0:
                item, own = asked[number]
                yield item, _outcome(name, [got.pop(at) for at in range(ends[number] - len(own), ends[number])])

    def _report(self, name: str) -> None:
        counts = self.counts[name]
        nonzero = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
        self._say(f"agent, {name}: {nonzero or 'nothing to ask'}")


def _zeros() -> dict[str, Counter[str]]:
    return {name: Counter(dict.fromkeys(counted, 0)) for name, counted in _COUNTED.items()}


def _in_order(searches: Sequence[EntitySearch]) -> list[EntitySearch]:
    """The searches by place: the order in which answers come differs when some are known, and batches must not."""
    return sorted(searches, key=lambda search: search.places[0])


def _outcome(stage: str, responses: list[Response]) -> list[Response] | Failure:
    """The responses, or why one of them says nothing."""
    for response in responses:
        if response.unanswered not in (None, EMPTY):  # no description is one, and counted
            return Failure(f"{stage}: {response.unanswered}")
        if response.choices and response.p is None:
            why = f" ({response.no_p})" if response.no_p else ""
            return Failure(f"{stage}: no probability of {' and '.join(response.choices)}{why}")
    return responses


def _p_yes(response: Response) -> float:
    assert response.p is not None  # seen to by _outcome
    return response.p[response.choices.index(str(Answer.YES))]


def _unanswered(places: Sequence[int], reason: str, text: str = "") -> _Answers:
    for place in places:
        yield place, Response(text, unanswered=reason)
