"""Evaluation of the model being trained on the prompts that are kept back, asked and scored as the benchmark does."""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from accelerate.utils import gather_object

from qreal_tasks.answers import parse_judgment
from qreal_tasks.benchmark import ANSWERS, frame_of
from qreal_tasks.metrics.grounding import score_grounding
from qreal_tasks.metrics.ranking import Ranking
from qreal_tasks.models.local.engine import TransformersEngine
from qreal_tasks.models.local.loading import LoadedModel
from qreal_tasks.models.requests import Request, Response
from qreal_tasks.records import GroundingRecord
from qreal_tasks.samples import grounding_record
from training.config import BOX_METRICS, CHOICE_METRICS, CHOICE_TASKS
from training.data.collator import decode_picture
from training.data.conversations import list_regions
from training.plan import TrainPlan


class HeldOutEvaluator:
    """Asks the model a sample of the sequences kept back, the same one at every evaluation.

    Args:
        plan: of a task whose answers can be scored without a judge, with sequences kept back.
    """

    def __init__(self, plan: TrainPlan) -> None:
        assert plan.held_out is not None
        self._plan = plan
        self._rows = plan.rows
        order = list(range(len(plan.held_out)))
        random.Random(plan.config.seed).shuffle(order)
        self._asked = [plan.held_out[at] for at in order[: plan.config.held_out.most]]

    def evaluate(self, model: Any, rank: int = 0, processes: int = 1) -> dict[str, float]:
        """Compute metrics by name, NaN where undefined: means over questions or sets, and each by itself.

        Args:
            model: with output head, in evaluation mode, not wrapped; an adapter is in its layers.
            rank, processes: each process asks its share. Where a forward pass takes all of them (DeepSpeed's third
                stage) call it with one process, and every one asks everything.
        """
        share = self._asked[rank::processes]
        requests, about = self._requests(share)
        answered: dict[int, Response] = {}
        if requests:
            loaded = LoadedModel(model, self._plan.outline.processor, model.get_input_embeddings().weight.device)
            engine = TransformersEngine.around(loaded, self._plan.config.held_out.batch_size)
            answered = dict(engine.run(requests))
        if self._plan.config.task in CHOICE_TASKS:
            judged = [(*key, answered[at]) for at, key in enumerate(about)]
            return _choice_metrics(gather_object(judged) if processes > 1 else judged)
        found = [self._grounding(row, name, answered[at]) for at, (row, name, _) in enumerate(about)]
        return _box_metrics(gather_object(found) if processes > 1 else found)

    def _requests(self, share: Sequence[Mapping[str, Any]]) -> tuple[list[Request], list[tuple[int, str, str]]]:
        """List the questions, and for each the row, its name and the right answer."""
        config, family = self._plan.config, self._plan.outline.family
        requests, about = [], []
        for sequence in share:
            image = decode_picture(self._rows, sequence["row"])
            for name, prompt, turn in zip(sequence["names"], sequence["prompts"], sequence["answers"], strict=True):
                request = Request(image, prompt, max_new_tokens=config.held_out.max_new_tokens)
                requests.append(Request(image, prompt, ANSWERS) if config.task in CHOICE_TASKS else request)
                answer = turn.removeprefix(family.before_answer).removesuffix(family.end_of_turn)
                about.append((sequence["row"], name, answer))
        return requests, about

    def _grounding(self, at: int, name: str, response: Response) -> GroundingRecord:
        row = self._rows.remove_columns("image")[at]
        config, space, data = self._plan.config, self._plan.outline.family.box_space, self._plan.source.name
        reference = list_regions(row) if config.task == "detect" else None
        frame = frame_of(config.prompts, name)
        return grounding_record(row, name, response.text, response.beside(), space, data, frame, reference)


def _choice_metrics(judged: Sequence[tuple[int, str, str, Response]]) -> dict[str, float]:
    """``acc`` is that of the answers as the benchmark reads them, ``auc`` that of P(Yes), where none is .5."""
    by_name: dict[str, list[tuple[str, Response]]] = defaultdict(list)
    for _, name, answer, response in judged:
        by_name[name].append((answer, response))
    found: dict[str, float] = {}
    for name, pairs in sorted(by_name.items()):
        p_yes = [0.5 if r.p is None else r.p[r.choices.index("Yes")] for _, r in pairs]
        ranking = Ranking.of(p_yes, [answer == "Yes" for answer, _ in pairs], [0] * len(pairs))
        found[f"acc_{name}"] = float(np.mean([parse_judgment(r.text).answer == answer for answer, r in pairs]))
        found[f"auc_{name}"] = float(ranking.scores(np.ones((1, 1))).auc[0])
    return _with_means(found, CHOICE_METRICS)


def _box_metrics(records: Sequence[GroundingRecord]) -> dict[str, float]:
    by_set: dict[str, list[GroundingRecord]] = defaultdict(list)
    for record in records:
        by_set[record.set_name].append(record)
    found: dict[str, float] = {}
    for name, of_set in sorted(by_set.items()):
        scores = score_grounding(of_set)
        found |= {f"{metric}_{name}": _nan_if_none(scores[metric]) for metric in BOX_METRICS}
    return _with_means(found, BOX_METRICS)


def _nan_if_none(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _with_means(found: Mapping[str, float], metrics: Sequence[str]) -> dict[str, float]:
    """Put before each question's or set's metrics their means where they are defined; NaN when they are nowhere."""
    means = {}
    for metric in metrics:
        values = [v for name, v in found.items() if name.startswith(f"{metric}_") and not math.isnan(v)]
        means[metric] = float(np.mean(values)) if values else math.nan
    return {**means, **found}
