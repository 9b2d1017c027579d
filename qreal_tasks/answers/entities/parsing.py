"""Parser of entities with boxes in a model's text (ImageQA).

>>> answer = parse_entities('[{"bbox_2d": [1, 2, 3, 4], "label": "dog", "description": "It has five legs."}]')
>>> answer.entities
(ParsedEntity(label='dog', box=(1.0, 2.0, 3.0, 4.0), description='It has five legs.', named=False),)
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from qreal_tasks.answers.answer_text import Reason, extract_answer_text
from qreal_tasks.answers.entities.fields import DropReason, FoundEntities, ParsedEntity, has_named_sides, parse_box
from qreal_tasks.answers.entities.no_entities import begins_with_no, concludes_none, states_none
from qreal_tasks.answers.entities.paper_format import parse_paper_format, parse_whole_paper_format
from qreal_tasks.answers.entities.prose import parse_prose
from qreal_tasks.answers.entities.tags import parse_tags
from qreal_tasks.answers.json.entities import find_json_entities
from qreal_tasks.answers.json.frames import LooseJson
from qreal_tasks.answers.json.loose import is_whole_json, parse_loose_json
from qreal_tasks.answers.json.strings import decode_nested
from qreal_tasks.answers.reasoning import Marks
from qreal_tasks.answers.verdict.stated import find_labelled_answer, find_marked_answer


@dataclass(frozen=True)
class ParsedEntities:
    """What a text says about an image."""

    entities: tuple[ParsedEntity, ...]
    """In the order of the text, duplicates kept; empty with ``reason`` None when the text states that there
    is none."""
    reason: Reason | None
    """Why nothing could be read."""
    dropped: dict[str, int]
    """Entities left out, counted by ``DropReason``."""
    truncated: bool
    """The text ends inside an entity or a list; that entity is not among the others and not in
    ``dropped``."""
    under_box_2d: int = 0
    """How many of ``entities`` have their box under the key ``box_2d``, by which Gemini means y first; those with named
    sides are not counted."""


def parse_entities(text: str, *, reasoning_marks: Marks = ()) -> ParsedEntities:
    """The entities of ``text``, in the model's own coordinates.

    What stands between marks of a final answer (``<answer>``, ``\\boxed{}``) is all that counts. Behind "Final answer:"
    and its like counts what stands there, if it can be read; otherwise the whole text does, without boxes in sentences
    where the label is followed by a plain "No". Elsewhere the first of these forms decides that finds an entity: JSON
    objects (in whatever state, see ``parse_loose_json``; lists add up unless a later one corrects them), the paper's
    form, tags (``<ref>``, ``<box>``, ``<label>`` and their like), then boxes in lists or prose. An empty list that the
    text states is an answer like any other, whatever boxes the text explains it with; so is a clear sentence that there
    is none.

    Args:
        reasoning_marks: as ``reasoning.strip_reasoning``.
    """
    if is_whole_json(text) or parse_whole_paper_format(text) is not None:
        return _read(text)  # no word inside of it can be a mark
    answer_text = extract_answer_text(text, reasoning_marks)
    if answer_text.reason is not None:
        return ParsedEntities((), answer_text.reason, {}, truncated=False)
    marked = find_marked_answer(answer_text.text)
    if marked is not None:
        return _read(marked)
    labelled = find_labelled_answer(answer_text.text)
    if labelled is None:
        return _read(answer_text.text)
    answer = _read(labelled)
    return answer if answer.reason is None else _read(answer_text.text, with_prose=not begins_with_no(labelled))


def _read(text: str, with_prose: bool = True) -> ParsedEntities:
    """The entities of a text that is all answer."""
    whole = parse_whole_paper_format(text)
    if whole is not None:
        return _answer(whole)
    text = decode_nested(text)
    found = _found(text, with_prose)
    if found.drafts:
        return _answer(found)
    if found.empty or states_none(text):
        return replace(_answer(found), truncated=False)
    return ParsedEntities((), Reason.CUT_OFF if found.truncated else Reason.NO_ENTITY, {}, found.truncated)


def _found(text: str, with_prose: bool) -> FoundEntities:
    """What the first form finds that finds an entity."""
    json = parse_loose_json(text)
    in_json = find_json_entities(text, json)
    # What was cut off must not be taken for a box in prose.
    if in_json.drafts or in_json.states_none or json.cut_object:
        return in_json
    text = _blank_objects(text, json)
    in_paper_form = parse_paper_format(text)
    if in_paper_form.drafts or in_paper_form.truncated:
        return in_paper_form
    in_tags = parse_tags(text)
    truncated = in_json.truncated or in_tags.truncated
    if in_tags.drafts:
        return replace(in_tags, truncated=truncated)
    in_prose = parse_prose(text) if with_prose else FoundEntities()
    if in_prose.drafts:
        return FoundEntities(empty=True) if concludes_none(text) else replace(in_prose, truncated=truncated)
    return replace(in_json, truncated=truncated)


def _blank_objects(text: str, json: LooseJson) -> str:
    """The text with its JSON objects blanked: what they hold is no sentence, and a position stays a position."""
    pieces, end = [], 0
    for value, (start, stop) in zip(json.values, json.spans, strict=True):
        if isinstance(value, dict) or any(isinstance(item, dict) for item in value):
            pieces += [text[end:start], " " * (stop - start)]
            end = stop
    return "".join([*pieces, text[end:]])


def _answer(found: FoundEntities) -> ParsedEntities:
    entities: list[ParsedEntity] = []
    dropped: Counter[str] = Counter()
    under_box_2d = 0
    for draft in found.drafts:
        if not draft.boxes:
            dropped[DropReason.NO_BOX.value] += 1
        for value in draft.boxes:
            box = parse_box(value)
            if isinstance(box, DropReason):
                dropped[box.value] += 1
                continue
            entities.append(ParsedEntity(draft.label, box, draft.description, has_named_sides(value)))
            under_box_2d += draft.box_key == "box_2d" and not has_named_sides(value)
    if found.replaced:
        dropped[DropReason.REPLACED.value] = found.replaced
    return ParsedEntities(tuple(entities), None, dict(dropped), found.truncated, under_box_2d)
