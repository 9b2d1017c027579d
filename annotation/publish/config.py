"""What only the publisher knows: ``configs/annotation/publish.yaml`` is an example with comments."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from annotation.errors import AnnotationError

NOT_STATED = "not stated"


class PublishConfig(BaseModel):
    """All of it; every field may be left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str = Field(default="Q-Real", pattern=r"\S")
    license: str = Field(default="other", pattern=r"^[a-z0-9][a-z0-9.-]*$")
    """Of the annotations, as the hub spells it; ``other`` says that none is stated."""
    license_name: str | None = None
    """With ``license: other``: what it is called."""
    language: list[Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]] = Field(default=["en"], min_length=1)
    """Of prompts and descriptions."""
    generators: dict[str, Annotated[str, Field(pattern=r"\S")]] = {}
    """Generator to the licence of its images."""
    description: str = ""
    """A paragraph at the head of the card."""
    images_from: str = ""
    """Where prompts and images come from."""
    contact: str = ""
    citation: str = ""
    """BibTeX of the dataset itself; the paper's is always there."""


def load_publish_config(path: Path) -> PublishConfig:
    """Read and check the file.

    Raises:
        AnnotationError: it cannot be read, or a field is not as expected.
    """
    try:
        said = yaml.safe_load(path.expanduser().read_text(encoding="utf-8"))
        return PublishConfig.model_validate({} if said is None else said)
    except (OSError, ValueError, yaml.YAMLError) as error:
        if isinstance(error, ValidationError):
            wrong = "; ".join(f"{'.'.join(map(str, one['loc'])) or 'the file'}: {one['msg']}" for one in error.errors())
            raise AnnotationError(f"config {path}: {wrong}. configs/annotation/publish.yaml is an example.") from None
        raise AnnotationError(f"config {path} cannot be read: {error}") from error
