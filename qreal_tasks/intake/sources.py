"""Opens whatever holds pictures: a folder, a table, or a dataset of the hub."""

from __future__ import annotations

from pathlib import Path

from qreal_tasks.intake.errors import IntakeError
from qreal_tasks.intake.folder import FolderSource
from qreal_tasks.intake.inputs import ImageSource
from qreal_tasks.intake.settings import IntakeSettings
from qreal_tasks.intake.table import TABLES, HubSource, TableSource


def open_source(images: str, settings: IntakeSettings) -> ImageSource:
    """Open the folder, table (.csv, .tsv, .jsonl, .json, .parquet) or hub set (``org/name``, ``org/name@revision``) of
    that name.

    Raises:
        IntakeError: there is none.
    """
    path = Path(images).expanduser()
    if path.is_dir():
        return FolderSource(path, settings.columns)
    if path.is_file() and path.suffix.lower() in TABLES:
        return TableSource(path, settings.columns)
    if path.exists():
        raise IntakeError(f"{path} is neither a folder nor a table ({', '.join(TABLES)})")
    if images.count("/") == 1 and not images.startswith((".", "/", "~")) and path.suffix.lower() not in TABLES:
        return HubSource(images, settings)
    raise IntakeError(
        f"{images}: no such folder or file (looked for {path.absolute()}), and it is no hub id such as org/name"
    )
