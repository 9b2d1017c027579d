"""Writer and parser of the paper's answers (Figure 6): ``<label><coordinate><description>`` for each entity in a row.

>>> format_answer([("dog", [12, 34, 56, 78], "The dog has five legs.")])
'<dog><[12, 34, 56, 78]><The dog has five legs.>'
>>> parse_paper_format("<dog><[12, 34, 56, 78]><The dog has five legs.>").drafts
[EntityDraft(label='dog', description='The dog has five legs.', boxes=[[12.0, 34.0, 56.0, 78.0]])]
>>> format_answer([])
'<none>'
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

from qreal_tasks.answers.characters import to_halfwidth
from qreal_tasks.answers.entities.fields import EntityDraft, FoundEntities, split_box_text
from qreal_tasks.answers.entities.sides import NUMBER, SIDE_NAME

NONE = "<none>"
"""What is written where no entity is flawed."""

_HARMLESS = str.maketrans("<>", "‹›")
_GROUP = re.compile(r"<([^<>]*)>")
_CUT_GROUP = re.compile(r"<[^<>]*\Z")
_CUT_COORDINATE = re.compile(r"<\s*[\[(]{0,2}\s*\d[\d\s,.()\[\]-]*\Z")
_DESCRIPTION = re.compile(r"<(?=((?:[^<>\n]++|(?<=\s)[<>](?=\s?\d)|<[^<>\s\[(][^<>\n]{0,80}>)*))\1>")
"""Between its brackets it may compare numbers ("> 5") or quote a word in brackets ("reads <STOP>"). Looked at ahead and
then taken as a whole: a group that gives nothing back (``)*+``) is matched wrongly by Python before 3.11.5."""
_NAMES_IN_BRACKETS = re.compile(r"<(?:label|entity|type|coordinates?|bbox|box|description|explanation)>(?=\s*<)", re.I)
_LABEL_IN_BRACKETS = re.compile(
    r"<(?:label|entity|type)>\s{0,9}<[^<>]{1,200}>\s{0,9}<(?:coordinates?|bbox|box)>\s{0,9}<", re.I
)
_BETWEEN = re.compile(r"[\s,;:.•*-]*(?:\d{1,3}[.)]\s*)?")
_FIELD_NAME = re.compile(r"\s*(?:label|type|entity|coordinates?|bbox(?:_2d)?|box|description|explanation)\s*[:=]", re.I)
_SIDE = rf"(?:(?:{SIDE_NAME})\s{{0,2}}[=:]\s{{0,2}})?{NUMBER}(?:px)?"
_COORDINATE = re.compile(rf"[\s\[(]{{0,6}}{_SIDE}(?:[\s,;()\[\]]{{1,9}}{_SIDE}){{1,63}}[\s\])]{{0,6}}", re.ASCII | re.I)
_MOST_OF_A_COORDINATE = 2000
_SPECIAL_TOKEN = re.compile(r"<\|[^<>|\s]{1,40}\|>|</?s>|<eos>")


def format_answer(entities: Iterable[tuple[str, Sequence[float], str]]) -> str:
    """The answer that names these entities: label, box, description of each.

    The box is written as it is given, so in whatever space its numbers are. Angle brackets inside a text become ‹ and
    ›, and line breaks blanks: what is read back is one entity for each.
    """
    return (
        "".join(
            f"<{_replace_brackets(label)}><{json.dumps(list(box))}><{_replace_brackets(description)}>"
            for label, box, description in entities
        )
        or NONE
    )


def _replace_brackets(text: str) -> str:
    return " ".join(text.translate(_HARMLESS).split())


def parse_whole_paper_format(text: str) -> FoundEntities | None:
    """The entities of a text that is nothing but whole ones in this form; None when it is anything else.

    It is read before all other forms, so that no word between the brackets can be taken for a mark or for JSON.
    """
    text = _tidy(text)
    groups = list(_GROUP.finditer(text))
    while groups and _SPECIAL_TOKEN.fullmatch(groups[-1][0]):
        groups.pop()
    if not groups or not _is_chain(text, groups):
        return None
    if [group[1].strip().lower() for group in groups] == ["none"]:
        return FoundEntities(empty=True, states_none=True)
    triples = [groups[at : at + 3] for at in range(0, len(groups), 3)]
    if len(groups) % 3 or not all(_COORDINATE.fullmatch(to_halfwidth(box[1])) for _, box, _ in triples):
        return None
    return FoundEntities(
        [
            EntityDraft(label[1].strip(), description[1].strip(), split_box_text(box[1]))
            for label, box, description in triples
        ]
    )


def _is_chain(text: str, groups: list[re.Match[str]]) -> bool:
    """Whether nothing stands before and between the groups but punctuation, and nothing behind but special tokens."""
    starts, ends = [group.start() for group in groups], [0, *(group.end() for group in groups)]
    if not all(_BETWEEN.fullmatch(text, end, start) for end, start in zip(ends, starts, strict=False)):
        return False
    return not _SPECIAL_TOKEN.sub("", text[ends[-1] :]).strip()


def parse_paper_format(text: str) -> FoundEntities:
    """The entities in this form anywhere in a text; a missing label or description is empty."""
    text = _tidy(text)
    groups = list(_GROUP.finditer(text))
    boxes = {at for at, group in enumerate(groups) if _is_coordinate(group[1])}
    found = FoundEntities()
    for at in sorted(boxes):
        draft = EntityDraft(boxes=split_box_text(_strip_field_name(groups[at][1])))
        if at - 1 in boxes:  # another box of the same thing
            found.drafts[-1].boxes += draft.boxes
            draft = found.drafts[-1]
        else:
            draft.label = _strip_field_name(groups[at - 1][1]) if at and _follows(text, groups, at) else ""
            found.drafts.append(draft)
        # A text before a box that has no label yet is that label.
        if at + 1 < len(groups) and not {at + 1, at + 2} & boxes and _follows(text, groups, at + 1):
            draft.description = _strip_field_name(groups[at + 1][1])
    rest = text[groups[-1].end() :] if groups else text
    cut = _CUT_GROUP.search(rest) if boxes else _CUT_COORDINATE.search(rest) if groups else None
    found.truncated = cut is not None
    if cut and len(groups) - 1 in boxes:  # inside the description
        found.drafts.pop()
    return found


def _tidy(text: str) -> str:
    """The text without fields that are named in brackets of their own, its descriptions without brackets inside."""
    if _LABEL_IN_BRACKETS.search(text):
        text = _NAMES_IN_BRACKETS.sub(lambda name: " " * len(name[0]), text)
    pieces, end = [], 0
    for group in _GROUP.finditer(text):
        gap = _BETWEEN.match(text, group.end())
        description = _DESCRIPTION.match(text, gap.end() if gap else group.end()) if _is_coordinate(group[1]) else None
        if description and description.start() >= end:
            pieces += [text[end : description.start(1)], description[1].translate(_HARMLESS)]
            end = description.end(1)
    return "".join([*pieces, text[end:]])


def _follows(text: str, groups: list[re.Match[str]], at: int) -> bool:
    """Whether group ``at`` stands right behind the one before it."""
    return _BETWEEN.fullmatch(text, groups[at - 1].end(), groups[at].start()) is not None


def _strip_field_name(group: str) -> str:
    """What a group says without the name of its field: "label: dog"."""
    name = _FIELD_NAME.match(group)
    return group[name.end() if name else 0 :].strip()


def _is_coordinate(group: str) -> bool:
    return _COORDINATE.fullmatch(_strip_field_name(to_halfwidth(group[:_MOST_OF_A_COORDINATE]))) is not None
