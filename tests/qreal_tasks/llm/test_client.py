"""What goes over the network goes where it was sent, and nowhere else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import annotation
import qreal_tasks
import training
from qreal_tasks.llm.scripted_server import Reply, ScriptedServer, completion
from qreal_tasks.models.server.served_model import served_family

_OTHER = re.compile(
    r"openai\.(Async)?OpenAI\(|from openai import|urlopen|\brequests\.(get|post|put)|_redirects=True|http\.client"
)


def test_no_module_has_a_client_of_its_own_that_follows_redirects() -> None:
    """httpx follows none unless told to, aiohttp is told not to; openai's own client follows them all."""
    packages = [Path(str(package.__file__)).parent for package in (qreal_tasks, training, annotation)]
    found = {
        f"{path.name}: {match.group()}"
        for package in packages
        for path in package.rglob("*.py")
        for match in _OTHER.finditer(path.read_text(encoding="utf-8"))
    }
    assert found == {"client.py: openai.OpenAI("}


@pytest.mark.parametrize("status", [200, 301, 302, 307, 308])
def test_the_list_of_models_is_not_asked_of_another_host(status: int) -> None:
    listed = {"data": [{"id": "m", "root": "Qwen/Qwen2.5-VL-7B-Instruct"}]}
    with ScriptedServer(lambda _: completion("No"), models=Reply(listed)) as elsewhere:
        address = f"{elsewhere.url.replace('127.0.0.1', 'localhost')}/models"
        reply = Reply(listed, status=status, headers={"Location": address})
        with ScriptedServer(lambda _: completion("No"), models=reply) as server:
            assert (served_family("m", server.url).family is not None) == (status == 200)
