"""The run's language model makes one text of what several people wrote, where the rule has made one already.

First it combines the several edits of a description or a body part, then it integrates the body parts of each portrait
into the description of plausibility. The rule's text stays where the model refuses or fails. Every call is kept in the
run's record of calls and counts towards its cost, so that merging again costs nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from annotation.execution.driver import alone
from annotation.llm.asker import Asker, BudgetedClient
from annotation.llm.budget import Budget
from annotation.llm.calls import CallRecord
from annotation.llm.outcome import Outcome
from annotation.llm.prompts import Prompt, load_prompt, quoted
from annotation.llm.replies import Form as ReplyForm
from annotation.llm.request import Request
from annotation.merging.merge import Conclusion, Merged
from annotation.merging.parts import (
    INTEGRATED_BY_MODEL,
    INTEGRATED_BY_RULE,
    integrated_by_rule,
    said_of_any,
    texts_of,
)
from annotation.merging.texts import COMBINED_BY_MODEL, COMBINED_BY_RULE, Chosen
from annotation.run.folder import RunFolder
from annotation.run.schemas import State
from qreal_tasks.benchmark import Dimension
from qreal_tasks.text.addresses import shown

_PROMPT = "combine"
_MAX_TOKENS = 500
_PARTS = "parts."
"""What the names of fields begin with that are body parts."""


@dataclass
class Combined:
    """Entities with their new texts, and the columns that say how they came about."""

    merged: list[Merged]
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By entity: ``notes`` and ``combine_call_keys``."""
    combined: int = 0
    failed: int = 0


@dataclass(frozen=True)
class _Wanted:
    place: int
    field: str
    """``realism_description``, ``parts.hands``, …"""
    rule: str
    """Of the new text."""
    request: Request


def made_by(run: RunFolder) -> str:
    """The model and the prompts, as the merged file and the dataset card name them."""
    prompts = ", ".join(load_prompt(name).title for name in (_PROMPT, run.config.portraits.merge_prompt))
    return f"{shown(run.config.language_model.model)}; {prompts}"


def to_combine(merged: Sequence[Merged]) -> int:
    """How many texts a model is asked for."""
    final = [one for one in merged if one.state == Conclusion.FINAL]
    return sum(len(list(_several_edits(one))) + _integrates(one) for one in final)


def combine(
    run: RunFolder, merged: Sequence[Merged], max_cost_usd: float | None = None, api_key: str | None = None
) -> Combined:
    """Ask about every final entity with several edits of a text, or with body parts to integrate.

    Raises:
        StoppedRun: the budget is reached, or no further request can succeed; what is answered is kept.
        AnnotationError: another program works on the run, or ``max_cost_usd`` is given without prices.
    """
    done = Combined(list(merged))
    with alone(run), CallRecord(run.calls_path) as calls:
        spent = sum(stage.cost_usd for stage in calls.spent().values())
        asker = Asker(run.config, calls, Budget(max_cost_usd, run.config.language_model.prices, spent), api_key)
        for wanted_of in (_combining, _integrating):
            wanted = [
                one
                for place, entity in enumerate(done.merged)
                if entity.state == Conclusion.FINAL
                for one in wanted_of(run, place, entity)
            ]
            outcomes = asyncio.run(_answers(asker, [one.request for one in wanted]))
            if asker.stopped is not None:
                raise asker.stopped
            for one in wanted:
                _put(done, one, outcomes[one.request.key])
    return done


async def _answers(asker: Asker, requests: Sequence[Request]) -> Mapping[str, Outcome]:
    """Key to outcome; incomplete only when the asker has stopped."""
    async with BudgetedClient(asker) as client:
        found = await asyncio.gather(*map(client.answer_unless_stopped, requests))
    pairs = zip(requests, found, strict=True)
    return {request.key: outcome for request, outcome in pairs if outcome is not None}


def _several_edits(merged: Merged) -> Iterator[tuple[str, Chosen]]:
    """Fields that the rule has combined."""
    descriptions = {f"{dimension}_description": text for dimension, text in merged.descriptions.items()}
    parts = {f"{_PARTS}{part}": text for part, text in (merged.parts or {}).items()}
    for name, text in {**descriptions, **parts}.items():
        if text is not None and text.rule == COMBINED_BY_RULE:
            yield name, text


def _combining(run: RunFolder, place: int, merged: Merged) -> Iterator[_Wanted]:
    prompt, form = load_prompt(_PROMPT), ReplyForm("combine", _MAX_TOKENS)
    for name, text in _several_edits(merged):
        about = name.removeprefix(_PARTS).removesuffix("_description").replace("_", " ")
        texts = json.dumps(text.inputs, ensure_ascii=False)
        user = prompt.fill(label=quoted(merged.label or ""), dimension=about, texts=texts)
        yield _Wanted(place, name, COMBINED_BY_MODEL, _request(run, merged, form, prompt, user))


def _integrates(merged: Merged) -> bool:
    text = merged.descriptions[Dimension.PLAUSIBILITY]
    return text is not None and text.rule == INTEGRATED_BY_RULE and said_of_any(merged.part_texts or {})


def _integrating(run: RunFolder, place: int, merged: Merged) -> Iterator[_Wanted]:
    text = merged.descriptions[Dimension.PLAUSIBILITY]
    if text is None or not _integrates(merged):
        return
    settings = run.config.portraits
    said: dict[str, Any] = {part: remark for part, remark in (merged.part_texts or {}).items() if remark}
    if text.inputs:
        said["further_remarks"] = text.inputs
    prompt, form = load_prompt(settings.merge_prompt), ReplyForm("merge", settings.max_tokens)
    user = prompt.fill(parts=json.dumps(said, ensure_ascii=False))
    name = f"{Dimension.PLAUSIBILITY}_description"
    yield _Wanted(place, name, INTEGRATED_BY_MODEL, _request(run, merged, form, prompt, user))


def _request(run: RunFolder, merged: Merged, form: ReplyForm, prompt: Prompt, user: str) -> Request:
    return Request(run.config.language_model, form, merged.entity_id, prompt.title, prompt.system, user)


def _put(done: Combined, one: _Wanted, outcome: Outcome) -> None:
    merged = done.merged[one.place]
    about = done.notes.setdefault(merged.entity_id, {"notes": "", "combine_call_keys": []})
    about["combine_call_keys"].append(one.request.key)
    if outcome.state == State.DONE:
        (said,) = outcome.said.values()
        done.merged[one.place] = _with_text(merged, one.field, said.strip(), one.rule)
        done.combined += 1
    else:
        done.failed += 1
        note = f"{one.field}: combining {outcome.state}, {outcome.reason}; the rule's text stands"
        about["notes"] = "; ".join(filter(None, (about["notes"], note)))


def _with_text(merged: Merged, name: str, text: str, rule: str) -> Merged:
    """The entity with one text in the place of the rule's; a part's new text is in the rule's description too."""
    descriptions = dict(merged.descriptions)
    if not name.startswith(_PARTS):
        dimension = name.removesuffix("_description")
        descriptions[dimension] = _changed(descriptions[dimension], text, rule)
        return replace(merged, descriptions=descriptions)
    part = name.removeprefix(_PARTS)
    parts = {**(merged.parts or {})}
    parts[part] = _changed(parts[part], text, rule)
    whole = descriptions[Dimension.PLAUSIBILITY]
    if whole is not None and whole.rule == INTEGRATED_BY_RULE:
        again = integrated_by_rule(texts_of(parts), whole.inputs)
        descriptions[Dimension.PLAUSIBILITY] = replace(whole, text=again)
    return replace(merged, parts=parts, descriptions=descriptions)


def _changed(chosen: Chosen | None, text: str, rule: str) -> Chosen:
    assert chosen is not None  # there was something to combine
    return replace(chosen, text=text, rule=rule)
