"""Texts of several people, combined by the run's language model where the rule has made one text already.

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

from annotation.llm.asker import Asker, BudgetedClient
from annotation.llm.budget import Budget
from annotation.llm.calls import CallRecord
from annotation.llm.outcome import Outcome
from annotation.llm.prompts import load_prompt, quoted
from annotation.llm.request import ModelRequest
from annotation.merging.fields import COMBINED_BY_MODEL, COMBINED_BY_RULE, MergedText
from annotation.merging.merge import PARTS_PREFIX, Conclusion, MergedEntity
from annotation.merging.parts import (
    INTEGRATED_BY_MODEL,
    INTEGRATED_BY_RULE,
    describes_any_part,
    integrate_by_rule,
    part_texts,
)
from annotation.run.folder import RunFolder, lock_run
from annotation.run.schemas import State
from annotation.stages.requests import make_request
from qreal_tasks.benchmark import Dimension
from qreal_tasks.text.addresses import shown


@dataclass
class CombinedTexts:
    """Entities with their new texts, and the columns that say how they came about."""

    merged: list[MergedEntity]
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Entity to its columns ``notes`` and ``combine_call_keys``."""
    combined: int = 0
    failed: int = 0


@dataclass(frozen=True)
class _Wanted:
    place: int
    field: str
    """``realism_description``, ``parts.hands``, …"""
    rule: str
    """The rule of the new text."""
    request: ModelRequest


def describe_combiner(run: RunFolder) -> str:
    """Name the model and the prompts, as the merged file and the dataset card do."""
    prompts = ", ".join(load_prompt(name).title for name in ("combine", run.config.portraits.merge_prompt))
    return f"{shown(run.config.language_model.model)}; {prompts}"


def count_texts_to_combine(merged: Sequence[MergedEntity]) -> int:
    """Count the texts that a model is asked for."""
    final = [one for one in merged if one.state == Conclusion.FINAL]
    return sum(len(_several_edits(one)) + _integrates(one) for one in final)


def combine_by_model(
    run: RunFolder, merged: Sequence[MergedEntity], max_cost_usd: float | None = None, api_key: str | None = None
) -> CombinedTexts:
    """Ask about every final entity with several edits of a text, or with body parts to integrate.

    Raises:
        StoppedRun: the budget is reached, or no further request can succeed; what is answered is kept.
        AnnotationError: another program works on the run, or ``max_cost_usd`` is given without prices.
    """
    done = CombinedTexts(list(merged))
    with lock_run(run.path), CallRecord(run.calls_path) as calls:
        spent = sum(stage.cost_usd for stage in calls.spent().values())
        asker = Asker(run.config, calls, Budget(max_cost_usd, run.config.language_model.prices, spent), api_key)
        for wanted_of in (_plan_combining, _plan_integrating):
            wanted = [
                one
                for place, entity in enumerate(done.merged)
                if entity.state == Conclusion.FINAL
                for one in wanted_of(run, place, entity)
            ]
            outcomes = asyncio.run(_ask(asker, [one.request for one in wanted]))
            if asker.stopped is not None:
                raise asker.stopped
            for one in wanted:
                _use_outcome(done, one, outcomes[one.request.key])
    return done


async def _ask(asker: Asker, requests: Sequence[ModelRequest]) -> Mapping[str, Outcome]:
    """Key to outcome; incomplete only when the asker has stopped."""
    async with BudgetedClient(asker) as client:
        found = await asyncio.gather(*map(client.answer_unless_stopped, requests))
    pairs = zip(requests, found, strict=True)
    return {request.key: outcome for request, outcome in pairs if outcome is not None}


def _several_edits(merged: MergedEntity) -> dict[str, MergedText]:
    """Field to its text, for the texts that the rule has combined."""
    return {name: text for name, text in merged.texts.items() if text.rule == COMBINED_BY_RULE}


def _plan_combining(run: RunFolder, place: int, merged: MergedEntity) -> Iterator[_Wanted]:
    for name, text in _several_edits(merged).items():
        about = name.removeprefix(PARTS_PREFIX).removesuffix("_description").replace("_", " ")
        values = {"label": quoted(merged.label or ""), "dimension": about, "texts": _as_json(text.inputs)}
        request = make_request("combine", run.config, merged.entity_id, (), **values)
        yield _Wanted(place, name, COMBINED_BY_MODEL, request)


def _integrates(merged: MergedEntity) -> bool:
    text = merged.descriptions[Dimension.PLAUSIBILITY]
    return text is not None and text.rule == INTEGRATED_BY_RULE and describes_any_part(merged.part_texts or {})


def _plan_integrating(run: RunFolder, place: int, merged: MergedEntity) -> Iterator[_Wanted]:
    text = merged.descriptions[Dimension.PLAUSIBILITY]
    if text is None or not _integrates(merged):
        return
    remarks: dict[str, Any] = {part: remark for part, remark in (merged.part_texts or {}).items() if remark}
    if text.inputs:
        remarks["further_remarks"] = text.inputs
    request = make_request("merge", run.config, merged.entity_id, parts=_as_json(remarks))
    yield _Wanted(place, f"{Dimension.PLAUSIBILITY}_description", INTEGRATED_BY_MODEL, request)


def _as_json(content: object) -> str:
    return json.dumps(content, ensure_ascii=False)


def _use_outcome(done: CombinedTexts, one: _Wanted, outcome: Outcome) -> None:
    merged = done.merged[one.place]
    about = done.notes.setdefault(merged.entity_id, {"notes": "", "combine_call_keys": []})
    about["combine_call_keys"].append(one.request.key)
    if outcome.state == State.DONE:
        (text,) = outcome.said.values()
        done.merged[one.place] = _with_text(merged, one.field, text.strip(), one.rule)
        done.combined += 1
    else:
        done.failed += 1
        note = f"{one.field}: combining {outcome.state}, {outcome.reason}; the rule's text stands"
        about["notes"] = "; ".join(filter(None, (about["notes"], note)))


def _with_text(merged: MergedEntity, name: str, text: str, rule: str) -> MergedEntity:
    """The entity with one text in the place of the rule's; a part's new text is in the rule's description too."""
    changed = replace(merged.texts[name], text=text, rule=rule)
    descriptions = dict(merged.descriptions)
    if not name.startswith(PARTS_PREFIX):
        descriptions[name.removesuffix("_description")] = changed
        return replace(merged, descriptions=descriptions)
    parts = {**(merged.parts or {}), name.removeprefix(PARTS_PREFIX): changed}
    whole = descriptions[Dimension.PLAUSIBILITY]
    if whole is not None and whole.rule == INTEGRATED_BY_RULE:
        again = integrate_by_rule(part_texts(parts), whole.inputs)
        descriptions[Dimension.PLAUSIBILITY] = replace(whole, text=again)
    return replace(merged, parts=parts, descriptions=descriptions)
