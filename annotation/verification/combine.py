"""On request, descriptions of which several people made different edits are combined by the run's language model.

The rule has chosen one of the edits already; that one stays where the model refuses or fails. Every call is kept in
the run's record of calls and counts towards its cost, so that merging again costs nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from annotation.execution.driver import alone
from annotation.llm.asker import Asker
from annotation.llm.budget import Budget
from annotation.llm.calls import CallRecord
from annotation.llm.outcome import Outcome
from annotation.llm.prompts import load_prompt, quoted
from annotation.llm.replies import Form as ReplyForm
from annotation.llm.request import Request
from annotation.run_folder import RunFolder
from annotation.schemas import State
from annotation.verification.merging import Conclusion, Merged
from annotation.verification.texts import SEVERAL_EDITS, Chosen

PROMPT = "combine"
COMBINED = "several edits, combined by a model"
_MAX_TOKENS = 500
_WITHOUT_COMBINING = "the rule's text stands"


@dataclass
class Combined:
    """Entities with their new descriptions, and the columns that say how they came about."""

    merged: list[Merged]
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By entity: ``notes`` and ``combine_call_keys``."""
    combined: int = 0
    failed: int = 0


@dataclass(frozen=True)
class _Wanted:
    place: int
    dimension: str
    request: Request


def combine(
    run: RunFolder, merged: Sequence[Merged], max_cost_usd: float | None = None, api_key: str | None = None
) -> Combined:
    """Ask about every final description with several edits.

    Raises:
        StoppedRun: the budget is reached, or no further request can succeed; what is answered is kept.
        AnnotationError: another program works on the run, or ``max_cost_usd`` is given without prices.
    """
    wanted = [
        _Wanted(place, dimension, _request(run, one, dimension, chosen))
        for place, one in enumerate(merged)
        if one.state == Conclusion.FINAL
        for dimension, chosen in one.descriptions.items()
        if chosen is not None and chosen.rule == SEVERAL_EDITS
    ]
    with alone(run), CallRecord(run.calls_path) as calls:
        spent = sum(stage.cost_usd for stage in calls.spent().values())
        asker = Asker(run.config, calls, Budget(max_cost_usd, run.config.language_model.prices, spent), api_key)
        outcomes = asyncio.run(_answers(asker, [one.request for one in wanted]))
        if asker.stopped is not None:
            raise asker.stopped
    done = Combined(list(merged))
    for one in wanted:
        _put(done, one, outcomes[one.request.key])
    return done


async def _answers(asker: Asker, requests: Sequence[Request]) -> Mapping[str, Outcome]:
    """Key to outcome; incomplete only when the asker has stopped."""
    found = asker.kept(request.key for request in requests)
    left = {request.key: request for request in requests if request.key not in found}
    async with asker.open() as opened:
        said = await asyncio.gather(*(opened.answer(request, lambda: None) for request in left.values()))
    return {**found, **{key: outcome for key, outcome in zip(left, said, strict=True) if outcome is not None}}


def _request(run: RunFolder, merged: Merged, dimension: str, chosen: Chosen) -> Request:
    prompt = load_prompt(PROMPT)
    texts = list(dict.fromkeys(text.strip() for text in chosen.sources.values() if text.strip()))
    return Request(
        run.config.language_model,
        ReplyForm("combine", _MAX_TOKENS),
        merged.entity_id,
        prompt.title,
        prompt.system,
        prompt.fill(label=quoted(merged.label or ""), dimension=dimension, texts=json.dumps(texts, ensure_ascii=False)),
    )


def _put(done: Combined, one: _Wanted, outcome: Outcome) -> None:
    merged = done.merged[one.place]
    about = done.notes.setdefault(merged.entity_id, {"notes": "", "combine_call_keys": []})
    about["combine_call_keys"].append(one.request.key)
    chosen = merged.descriptions[one.dimension]
    assert chosen is not None
    if outcome.state == State.DONE:
        text = replace(chosen, text=outcome.said["description"].strip(), rule=COMBINED)
        done.merged[one.place] = replace(merged, descriptions={**merged.descriptions, one.dimension: text})
        done.combined += 1
    else:
        done.failed += 1
        said = f"{one.dimension}_description: combining {outcome.state}, {outcome.reason}; {_WITHOUT_COMBINING}"
        about["notes"] = "; ".join(filter(None, (about["notes"], said)))
