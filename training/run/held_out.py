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
from qreal_tasks.benchmark import ANSWERS
from qreal_tasks.metrics.grounding import score_grounding
from qreal_tasks.metrics.ranking import Ranking
from qreal_tasks.models.local.engine import TransformersEngine
from qreal_tasks.models.local.weights.loading import LoadedModel
from qreal_tasks.models.requests import Request, Response
from qreal_tasks.records import GroundingRecord
from qreal_tasks.samples import ModelAnswer, SampleContext, grounding_record
from training.data.collator import decode_picture
from training.data.conversations import list_regions
from training.plan import TrainPlan
from training.tasks import BOXES, CHOICE, MEAN, TASKS


class HeldOutEvaluator:
    """Asks the model a sample of the sequences kept back of every task, the same one at every evaluation.

    Args:
        plan: with sequences kept back; tasks whose answers only a judge could score are passed over.
    """

    def __init__(self, plan: TrainPlan) -> None:
        assert plan.held_out is not None
        self._plan = plan
        self._asked: dict[str, list[Mapping[str, Any]]] = {}
        of_sequence = list(plan.held_out["task"])
        for task in plan.config.tasks:
            if TASKS[task].answers.metrics:
                order = [at for at, name in enumerate(of_sequence) if name == task]
                random.Random(plan.config.seed).shuffle(order)
                self._asked[task] = [plan.held_out[at] for at in order[: plan.config.held_out.most]]

    def evaluate(self, model: Any, rank: int = 0, processes: int = 1) -> dict[str, float]:
        """Compute metrics by name, NaN where undefined: means over questions or sets, and each by itself.

        With several tasks the name of a metric begins with the task's, and ``mean`` is the mean of what chooses the
        best checkpoint of each.

        Args:
            model: with output head, in evaluation mode, not wrapped; an adapter is in its layers.
            rank, processes: each process asks its share. Where a forward pass takes all of them (DeepSpeed's third
                stage) call it with one process, and every one asks everything.
        """
        config = self._plan.config
        loaded = LoadedModel(model, self._plan.outline.processor, model.get_input_embeddings().weight.device)
        engine = TransformersEngine.around(loaded, config.held_out.batch_size)
        found: dict[str, float] = {}
        best = []
        for task, asked in self._asked.items():
            of_task = self._evaluate_task(task, asked[rank::processes], engine, processes)
            best.append(of_task[TASKS[task].answers.best])
            found |= {f"{config.prefix(task)}{name}": value for name, value in of_task.items()}
        return found if len(config.tasks) == 1 else {MEAN: _mean_of_defined(best), **found}

    def _evaluate_task(
        self, task: str, share: Sequence[Mapping[str, Any]], engine: TransformersEngine, processes: int
    ) -> dict[str, float]:
        requests, about = self._requests(task, share)
        answered: dict[int, Response] = dict(engine.run(requests)) if requests else {}
        if TASKS[task].answers is CHOICE:
            judged = [(*key, answered[at]) for at, key in enumerate(about)]
            return _choice_metrics(gather_object(judged) if processes > 1 else judged)
        records = [self._grounding(task, row, name, answered[at]) for at, (row, name, _) in enumerate(about)]
        return _box_metrics(gather_object(records) if processes > 1 else records)

    def _requests(
        self, task: str, share: Sequence[Mapping[str, Any]]
    ) -> tuple[list[Request], list[tuple[int, str, str]]]:
        """List the questions, and for each the row, its name and the right answer."""
        config, family, rows = self._plan.config, self._plan.outline.family, self._plan.rows[TASKS[task].rows]
        requests, about = [], []
        for sequence in share:
            image = decode_picture(rows, sequence["row"])
            for name, prompt, turn in zip(sequence["names"], sequence["prompts"], sequence["answers"], strict=True):
                request = Request(image, prompt, max_new_tokens=config.held_out.max_new_tokens)
                requests.append(Request(image, prompt, ANSWERS) if TASKS[task].answers is CHOICE else request)
                answer = turn.removeprefix(family.before_answer).removesuffix(family.end_of_turn)
                about.append((sequence["row"], name, answer))
        return requests, about

    def _grounding(self, task: str, at: int, name: str, response: Response) -> GroundingRecord:
        row = self._plan.rows[TASKS[task].rows].remove_columns("image")[at]
        reference = list_regions(row) if task == "detect" else None
        answer = ModelAnswer.from_response(response.text, response.beside())
        space = self._plan.outline.family.box_space
        context = SampleContext(self._plan.source.name, self._plan.config.prompts, space=space)
        return grounding_record(row, name, answer, context, reference)


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
    return _with_means(found, CHOICE.metrics)


def _box_metrics(records: Sequence[GroundingRecord]) -> dict[str, float]:
    by_set: dict[str, list[GroundingRecord]] = defaultdict(list)
    for record in records:
        by_set[record.set_name].append(record)
    found: dict[str, float] = {}
    for name, of_set in sorted(by_set.items()):
        scores = score_grounding(of_set)
        found |= {f"{metric}_{name}": _nan_if_none(scores[metric]) for metric in BOXES.metrics}
    return _with_means(found, BOXES.metrics)


def _nan_if_none(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _with_means(found: Mapping[str, float], metrics: Sequence[str]) -> dict[str, float]:
    """Put before each question's or set's metrics their means where they are defined; NaN when they are nowhere."""
    means = {}
    for metric in metrics:
        means[metric] = _mean_of_defined([v for name, v in found.items() if name.startswith(f"{metric}_")])
    return {**means, **found}


def _mean_of_defined(values: Sequence[float]) -> float:
    """NaN when none is."""
    defined = [value for value in values if not math.isnan(value)]
    return float(np.mean(defined)) if defined else math.nan
