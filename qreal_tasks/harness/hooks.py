"""Task hooks: adapt the harness's documents and responses to parsers, records and metrics. They decide nothing.

A hook never raises on what a model wrote: an exception here costs the whole run. The YAML refers to them by name, for
each question or set: ``text_<name>``, ``target_<name>``, ``process_<name>``, for the tasks ``qreal_paper_…``
``paper_text_<name>`` and ``paper_process_<name>``; for each metric: ``objectqa_<metric>``, ``imageqa_<metric>``.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from datasets import Dataset
from loguru import logger

from qreal_tasks.answers import read_declared_marks
from qreal_tasks.benchmark import (
    ANSWERS,
    IMAGEQA_SETS,
    QUESTION_NAMES,
    PromptFrame,
    Style,
    frame_of,
    imageqa_prompt,
    objectqa_prompt,
)
from qreal_tasks.dataset.source import ENVIRONMENT, DatasetError, locate
from qreal_tasks.harness.box_space import is_assumed, read_declared_space
from qreal_tasks.harness.judge import add_scores
from qreal_tasks.images import as_rgb
from qreal_tasks.metrics.catalogue import IMAGEQA_LIVE
from qreal_tasks.metrics.grounding import grounding_sums
from qreal_tasks.metrics.judgment import judgment_sums, score_judgment
from qreal_tasks.metrics.live import OBJECTQA_OTHERS, OBJECTQA_RATIOS, aggregate_ratios
from qreal_tasks.records import GroundingRecord, JudgmentRecord, record_to_json
from qreal_tasks.samples import (
    NO_INPUT_SIZE,
    ModelAnswer,
    SampleContext,
    grounding_record,
    in_human_set,
    judgment_record,
    reference_regions,
)

Doc = Mapping[str, Any]

_asked_in: dict[tuple[Style, str], PromptFrame] = {}
"""Style and question or set to the frame that this run asks it in. The harness hands ``lmms_eval_specific_kwargs`` to
the text hook alone; every process builds its requests before it processes their answers."""


def visual(doc: Doc) -> list[Any]:
    """The document's one picture: the entity's crop, or the whole image; in RGB for every backend."""
    return [as_rgb(doc["image"])]


def portraits(dataset: Dataset) -> Dataset:
    """The rows of the human-plausibility set: portraits whose people went through the body-part protocol.

    Raises:
        DatasetError: there are none.
    """
    rows = dataset.select_columns(["is_portrait", "entities"])
    keep = [n for n, row in enumerate(rows) if in_human_set(row)]
    if not keep:
        raise DatasetError(
            f"dataset {locate().name} has no portrait with body-part descriptions, so "
            "qreal_imageqa_human_plausibility cannot run; choose the other tasks"
        )
    return dataset.select(keep)


def count(items: Sequence[Any]) -> int:
    """How many samples there were."""
    return len(items)


def _answer(results: Sequence[Any]) -> ModelAnswer:
    """The model's text, and what the backend reports beside it as a second string."""
    first = results[0] if results else ""
    strings = [*first] if isinstance(first, (list, tuple)) else [*results]
    text = strings[0] if strings and isinstance(strings[0], str) else ""
    beside = strings[1] if len(strings) > 1 and isinstance(strings[1], str) else None
    return ModelAnswer.from_response(text, beside)


@functools.cache
def _data_name(value: str) -> str:
    """What records call the dataset; looked up once, not once a sample: it walks a folder's files."""
    return locate(value).name


@functools.cache
def _say_once(text: str) -> None:
    logger.error(text)


def _frame(style: Style, name: str, given: Mapping[str, Any] | None) -> PromptFrame:
    """What ``lmms_eval_specific_kwargs`` says for this backend; what it leaves out is the style's own."""
    own, kwargs = frame_of(style, name), given or {}
    frame = PromptFrame(str(kwargs.get("pre_prompt", own.pre)), str(kwargs.get("post_prompt", own.post)))
    _asked_in[style, name] = frame
    return frame


def _asked(style: Style, name: str) -> SampleContext:
    return SampleContext(
        data=_data_name(os.environ.get(ENVIRONMENT, "")),
        style=style,
        frame=_asked_in.get((style, name)),
        space=None if is_assumed() else read_declared_space(),
        reasoning_marks=read_declared_marks(),
    )


def _grounding_record(doc: Doc, results: Sequence[Any], style: Style, set_name: str) -> GroundingRecord:
    record = grounding_record(doc, set_name, _answer(results), _asked(style, set_name))
    if record.reason == NO_INPUT_SIZE:
        _say_once(
            "qreal: boxes in resized_pixels cannot be read, because this backend does not report the size it fed the "
            "model: every ImageQA answer counts as unreadable. Set QREAL_BOX_SPACE to another space."
        )
    return record


def _objectqa_items(record: JudgmentRecord) -> dict[str, Any]:
    sums = judgment_sums(record)
    scored = [
        record.question,
        record.image_id,
        record.entity_id,
        record.reference,
        record.answer,
        record.p_yes,
    ]
    return {
        **{metric: list(sums[metric]) for metric in OBJECTQA_RATIOS},
        **dict.fromkeys(OBJECTQA_OTHERS, scored),
        "records": record_to_json(record),
    }


def _imageqa_items(record: GroundingRecord) -> dict[str, Any]:
    try:
        sums = grounding_sums(record)
    except ValueError as error:  # only a reference that `qreal data check` refuses
        logger.error(f"qreal: not scored: {error}")
        sums = {}
    return {
        **{metric: list(sums.get(metric, (0, 0))) for metric in IMAGEQA_LIVE},
        "records": record_to_json(record),
    }


def _scored_records(items: Sequence[Sequence[Any]]) -> list[JudgmentRecord]:
    return [
        JudgmentRecord(
            *(question, entity_id, image_id),
            generator="",
            is_portrait=False,
            label="",
            reference=reference,
            raw="",
            answer=answer,
            reason=None,
            p_yes=p_yes,
            mass=None,
            prompt_version="",
            pre_prompt="",
            post_prompt="",
            data="",
        )
        for question, image_id, entity_id, reference, answer, p_yes in items
    ]


def _define_aggregation(task: str, metric: str) -> None:
    """An aggregation that never raises: an exception there would cost the whole run, whose samples are still good."""

    def aggregation(items: Sequence[Any]) -> float | None:
        try:
            if metric in OBJECTQA_OTHERS and task == "objectqa":
                return score_judgment(_scored_records(items))[metric]
            return aggregate_ratios(items)
        except ValueError as error:
            logger.error(f"qreal {task} {metric} is left undefined: {error}")
            return None

    globals()[f"{task}_{metric}"] = aggregation


def _define_objectqa(style: Style, question: str) -> None:
    def text(doc: Doc, lmms_eval_specific_kwargs: Mapping[str, Any] | None = None) -> str:
        return objectqa_prompt(question, _frame(style, question, lmms_eval_specific_kwargs))

    def target(doc: Doc) -> str:
        return ANSWERS[doc[question]]

    def process(doc: Doc, results: Sequence[Any]) -> dict[str, Any]:
        return _objectqa_items(judgment_record(doc, question, _answer(results), _asked(style, question)))

    _name_hooks(style, question, text, target, process)


def _define_imageqa(style: Style, set_name: str) -> None:
    def text(doc: Doc, lmms_eval_specific_kwargs: Mapping[str, Any] | None = None) -> str:
        frame = _frame(style, set_name, lmms_eval_specific_kwargs)
        return imageqa_prompt(set_name, read_declared_space(), doc["width"], doc["height"], frame)

    def target(doc: Doc) -> str:
        return json.dumps([region.bbox_px for region in reference_regions(doc, set_name)])

    def process(doc: Doc, results: Sequence[Any]) -> dict[str, Any]:
        return _imageqa_items(add_scores(_grounding_record(doc, results, style, set_name)))

    _name_hooks(style, set_name, text, target, process)


def _name_hooks(style: Style, name: str, text: Any, target: Any, process: Any) -> None:
    before = "paper_" if style is Style.PAPER else ""
    named = {f"{before}text_{name}": text, f"target_{name}": target, f"{before}process_{name}": process}
    globals().update(named)


for _style in Style:
    for _name in QUESTION_NAMES:
        _define_objectqa(_style, _name)
    for _name in IMAGEQA_SETS:
        _define_imageqa(_style, _name)
for _name in (*OBJECTQA_RATIOS, *OBJECTQA_OTHERS):
    _define_aggregation("objectqa", _name)
for _name in IMAGEQA_LIVE:
    _define_aggregation("imageqa", _name)
