"""Which column of a file of predictions holds what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from qreal_tasks.predictions.names import fold
from qreal_tasks.tables.decoding import TableError
from qreal_tasks.text.one_line import one_line
from qreal_tasks.text.suggestions import suggest

_NAMES: dict[str, tuple[str, ...]] = {
    "id": ("id", "qreal_id", "sample_id", "custom_id", "prompt_id"),
    "entity_id": ("entity_id", "entity"),
    "image_id": ("image_id",),
    "name": ("question", "question_name", "set", "set_name", "task", "task_name"),
    "text": (
        *("prediction", "predictions", "response", "responses", "raw", "raw_text", "text", "output", "completion"),
        *("generated_text", "generation", "model_output", "model_answer", "model_response", "pred"),
    ),
    "p_yes": ("p_yes", "P(Yes)", "prob_yes", "yes_prob", "probability_yes", "p_of_yes"),
    "mass": ("mass",),
    "space": ("box_space", "space"),
    "width": ("input_width",),
    "height": ("input_height",),
    "input_size": ("input_size",),
    "messages": ("messages",),
    "images": ("images",),
}
"""What a column is for, and what it may be called in any case and with any blanks or marks between the words."""
_SEVERAL = ("id", "name")
"""Of these a row may have several, of which those count that say something."""
_REFERENCES = ("answer", "reference", "label", "labels", "ground_truth", "gt", "target")
_ROLE_OF = {fold(name): role for role, names in _NAMES.items() for name in names}


@dataclass(frozen=True)
class PredictionColumns:
    """The headings of a file by what their columns hold; of most there is one or none."""

    id: tuple[str, ...] = ()
    entity_id: tuple[str, ...] = ()
    image_id: tuple[str, ...] = ()
    name: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    p_yes: tuple[str, ...] = ()
    mass: tuple[str, ...] = ()
    space: tuple[str, ...] = ()
    width: tuple[str, ...] = ()
    height: tuple[str, ...] = ()
    input_size: tuple[str, ...] = ()
    messages: tuple[str, ...] = ()
    images: tuple[str, ...] = ()

    @property
    def used(self) -> set[str]:
        """All of them."""
        return {heading for one in fields(self) for heading in getattr(self, one.name)}


def fits(headings: Sequence[str]) -> bool:
    """Whether these are headings of predictions: an answer, and something to know the sample by."""
    roles = {_ROLE_OF.get(fold(heading)) for heading in headings}
    return "text" in roles and bool(roles & {"id", "entity_id", "image_id", "messages"})


def find_columns(headings: Sequence[str], where: str) -> PredictionColumns:
    """Find the columns of a file.

    Args:
        where: the file, for messages.

    Raises:
        TableError: there is no text or no id, or two columns could be the same thing.
    """
    by_role: dict[str, list[str]] = {}
    for heading in headings:
        if role := _ROLE_OF.get(fold(heading)):
            by_role.setdefault(role, []).append(heading)
    for role, found in by_role.items():
        if len(found) > len(set(found)):
            raise TableError(f"{where}: two columns are called {found[0]!r}, expected one; rename the other")
        if len(found) > 1 and role not in _SEVERAL:
            raise TableError(
                f"{where}: columns {' and '.join(map(repr, found))} could both be {_words(role)}; keep one, or rename "
                "the others"
            )
    if "text" not in by_role:
        raise TableError(f"{where}: no column of answers; {_no_text(headings)}")
    if not by_role.keys() & {"id", "entity_id", "image_id", "messages"}:
        raise TableError(
            f"{where}: nothing to know a sample by; expected entity_id and question, image_id and set, or the id that "
            f"`qreal data prompts` writes. Found the columns {_listed(headings)}"
        )
    return PredictionColumns(**{role: tuple(found) for role, found in by_role.items()})


def _words(role: str) -> str:
    return {"text": "the model's text", "p_yes": "P(Yes)"}.get(role, role)


def _no_text(headings: Sequence[str]) -> str:
    found = f"found the columns {_listed(headings)}"
    reference = next((heading for heading in headings if heading.strip().casefold() in _REFERENCES), None)
    if reference is not None:
        return f"{found}, of which {reference!r} may be the reference; call the model's own text `prediction`"
    if len(headings) == 1:
        return f"{found} alone; if another character separates the cells, save the file as .csv with commas"
    near = next((end for one in headings if (end := suggest(one, _NAMES["text"])) != "."), "")
    return f"{found}, expected `prediction`{near}"


def _listed(headings: Sequence[str]) -> str:
    return one_line(", ".join(heading or "(no name)" for heading in headings), 200) or "(none)"
