"""Stage ``judgment``: six answers and two descriptions an entity, in one call. A row a detected entity."""

from __future__ import annotations

from annotation.llm.outcome import Outcome
from annotation.llm.prompts import load_prompt, quoted
from annotation.llm.replies import Form, language_note
from annotation.llm.request import Request
from annotation.llm.tasks import Row, Task, source_of
from annotation.run.folder import RunFolder
from annotation.run.gallery import Gallery
from annotation.stages.crops import DetectedEntity, load_entities, show_entity
from qreal_tasks.benchmark import QUESTION_NAMES, QUESTIONS

_SAID = (*QUESTION_NAMES, "realism_description", "plausibility_description")


def plan_judgment(run: RunFolder, shard: int) -> list[Task]:
    """One request an entity."""
    found = load_entities(run, shard)
    scores = {row["entity_id"]: row["quality_score"] for row in run.read("quality", shard)}
    return [_task(run, entity, scores[entity.entity_id], found.gallery) for entity in found.entities]


def _task(run: RunFolder, entity: DetectedEntity, quality: float | None, gallery: Gallery) -> Task:
    config, prompt = run.config, load_prompt(run.config.judgment.prompt)
    request = Request(
        config.language_model,
        Form("judgment", config.judgment.max_tokens),
        entity.entity_id,
        prompt.title,
        prompt.system,
        prompt.fill(
            label=quoted(entity.label),
            quality="not known" if quality is None else f"{quality:.2f}",
            questions="\n".join(f"{question.name}: {question.text}" for question in QUESTIONS),
        ),
        show_entity(entity, gallery, config.pictures),
    )

    def row(outcome: Outcome | None) -> Row:
        assert outcome is not None
        said: Row = outcome.said or dict.fromkeys(_SAID)
        return {
            "entity_id": entity.entity_id,
            "state": str(outcome.state),
            "reason": outcome.reason,
            **{name: said[name] for name in _SAID},
            "notes": language_note(said["realism_description"], said["plausibility_description"]),
            **source_of(request, outcome),
        }

    return Task(request, row)
