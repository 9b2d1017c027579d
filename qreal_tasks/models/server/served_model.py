"""Which family a model behind an OpenAI-compatible server belongs to.

The name that a server is asked for is free: ``vllm serve /models/tuned --served-model-name judge``. Its list of models
tells what is behind the name: ``root`` is the real id or folder, ``parent`` the base of an adapter.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qreal_tasks.files.regular import read_text
from qreal_tasks.llm.arguments import DEFAULT_BASE_URL, api_key_for
from qreal_tasks.llm.http import MAX_ANSWER_BYTES, at_most
from qreal_tasks.models.families import Family, find_family_by_name, find_family_by_type, find_named_family
from qreal_tasks.text.addresses import is_plain_address
from qreal_tasks.text.json_text import load_json

_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class FoundFamily:
    """A family, and what told it."""

    family: Family | None
    """The family; None when nothing tells it."""
    told_by: str
    """For the log; without a family, what was looked at."""


def served_family(model: str, base_url: str | None = None, family: str | None = None) -> FoundFamily:
    """The family of ``model``: the one named by ``family``, the one behind the server's name, or the name's own.

    Args:
        base_url: of the server; default ``OPENAI_BASE_URL``, then OpenAI itself, which has no list worth asking for.

    Raises:
        ValueError: ``family`` is not known.
        StoppedRun: the key cannot be sent.
    """
    if family is not None:
        return FoundFamily(find_named_family(family), f"family={family}")
    behind = list(_behind(model, _models_of(base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL)))
    for real in (*behind, model):
        found = family_of_model(real)
        if found is not None:
            return found if real == model else FoundFamily(found.family, f"{model} is {found.told_by}")
    return FoundFamily(None, ", ".join(dict.fromkeys([model, *behind])))


def family_of_model(model: str) -> FoundFamily | None:
    """The family of a folder on this machine by its config, of any other model by its name; None when neither tells.

    A folder may have any name: where its config is of no known family, it has none.
    """
    model_type = config_type(Path(model).expanduser() / "config.json")
    if model_type is not None:
        return FoundFamily(find_family_by_type(model_type), f"{model}, a {model_type}")
    found = find_family_by_name(model)
    return None if found is None else FoundFamily(found, model)


def _behind(model: str, listed: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """What the server says stands behind a name: its root, and for an adapter that of its base."""
    passed: set[str] = set()
    name: object = model
    while isinstance(name, str) and name in listed and name not in passed:
        passed.add(name)
        root = listed[name].get("root")
        if isinstance(root, str) and root:
            yield root
        name = listed[name].get("parent")
        if isinstance(name, str) and name and name not in listed:
            yield name


def _models_of(base_url: str) -> dict[str, Mapping[str, Any]]:
    """The server's models by id; empty when it does not say. What is wrong with it is said when it is asked."""
    import httpx2
    import openai

    from qreal_tasks.llm.client import openai_client

    base_url = base_url.rstrip("/")
    if base_url == DEFAULT_BASE_URL or not is_plain_address(base_url):
        return {}
    key = api_key_for(None, base_url)
    try:
        with (
            openai_client(base_url, key, timeout=_TIMEOUT_S, max_retries=0) as client,
            client.models.with_streaming_response.list() as answer,
        ):
            listed = load_json(at_most(answer.iter_bytes(), MAX_ANSWER_BYTES))
    except (openai.OpenAIError, httpx2.HTTPError, ValueError):
        return {}
    rows = listed.get("data") if isinstance(listed, dict) else None
    entries = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    return {row["id"]: row for row in entries if isinstance(row.get("id"), str)}


def config_type(config: Path) -> str | None:
    """``model_type`` of a config file; None where there is none to be read."""
    try:
        model_type = load_json(read_text(config))["model_type"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return model_type if isinstance(model_type, str) else None
