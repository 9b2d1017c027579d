"""This process, or one of its own, as a user of ``hub_server`` with a home that is empty at first.

The libraries read their environment when they are imported; what they read is set anew here.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
from huggingface_hub import HfApi, constants
from huggingface_hub.utils._http import close_session
from refusing import qreal

from annotation.publish.checksums import write_checksums
from qreal_tasks.dataset import hub

_WAITING = ("huggingface_hub.utils._http", "huggingface_hub.file_download")


class _StandardError:
    """Where the hub's library writes what it says meanwhile: not what was standard error when it was imported."""

    def write(self, text: str) -> None:
        sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


@dataclass(frozen=True)
class HubUser:
    """Somebody with a home and perhaps a token."""

    url: str
    home: Path
    token: str | None = None
    waited: list[float] = field(default_factory=list)
    """Seconds that the client would have waited, in place of waiting."""

    @property
    def environment(self) -> dict[str, str]:
        """For a program of its own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "QREAL_DATA"))}
        own = {"HF_ENDPOINT": self.url, "HF_HOME": str(self.home), "HF_HUB_DISABLE_XET": "1"}
        return kept | own | {"HF_HUB_DISABLE_TELEMETRY": "1"} | ({"HF_TOKEN": self.token} if self.token else {})

    @contextmanager
    def here(self, offline: bool = False) -> Iterator[None]:
        """This process is the user's in the block."""
        with pytest.MonkeyPatch.context() as patch:
            for name in ("HF_TOKEN", "HF_HOME", "HF_HUB_OFFLINE"):
                patch.delenv(name, raising=False)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            for name, found in self._read_at_import(offline).items():
                patch.setattr(name, found)
            hub._say_once.cache_clear()
            waiting = SimpleNamespace(**{**vars(time), "sleep": self.waited.append})
            for handler in logging.getLogger("huggingface_hub").handlers:
                patch.setattr(handler, "stream", _StandardError())
            for module in _WAITING:
                patch.setattr(f"{module}.time", waiting)
            try:
                yield
            finally:
                close_session()

    def qreal(self, *words: object, offline: bool = False, data: str = "") -> tuple[int, str]:
        """Run a command as this user, with ``QREAL_DATA=data``; its status and what it said on standard error."""
        with self.here(offline), pytest.MonkeyPatch.context() as patch:
            patch.setenv("QREAL_DATA", data)
            return qreal(*words)

    def push(self, folder: Path, name: str, *options: str) -> str:
        """Push a folder as it is, and return its commit."""
        write_checksums(folder)
        status, output = self.qreal("annotate", "push", folder, name, *options)
        assert status == 0, output
        with self.here():
            return str(HfApi().dataset_info(name).sha)

    def _read_at_import(self, offline: bool) -> dict[str, object]:
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, self.url)
        return {
            "huggingface_hub.constants.ENDPOINT": self.url,
            "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE": template,
            "huggingface_hub.constants.HF_HUB_OFFLINE": offline,
            "huggingface_hub.constants.HF_HUB_CACHE": str(self.home / "hub"),
            "huggingface_hub.constants.HF_TOKEN_PATH": str(self.home / "token"),
            "huggingface_hub.constants.HF_STORED_TOKENS_PATH": str(self.home / "stored_tokens"),
            "huggingface_hub.constants.HF_HUB_DISABLE_XET": True,
            "datasets.config.HF_ENDPOINT": self.url,
            "datasets.config.HF_HUB_OFFLINE": offline,
            "datasets.config.HF_DATASETS_CACHE": self.home / "datasets",
        }
