"""A published folder on its way to the hub."""

from __future__ import annotations

from pathlib import Path

from annotation.errors import AnnotationError
from annotation.publish.checksums import check_checksums


def push(folder: Path, repository: str, tag: str | None, private: bool, gated: bool) -> str:
    """Upload the folder as it is, tag it, and return its address.

    A set that is to be gated is so before the first file is there.

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
            delete_patterns=["data/**", "eval.yaml"],
        )
        if tag:
            step = f"tagging it {tag}"
            api.create_tag(repository, repo_type="dataset", tag=tag, revision=done.oid)
    except (HfHubHTTPError, HFValidationError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        options = "".join([f" --tag {tag}" if tag else "", " --private" * private, " --gated" * gated])
        raise AnnotationError(
            f"{repository}: {step} failed: {reason}. {folder} is whole; push it again with "
            f"`qreal annotate push {folder} {repository}{options}`"
        ) from None
    return str(address)
