"""The forms of the model's replies.

Every field is required and nothing else is allowed, so that each form is a schema that strict structured output takes.
What such a schema cannot say is checked after reading. Servers that enforce no schema let other spellings of Yes and No
through; they are read as the evaluation reads them.
"""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, create_model, model_validator
from pydantic.fields import FieldInfo

from annotation.empty_text import says_nothing
from qreal_tasks.answers import parse_judgment
from qreal_tasks.benchmark import BODY_PARTS, QUESTION_NAMES, Dimension, is_flawed


def _verdict(said: object) -> object:
    """Yes or No where the evaluation reads one from the same value; else the value as it is.

    >>> _verdict("YES."), _verdict(" no"), _verdict(True), _verdict("Yes or no")
    ('Yes', 'No', 'Yes', 'Yes or no')
    """
    if not isinstance(said, str | bool):
        return said
    # With a label, as it stands in the reply: "true" is a verdict only behind one.
    return parse_judgment(json.dumps({"answer": said}, ensure_ascii=False)).answer or said


def _truth(said: object) -> object:
    """A verdict as a boolean; else the value as it is."""
    return {"Yes": True, "No": False}.get(str(_verdict(said)), said)


def _flaw(said: str | None) -> str | None:
    """None for a text that describes no flaw."""
    return None if said is None or says_nothing(said) else said


YesNo = Annotated[Literal["Yes", "No"], BeforeValidator(_verdict)]


class _Reply(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NamedEntity(_Reply):
    name: str
    is_person: Annotated[bool, BeforeValidator(_truth)]


class EntitiesReply(_Reply):
    """Stage ``entities``."""

    entities: list[NamedEntity]


class _Judged(_Reply):
    @model_validator(mode="after")
    def _describes_every_defect(self) -> Self:
        """The dataset takes no flawed entity without a description."""
        said = self.model_dump()
        for dimension in Dimension:
            text = said[f"{dimension}_description"]
            if is_flawed(dimension, said) and says_nothing(text):
                found = f"says nothing ({text.strip()})" if text.strip() else "is empty"
                raise ValueError(f"flawed in {dimension} but {dimension}_description {found}")
        return self


_QUESTIONS: dict[str, Any] = dict.fromkeys(QUESTION_NAMES, (YesNo, ...))
_PARTS: dict[str, Any] = dict.fromkeys(BODY_PARTS, (Annotated[str | None, AfterValidator(_flaw)], ...))

JudgmentReply = create_model(
    "JudgmentReply",
    __base__=_Judged,
    **_QUESTIONS,
    realism_description=(str, ...),
    plausibility_description=(str, ...),
)
"""Stage ``judgment``: the six answers and the two descriptions."""

PartsReply = create_model("PartsReply", __base__=_Reply, **_PARTS)
"""Stage ``parts``: what is wrong with each body part, or null."""


class MergeReply(_Reply):
    """Stage ``merge``."""

    plausibility_description: str

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if says_nothing(self.plausibility_description):
            raise ValueError("plausibility_description is empty or says nothing")
        return self


class CombineReply(_Reply):
    """Several people's descriptions as one."""

    description: str

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if says_nothing(self.description):
            raise ValueError("description is empty or says nothing")
        return self


LEVELS = ("Excellent", "Good", "Fair", "Poor", "Bad")
"""The answers of stage ``quality``, best first; scored at the first token."""

_REPLIES: dict[str, type[BaseModel]] = {
    "entities": EntitiesReply,
    "judgment": JudgmentReply,
    "parts": PartsReply,
    "merge": MergeReply,
    "combine": CombineReply,
}


@dataclass(frozen=True)
class Form:
    """How the answer of a stage looks."""

    stage: str
    max_tokens: int

    @property
    def reply(self) -> type[BaseModel] | None:
        """None for the stage whose answer is one word of ``choices``."""
        return _REPLIES.get(self.stage)

    @property
    def choices(self) -> tuple[str, ...]:
        return LEVELS if self.stage == "quality" else ()

    @property
    def expected(self) -> str:
        """What an answer must be, as a person is told."""
        if self.reply is None:
            return f"one of the words {', '.join(self.choices)}"
        return f"JSON with {', '.join(_said_of(*one) for one in self.reply.model_fields.items())}, and nothing else"


def _said_of(name: str, field: FieldInfo) -> str:
    inner = [one for one in get_args(field.annotation) if isinstance(one, type) and issubclass(one, BaseModel)]
    return f"{name} (a list, each with {' and '.join(inner[0].model_fields)})" if inner else name


@lru_cache
def strict_schema(reply: type[BaseModel]) -> dict[str, Any]:
    """As ``response_format`` takes it."""
    schema = {"name": reply.__name__, "strict": True, "schema": reply.model_json_schema()}
    return {"type": "json_schema", "json_schema": schema}


@lru_cache
def schema_characters(reply: type[BaseModel]) -> int:
    """Length of the schema as servers show it to the model."""
    return len(json.dumps(strict_schema(reply)))


def language_note(*texts: str | None) -> str:
    """A remark when most letters are of another script than English has; empty otherwise.

    A draft in another language is kept: people will see it and write it anew.

    >>> language_note("Die Hand hat sechs Finger."), language_note("手有六根手指")
    ('', 'not in Latin script')
    """
    letters = [letter for text in texts for letter in text or "" if letter.isalpha()]
    other = sum(not unicodedata.name(letter, "").startswith(("LATIN", "FULLWIDTH LATIN")) for letter in letters)
    return "not in Latin script" if other * 2 > len(letters) else ""
