"""What the libraries of data sets write on standard error while they load: bars, and words of the hub."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import datasets
import huggingface_hub
from huggingface_hub import utils as hub_utils

from qreal_tasks.dataset.hub_errors import show_hub_text


@contextmanager
def bars_on_terminals_only() -> Iterator[None]:
    """Show the bars of ``datasets`` and of the hub only where standard error is a terminal; elsewhere they are noise in
    a log."""
    with ExitStack() as stack:
        if not sys.stderr.isatty():
            for library in (datasets, hub_utils):
                if not library.are_progress_bars_disabled():
                    library.disable_progress_bars()
                    stack.callback(library.enable_progress_bars)
        yield


@contextmanager
def hub_words_once() -> Iterator[None]:
    """Let the hub's library say why it waits or tries again: once for all its threads, and without keys, of which the
    signed addresses of large files hold one."""
    seen: set[str] = set()

    def clean(record: logging.LogRecord) -> bool:
        record.msg, record.args = show_hub_text(record.getMessage()), ()
        is_new = record.msg not in seen
        seen.add(record.msg)
        return is_new

    handlers = logging.getLogger(huggingface_hub.__name__).handlers
    for handler in handlers:
        handler.addFilter(clean)
    try:
        with bars_on_terminals_only():
            yield
    finally:
        for handler in handlers:
            handler.removeFilter(clean)
