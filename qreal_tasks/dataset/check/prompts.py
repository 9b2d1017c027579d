"""One prompt in both splits, by its id or by its text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from qreal_tasks.dataset.check.problem import DatasetProblem
from qreal_tasks.dataset.check.rows import Row
from qreal_tasks.text.prompts import normalize_prompt

_WHY = "split by prompt, so that no model is tested on a prompt it was trained on"


@dataclass(frozen=True)
class _Place:
    """The first row of a prompt."""

    split: str
    prompt_id: str
    shown: str


@dataclass
class Prompts:
    """The prompts met so far. Each is told once: by its id, and by its text where the ids differ."""

    _by_id: dict[str, _Place] = field(default_factory=dict)
    _by_text: dict[str, _Place] = field(default_factory=dict)
    _told: set[tuple[str, str]] = field(default_factory=set)

    def problems(self, config: str, split: str, number: int, item: str, row: Row) -> Iterator[DatasetProblem]:
        """Enter a row, and say which row has its prompt in another split.

        Args:
            config, split, number, item: where the row is, for the message.
            row: rows of objectqa have no ``prompt``, only its id; nulls are reported elsewhere.
        """
        prompt_id: Any = row["prompt_id"]
        if prompt_id is None:
            return

        def problem(message: str) -> DatasetProblem:
            return DatasetProblem(config, split, number, item, "prompt in both splits", f"{message}; {_WHY}")

        place = _Place(split, prompt_id, f"{config}/{split} row {number}, {item}")
        first = self._by_id.setdefault(prompt_id, place)
        if first.split != split and self._is_new("id", prompt_id):
            yield problem(f"prompt {prompt_id} is in {first.split} ({first.shown}) and in {split}")
        text = normalize_prompt(row.get("prompt") or "")
        first = self._by_text.setdefault(text, place)
        if text and first.split != split and first.prompt_id != prompt_id and self._is_new("text", text):
            ids = f"{prompt_id} here, {first.prompt_id} there"
            yield problem(f"the prompt is that of {first.shown}, under another prompt_id ({ids})")

    def _is_new(self, what: str, key: str) -> bool:
        is_new = (what, key) not in self._told
        self._told.add((what, key))
        return is_new
