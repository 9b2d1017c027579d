"""Places of models: the weights of a folder or of the hub, or an adapter and the base it was trained on.

Nothing here loads a model or imports torch, so that arguments can be checked before either.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from qreal_tasks.files.regular import read_text
from qreal_tasks.files.system_errors import describe_error
from qreal_tasks.mini import MINI_MODEL
from qreal_tasks.shipped import SHIPPED, is_shipped
from qreal_tasks.text.addresses import is_path

ADAPTER_SETTINGS = "adapter_config.json"
"""What tells the folder of a PEFT adapter from that of a whole model."""


@dataclass(frozen=True)
class ModelSource:
    """One model; equal sources are the same model."""

    pretrained: str
    """Folder or hub id of the whole weights: the base, where there is an adapter."""
    adapter: str | None = None
    """Folder."""
    revision: str | None = None
    """Revision of a hub id."""

    def __str__(self) -> str:
        return self.pretrained if self.adapter is None else f"{self.adapter} on {self.pretrained}"


def resolve_model(given: str, base: str | None = None, revision: str | None = None) -> ModelSource:
    """What ``given`` names.

    Args:
        given: the folder of a whole model or of an adapter, or a hub id, also as ``org/name@revision``, or ``mini``.
        base: the model below an adapter; without it, the one that the adapter's settings name.
        revision: of ``base``, when that is a hub id.

    Raises:
        ValueError: the folder is missing or is neither, or an adapter has no base.
    """
    if not given:
        raise ValueError("no model is named, expected a folder or a hub id")
    folder = find_local_folder(given)
    if folder is None:
        name, _, at = given.partition("@")
        return ModelSource(name, revision=at or None)
    if (folder / ADAPTER_SETTINGS).is_file():
        return ModelSource(find_shipped(base or _base_of(folder)), str(folder), revision if base else None)
    if (folder / "config.json").is_file():
        return ModelSource(str(folder))
    raise ValueError(
        f"{given} has neither config.json nor {ADAPTER_SETTINGS}, expected the folder of a model or of an adapter"
    )


def find_shipped(given: str) -> str:
    """Folder of the shipped model for its name; anything else as it is."""
    return str(MINI_MODEL) if is_shipped(given) else given


def find_local_folder(given: str, settings: str = "config.json") -> Path | None:
    """The folder that ``given`` names, None for a hub id.

    Both may be written with one slash. Where the first part is a folder here and the whole is not, the hub is asked.

    Args:
        settings: a file that every model of the kind has.

    Raises:
        ValueError: a folder is meant that is not there, or the shipped model in another spelling.
    """
    folder = Path(find_shipped(given)).expanduser()
    if folder.is_dir():
        return folder.absolute() if str(folder) == SHIPPED else folder  # `./mini`, which is not the shipped model
    if given.partition("@")[0].casefold() == SHIPPED:
        raise ValueError(f"{given!r}: the model that ships is written {SHIPPED!r}, and has no revisions")
    begins_here = "/" in given and Path(given.partition("/")[0]).is_dir()
    if folder.is_file():
        raise ValueError(f"{given!r} is a file, expected the folder of a model or a hub id")
    if is_path(given):
        raise ValueError(f"model folder {given!r} does not exist (looked for {folder.absolute()})")
    if begins_here and not _is_on_hub(given, settings):
        raise ValueError(
            f"model folder {given!r} does not exist (looked for {folder.absolute()}), and no model of that name can be "
            "had from the hub"
        )
    return None


def _is_on_hub(given: str, settings: str) -> bool:
    """Whether the settings of a hub id can be had, from the hub or from what was loaded before."""
    from huggingface_hub import hf_hub_download

    from qreal_tasks.dataset.hub_errors import hub_failures

    name, _, revision = given.partition("@")
    try:
        hf_hub_download(name, settings, revision=revision or None)
    except hub_failures():
        return False
    return True


def _base_of(adapter: Path) -> str:
    """The base that an adapter's settings name."""
    path = adapter / ADAPTER_SETTINGS
    try:
        settings = json.loads(read_text(path))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot be read: {describe_error(error)}") from None
    base = settings.get("base_model_name_or_path") if isinstance(settings, dict) else None
    if not isinstance(base, str) or not base:
        raise ValueError(f"{path} names no base_model_name_or_path; expected pretrained=BASE beside the adapter")
    return base
