"""Rows of a plan as batches: pictures are decoded and processed here, in the workers that load data ahead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import torch
from datasets import Dataset
from PIL import Image

from qreal_tasks.images import as_rgb, with_sides_in_range
from qreal_tasks.models.local.chat import Chat
from training.config import ConfigError
from training.data.packing import IGNORED, PackedQuestions, make_batch, pack
from training.data.round_trip import RoundTrip
from training.tasks import TASKS

TASK = "task"
"""Key of a batch of several tasks: the number of each sequence's task among them, shape (sequences,)."""


class Collator:
    """Makes a batch of rows of ``TrainPlan.train``, of one task or of several.

    Args:
        chat: of the model's processor.
        rows: the split of each config of the dataset that a task shows; pictures are looked up there.
        decoder: that of ``packing.make_batch``.
        tasks: of the run; with several, batches say of which each sequence is.
    """

    def __init__(self, chat: Chat, rows: Mapping[str, Dataset], decoder: Any, tasks: Sequence[str] = ()) -> None:
        self._chat = chat
        self._rows = rows
        self._decoder = decoder
        self._tasks = tasks
        pad, end = chat.tokenizer.pad_token_id, chat.tokenizer.eos_token_id
        self._pad = end if pad is None else pad

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """See ``packing.make_batch``."""
        batch = make_batch([self.sequence(row) for row in rows], self._decoder, self._pad)
        if len(self._tasks) > 1:
            batch[TASK] = torch.tensor([self._tasks.index(row["task"]) for row in rows])
        return batch

    def sequence(self, row: Mapping[str, Any]) -> PackedQuestions:
        """Make one row into tokens and a processed picture.

        Raises:
            ValueError: the picture cannot be read, or the processor refuses it; the message names the row's id.
        """
        shown = self._rows[TASKS[row["task"]].rows]
        image = decode_picture(shown, row["row"])
        try:
            asked = self._chat.ask(image, row["prompts"])
            pairs = zip(row["prompts"], row["answers"], strict=True)
            return pack(asked, [self._chat.answer_ids(prompt, answer) for prompt, answer in pairs])
        except ValueError as error:
            raise ValueError(f"{name_row(shown, row['row'])}: {error}") from error


def decode_picture(rows: Dataset, at: int) -> Image.Image:
    """Decode the picture of a row, as every model of the benchmark gets it.

    Raises:
        ValueError: it cannot be decoded.
    """
    try:
        return with_sides_in_range(as_rgb(rows[at]["image"]))
    except Exception as error:  # Pillow's plugins raise many types
        raise ValueError(f"{name_row(rows, at)}: the picture cannot be read: {error}") from error


def name_row(rows: Dataset, at: int) -> str:
    """Name a row by its id, for messages."""
    ids = rows.select_columns([c for c in ("entity_id", "image_id") if c in rows.column_names])[at]
    return str(ids.get("entity_id") or ids["image_id"])


def check_labels(collator: Collator, chat: Chat, train: Dataset, count: int = 4) -> None:
    """Check on the first sequences of every task what would be learnt: every answer with its end of turn, and nothing
    else.

    Whether the tokenizer can write the answers is checked for every one of them in ``ConversationWriter``.

    Raises:
        ConfigError: anything else is; with this model's chat template it would train on the wrong tokens.
    """
    round_trip = RoundTrip(chat.tokenizer)
    tasks = list(train["task"])
    first = [at for task in dict.fromkeys(tasks) for at in [n for n, of in enumerate(tasks) if of == task][:count]]
    for row in train.select(first):
        labels = collator([row])["labels"][0].tolist()
        runs = groupby(labels, key=lambda label: label != IGNORED)
        learnt = [round_trip.decode(list(run)) for is_learnt, run in runs if is_learnt]
        if len(learnt) != len(row["answers"]) or not all(map(round_trip.is_same, learnt, row["answers"])):
            raise ConfigError(f"what would be learnt is {learnt}, expected {row['answers']}: the chat template differs")
