"""Tokens and money of a run.

>>> usage = Usage(prompt_tokens=1_000_000, cached_tokens=200_000, completion_tokens=1_000)
>>> round(usage.cost_usd(Prices(input=2.5, output=10.0, cached_input=1.25)), 2)
2.26
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qreal_tasks.files.yaml_files import read

_HIGHEST_PRICE = 10**6
"""A dollar a token: what is above it was meant otherwise, and may fit no float."""


@dataclass(frozen=True)
class Prices:
    """US dollars per million tokens."""

    input: float
    output: float
    cached_input: float | None = None
    """Price of prompt tokens the server had cached; the full input price when None."""

    @classmethod
    def of(cls, prices: Mapping[str, Any], model: str = "") -> Prices:
        """From ``{"input": 2.5, "cached_input": 1.25, "output": 10}``.

        Raises:
            ValueError: a name is missing or unknown, or a price is no number from 0 to ``_HIGHEST_PRICE``.
        """
        names = set(prices)
        if not {"input", "output"} <= names <= {"input", "output", "cached_input"}:
            raise ValueError(f"prices of {model or 'the model'}: {sorted(names)}, expected input, output, cached_input")
        for name, price in prices.items():
            if isinstance(price, bool) or not isinstance(price, int | float) or not 0 <= price <= _HIGHEST_PRICE:
                raise ValueError(
                    f"prices of {model or 'the model'}: {name} is {price!r:.80}, expected a number from 0 to "
                    f"{_HIGHEST_PRICE:,}"
                )
        return cls(**prices)


def load_prices(path: Path, model: str) -> Prices | None:
    """The price of ``model`` from a file like ``configs/eval/prices.yaml``; None when it is not listed.

    A dated snapshot (``gpt-4o-2024-11-20``) that is not listed costs what its family does.

    Raises:
        ValueError: the file cannot be read, or has another form.
    """
    listed = read(path).content
    models = listed.get("models") if isinstance(listed, dict) else None
    if not isinstance(models, dict):
        raise ValueError(f"{path}: expected `models:` with one entry per model")
    found = models.get(model) or models.get(re.sub(r"-\d{4}-\d{2}-\d{2}$", "", model))
    if found and not isinstance(found, dict):
        raise ValueError(f"{path}: {model} is {found!r:.80}, expected input, output and perhaps cached_input")
    return Prices.of(found, model) if found else None


@dataclass
class Usage:
    """Totals since the engine was made."""

    requests: int = 0
    """Answered by the model, refusals included."""
    prompt_tokens: int = 0
    """Cached ones included."""
    completion_tokens: int = 0
    cached_tokens: int = 0
    retries: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    """Requests left unanswered, by reason."""
    without_p: Counter[str] = field(default_factory=Counter)
    """Answers whose choices have no probabilities although they were asked for, by reason."""
    served_by: Counter[str] = field(default_factory=Counter)
    """Answers by the model and fingerprint that the server names: an alias can move during a run."""

    def add(self, completion: Mapping[str, Any]) -> None:
        """Count one completion; what a server does not report counts as none."""
        self.requests += 1
        served_by = f"{completion.get('model') or 'unnamed'} {completion.get('system_fingerprint') or ''}".strip()
        self.served_by[served_by] += 1
        spent = completion.get("usage")
        self.prompt_tokens += _tokens(spent, "prompt_tokens")
        self.completion_tokens += _tokens(spent, "completion_tokens")
        details = spent.get("prompt_tokens_details") if isinstance(spent, Mapping) else None
        self.cached_tokens += _tokens(details, "cached_tokens")

    def cost_usd(self, prices: Prices) -> float:
        """Dollars: fresh prompt tokens, cached ones and completion tokens, each at its price."""
        cached_price = prices.input if prices.cached_input is None else prices.cached_input
        fresh = self.prompt_tokens - self.cached_tokens
        total = fresh * prices.input + self.cached_tokens * cached_price + self.completion_tokens * prices.output
        return total / 1e6


def _tokens(counted: object, name: str) -> int:
    found = counted.get(name) if isinstance(counted, Mapping) else None
    return found if type(found) is int and 0 <= found < 2**63 else 0
