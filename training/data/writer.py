"""The conversations of a run's tasks, with their tokens counted before any picture is processed."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from datasets import Dataset
from PIL import Image as PillowImage

from qreal_tasks.dataset.loading import load_split
from qreal_tasks.dataset.source import Source
from qreal_tasks.images import LARGEST_RATIO, with_sides_in_range
from qreal_tasks.models.local.chat import Chat, count_shared
from training.config import ConfigError, TrainConfig
from training.data import conversations
from training.data.captions import Cleaner
from training.data.conversations import BoxFrame, Conversation, Exchange
from training.data.families import TunedFamily
from training.data.round_trip import RoundTrip
from training.model import Outline
from training.tasks import BOXES, TASKS

BENCHMARK_MAX_NEW_TOKENS = 2048
"""Where the benchmark cuts an ImageQA answer (``harness/tasks/_imageqa``)."""

LENGTH = "length"
"""Column with the tokens of a sequence, for grouping by length."""


@dataclass
class Counts:
    """What one part of the data holds."""

    pictures: int = 0
    sequences: int = 0
    questions: int = 0
    picture_tokens: int = 0
    tokens: int = 0
    """Tokens of the sequences, pictures and answers included."""
    tokens_apart: int = 0
    """If every question were a sequence of its own."""
    answer_tokens: int = 0
    """All that is learnt: answers with their end of turn."""
    longest: int = 0
    """Tokens of the longest sequence."""
    longest_answer: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    """By question, how many of each answer; only for Yes or No."""


class _AnswerTokens(NamedTuple):
    """How many tokens an answer has with its end of turn."""

    tokens: int
    lost: tuple[str, ...]
    """Characters that the tokens do not hold."""


class ConversationWriter:
    """Writes the conversations of rows, and counts their tokens without processing a picture."""

    def __init__(self, config: TrainConfig, source: Source, outline: Outline) -> None:
        self._config = config
        self._family: TunedFamily = outline.family
        self._chat = Chat(outline.processor)
        self._longest_possible = outline.config.get_text_config().max_position_embeddings
        self._issues: Mapping[str, Mapping[str, str]] = {}
        self._portraits: frozenset[str] = frozenset()
        self._round_trip = RoundTrip(self._chat.tokenizer)
        self._lost_of_prompt = functools.cache(self._round_trip.find_lost)
        self.cleaner = Cleaner(self._chat.tokenizer)
        self.lost: dict[str, tuple[str, ...]] = {}
        """Characters that the tokenizer does not know, by the row and the question that hold them."""
        self.dropped = 0
        self.stretched = 0
        self._answer = functools.cache(self._count_answer)
        self._picture_tokens = functools.cache(self._count_picture)
        self._input_size = functools.cache(self._feed)
        if {"filter", "describe"} & set(config.tasks):
            images = list(load_split(source, "imageqa", "train").remove_columns("image"))
            apart = Cleaner(self._chat.tokenizer)  # these captions are counted with the crops
            self._issues = conversations.collect_issues([apart.clean(row) for row in images], config.sets)
            self._portraits = frozenset(row["image_id"] for row in images if conversations.is_portrait(row))

    def write(self, shown: str, at: int, row: Mapping[str, Any]) -> list[Conversation]:
        """Write what the tasks ask about a row: for each, one conversation when packed, else one a question.

        Args:
            shown: the config of the dataset that the row is of.
            at: its number in the split.
        """
        row = self.cleaner.clean(row)
        if max(row["width"], row["height"]) > LARGEST_RATIO * min(row["width"], row["height"]):
            self.stretched += 1
        made = []
        for task in (task for task in self._config.tasks if TASKS[task].rows == shown):
            exchanges = [exchange for exchange in self._exchanges(task, row) if self._fits(task, row, exchange)]
            groups = [exchanges] if self._config.packs(task) else [[exchange] for exchange in exchanges]
            made += [Conversation(task, at, _size(row), tuple(group)) for group in groups if group]
        return made

    def count(self, made: Sequence[Conversation]) -> Counts:
        """Sum over conversations."""
        found = Counts(pictures=len({(TASKS[one.task].rows, one.row) for one in made}), sequences=len(made))
        for conversation in made:
            picture = self._picture_tokens(conversation.size)
            length, apart = self._length(conversation)
            found.questions += len(conversation.exchanges)
            found.picture_tokens += picture
            found.tokens += length
            found.tokens_apart += apart
            found.longest = max(found.longest, length)
            for exchange in conversation.exchanges:
                answer = self._answer(exchange).tokens
                found.answer_tokens += answer
                found.longest_answer = max(found.longest_answer, answer)
                if exchange.answer in ("Yes", "No"):
                    found.answers[f"{exchange.name} {exchange.answer}"] += 1
        return found

    def to_dataset(self, made: Sequence[Conversation]) -> Dataset:
        """Make a row of each conversation: task, row in the split, names, prompts, the model's turns, and tokens."""
        rows = [
            {
                "task": conversation.task,
                "row": conversation.row,
                "names": [e.name for e in conversation.exchanges],
                "prompts": [e.prompt for e in conversation.exchanges],
                "answers": [self._family.answer(e.answer) for e in conversation.exchanges],
                LENGTH: self._length(conversation)[0],
            }
            for conversation in made
        ]
        return Dataset.from_list(rows)

    def _exchanges(self, task: str, row: Mapping[str, Any]) -> list[Exchange]:
        config = self._config
        if task == "objectqa":
            return conversations.ask_objectqa(row, config.questions, config.prompts)
        if TASKS[task].answers is BOXES:
            frame = BoxFrame(self._family.box_space, self._input_size(_size(row)))
            if task == "detect":
                return conversations.ask_detect(row, frame)
            return conversations.ask_imageqa(row, config.sets, frame, config.prompts)
        issues = self._issues.get(row["entity_id"], {})
        if task == "describe":
            return conversations.ask_describe(row, config.sets, issues)
        return conversations.ask_filter(row, config.sets, issues, row["image_id"] in self._portraits)

    def _fits(self, task: str, row: Mapping[str, Any], exchange: Exchange) -> bool:
        """Whether a question with its answer is short enough for the model and the config; what it loses is noted."""
        length = len(self._chat.plain_ids(exchange.prompt)) - 1 + self._picture_tokens(_size(row))
        length += self._answer(exchange).tokens
        most = min(self._config.max_tokens or self._longest_possible, self._longest_possible)
        name = f"{row.get('entity_id', row['image_id'])}, {self._config.prefix(task)}{exchange.name}"
        if length <= most:
            if lost := (*self._lost_of_prompt(exchange.prompt), *self._answer(exchange).lost):
                self.lost[name] = lost
            return True
        if self._config.over_length == "drop":
            self.dropped += 1
            return False
        whose = f"max_tokens={most}" if most == self._config.max_tokens else f"the model's {most} positions"
        raise ConfigError(
            f"{name}: {length} tokens with its answer, more than {whose}. Nothing is cut, since that "
            "would cut the answer: raise max_tokens, lower max_pixels or max_patches, or set over_length: drop"
        )

    def _length(self, conversation: Conversation) -> tuple[int, int]:
        """Tokens of the conversation as one sequence, and as one a question."""
        rows = [self._chat.plain_ids(exchange.prompt) for exchange in conversation.exchanges]
        answers = sum(self._answer(exchange).tokens for exchange in conversation.exchanges)
        picture = self._picture_tokens(conversation.size) - 1  # the placeholder stands for it
        apart = sum(len(row) + picture for row in rows) + answers
        if len(rows) == 1:
            return apart, apart
        shared = count_shared(rows)
        return shared + picture + sum(len(row) - shared for row in rows) + answers, apart

    def _count_answer(self, exchange: Exchange) -> _AnswerTokens:
        answer = self._family.answer(exchange.answer)
        ids = self._chat.answer_ids(exchange.prompt, answer)
        return _AnswerTokens(len(ids), self._round_trip.find_lost(answer, ids))

    def _count_picture(self, size: tuple[int, int]) -> int:
        width, height = with_sides_in_range(PillowImage.new("1", size)).size
        return self._chat.picture_tokens(width, height)

    def _feed(self, size: tuple[int, int]) -> tuple[int, int]:
        """What the processor feeds the model for a picture of this size, by feeding it one."""
        return self._chat.ask(with_sides_in_range(PillowImage.new("RGB", size)), ["?"]).input_size


def _size(row: Mapping[str, Any]) -> tuple[int, int]:
    return row["width"], row["height"]
