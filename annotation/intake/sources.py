"""Where images come from: a folder, a table, or a dataset of the hub. Listing decodes no picture."""

from __future__ import annotations

from pathlib import Path

from annotation.config import IntakeSettings
from annotation.errors import AnnotationError
from annotation.intake.folder import FolderSource
from annotation.intake.listed import ImageSource
from annotation.intake.table import TABLES, HubSource, TableSource


def open_source(images: str, settings: IntakeSettings) -> ImageSource:
    """The folder, table (.csv, .tsv, .jsonl, .json, .parquet) or hub set (``org/name``, ``org/name@revision``) of that
    name.

    Raises:
        AnnotationError: there is none.
    """
    path = Path(images).expanduser()
    if path.is_dir():
        return FolderSource(path, settings.columns)
    if path.is_file() and path.suffix.lower() in TABLES:
        return TableSource(path, settings.columns)
    if path.exists():
        raise AnnotationError(f"{path} is neither a folder nor a table ({', '.join(TABLES)})")
    if images.count("/") == 1 and not images.startswith((".", "/", "~")) and path.suffix.lower() not in TABLES:
        return HubSource(images, settings)
    raise AnnotationError(
        f"{images}: no such folder or file (looked for {path.absolute()}), and it is no hub id such as org/name"
    )
