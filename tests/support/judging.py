"""What the tests of the judge share: a manifest for a scripted server, and what such a server is asked."""

from __future__ import annotations

import json
import re
from typing import Any

from qreal_tasks.judge.manifest import JudgeManifest, load_manifest
from qreal_tasks.judge.pairs import Pair
from qreal_tasks.llm.scripted_server import Asked, Reply, completion


def manifest_for(url: str | None, **changes: Any) -> JudgeManifest:
    """The packaged gpt-4o at another address."""
    return load_manifest("gpt-4o").model_copy(update={"base_url": url, **changes})


def pair_in(user: str) -> Pair:
    """The two descriptions, read back from a user message in the way the system message explains it."""
    found = re.fullmatch(
        r"<prediction>\n(\".*\")\n</prediction>\n<reference>\n(\".*\")\n</reference>", user, flags=re.DOTALL
    )
    assert found, user
    return Pair(json.loads(found[1]), json.loads(found[2]))


def asked_pair(asked: Asked) -> Pair:
    return pair_in(asked.body["messages"][-1]["content"])


def scored(score: float, **settings: Any) -> Reply:
    """An answer as the judge is told to give it."""
    return completion(json.dumps({"score": score}), **settings)
