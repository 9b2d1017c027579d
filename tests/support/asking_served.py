"""How tests ask a model behind a scripted server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from qreal_tasks.llm.scripted_server import Asked, Reply, ScriptedServer
from qreal_tasks.models.requests import Request, Response
from qreal_tasks.models.server.engine import OpenAIEngine

CHOICES = ("Yes", "No")
IMAGE = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3))
Script = Callable[[Asked], Reply]


def engine_at(server: ScriptedServer, **settings: Any) -> OpenAIEngine:
    return OpenAIEngine("m", base_url=server.url, **{"api_key": "key", "first_wait_s": 0.001, **settings})


def ask(script: Script, *requests: Request, **settings: Any) -> tuple[list[Response], OpenAIEngine, ScriptedServer]:
    """The responses in the order of the requests."""
    with ScriptedServer(script) as server:
        engine = engine_at(server, **settings)
        found = dict(engine.run(requests or [Request(IMAGE, "real?", CHOICES)]))
    assert sorted(found) == list(range(len(found)))
    return [found[index] for index in sorted(found)], engine, server
