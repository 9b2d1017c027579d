"""The catalogue of metrics: it holds what is computed, and the harness's tasks agree with it."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from qreal_tasks.leaf_tasks import TASKS_FOLDER
from qreal_tasks.metrics.catalogue import CATALOGUE, COUNT_LABELS, IMAGEQA, IMAGEQA_LIVE, OBJECTQA, OBJECTQA_LIVE
from qreal_tasks.metrics.grounding import score_grounding
from qreal_tasks.metrics.judgment import score_judgment


class _PlainLoader(yaml.SafeLoader):
    """Reads a task's YAML without what ``!function`` names."""


_PlainLoader.add_constructor("!function", lambda loader, node: None)


def _metrics_of_task(file: str) -> dict[str, bool]:
    """Metric to ``higher_is_better``, without the records, which are no metric."""
    task: dict[str, Any] = yaml.load((TASKS_FOLDER / file).read_text(encoding="utf-8"), _PlainLoader)
    return {one["metric"]: one["higher_is_better"] for one in task["metric_list"] if one["metric"] != "records"}


@pytest.mark.parametrize(
    ("file", "half", "live"),
    [("_objectqa", "objectqa", OBJECTQA_LIVE), ("_imageqa", "imageqa", IMAGEQA_LIVE)],
)
def test_the_tasks_of_the_harness_say_the_same(file: str, half: str, live: tuple[str, ...]) -> None:
    expected = {name: CATALOGUE[half][name].higher_is_better for name in live}
    assert _metrics_of_task(file) == expected
    assert list(_metrics_of_task(file)) == list(live)


def test_it_holds_every_metric_that_is_computed_and_no_other() -> None:
    for catalogue, scores in ((OBJECTQA, score_judgment([])), (IMAGEQA, score_grounding([]))):
        computed = {name for name in scores if name != "n" and not name.startswith("n_")}
        assert computed == set(catalogue)


def test_every_count_has_a_label() -> None:
    counts = {name for scores in (score_judgment([]), score_grounding([])) for name in scores} - {*OBJECTQA, *IMAGEQA}
    assert counts == set(COUNT_LABELS)
    assert len(set(COUNT_LABELS.values())) == len(COUNT_LABELS)


def test_labels_tell_metrics_apart() -> None:
    for half, catalogue in CATALOGUE.items():
        labels = [metric.label for metric in catalogue.values()]
        assert len(set(labels)) == len(labels), half
        assert all(metric.low < metric.high for metric in catalogue.values()), half
    assert OBJECTQA["unparsed"].label == IMAGEQA["unparsed"].label
