"""A dataset of the hub as the folder of one commit, in the hub's own cache.

A branch may move between two looks at it, and ``datasets`` without a network answers with whatever it loaded last under
a set's name, of any revision. A folder of a commit never changes.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled, RevisionNotFoundError

from qreal_tasks.console.terminal import echo
from qreal_tasks.dataset.files import CARDS, named_data
from qreal_tasks.dataset.hub_errors import HubError, explain_hub_error, hub_failures
from qreal_tasks.dataset.library_output import hub_words_once

_COMMIT = re.compile(r"[0-9a-f]{40}")


def cards_of(name: str, revision: str | None) -> Path:
    """The folder of the commit that ``revision`` names now, by default the newest, with the set's cards in it.

    Its last name is the commit. Where the hub cannot be asked, or gives nothing, it is what the cache holds under that
    revision, and that is said unless the user wants no network.

    Raises:
        HubError: it is neither on the hub nor in the cache.
        OSError: the cache cannot be written.
    """
    wanted: dict[str, Any] = {"repo_type": "dataset", "revision": revision, "allow_patterns": list(CARDS)}
    with _explained(name, revision), hub_words_once():
        if _COMMIT.fullmatch(revision or ""):
            return Path(snapshot_download(name, **wanted))
        try:  # snapshot_download asks the same, but keeps to itself that it got no answer
            now = HfApi().dataset_info(name, revision=revision).id
        except hub_failures() as error:
            trouble = explain_hub_error(error, name, revision)
            if trouble is None or isinstance(error, RevisionNotFoundError):
                raise
            try:
                folder = Path(snapshot_download(name, **wanted, local_files_only=True))
            except LocalEntryNotFoundError:
                raise error from error.__cause__
            if not isinstance(error, OfflineModeIsEnabled):
                _say_once(
                    f"{name}: {trouble.refusal}; going on with commit {folder.name[:12]}, as it was loaded before"
                )
            return folder
        if now and now != name:
            _say_once(f"{name} is called {now} on the hub now; name it so")
        return Path(snapshot_download(name, **wanted))


def bring_data(name: str, folder: Path) -> None:
    """Download what the cards in the folder of a commit name, as far as it is not there.

    Raises:
        ValueError: the cards cannot be read, or name files outside of the set.
        HubError: a file cannot be had; those that came whole stay.
        OSError: the cache cannot be written.
    """
    # An asterisk of these patterns also stands for folders: never less than is named.
    patterns = [f"{inside}/{pattern}".removeprefix("./") for inside, pattern in named_data(folder)]
    wanted: dict[str, Any] = {"repo_type": "dataset", "revision": folder.name}
    with _explained(name, folder.name, kept="; files that came whole are not loaded again"), hub_words_once():
        snapshot_download(name, **wanted, allow_patterns=patterns or ["*.parquet"])


@contextmanager
def _explained(name: str, revision: str | None, kept: str = "") -> Iterator[None]:
    try:
        yield
    except hub_failures() as error:
        trouble = explain_hub_error(error, name, revision)
        if trouble is None:
            raise
        raise HubError(f"{trouble.refusal}; {trouble.advice}{kept if trouble.passes else ''}") from error


@functools.cache
def _say_once(text: str) -> None:
    echo(text, err=True)
