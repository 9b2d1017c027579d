"""A published folder on its way to the hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotation.errors import AnnotationError, annotate_command
from annotation.publish.card import name_repository
from annotation.publish.checksums import check_checksums, write_checksums
from qreal_tasks.dataset.hub_errors import describe_hub_error, explain_hub_error, hub_failures
from qreal_tasks.dataset.library_output import hub_words_once

if TYPE_CHECKING:  # it takes a second
    from huggingface_hub import HfApi

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
    check_checksums(folder)
    if name_repository(folder / "README.md", repository):
        write_checksums(folder)
    upload = _Upload(folder, repository, tag, private, gated)
    try:
        with hub_words_once():
            return upload.send()
    except AnnotationError:
        raise
    except hub_failures() as error:
        options = [*(["--tag", tag] if tag else []), *["--private"] * private, *["--gated"] * gated]
        command = annotate_command("push", folder, repository, *options)
        reason = f"{repository}: {upload.step} failed: {_explain(error, repository)}"
        raise AnnotationError(f"{reason}. {folder} is whole; push it again with `{command}`") from None


@dataclass
class _Upload:
    """The steps of an upload; ``step`` is the one that it is at."""

    folder: Path
    repository: str
    tag: str | None
    private: bool
    gated: bool
    step: str = "creating the repository"

    def send(self) -> HubUpload:
        from huggingface_hub import HfApi

        about: dict[str, Any] = {"repo_id": self.repository, "repo_type": "dataset"}
        api, tag = HfApi(), self.tag
        address = api.create_repo(**about, private=self.private or None, exist_ok=True)
        self.step = "looking for tags"
        if tag and any(one.name == tag for one in api.list_repo_refs(**about).tags):
            raise AnnotationError(
                f"{self.repository} has a tag {tag} already; give another --tag, or delete that one there"
            )
        if self.private or self.gated:
            self.step = "asking for access requests, or making it private"
            settings: dict[str, Any] = {"private": True} if self.private else {}
            settings |= {"gated": "auto"} if self.gated else {}
            api.update_repo_settings(**about, **settings)
        self.step = "uploading"
        last = api.upload_folder(
            **about,
            folder_path=self.folder,
            commit_message=f"Q-Real dataset{f', {tag}' if tag else ''}",
            ignore_patterns=[_EVAL],
            delete_patterns=["data/**"],
        ).oid
        refused = None
        if (self.folder / _EVAL).is_file():
            last, refused = self._send_eval(api, about, last)
        if tag:
            self.step = f"tagging it {tag}"
            api.create_tag(**about, tag=tag, revision=last)
        return HubUpload(str(address), refused)

    def _send_eval(self, api: HfApi, about: dict[str, Any], last: str) -> tuple[str, str | None]:
        """The newest commit, and why the hub does not take ``eval.yaml``, if it does not."""
        from huggingface_hub.errors import HfHubHTTPError

        self.step = f"uploading {_EVAL}"
        try:
            return api.upload_file(**about, path_or_fileobj=self.folder / _EVAL, path_in_repo=_EVAL).oid, None
        except HfHubHTTPError as error:
            if error.response.status_code not in _REFUSALS:
                raise
            return last, describe_hub_error(error)


def _explain(error: Exception, repository: str) -> str:
    """What went wrong, and what to do before pushing again."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set; unset it"
    trouble = explain_hub_error(error, repository)
    return f"{trouble.refusal}; {trouble.advice}" if trouble else describe_hub_error(error)


def check_hub_names(repository: str, tag: str | None) -> None:
    """Check before any work that the hub takes these names at all.

    Raises:
        AnnotationError: it does not.
    """
    if not _REPOSITORY.fullmatch(repository):
        raise AnnotationError(f"{repository!r} is not a name of a repository, expected org/name")
    if tag is not None and not _TAG.fullmatch(tag):
        raise AnnotationError(f"{tag!r} is not a name of a tag, expected letters, digits, ., - and _, such as v1.0")
