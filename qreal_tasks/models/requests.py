"""A question to a model about a picture, and the answer: what every engine takes and gives.

The same answer of the same model is one ``Response``, whether the model runs on this machine or behind a server, and
whatever else is asked beside it, before it, or in a run that died. For ``Request("Is it real?", ("Yes", "No"))``, where
the probabilities at the token "Yes" are .6 for "Yes", .1 for " yes" and .2 for "No":

============================  ============================  ==========  ====  ===================
the model writes              text                          p           mass  no_p or unanswered
============================  ============================  ==========  ====  ===================
Yes                           Yes                           .778, .222  .9
Yes, because it has a seam.   Yes, because it has a seam.   .778, .222  .9
The answer is **Yes**         The answer is **Yes**         .778, .222  .9
No seam is visible. Yes       No seam is visible. Yes       .778, .222  .9
Yes. Wait, no.                Yes. Wait, no.                                  no_p: no verdict
nothing                                                                       empty answer
============================  ============================  ==========  ====  ===================
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from PIL import Image

from qreal_tasks.answers import read_declared_marks

REQUEST_FAILED = "request failed"
"""``Response.unanswered`` begins with it when no answer came, so that the same question is to be asked again."""

SCORED_VERSION = 2
"""Changes when other text, P or mass is recorded of the same answer to a request with choices; part of every key under
which such an answer is stored."""


def identify_reading() -> dict[str, Any]:
    """What P depends on beside model and request, for an engine's identity: the declared marks of reasoning."""
    marks = read_declared_marks()
    return {"reasoning_marks": marks} if marks else {}


@dataclass(frozen=True)
class Request:
    """One question to a model about one picture."""

    image: Image.Image
    text: str
    choices: tuple[str, ...] = ()
    """What the answer is to be one of: P over these is asked for too."""
    max_new_tokens: int = 16
    """The answer is cut off behind so many. With 1, "Yes" is all that is known of "Yes, or rather no"."""


@dataclass(frozen=True)
class Response:
    """What the model said, and what the engine knows beside it."""

    text: str
    """All that the model wrote, up to the end of its turn or ``max_new_tokens``, as it wrote it.

    A mark by which the chat template opens reasoning stands before it where the engine knows the template: on this
    machine. What a server takes out of the text (reasoning, special tokens) is not in it."""
    choices: tuple[str, ...] = ()
    p: tuple[float, ...] | None = None
    """Probability of each choice, normalised over the choices, at the token by which ``text`` commits itself to one
    (``answers.find_answer_token``), whatever stands before or behind it; never of another token.

    A choice's probability is the sum over the tokens that spell it: whatever their case and the blanks around them. On
    this machine those are all such tokens of the vocabulary; of a server, all that it lists: by their ids where it
    takes them, else among the likeliest, 20 mostly, where one that is not listed counts as impossible."""
    mass: float | None = None
    """What the spellings of all choices cover together before normalising, at most 1; given wherever ``p`` is."""
    no_p: str | None = None
    """Why there is an answer to a request with choices and no ``p``: the text commits itself to none of them, the
    answer's word is no token of its own, or a server gives no probabilities that can be used."""
    input_size: tuple[int, int] | None = None
    """Width and height that the model was fed, where the engine knows them: on this machine always, behind a server
    where the client resizes (``Space.RESIZED_PIXELS``). Backends report them in that space alone, which needs them."""
    unanswered: str | None = None
    """Why there is no answer, a blank one included."""

    def beside(self) -> str | None:
        """The second string of a harness response (``answers.parse_scores``), None when there is nothing."""
        report: dict[str, Any] = {}
        if self.p is not None:
            report |= {"choices": list(self.choices), "p": list(self.p)}
            if self.mass is not None:
                report["mass"] = self.mass
        if self.no_p is not None:
            report["no_p"] = self.no_p
        if self.input_size is not None:
            report["input_size"] = list(self.input_size)
        if self.unanswered is not None:
            report["unanswered"] = self.unanswered
        return json.dumps(report) if report else None
