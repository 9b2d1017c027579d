"""A dataset of the hub as the folder of one commit, in the hub's own cache.

A branch may move between two looks at it, and ``datasets`` without a network answers with whatever it loaded last under
a set's name, of any revision. A folder of a commit never changes.
"""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import snapshot_download

from qreal_tasks.dataset.files import CARDS, named_data


def cards_of(name: str, revision: str | None) -> Path:
    """The folder of the commit that ``revision`` names now, by default the newest, with the set's cards in it.

    Its last name is the commit. Without a network it is what the cache holds under that revision.

    Raises:
        OSError, ValueError, huggingface_hub.errors.HfHubHTTPError: it cannot be had.
    """
    return Path(snapshot_download(name, repo_type="dataset", revision=revision, allow_patterns=list(CARDS)))


def bring_data(name: str, folder: Path) -> None:
    """Download what the cards in the folder of a commit name, as far as it is not there.

    Raises:
        ValueError: the cards cannot be read, or name files outside of the set.
        OSError, huggingface_hub.errors.HfHubHTTPError: a file cannot be had.
    """
    # An asterisk of these patterns also stands for folders: never less than is named.
    patterns = [f"{inside}/{pattern}".removeprefix("./") for inside, pattern in named_data(folder)]
    snapshot_download(name, repo_type="dataset", revision=folder.name, allow_patterns=patterns or ["*.parquet"])
