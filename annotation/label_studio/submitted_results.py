"""The results of an annotation, by the names of the page's elements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from annotation.label_studio.page import BOX, DROP, LABEL, PART
from qreal_tasks.benchmark import BODY_PARTS, QUESTION_NAMES, Dimension
from qreal_tasks.text.one_line import one_line

Json = Mapping[str, Any]

_NAMES = frozenset((BOX, DROP, LABEL, *QUESTION_NAMES, *(f"{dimension}_description" for dimension in Dimension)))
_NAMES |= {f"{PART}{number}" for number in range(len(BODY_PARTS))}
"""What the page asks for."""


class SubmittedResults:
    """What was submitted for every element of the page.

    Raises:
        ValueError: from ``one_of`` and ``text``, when what stands there cannot be read.
    """

    def __init__(self, results: Sequence[Json]) -> None:
        self._by_name: dict[str, list[Json]] = {}
        for result in results:
            self._by_name.setdefault(str(result.get("from_name")), []).append(result)

    @property
    def boxes(self) -> Sequence[Json]:
        """The results of the box's element, as they are."""
        return self._by_name.get(BOX, ())

    @property
    def unknown(self) -> list[str]:
        """Names that the page does not have."""
        return sorted(self._by_name.keys() - _NAMES)

    def one_of(self, name: str, choices: Sequence[str]) -> str | None:
        """The one choice that was made; None for none."""
        chosen = self._texts(name, "choices")
        if not chosen:
            return None
        if len(chosen) > 1 or chosen[0] not in choices:
            raise ValueError(f"{name} is {', '.join(chosen)}, expected one of {', '.join(choices)}")
        return chosen[0]

    def text(self, name: str) -> str:
        """The text that was left; empty for none. A text that was sent twice is one."""
        texts = dict.fromkeys(text.strip() for text in self._texts(name, "text"))
        # Half a surrogate pair has no UTF-8, and no parquet file could hold it.
        return "\n".join(texts).strip().encode(errors="replace").decode()

    def _texts(self, name: str, key: str) -> list[str]:
        """All that was submitted under a name: Label Studio sends a list, or a single text."""
        found = list[str]()
        for result in self._by_name.get(name, ()):
            value = result.get("value")
            texts = value.get(key, []) if isinstance(value, Mapping) else None
            if isinstance(texts, str):
                texts = [texts]
            if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
                raise ValueError(f"{name} holds {one_line(repr(value), 60)}, expected {key}")
            found += texts
        return found
