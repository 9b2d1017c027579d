"""Tables that ship beside the code as YAML: lists of words, flaws, model families.

>>> load_table(Path(__file__).parents[1] / "mini" / "prompts.yaml")["cast"]["animal"]
['dog', 'cat', 'horse', 'sheep']
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def load_table(path: Path) -> Any:
    """The content of a YAML file of this package. What people write is read by ``yaml_files``, which explains errors.

    Libyaml's loader, where PyYAML has it, is ten times faster: tables are read whenever their module is imported.
    """
    return yaml.load(path.read_text(encoding="utf-8"), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def load_words(path: Path) -> dict[str, tuple[str, ...]]:
    """A YAML file of word lists: by name the words that stand there with blanks between, in their order."""
    return {name: tuple(words.split()) for name, words in load_table(path).items()}
