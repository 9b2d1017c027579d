"""Rows of a plan as batches: pictures are decoded and processed here, in the workers that load data ahead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from datasets import Dataset
from PIL import Image

from qreal_tasks.images import as_rgb, with_sides_in_range
from qreal_tasks.models.local.chat import Chat
from training.config import ConfigError
from training.data.packing import IGNORED, PackedQuestions, make_batch, pack
from training.data.round_trip import RoundTrip


class Collator:
    """Makes a batch of rows of ``TrainPlan.train``.

    Args:
        chat: of the model's processor.
        rows: the split, whose pictures are looked up by row.
        decoder: see ``packing.batch_of``.
    """

    def __init__(self, chat: Chat, rows: Dataset, decoder: Any) -> None:
        self._chat = chat
        self._rows = rows
        self._decoder = decoder
        tokenizer = chat.tokenizer
        self._pad = tokenizer.eos_token_id if tokenizer.pad_token_id is None else tokenizer.pad_token_id

    def __call__(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, torch.Tensor]:
        """See ``packing.batch_of``."""
        return make_batch([self.sequence(row) for row in rows], self._decoder, self._pad)

    def sequence(self, row: Mapping[str, Any]) -> PackedQuestions:
        """Make one row into tokens and a processed picture.

        Raises:
            ValueError: the picture cannot be read, or the processor refuses it; the message names the row's id.
        """
        image = decode_picture(self._rows, row["row"])
        try:
            asked = self._chat.ask(image, row["prompts"])
            pairs = zip(row["prompts"], row["answers"], strict=True)
            return pack(asked, [self._chat.answer_ids(prompt, answer) for prompt, answer in pairs])
        except ValueError as error:
            raise ValueError(f"{name_row(self._rows, row['row'])}: {error}") from error


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
    """Check on the first sequences what would be learnt: every answer with its end of turn, and nothing else.

    Whether the tokenizer can write the answers is checked for every one of them in ``ConversationWriter``.

    Raises:
        ConfigError: anything else is; with this model's chat template it would train on the wrong tokens.
    """
    round_trip = RoundTrip(chat.tokenizer)
    for row in train.select(range(min(count, len(train)))):
        labels = collator([row])["labels"][0].tolist()
        learnt, run = [], []
        for label in [*labels, IGNORED]:
            if label != IGNORED:
                run.append(label)
            elif run:
                learnt.append(round_trip.decode(run))
                run = []
        if len(learnt) != len(row["answers"]) or not all(map(round_trip.is_same, learnt, row["answers"])):
            raise ConfigError(f"what would be learnt is {learnt}, expected {row['answers']}: the chat template differs")
