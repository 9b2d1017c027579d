"""A published folder on its way to the hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from annotation.errors import AnnotationError
from annotation.publish.checksums import check_checksums

_EVAL = "eval.yaml"


@dataclass(frozen=True)
class Pushed:
    """What is on the hub now."""

    address: str
    eval_refused: str | None
    """Why the hub does not take ``eval.yaml``; None when it does, or there is none."""


def push(folder: Path, repository: str, tag: str | None, private: bool, gated: bool) -> Pushed:
    """Upload the folder as it is, and tag it.

    A set that is to be gated is so before the first file is there. The hub takes ``eval.yaml`` of known benchmarks
    only, and refuses the whole commit that holds another: it comes in a commit of its own.

    Raises:
        AnnotationError: the folder is not whole, or the hub refuses or cannot be reached. The folder stays, to be
            pushed again.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError

    check_checksums(folder)
    api, step = HfApi(), "creating the repository"
    try:
        address = api.create_repo(repository, repo_type="dataset", private=private, exist_ok=True)
        if gated:
            step = "asking for access requests"
            api.update_repo_settings(repository, repo_type="dataset", gated="auto")
        step = "uploading"
        done = api.upload_folder(
            repo_id=repository,
            repo_type="dataset",
            folder_path=folder,
            commit_message=f"Q-Real dataset{f', {tag}' if tag else ''}",
            ignore_patterns=[_EVAL],
            delete_patterns=["data/**"],
        )
        last, refused = done.oid, None
        if (folder / _EVAL).is_file():
            try:
                last = api.upload_file(
                    repo_id=repository, repo_type="dataset", path_or_fileobj=folder / _EVAL, path_in_repo=_EVAL
                ).oid
            except HfHubHTTPError as error:
                refused = _short(error)
        if tag:
            step = f"tagging it {tag}"
            api.create_tag(repository, repo_type="dataset", tag=tag, revision=last)
    except (HfHubHTTPError, HFValidationError, OSError, ValueError) as error:
        options = "".join([f" --tag {tag}" if tag else "", " --private" * private, " --gated" * gated])
        raise AnnotationError(
            f"{repository}: {step} failed: {_short(error)}. {folder} is whole; push it again with "
            f"`qreal annotate push {folder} {repository}{options}`"
        ) from None
    return Pushed(str(address), refused)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
