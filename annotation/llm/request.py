"""A question to the language model: what its answer depends on, and the body that is sent.

A request is cheap until it is sent: its pictures are cut and encoded only when the cache does not hold the answer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from PIL import Image

from annotation.config import LanguageModel, View
from annotation.llm.outcome import Outcome, give_up, read_outcome
from annotation.llm.replies import Form, schema_characters, strict_schema
from annotation.llm.tokens import Tokens, image_tokens, shown_size
from qreal_tasks.llm.errors.retry import RetryDecision
from qreal_tasks.llm.options import RequestOptions
from qreal_tasks.models.server.pictures import data_url

_FORM = 1
"""Changes when the same request is rendered differently."""


@dataclass(frozen=True)
class Shown:
    """A picture of a request."""

    identity: Mapping[str, Any]
    """What its pixels depend on: image and box."""
    size: tuple[int, int]
    """Width and height before it is scaled."""
    view: View
    pixels: Callable[[], Image.Image]

    def part(self) -> dict[str, Any]:
        """The picture as a message holds it."""
        image = self.pixels()
        size = shown_size(*image.size, self.view)
        if size != image.size:
            image = image.resize(size, Image.Resampling.LANCZOS)
        url = data_url(image, self.view.format)
        return {"type": "image_url", "image_url": {"url": url, "detail": self.view.detail}}

    @property
    def tokens(self) -> int:
        return image_tokens(*shown_size(*self.size, self.view), self.view.detail)


class _Replies:
    """Reading of the replies to a question of one form."""

    form: Form

    def read(self, completion: object) -> Outcome:
        return read_outcome(completion, self.form)

    def give_up(self, decision: RetryDecision) -> Outcome:
        return give_up(decision)


@dataclass(frozen=True)
class Submitted(_Replies):
    """A request of a batch, as far as its answer needs it."""

    key: str
    form: Form
    item_id: str


@dataclass(frozen=True)
class ModelRequest(_Replies):
    """What is asked about one item."""

    model: LanguageModel
    form: Form
    item_id: str
    prompt_title: str
    system: str
    user: str
    pictures: tuple[Shown, ...] = ()

    @cached_property
    def key(self) -> str:
        """SHA-256 over all that the answer depends on: never the name of a file, nor the place in the run."""
        asked = {
            "form": _FORM,
            "model": [self.model.model, self.model.base_url, self.model.temperature, self.model.seed],
            "messages": [self.system, self.user],
            "pictures": [[dict(one.identity), one.view.model_dump()] for one in self.pictures],
            "reply": self.schema or list(self.form.choices),
            "max_tokens": self.form.max_tokens,
        }
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()

    @cached_property
    def schema(self) -> dict[str, Any] | None:
        return None if self.form.reply is None else strict_schema(self.form.reply)

    def messages(self) -> list[dict[str, Any]]:
        """System, then pictures and text; the pictures are encoded here."""
        text = {"type": "text", "text": self.user}
        return [
            {"role": "system", "content": self.system},
            {"role": "user", "content": [*(one.part() for one in self.pictures), text]},
        ]

    def body(self, messages: list[dict[str, Any]], options: RequestOptions) -> dict[str, Any]:
        """What is sent, with the options that the server takes."""
        scored, most = bool(self.form.choices), self.form.max_tokens
        return options.body(self.model.model, messages, most, scored=scored, schema=self.schema)

    def most_tokens(self, characters_a_token: float) -> Tokens:
        """Tokens of the call with the longest possible answer."""
        return self.estimate(characters_a_token, self.form.max_tokens)

    def estimate(self, characters_a_token: float, output_tokens: float) -> Tokens:
        """Tokens of the call; the schema is counted too, since servers show it to the model."""
        schema = 0 if self.form.reply is None else schema_characters(self.form.reply)
        text = (len(self.system) + len(self.user) + schema) / characters_a_token
        return Tokens(text + sum(one.tokens for one in self.pictures), output_tokens)
