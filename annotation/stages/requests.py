"""What the language-model stages share: the request about an item, and the row that its outcome becomes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from annotation.config import AnnotationConfig
from annotation.llm.outcome import Outcome
from annotation.llm.prompts import load_prompt
from annotation.llm.replies import Form, language_note
from annotation.llm.request import ModelRequest, Shown
from annotation.llm.tasks import NO_SOURCE, Row, Task, fixed, source_of
from annotation.run.chain import stage_prompt
from annotation.run.schemas import State


def make_request(
    stage: str, config: AnnotationConfig, item_id: str, pictures: tuple[Shown, ...] = (), **values: str
) -> ModelRequest:
    """The request of a stage about one item.

    Args:
        values: what is filled into the places of the prompt.
    """
    name, max_tokens = stage_prompt(stage, config)
    prompt, form = load_prompt(name), Form(stage, max_tokens)
    user = prompt.fill(**values)
    return ModelRequest(config.language_model, form, item_id, prompt.title, prompt.system, user, pictures)


def make_entity_task(request: ModelRequest, read: Callable[[Any], Row], texts: Sequence[str]) -> Task:
    """A task on one entity, whose row holds its state, what the model answered, and who answered.

    Args:
        read: from the reply, or None where there is none, to columns of the row.
        texts: columns whose language is noted.
    """

    def row(outcome: Outcome | None) -> Row:
        assert outcome is not None
        columns = read(outcome.said)
        return {
            "entity_id": request.item_id,
            "state": str(outcome.state),
            "reason": outcome.reason,
            **columns,
            "notes": language_note(*(columns[name] for name in texts)),
            **source_of(request, outcome),
        }

    return Task(request, row)


def skip_task(entity_id: str, reason: str, columns: Sequence[str]) -> Task:
    """A task without a request, whose row says why nothing was asked."""
    ended = {"entity_id": entity_id, "state": str(State.SKIPPED), "reason": reason}
    return fixed({**ended, **dict.fromkeys(columns), "notes": "", **NO_SOURCE})
