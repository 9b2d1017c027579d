"""What a run was asked with: which of the two prompt styles, and whether other words stood around its questions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from qreal_tasks.benchmark import GROUPS, LEAVES, PromptFrame, Style, frame_of, imageqa_prompt, objectqa_prompt
from qreal_tasks.boxes import Space
from qreal_tasks.records import JudgmentRecord, Record
from qreal_tasks.results.run_folder import Run, TaskRun

STYLE_LABELS: Mapping[Style, str] = {
    Style.BENCHMARK: "the benchmark's prompts",
    Style.PAPER: "the paper's bare queries",
}
"""What a style is called in tables and on pages."""

_SHOWN = 100
"""Characters of a pre-prompt or post-prompt in a message."""


def describe_prompts(run: Run) -> str:
    """Style, group of tasks and version of the prompts of a run: ``the benchmark's prompts (qreal), version 2``."""
    versions = sorted({record.prompt_version for record in run.records})
    return f"{STYLE_LABELS[run.style]} ({GROUPS[run.style]}), version {', '.join(versions) or 'unknown'}"


def render_prompt(record: Record) -> str:
    """The text that went with the picture of a sample.

    Raises:
        ValueError: the record's box space is none of ``Space``.
    """
    frame = PromptFrame(record.pre_prompt, record.post_prompt)
    if isinstance(record, JudgmentRecord):
        return objectqa_prompt(record.question, frame)
    return imageqa_prompt(record.set_name, Space(record.space), record.width, record.height, frame)


@dataclass(frozen=True)
class OtherPrompt:
    """Samples whose pre-prompt or post-prompt is not the one of their style."""

    field: str
    """``pre_prompt`` or ``post_prompt``."""
    found: str
    expected: str
    tasks: tuple[str, ...]
    samples: int

    def __str__(self) -> str:
        more = f" and {len(self.tasks) - 1} other tasks" if len(self.tasks) > 1 else ""
        return (
            f"{self.field} is {quote_difference(self.found, self.expected)} in {self.samples:,} samples of "
            f"{self.tasks[0]}{more}, expected {quote_difference(self.expected, self.found)}"
        )

    @property
    def verdict(self) -> str:
        """What the numbers are still good for."""
        return f"a run with another {self.field} is comparable only with its like"


def find_other_prompts(tasks: Iterable[TaskRun]) -> list[OtherPrompt]:
    """Every pre-prompt and post-prompt that is not the one of its task's style, the most frequent first."""
    counted: dict[tuple[str, str, str], dict[str, int]] = {}
    for task in tasks:
        own = frame_of(*LEAVES[task.task])
        for record in task.records:
            for field, expected in (("pre_prompt", own.pre), ("post_prompt", own.post)):
                if (found := getattr(record, field)) != expected:
                    of_tasks = counted.setdefault((field, found, expected), {})
                    of_tasks[task.task] = of_tasks.get(task.task, 0) + 1
    every = [OtherPrompt(*words, tuple(of_tasks), sum(of_tasks.values())) for words, of_tasks in counted.items()]
    return sorted(every, key=lambda one: -one.samples)


def quote_difference(text: str, other: str) -> str:
    """The text in quotes; of a long one that begins like the other, the part in which they differ.

    >>> quote_difference("Yes or No?", ""), quote_difference("a" * 200 + "b", "a" * 200)
    ("'Yes or No?'", "'…aaaaaaaaaaaaaaaaaaaab'")
    """
    alike = min(len(other), len(text))
    start = next((place for place in range(alike) if other[place] != text[place]), alike)
    begin = max(0, start - 20) if len(text) > _SHOWN else 0
    end = begin + _SHOWN
    return repr(f"{'…' if begin else ''}{text[begin:end]}{'…' if end < len(text) else ''}")
