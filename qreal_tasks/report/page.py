"""The report of a run as one HTML page that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qreal_tasks import __version__
from qreal_tasks.benchmark import IMAGEQA_SETS, QUESTIONS, Dimension
from qreal_tasks.metrics.catalogue import (
    CATALOGUE,
    COUNT_LABELS,
    IMAGEQA,
    OBJECTQA,
    PAPER_IMAGEQA,
    PAPER_OBJECTQA,
    Metric,
)
from qreal_tasks.pages.environment import page_environment, write_page
from qreal_tasks.report.figures import draw_calibration, draw_detection, draw_roc
from qreal_tasks.report.gallery import Miss, SureAndWrong, find_surest_wrong, find_worst_misses
from qreal_tasks.report.headline import list_headlines
from qreal_tasks.report.pictures import ReportPictures, load_pictures
from qreal_tasks.results.asked import describe_prompts, find_other_prompts, render_prompt
from qreal_tasks.results.lints import find_lints
from qreal_tasks.results.model_names import name_model
from qreal_tasks.results.reasons import describe_answer
from qreal_tasks.results.score import GroupScores, RunScores
from qreal_tasks.results.slices import Heatmap, build_heatmap, score_portraits_apart
from qreal_tasks.text.addresses import shown

SHOWN = 24
"""Pictures of each gallery unless told otherwise: 24 images and 24 crops make a page of a few megabytes."""

_STRONGEST_LEAD = 0.25
"""Difference from all generators at which a cell of the heatmap has its full colour."""
_STRONGEST_ALPHA = 0.6


def _pick(catalogue: Mapping[str, Metric], *names: str) -> list[Metric]:
    return [catalogue[name] for name in names]


_COLUMNS = {
    "objectqa_paper": _pick(OBJECTQA, *PAPER_OBJECTQA),
    "objectqa_beside": _pick(OBJECTQA, "recall", "balanced", "mcc", "unparsed"),
    "defect": _pick(OBJECTQA, "precision_defect", "recall_defect", "f1_defect", "balanced", "mcc", "auc"),
    "imageqa_paper": _pick(IMAGEQA, *PAPER_IMAGEQA),
    "imageqa_beside": _pick(
        *(IMAGEQA, "f1_at_50", "recall_at_50", "penalized_overlap", "joint_score", "false_alarm", "unparsed")
    ),
    "portrait_objectqa": _pick(OBJECTQA, "acc", "f1", "auc"),
    "portrait_imageqa": _pick(IMAGEQA, "f1_at_50", "iou", "llm_score"),
}
"""Which metrics the tables show, in order."""


@dataclass(frozen=True)
class WrittenReport:
    """What came of writing a report."""

    path: Path
    bytes: int
    pictures: int
    problem: str | None
    """Why pictures are missing, when they are."""


def write_report(
    scores: RunScores,
    path: Path,
    *,
    wrong: Sequence[str] = (),
    gallery: int = SHOWN,
    data: str | None = None,
    resamples: int = 10_000,
) -> WrittenReport:
    """Write the page.

    Args:
        scores: of ``score_run``; the page shows these numbers and computes none of them again.
        wrong: ``score.find_differences``: where the live run's numbers are others.
        gallery: at most so many images, and so many crops, are shown; 0 needs no dataset.
        data: where the dataset is, when it is no longer where the run found it.
        resamples: for the intervals of portraits apart.

    Raises:
        OSError: the page cannot be written.
    """
    misses = _misses(scores, gallery)
    sure = find_surest_wrong(scores.run.judgments(), gallery)
    pictures = _pictures(scores, misses, sure, data)
    text = render_report(scores, misses, sure, pictures, wrong=wrong, resamples=resamples)
    size = write_page(path, text)
    shown = len(pictures.images) + len(pictures.crops)
    return WrittenReport(path, size, shown, pictures.problem or next(iter(pictures.trouble.values()), None))


def render_report(
    scores: RunScores,
    misses: Mapping[str, Sequence[Miss]],
    sure: Sequence[SureAndWrong],
    pictures: ReportPictures,
    *,
    wrong: Sequence[str] = (),
    resamples: int = 10_000,
) -> str:
    """The page's text; arguments as there."""
    run, name = scores.run, name_model(scores.run)
    template = page_environment("qreal_tasks.report").get_template("report.html.j2")
    return template.render(
        title=f"{name}: report",
        name=name,
        version=__version__,
        run=run,
        scores=scores,
        columns=_COLUMNS,
        catalogue=CATALOGUE,
        count_labels=COUNT_LABELS,
        headlines=list_headlines(scores),
        wrong=wrong,
        lints=find_lints(scores),
        facts=_facts(scores),
        questions=QUESTIONS,
        queries={task.name: render_prompt(task.records[0]) for task in run.tasks if task.records},
        sets=[name for name in IMAGEQA_SETS if name in scores.imageqa],
        heatmap=_shaded(build_heatmap(scores)),
        portraits=score_portraits_apart(run, resamples),
        roc=draw_roc(scores),
        calibration=draw_calibration(scores),
        detection=draw_detection(scores),
        misses=misses,
        sure=sure,
        pictures=pictures,
        dimensions=[str(dimension) for dimension in Dimension],
        answer_phrase=describe_answer,
        all_metrics=_all_metrics(scores.objectqa),
        all_set_metrics=_all_metrics(scores.imageqa),
    )


def _facts(scores: RunScores) -> dict[str, str]:
    run = scores.run
    images = {record.image_id for record in run.records}
    versions = {"unknown" if task.version == "None" else task.version for task in run.tasks}
    other = "; ".join(f"{one.field} {one.found!r} ({one.samples:,} samples)" for one in find_other_prompts(run.tasks))
    return {
        "Data": shown(run.data),
        "Images": f"{len(images):,}",
        "Samples": f"{len(run.records):,}",
        "Judge": ", ".join(run.judges) or "none asked",
        "Task versions": ", ".join(sorted(versions)),
        "Prompts": describe_prompts(run),
        **({"Other words": other} if other else {}),
    }


def _misses(scores: RunScores, most: int) -> dict[str, list[Miss]]:
    """The images are shared out among the sets; what one does not use goes to the next."""
    found: dict[str, list[Miss]] = {}
    names = [name for name in IMAGEQA_SETS if name in scores.imageqa]
    left = most
    for place, name in enumerate(names):
        found[name] = find_worst_misses(scores.run.groundings(name), -(-left // (len(names) - place)))
        left -= len(found[name])
    return found


def _pictures(
    scores: RunScores, misses: Mapping[str, Sequence[Miss]], sure: Sequence[SureAndWrong], data: str | None
) -> ReportPictures:
    sizes = {m.record.image_id: (m.record.width, m.record.height) for ms in misses.values() for m in ms}
    return load_pictures(data or scores.run.data, sizes, {one.record.entity_id for one in sure})


def _all_metrics(groups: Mapping[str, GroupScores]) -> list[str]:
    return list(dict.fromkeys(metric for group in groups.values() for metric in group.metrics))


def _shaded(heatmap: Heatmap) -> dict[str, Any]:
    """Cells with a style class and an opacity that grows with the distance from all generators together."""
    rows = {
        name: [
            (cell, "" if cell.lead is None else "low" if cell.lead < 0 else "high", _alpha(cell.lead)) for cell in cells
        ]
        for name, cells in heatmap.rows.items()
    }
    return {"columns": heatmap.columns, "rows": rows, "images": heatmap.images}


def _alpha(lead: float | None) -> float:
    return 0.0 if lead is None else round(_STRONGEST_ALPHA * min(1.0, abs(lead) / _STRONGEST_LEAD), 3)
