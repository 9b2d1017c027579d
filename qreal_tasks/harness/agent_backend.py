"""The backend of lmms-eval over the agent of three models (Table 4)."""

from __future__ import annotations

from typing import Any

from loguru import logger

from qreal_tasks.harness.backend_arguments import ARGUMENTS, parse_arguments, prepare_options
from qreal_tasks.harness.backends import EngineBackend, open_store
from qreal_tasks.models.agent.engine import AgentEngine


class QRealAgent(EngineBackend):
    """``qreal_agent``: the ImageQA tasks, answered by a detecting, a filtering and a describing model in turn.

    Args: those of ``AgentEngine``; ``detect``, ``filter`` and ``describe`` are each a model's folder, an adapter's or a
        hub id, ``pretrained`` is the base of adapters, ``store`` the file for answers, those of the stages too.
        ``--batch_size`` as for ``qreal_hf``.
    """

    def __init__(self, **given: Any) -> None:
        options = parse_arguments(given, *ARGUMENTS["qreal_agent"])
        store = open_store(options.pop("store", None))
        super().__init__(AgentEngine(store=store, say=_say, **prepare_options(options)), store)


def _say(text: str) -> None:
    logger.info(f"qreal: {text}")
