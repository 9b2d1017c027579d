"""Q-Real Bench: realism and plausibility of every entity in a generated image.

>>> import qreal_tasks as qreal
>>> qreal.load_run("runs/qreal_hf-20260101-120000").scores()  # doctest: +SKIP

What is named here is loaded when it is first used, so that the import takes no time.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from qreal_tasks.api.asking import Model, ask
    from qreal_tasks.api.comparisons import compare
    from qreal_tasks.api.runs import load_run, score
    from qreal_tasks.judge.judge import Judge
    from qreal_tasks.screening.reward.client import RemoteReward
    from qreal_tasks.screening.reward.reward import QRealReward

__version__ = "0.1.0"

__all__ = ["Judge", "Model", "QRealReward", "RemoteReward", "__version__", "ask", "compare", "load_run", "score"]

_HOMES = {
    "Judge": "qreal_tasks.judge.judge",
    "Model": "qreal_tasks.api.asking",
    "QRealReward": "qreal_tasks.screening.reward.reward",
    "RemoteReward": "qreal_tasks.screening.reward.client",
    "ask": "qreal_tasks.api.asking",
    "compare": "qreal_tasks.api.comparisons",
    "load_run": "qreal_tasks.api.runs",
    "score": "qreal_tasks.api.runs",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
