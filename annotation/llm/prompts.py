"""Prompts are YAML files with a version; a title names one beyond doubt.

>>> load_prompt("entities").title.partition("@")[0]
'entities'
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import lru_cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from pydantic import Field

from annotation.errors import AnnotationError, add_hint
from qreal_tasks.files.settings import Settings
from qreal_tasks.files.yaml_models import load_yaml

_PLACE = re.compile(r"\{([a-z_]+)\}")


class Prompt(Settings):
    """What the model is told. ``{name}`` in ``user`` is filled in; what comes from outside is quoted as data."""

    name: str = Field(pattern=r"^[a-z0-9_-]+$")
    version: int = Field(ge=1)
    system: str
    user: str

    @property
    def title(self) -> str:
        """``name@version:digits``; the digits change with any word of the prompt."""
        words = json.dumps([self.system, self.user])
        return f"{self.name}@{self.version}:{hashlib.sha256(words.encode()).hexdigest()[:8]}"

    def fill(self, **values: str) -> str:
        """The user message with every place filled in.

        Raises:
            AnnotationError: the prompt has a place for something that the stage does not give.
        """
        unknown = set(_PLACE.findall(self.user)) - values.keys()
        if unknown:
            raise AnnotationError(
                f"prompt {self.name} has a place {{{min(unknown)}}}, expected only {', '.join(sorted(values))}"
            )
        return _PLACE.sub(lambda found: values[found[1]], self.user)


def quoted(text: str) -> str:
    """The text as a JSON string: it cannot close its quotes, whatever it holds.

    >>> quoted('a "cat"')
    '"a \\\\"cat\\\\""'
    """
    return json.dumps(text, ensure_ascii=False)


@lru_cache
def load_prompt(name_or_path: str) -> Prompt:
    """The packaged prompt of that name, or the one in a .yaml file.

    Raises:
        AnnotationError: there is none, or it is not as expected.
    """
    file: Path | Traversable = resources.files("annotation") / "prompts" / f"{name_or_path}.yaml"
    if re.search(r"[/\\]|\.ya?ml$", name_or_path):
        file = Path(name_or_path).expanduser()
    expected = "expected entities, quality, judgment, parts, merge, combine or the path of a .yaml file"
    with add_hint(expected):
        return load_yaml(file, Prompt, f"prompt {name_or_path}", AnnotationError)
