"""Three simulated annotators, who stand in for people on Label Studio: their votes come as a pull brings them.

They know the planted truth and are wrong about some answers. A box that is badly placed they draw anew, a box around
nothing, or a second one around the same thing, they drop, and where their verdict is another than the machine's they
write the description anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from annotation.demo.scenes import Box, PlantedEntity, Scene
from annotation.demo.script import answers_by, describe_flaws
from annotation.merging.forms import DraftForm, load_forms
from annotation.merging.votes import DROP_REASONS, People, Vote, VoteRecord
from annotation.run.folder import RunFolder
from qreal_tasks.benchmark import Dimension, is_flawed
from qreal_tasks.boxes import iou_matrix

ERROR_RATES = {"anna": 0.05, "ben": 0.1, "cara": 0.15}
"""Share of each annotator's answers that are wrong."""
_MEANT_IOU = 0.2
"""A box that overlaps a drawn entity less is around nothing."""
_LEFT_IOU = 0.8
"""A box that overlaps it more is left as it was drafted."""
_UNCLEAR = DROP_REASONS[1]
_UPDATED_AT = "2026-01-01T00:00:00+00:00"


def vote_all(run: RunFolder, scenes: Sequence[Scene]) -> int:
    """Let all three vote on every entity and record their votes; returns how many."""
    forms = load_forms(run)
    planted = match_planted(run, forms.values(), scenes)
    votes = [
        _vote(who, place, form, planted[form.entity_id])
        for place, who in enumerate(ERROR_RATES)
        for form in forms.values()
    ]
    record_votes(run, votes, list(ERROR_RATES), list(forms.values()))
    with VoteRecord(run.votes_path) as record:
        record.record_people(People(frozenset(ERROR_RATES), frozenset(), adaptive=False))
    return len(votes)


def record_votes(run: RunFolder, votes: Iterable[Vote], people: Sequence[str], assigned: Sequence[DraftForm]) -> None:
    """Record votes as a pull brings them.

    Args:
        people: everybody who was asked.
        assigned: what each of them was asked about.
    """
    run.votes_path.parent.mkdir(parents=True, exist_ok=True)
    with VoteRecord(run.votes_path) as record:
        record.add(votes)
        for number, who in enumerate(people):
            record.record_tasks(who, number, [(form.entity_id, form.digest) for form in assigned])


def match_planted(
    run: RunFolder, forms: Iterable[DraftForm], scenes: Sequence[Scene]
) -> dict[str, PlantedEntity | None]:
    """Match each drafted entity with the drawn one that its box is meant for.

    None for a box around nothing, and for all but the best of several boxes around one thing.
    """
    by_content = {scene.content: scene for scene in scenes}
    scene_of = {one.image_id: by_content[one.content] for shard in run.shard_numbers for one in run.pictures(shard)}
    found: dict[str, PlantedEntity | None] = {}
    best: dict[str, tuple[float, str]] = {}
    for form in forms:
        meant = found[form.entity_id] = scene_of[form.image_id].at(form.bbox_px, _MEANT_IOU)
        if meant is not None:
            best[meant.entity_id] = max(
                best.get(meant.entity_id, (0.0, "")), (_iou(form.bbox_px, meant.box_px), form.entity_id)
            )
    kept = {entity_id for _, entity_id in best.values()}
    return {entity_id: meant if entity_id in kept else None for entity_id, meant in found.items()}


def _vote(who: str, place: int, form: DraftForm, planted: PlantedEntity | None) -> Vote:
    answers = None if planted is None else answers_by(who, planted, ERROR_RATES[who])
    return Vote(
        annotator=who,
        entity_id=form.entity_id,
        answers=answers,
        drop=_UNCLEAR if planted is None else None,
        label=form.label if planted is None else planted.label,
        bbox_px=form.bbox_px if planted is None else _draw_box(place, form, planted),
        descriptions=form.descriptions if planted is None or answers is None else _describe(form, planted, answers),
        parts=form.parts,
        shown=form.shown,
        seconds=20.0 + 10 * place,
        annotation_id=1,
        updated_at=_UPDATED_AT,
    )


def _draw_box(place: int, form: DraftForm, planted: PlantedEntity) -> Box:
    """The box that an annotator draws: the first exactly, the second a pixel to the right, the third to the left."""
    if _iou(form.bbox_px, planted.box_px) >= _LEFT_IOU:
        return form.bbox_px
    aside = (0, 1, -1)[place]
    x1, y1, x2, y2 = planted.box_px
    return x1 + aside, y1, x2 + aside, y2


def _describe(form: DraftForm, planted: PlantedEntity, answers: Mapping[str, str]) -> dict[str, str]:
    mine = describe_flaws(planted, answers)
    return {
        str(dimension): form.descriptions[dimension]
        if is_flawed(dimension, answers) == is_flawed(dimension, form.answers)
        else mine[dimension]
        for dimension in Dimension
    }


def _iou(a: Box, b: Box) -> float:
    return float(iou_matrix([a], [b])[0, 0])
