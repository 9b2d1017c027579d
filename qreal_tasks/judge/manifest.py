"""A judge is a manifest: a YAML file with the model, the server, the prompt and the scale.

manifest = load_manifest("gpt-4o")  # packaged, or the path of a file
print(manifest.title)  # gpt-4o@ and twelve digits that change when a score might
"""

from __future__ import annotations

import functools
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from qreal_tasks.files.settings import Settings
from qreal_tasks.files.yaml_models import load_yaml
from qreal_tasks.llm.usage import Prices
from qreal_tasks.text.addresses import is_path, is_plain_address, is_public_address, last_name

_FORM = 2
"""Changes when this package renders the same manifest differently or reads the same answer differently."""

OWN_SERVER = "http://own-server.invalid/v1"
"""What is published in place of the address of a server that not everybody knows."""


class ManifestError(ValueError):
    """The manifest cannot be used; the message names file and field, what was found and what was expected."""


class JudgePrompt(Settings):
    """What the judge is told."""

    version: int = Field(ge=1)
    system: str
    """Holds ``{anchors}`` once: the scale, a line each."""
    pair: str
    """Holds ``{predicted}`` and ``{reference}`` once, each alone between the tags of one name."""

    @field_validator("system")
    @classmethod
    def _says_the_scale(cls, system: str) -> str:
        _require_once(system, "anchors")
        return system.strip()

    @field_validator("pair")
    @classmethod
    def _delimits_both(cls, pair: str) -> str:
        for name in ("predicted", "reference"):
            _require_once(pair, name)
            if not re.search(rf"<(\w+)>\s*\{{{name}\}}\s*</\1>", pair):
                raise ValueError(f"expected {{{name}}} alone between tags, as in <{name}>{{{name}}}</{name}>")
        return pair.strip()


class JudgeManifest(Settings):
    """Everything a score depends on, beside the two descriptions."""

    name: str = Field(pattern=r"^\S+$")
    base_url: str | None
    """Address of the server, with ``/v1``; null for OpenAI itself."""
    model: str = Field(min_length=1)
    """At OpenAI a dated snapshot: what an undated name stands for moves."""
    prompt: JudgePrompt
    scale: dict[float, str]
    """What a score means, at least at 0 and at 1."""
    temperature: float | None = Field(default=0.0, ge=0, le=2)
    """None leaves it out, for models that do not take it."""
    seed: int | None = 0
    max_tokens: int = Field(default=32, ge=1)
    prices: Prices | None = None
    """US dollars per million tokens."""

    @field_validator("base_url")
    @classmethod
    def _is_a_plain_address(cls, base_url: str | None) -> str | None:
        """It is printed and stored: a user name, password or query may hold a key."""
        if base_url is None:
            return None
        if not is_plain_address(base_url):
            raise ValueError("expected http(s)://host[:port]/v1 without user, password or query; the key is no part")
        return base_url.rstrip("/")

    @field_validator("prices", mode="before")
    @classmethod
    def _are_prices(cls, prices: object) -> object:
        return Prices.of(prices) if isinstance(prices, Mapping) else prices

    @model_validator(mode="after")
    def _has_both_ends(self) -> Self:
        if not {0.0, 1.0} <= self.scale.keys() or not all(0 <= anchor <= 1 for anchor in self.scale):
            raise ValueError(f"scale: anchors are {sorted(self.scale)}, expected numbers from 0 to 1, both ends among")
        return self

    @property
    def hash(self) -> str:
        """SHA-256, in hexadecimal, of all that a score depends on: not the name, not the prices.

        It is that of ``published``, so that it is the same on the user's machine and on a board.
        """
        return self.published().exact_hash

    @property
    def exact_hash(self) -> str:
        """As ``hash``, with the model's whole path and the server's address: for what is kept on one machine, where two
        paths are two models."""
        content = self.model_dump(mode="json", exclude={"name", "prices"}) | {"form": _FORM}
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def published(self) -> Self:
        """For others: where the model's weights lie, and where a server of one's own is, says nothing to them."""
        is_own = self.base_url is not None and not is_public_address(self.base_url)
        model = last_name(self.model) if is_path(self.model) else self.model
        return self.model_copy(update={"model": model, "base_url": OWN_SERVER if is_own else self.base_url})

    @property
    def title(self) -> str:
        """Name and the first twelve digits of the hash: scores under different titles are not comparable."""
        return f"{self.name}@{self.hash[:12]}"

    @property
    def anchors(self) -> str:
        """The scale as the prompt shows it.

        >>> print(load_manifest("gpt-4o").anchors.splitlines()[1][:33])
        0.25: The same part or the same k
        """
        return "\n".join(f"{anchor:g}: {self.scale[anchor]}" for anchor in sorted(self.scale))


def load_manifest(name_or_path: str | Path) -> JudgeManifest:
    """The packaged manifest of a name such as ``gpt-4o``, or the one in a file.

    What ends in ``.yaml`` or ``.yml`` or holds a slash is a path.

    Raises:
        ManifestError: there is none, or it is not as expected.
    """
    if isinstance(name_or_path, Path) or re.search(r"[/\\]|\.ya?ml$", name_or_path):
        return load_yaml(Path(name_or_path).expanduser(), JudgeManifest, str(name_or_path), ManifestError)
    packaged = {file.name.removesuffix(".yaml"): file for file in _packaged()}
    if name_or_path not in packaged:
        names = ", ".join(sorted(packaged))
        raise ManifestError(f"no judge is called {name_or_path!r}, expected {names} or the path of a .yaml file")
    return load_yaml(packaged[name_or_path], JudgeManifest, f"judge {name_or_path}", ManifestError)


@functools.cache
def packaged_manifests() -> tuple[JudgeManifest, ...]:
    """The judges that come with this package, by name."""
    files = sorted(_packaged(), key=lambda file: file.name)
    return tuple(load_yaml(file, JudgeManifest, file.name, ManifestError) for file in files)


def _packaged() -> Iterator[Traversable]:
    return (resources.files("qreal_tasks.judge") / "manifests").iterdir()


def _require_once(template: str, name: str) -> None:
    found = template.count(f"{{{name}}}")
    if found != 1:
        raise ValueError(f"holds {{{name}}} {found} times, expected once")
