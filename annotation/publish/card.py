"""Renders the dataset card: README.md with the front matter that the hub and ``datasets`` read."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from annotation.merging import fields, parts
from annotation.merging.agreement import DROP, AgreementReport
from annotation.publish.annotation_rows import CONFIG as ANNOTATIONS
from annotation.publish.config import NOT_STATED, PublishConfig
from annotation.publish.counts import ProvenanceCounts, PublishedCounts
from annotation.publish.split import Split
from qreal_tasks.benchmark import PROMPT_VERSION, QUESTIONS, Dimension
from qreal_tasks.dataset.drawn import CARD_KEY, CARD_VALUE
from qreal_tasks.dataset.schema import CONFIGS, SPLITS
from qreal_tasks.files.regular import read_text
from qreal_tasks.metrics.bootstrap import LEVEL
from qreal_tasks.mini.prompts import GENERATORS
from qreal_tasks.pages.numbers import decimals, whole, with_interval

_SIZES = (("n<1K", 1_000), ("1K<n<10K", 10_000), ("10K<n<100K", 100_000), ("100K<n<1M", 1_000_000))
_ALWAYS_COUNTED = (fields.UNCHANGED, fields.ONE_EDIT, fields.COMBINED_BY_RULE, fields.COMBINED_BY_MODEL)
_RULES = (
    *_ALWAYS_COUNTED,
    parts.INTEGRATED_BY_RULE,
    parts.INTEGRATED_BY_MODEL,
    fields.EMPTIED,
    fields.TAKEN_AWAY,
    fields.ADJUDICATED,
)
"""How a description is made, in the order of the card."""
_DRAWING = frozenset(generator.name for generator in GENERATORS)
"""Pretend generators of ``qreal mini``: a set with their pictures says that it was drawn, so that no board takes it."""

_NOWHERE = "DIR"
"""Stands in the card for where the set is, until it is pushed."""


@dataclass(frozen=True)
class CardFacts:
    """Everything that the dataset card states."""

    config: PublishConfig
    splits: Mapping[str, PublishedCounts]
    split: Split
    seed: int
    provenance: ProvenanceCounts
    agreement: AgreementReport
    states: Mapping[str, int]
    """Drafted entities by what became of them."""
    adjudicated: int
    """Final or dropped by an adjudicator's vote."""
    least_votes: int | None
    """``--min-votes`` of the merge."""
    combined: str | None
    """The model, with its prompts, that combined several edits and integrated body parts."""
    repository: str | None

    @property
    def rules(self) -> list[tuple[str, dict[str, int]]]:
        """How descriptions were made: rule, and dimension to entities; also 0 of the usual ones."""
        counted = sum((counts.rules for counts in self.splits.values()), Counter[tuple[str, str]]())
        rows = [(rule, {str(one): counted[rule, str(one)] for one in Dimension}) for rule in _RULES]
        return [(rule, row) for rule, row in rows if rule in _ALWAYS_COUNTED or any(row.values())]

    @property
    def entities(self) -> int:
        return sum(counts.entities for counts in self.splits.values())


def name_repository(path: Path, repository: str) -> bool:
    """Put the repository into a card that was written for no place in particular; returns whether it was changed."""
    text = read_text(path)
    named = text.replace(f'load_dataset("{_NOWHERE}",', f'load_dataset("{repository}",')
    named = named.replace(f"QREAL_DATA={_NOWHERE} ", f"QREAL_DATA={repository} ")
    if named == text:
        return False
    path.write_text(named, encoding="utf-8", newline="\n")
    return True


def render_card(facts: CardFacts) -> str:
    """Render the text of README.md."""
    template = _environment().get_template("card.md.j2")
    return template.render(
        facts=facts,
        config=facts.config,
        splits=facts.splits,
        front_matter=_front_matter(facts),
        generators=_generators(facts),
        questions=QUESTIONS,
        dimensions=[str(dimension) for dimension in Dimension],
        drop=DROP,
        level=round(100 * LEVEL),
        prompt_version=PROMPT_VERSION,
        where=facts.repository or _NOWHERE,
    )


def find_unlicensed(config: PublishConfig, splits: Mapping[str, PublishedCounts]) -> list[str]:
    """Find the generators whose images have no licence in the config."""
    return sorted({name for counts in splits.values() for name in counts.generators} - config.generators.keys())


def _front_matter(facts: CardFacts) -> str:
    config = facts.config
    fields_of_card: dict[str, Any] = {
        "pretty_name": config.title,
        "license": config.license,
        **({"license_name": config.license_name} if config.license_name else {}),
        "language": config.language,
        "size_categories": [_size(facts.entities)],
        "task_categories": ["visual-question-answering", "object-detection", "image-text-to-text"],
        "tags": ["qreal-bench", "generated-images", "image-quality", "realism", "plausibility"],
        **(
            {CARD_KEY: CARD_VALUE}
            if any(_DRAWING & counts.generators.keys() for counts in facts.splits.values())
            else {}
        ),
        "configs": [
            {
                "config_name": name,
                "data_files": [{"split": split, "path": f"data/{name}/{split}-*.parquet"} for split in SPLITS],
            }
            for name in (*CONFIGS, ANNOTATIONS)
        ],
    }
    return yaml.safe_dump(fields_of_card, sort_keys=False, allow_unicode=True).rstrip()


def _size(rows: int) -> str:
    """The hub's category for so many rows.

    >>> _size(999), _size(17_879)
    ('n<1K', '10K<n<100K')
    """
    return next((name for name, limit in _SIZES if rows < limit), "1M<n<10M")


def _generators(facts: CardFacts) -> Sequence[tuple[str, list[int], str]]:
    names = sorted({name for counts in facts.splits.values() for name in counts.generators})
    return [
        (
            name,
            [facts.splits[split].generators[name] for split in SPLITS],
            facts.config.generators.get(name, NOT_STATED),
        )
        for name in names
    ]


def _environment() -> Environment:
    # Markdown, not HTML: ``escape_cell`` escapes for it.
    found = Environment(
        loader=PackageLoader("annotation", "publish"),
        autoescape=False,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters |= {"cell": escape_cell, "number": whole, "share": decimals}
    found.filters["ends"] = lambda estimate: with_interval(estimate.value, estimate)
    return found


def escape_cell(value: object) -> str:
    """Escape text of others for one line of Markdown: shown as it is, whatever it holds.

    >>> escape_cell("a|b <i> [x](y)")
    'a\\\\|b &lt;i&gt; \\\\[x\\\\](y)'
    """
    return re.sub(r"([\\\\`*_{}\[\]|#!~])", r"\\\1", html.escape(" ".join(str(value).split()), quote=False))
