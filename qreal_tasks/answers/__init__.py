"""Parsers of a model's text: Yes or No and the token that says it, entities with boxes, and what its backend reported.

No function here sees the reference, none raises on any text, and all take time linear in its length. A text
that cannot be read comes back as a ``Reason``. What is named here is for all packages; the modules are for this one.
"""

from qreal_tasks.answers.answer_text import Reason, extract_answer_text
from qreal_tasks.answers.answer_token import NO_VERDICT, NOT_FOUND, AnswerToken, answering_word, find_answer_token
from qreal_tasks.answers.entities.fields import Box, DropReason, ParsedEntity
from qreal_tasks.answers.entities.paper_format import format_answer
from qreal_tasks.answers.entities.parsing import ParsedEntities, parse_entities
from qreal_tasks.answers.entities.regions import LocatedRegions, locate_regions, reorder_box
from qreal_tasks.answers.json.only import parse_only_json
from qreal_tasks.answers.reasoning import declare_marks, parse_marks, read_declared_marks
from qreal_tasks.answers.scores import (
    MOST_MASS,
    MOST_OF_A_REASON,
    Scores,
    parse_input_size,
    parse_scores,
    parse_unanswered,
)
from qreal_tasks.answers.verdict.judgment import Judgment, parse_judgment
from qreal_tasks.answers.verdict.words import Words

__all__ = [
    "MOST_MASS",
    "MOST_OF_A_REASON",
    "NOT_FOUND",
    "NO_VERDICT",
    "AnswerToken",
    "Box",
    "DropReason",
    "Judgment",
    "LocatedRegions",
    "ParsedEntities",
    "ParsedEntity",
    "Reason",
    "Scores",
    "Words",
    "answering_word",
    "declare_marks",
    "extract_answer_text",
    "find_answer_token",
    "format_answer",
    "locate_regions",
    "parse_entities",
    "parse_input_size",
    "parse_judgment",
    "parse_marks",
    "parse_only_json",
    "parse_scores",
    "parse_unanswered",
    "read_declared_marks",
    "reorder_box",
]
