"""A chat server that answers from the weights of a folder, with log-probabilities, as vLLM does.

    with ScriptedServer(ServedWeights(folder), vocabulary=...) as server:
        ...  # OpenAIEngine(base_url=server.url) and TransformersEngine(folder) have the same model

What it writes is what ``transformers`` generates for the one question, unbatched.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from straightforward import Plain

from qreal_tasks.llm.scripted_server import Asked, Reply


@dataclass
class ServedWeights:
    """Answers requests from the model of ``folder``."""

    folder: Path
    lists_end: bool = True
    """Whether the token that ends an answer is listed, which vLLM does and OpenAI does not."""
    plain: Plain = field(init=False)

    def __post_init__(self) -> None:
        self.plain = Plain(self.folder)

    @property
    def vocabulary(self) -> dict[str, int]:
        """Tokens with their ids, in the marks of ``ScriptedServer``."""
        ids = self.plain.processor.tokenizer.get_vocab().values()
        return {self._decode([at]).replace(" ", "Ġ").replace("\n", "Ċ"): at for at in ids}

    def __call__(self, asked: Asked) -> Reply:
        body = asked.body
        written = self.plain.write(asked.image.convert("RGB"), asked.text, body["max_tokens"])
        ended = written.ids[-1] in self.plain.stops
        text = self._decode(written.ids[:-1] if ended else written.ids)
        shown = written.ids[:-1] if ended and not self.lists_end else written.ids
        count, wanted = body.get("top_logprobs", 0), body.get("logprob_token_ids")
        listed = [self._entry(token, p, count, wanted) for token, p in zip(shown, written.p, strict=False)]
        choice = {
            "message": {"role": "assistant", "content": text},
            "finish_reason": "stop" if ended else "length",
            "logprobs": {"content": listed} if body.get("logprobs") else None,
        }
        usage = {"prompt_tokens": written.prompt_tokens, "completion_tokens": len(written.ids)}
        return Reply({"choices": [choice], "usage": usage})

    def _entry(self, taken: int, p: np.ndarray, count: int, wanted: Sequence[int] | None) -> dict[str, Any]:
        """The wanted ids where they are given, the likeliest ones otherwise; the token taken always."""
        likeliest = np.argsort(-p)[:count].tolist()
        listed = list(dict.fromkeys([taken, *(wanted or likeliest)]))
        return {**self._token(taken, p), "top_logprobs": [self._token(one, p) for one in listed]}

    def _token(self, token: int, p: np.ndarray) -> dict[str, Any]:
        text = self._decode([token])
        return {"token": text, "logprob": max(math.log(p[token] or 1e-300), -9999.0), "bytes": list(text.encode())}

    def _decode(self, ids: Sequence[int]) -> str:
        return str(self.plain.processor.tokenizer.decode(ids, skip_special_tokens=False))
