"""The name ``mini``: a small set of pictures and a small model that ship with this package."""

from __future__ import annotations

import functools
import logging
from pathlib import Path

logger = logging.getLogger(__name__)

SHIPPED = "mini"
"""Stands wherever a folder or a hub id is expected, and is always what ships; a folder of that name is ``./mini``."""

NO_ADAPTER = (
    f"adapter={SHIPPED}: {SHIPPED} is the model that ships, a whole one and no adapter. Give it as the model, without "
    f"adapter; an adapter in a folder of that name is ./{SHIPPED}"
)


def is_shipped(given: str | None) -> bool:
    """Whether the bare name is given. Where a folder of that name lies here, it is said once that it is not meant."""
    if given != SHIPPED:
        return False
    if Path(SHIPPED).is_dir():
        _tell_of_folder()
    return True


@functools.cache
def _tell_of_folder() -> None:
    logger.warning("%s is what ships with this package; for the folder of that name here write ./%s", SHIPPED, SHIPPED)
