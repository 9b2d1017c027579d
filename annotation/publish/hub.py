"""A published folder on its way to the hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotation.errors import AnnotationError, annotate_command
from annotation.publish.card import name_repository
from annotation.publish.checksums import check_checksums, write_checksums
from qreal_tasks.dataset.hub_errors import told_by_hub

_EVAL = "eval.yaml"
_REFUSALS = (400, 403, 422)
"""Statuses for a file that the hub understands and does not want; any other is a failure."""
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
_TAG = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class HubUpload:
    """An upload that has succeeded."""

    address: str
    eval_refused: str | None
    """Why the hub does not take ``eval.yaml``; None when it does, or there is none."""


def push_folder(folder: Path, repository: str, tag: str | None, private: bool, gated: bool) -> HubUpload:
    """Upload the folder as it is, and tag it; it may be repeated.

    A set that is to be private or gated is so before the first file is there, also when the repository was. The hub
    takes ``eval.yaml`` of known benchmarks only, and refuses the whole commit that holds another: it comes in a commit
    of its own, and ``SHA256SUMS`` does not list it.

    Raises:
        AnnotationError: the folder is not whole, the tag is taken, or the hub refuses or cannot be reached. The folder
            stays, to be pushed again.
    """
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    check_checksums(folder)
    if name_repository(folder / "README.md", repository):
        write_checksums(folder)
    about: dict[str, Any] = {"repo_id": repository, "repo_type": "dataset"}
    api, step = HfApi(), "creating the repository"
    try:
        address = api.create_repo(**about, private=private or None, exist_ok=True)
        step = "looking for tags"
        if tag and any(one.name == tag for one in api.list_repo_refs(**about).tags):
            raise AnnotationError(f"{repository} has a tag {tag} already; give another --tag, or delete that one there")
        if private or gated:
            step = "asking for access requests, or making it private"
            settings: dict[str, Any] = {"private": True} if private else {}
            settings |= {"gated": "auto"} if gated else {}
            api.update_repo_settings(**about, **settings)
        step = "uploading"
        last = api.upload_folder(
            **about,
            folder_path=folder,
            commit_message=f"Q-Real dataset{f', {tag}' if tag else ''}",
            ignore_patterns=[_EVAL],
            delete_patterns=["data/**"],
        ).oid
        refused = None
        if (folder / _EVAL).is_file():
            step = f"uploading {_EVAL}"
            try:
                last = api.upload_file(**about, path_or_fileobj=folder / _EVAL, path_in_repo=_EVAL).oid
            except HfHubHTTPError as error:
                if error.response.status_code not in _REFUSALS:
                    raise
                refused = told_by_hub(error)
        if tag:
            step = f"tagging it {tag}"
            api.create_tag(**about, tag=tag, revision=last)
    except (HfHubHTTPError, HFValidationError, httpx2.HTTPError, OSError) as error:
        options = [*(["--tag", tag] if tag else []), *["--private"] * private, *["--gated"] * gated]
        command = annotate_command("push", folder, repository, *options)
        reason = f"{repository}: {step} failed: {told_by_hub(error)}"
        raise AnnotationError(f"{reason}. {folder} is whole; push it again with `{command}`") from None
    return HubUpload(str(address), refused)


def check_hub_names(repository: str, tag: str | None) -> None:
    """Check before any work that the hub takes these names at all.

    Raises:
        AnnotationError: it does not.
    """
    if not _REPOSITORY.fullmatch(repository):
        raise AnnotationError(f"{repository!r} is not a name of a repository, expected org/name")
    if tag is not None and not _TAG.fullmatch(tag):
        raise AnnotationError(f"{tag!r} is not a name of a tag, expected letters, digits, ., - and _, such as v1.0")
