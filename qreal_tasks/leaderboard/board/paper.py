"""The rows of the paper's tables, as it reports them: not recomputed, and not ranked."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from typing import Any

from qreal_tasks.benchmark import Dimension, questions_of
from qreal_tasks.leaf_tasks import MEAN, MEAN_SETS
from qreal_tasks.metrics.sums import mean_of_all

SOURCE = "reported by the paper, not recomputed"

PaperRow = Mapping[str, float | None]

_KINDS = {"*": "fine-tuned", "^1": "agent of three tuned models", "^2": "ObjectQA, then ImageQA, on one tuned model"}


@dataclass(frozen=True)
class PaperModel:
    """One model of the paper."""

    name: str
    """As the paper writes it, with its mark."""
    kind: str
    objectqa: Mapping[str, PaperRow]
    """Question to its row of Table 1; dimensions are plain means where every question of them is legible."""
    imageqa: Mapping[str, PaperRow]
    """Set to its row of Tables 2 and 3, of the ablations to that of Table 4; ``mean`` over realism and plausibility."""


@functools.cache
def list_contradictions() -> tuple[str, ...]:
    """What does not fit together in the paper, or cannot be read in the copy at hand."""
    return (
        "InternVL2.5-8B*: the LLM score on plausibility is .588 in Table 2 and .608 in Table 4; Table 2's is shown.",
        "InternVL2.5-8B on realism 1 (.312) and InternVL2.5-8B* on realism 1 and 2 (.411, .454): no scores that the "
        "printed accuracy, precision and F1 follow have such an AUC; they read like those of the other class.",
        "Table 1, plausibility questions 2 to 4: the copy at hand is damaged. What is N/A there is unreadable, not "
        "absent from the paper.",
        "GPT-4o has no AUC on ObjectQA in the paper.",
        "The portraits are 500 in the introduction and 400 in section 3.3.",
        "The paper's models were asked its bare queries. It scores ImageQA on flawed images only, and its answers are "
        "not at hand to be scored again, so these rows stand beside the board and not in its ranks.",
    )


@functools.cache
def load_paper_models() -> tuple[PaperModel, ...]:
    """The seven models of Tables 1 to 3, then the six ablations of Table 4."""
    tables = _tables()
    names = list(tables["table2_imageqa"]["realism"])
    found = [_model(name, tables) for name in names]
    ablations = [name for name in tables["table4_ablation"]["realism"] if name not in names]
    return (*found, *(_ablation(name, tables) for name in ablations))


def _tables() -> dict[str, Any]:
    text = (resources.files("qreal_tasks.leaderboard.board") / "paper.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def _model(name: str, tables: Mapping[str, Any]) -> PaperModel:
    objectqa = {question: rows[name] for question, rows in tables["table1_objectqa"].items() if name in rows}
    imageqa = {set_name: rows[name] for set_name, rows in tables["table2_imageqa"].items()}
    imageqa["human_plausibility"] = tables["table3_imageqa_human_plausibility"][name]
    return PaperModel(name, _kind(name), {**objectqa, **_means(objectqa)}, {**imageqa, MEAN: _mean_of_sets(imageqa)})


def _ablation(name: str, tables: Mapping[str, Any]) -> PaperModel:
    imageqa = {set_name: rows[name] for set_name, rows in tables["table4_ablation"].items()}
    return PaperModel(name, _kind(name), {}, {**imageqa, MEAN: _mean_of_sets(imageqa)})


def _kind(name: str) -> str:
    return next((kind for mark, kind in _KINDS.items() if name.endswith(mark)), "as released")


def _means(objectqa: Mapping[str, PaperRow]) -> dict[str, PaperRow]:
    """Dimensions, and ``overall`` for the metrics that mean the same whichever answer reports a defect."""
    groups = {dimension.value: [q.name for q in questions_of(dimension)] for dimension in Dimension}
    found = {
        name: {m: _mean(objectqa, some, m) for m in ("acc", "precision", "f1", "auc")} for name, some in groups.items()
    }
    everything = [name for some in groups.values() for name in some]
    return {**found, "overall": {metric: _mean(objectqa, everything, metric) for metric in ("acc", "auc")}}


def _mean_of_sets(imageqa: Mapping[str, PaperRow]) -> PaperRow:
    """Over the sets that a submission's mean is over."""
    metrics = {metric for name in MEAN_SETS for metric in imageqa[name]}
    return {metric: _mean(imageqa, MEAN_SETS, metric) for metric in sorted(metrics)}


def _mean(rows: Mapping[str, PaperRow], names: Sequence[str], metric: str) -> float | None:
    return mean_of_all([rows.get(name, {}).get(metric) for name in names])
