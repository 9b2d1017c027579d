"""Where the answers of a run came from, when a file brought them and no model was asked here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

PREDICTIONS_KEY = "qreal_predictions"
"""Key of a results file that holds where the answers came from."""
PREDICTIONS_BACKEND = "predictions"
"""What stands in the place of a backend."""
NO_PREDICTION = "no prediction in the file"
"""Why a sample has no answer."""


class PredictedFile(BaseModel):
    """One file of predictions."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    sha256: str
    rows: int


class PredictionsOrigin(BaseModel):
    """Files that the answers of a run were read from."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    files: list[PredictedFile]
    missing: int = 0
    """Samples of the run's tasks without a prediction, which count as unanswered."""
    left_out: int = 0
    """Samples without a prediction that are no part of the run, because only answered ones were wanted."""

    def __str__(self) -> str:
        names = ", ".join(f"{file.name} ({file.rows:,} rows)" for file in self.files)
        return f"read from {names}; no model was asked by this software, and how it was asked is its submitter's word"


def read_origin(results: Mapping[str, Any]) -> PredictionsOrigin | None:
    """What a results file says of predictions, None when it says nothing.

    Raises:
        ValueError: it says something else than this program writes.
    """
    stored = results.get(PREDICTIONS_KEY)
    if stored is None:
        return None
    try:
        return PredictionsOrigin.model_validate(stored)
    except ValidationError as error:
        raise ValueError(f"{PREDICTIONS_KEY}: {' '.join(str(error).split()):.200}") from None
