"""What only the publisher knows: ``configs/annotation/publish.yaml`` is an example with comments."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from annotation.errors import AnnotationError, add_hint
from qreal_tasks.files.settings import Settings
from qreal_tasks.files.yaml_models import load_yaml

NOT_STATED = "not stated"


class PublishConfig(Settings):
    """The config of a publication; every field may be left out."""

    title: str = Field(default="Q-Real", pattern=r"\S")
    license: str = "other"
    """The licence of the annotations, as the hub spells it; ``other`` says that none is stated."""
    license_name: str | None = None
    """The name of the licence, with ``license: other``."""
    language: list[str] = Field(default=["en"], min_length=1)
    """Languages of prompts and descriptions."""
    generators: dict[str, Annotated[str, Field(pattern=r"\S")]] = Field(default={})
    """Generator to the licence of its images."""
    description: str = ""
    """A paragraph at the head of the card."""
    images_from: str = ""
    """Where prompts and images come from."""
    contact: str = ""
    citation: str = ""
    """BibTeX of the dataset itself; the paper's is always there."""

    @field_validator("license")
    @classmethod
    def _as_the_hub_spells_it(cls, name: str) -> str:
        if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name):
            meant = re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")
            like = f", perhaps {meant}" if meant else ""
            raise ValueError(
                f"found {name!r}, expected a licence as the hub spells it, in small letters and without blanks{like}; "
                "or license: other, and its name under license_name"
            )
        return name

    @field_validator("language")
    @classmethod
    def _are_codes(cls, languages: list[str]) -> list[str]:
        for language in languages:
            if not re.fullmatch(r"[a-z]{2,3}", language):
                raise ValueError(f"found {language!r}, expected codes of two or three small letters, such as en or de")
        return languages


def load_publish_config(path: Path) -> PublishConfig:
    """Read and check the file.

    Raises:
        AnnotationError: it cannot be read, or a field is not as expected.
    """
    with add_hint("configs/annotation/publish.yaml is an example"):
        return load_yaml(path.expanduser(), PublishConfig, f"config {path}", AnnotationError)
