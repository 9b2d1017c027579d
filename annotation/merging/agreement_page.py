"""The report of agreement as one HTML page and as JSON. Both name people: they stay in the run's folder."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from annotation.merging.agreement import ASKED, DROP, AgreementReport, QuestionAgreement
from qreal_tasks.metrics.bootstrap import LEVEL, Estimate
from qreal_tasks.pages.environment import page_environment, write_page

_CHANGED = {
    "label": "label",
    "box": "box",
    "realism_description": "realism text",
    "plausibility_description": "plausibility text",
    "parts": "body parts",
}


def write_agreement(report: AgreementReport, counts: dict[str, int], name: str, folder: Path) -> tuple[Path, Path]:
    """Write ``agreement.html`` and ``agreement.json`` into ``folder``, each in one step.

    Args:
        counts: merged entities by state.
        name: the name of the run, for the title.
    """
    page, data = folder / "agreement.html", folder / "agreement.json"
    environment = page_environment("annotation", "merging")
    html = environment.get_template("agreement.html.j2").render(
        title=f"{name}: agreement",
        name=name,
        report=report,
        counts=counts,
        asked=ASKED,
        drop=DROP,
        changed=_CHANGED,
        level=LEVEL,
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_page(page, html)
    write_page(data, json.dumps(report_to_json(report, counts), indent=2, allow_nan=False) + "\n")
    return page, data


def report_to_json(report: AgreementReport, counts: dict[str, int]) -> dict[str, Any]:
    """The report as JSON; what is undefined is null."""
    return {
        "entities_by_state": counts,
        "entities": report.entities,
        "images": report.images,
        "votes": report.votes,
        "independent_votes_only": report.independent_only,
        "interval_level": LEVEL,
        "questions": [question_to_json(question) for question in report.questions],
        "annotators": [asdict(one) for one in report.annotators],
    }


def question_to_json(question: QuestionAgreement) -> dict[str, Any]:
    """The report on one question as JSON, without names of people."""
    return {
        "name": question.name,
        "entities": question.entities,
        "votes": question.votes,
        **{name: _ends(estimate) for name, estimate in question.measures.items()},
        "machine_agrees": question.machine and {**_ends(question.machine), "entities": question.machine_n},
    }


def _ends(estimate: Estimate) -> dict[str, float | None]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}
