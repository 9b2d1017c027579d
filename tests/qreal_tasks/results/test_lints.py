"""What a report warns of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from written_run import groundings, judgments, write_tasks

from qreal_tasks.records import GroundingRecord, JudgmentRecord
from qreal_tasks.results.lints import Level, Lint, find_lints
from qreal_tasks.results.run_folder import Run, find_results, read_run
from qreal_tasks.results.score import score_run

Judgments: TypeAlias = list[JudgmentRecord]
Groundings: TypeAlias = list[GroundingRecord]


def clean_judgments() -> Judgments:
    rows = [("Yes", 0.9), ("Yes", 0.7), ("No", 0.2), ("No", 0.4)]
    first = judgments()[0]
    return [
        replace(
            first,
            entity_id=f"i{n}#0",
            image_id=f"i{n}",
            reference=result,
            raw=result,
            answer=result,
            p_yes=p,
            data="x/y",
        )
        for n, (result, p) in enumerate(rows)
    ]


def clean_groundings() -> Groundings:
    return [replace(r, data="x/y", scores=(0.5,) * len(r.predicted), judge="j@1") for r in groundings()]


def found(
    folder: Path, judged: Judgments, grounded: Groundings, change: Callable[[Run], Run] = lambda run: run
) -> list[Lint]:
    write_tasks(folder, {"qreal_objectqa_realism_q1": judged, "qreal_imageqa_realism": grounded})
    return find_lints(score_run(change(read_run(find_results(folder)[-1])), resamples=0))


def test_a_clean_run_has_none(tmp_path: Path) -> None:
    assert found(tmp_path, clean_judgments(), clean_groundings()) == []


def _all(**change: Any) -> Callable[[Judgments], Judgments]:
    return lambda records: [replace(record, **change) for record in records]


Q = '"taken in the real world" (`realism_q1`)'

JUDGED: dict[str, tuple[Callable[[Judgments], Judgments], Level, str]] = {
    "mini": (_all(data="mini"), Level.WARNING, "Drawn pictures. These numbers are on `mini`"),
    "one drawn picture": (
        lambda r: [replace(r[0], image_id="mini-0123456789ab"), *r[1:]],
        Level.WARNING,
        "Drawn pictures. These numbers are on `mini`",
    ),
    "one class": (_all(reference="Yes"), Level.INFO, f"N/A where every reference is the same: {Q}."),
    "no P(Yes)": (_all(p_yes=None), Level.INFO, f"{Q} 100.0 %"),
    "some without P(Yes)": (lambda r: [replace(r[0], p_yes=None), *r[1:]], Level.WARNING, f"{Q} 25.0 %"),
    "P(Yes) of the other class": (
        lambda r: [replace(x, p_yes=1 - (x.p_yes or 0)) for x in r],
        Level.ERROR,
        f"Impossible AUC. That of {Q} cannot come",
    ),
    # One of two found without a false alarm: .75 from the answers alone, .5 from P(Yes).
    "P(Yes) says less than the answers": (
        lambda r: [
            replace(one, entity_id=f"{one.entity_id}{n}", image_id=f"{one.image_id}{n}")
            for one in (replace(r[0], p_yes=0.6), replace(r[1], answer="No", raw="No", p_yes=0.1), *r[2:])
            for n in range(40)
        ],
        Level.WARNING,
        f"Weak P(Yes). For {Q} it ranks worse",
    ),
    "little mass": (_all(mass=0.49), Level.WARNING, f"would hardly say: {Q} 100.0 % of the answers"),
    "an answer against P(Yes)": (lambda r: [replace(r[0], p_yes=0.1), *r[1:]], Level.WARNING, f"{Q} 25.0 %"),
    "no answer came": (
        lambda r: [replace(r[0], answer=None, raw="", reason="request failed: 503: busy"), *r[1:]],
        Level.ERROR,
        "Incomplete run. 1 of 7 questions have no answer (for example: request failed: 503: busy)",
    ),
    "no answer came to a stock backend": (
        lambda r: [replace(r[0], answer=None, reason="request_failed"), *r[1:]],
        Level.ERROR,
        "1 of 7 questions have no answer",
    ),
    "unread": (
        lambda r: [replace(r[0], raw="", answer=None, reason="empty"), *r[1:]],
        Level.WARNING,
        f"They count as wrong. {Q}: 1 answer held nothing to read.",
    ),
}


def test_what_may_be_chance_is_not_said(tmp_path: Path) -> None:
    few = [*clean_judgments()]
    few = [replace(few[0], p_yes=0.6), replace(few[1], answer="No", raw="No", p_yes=0.1), *few[2:]]
    assert not any("Weak" in lint.title for lint in found(tmp_path, few, clean_groundings()))


@pytest.mark.parametrize("name", JUDGED)
def test_what_is_wrong_with_answers_is_said(name: str, tmp_path: Path) -> None:
    change, level, result = JUDGED[name]
    assert any(
        lint.level is level and result in f"{lint.title} {lint.text}"
        for lint in found(tmp_path, change(clean_judgments()), clean_groundings())
    )


GROUNDED: dict[str, tuple[dict[str, Any], Level, str]] = {
    "boxes clipped": ({"clipped": 2}, Level.INFO, "realism 6"),
    "boxes dropped": ({"dropped": {"no area": 1}}, Level.WARNING, "realism 3"),
    "not judged": ({"scores": None, "judge": None}, Level.INFO, "N/A for realism"),
    "nothing to judge": ({"predicted": (), "scores": ()}, Level.INFO, "so there was nothing to judge."),
    "pairs unjudged": (
        {"unjudged": {"malformed JSON": 1}, "judge_said": {"malformed JSON": "About .5"}},
        Level.WARNING,
        "realism: 3 pairs got a reply that is not one JSON object {\"score\": …} alone, for example: 'About .5'.",
    ),
    "unread": (
        {"reason": "no_entity", "predicted": (), "scores": (), "raw": "No"},
        Level.WARNING,
        "no false alarm. realism: 3 answers held no list of boxes, for example: 'No'.",
    ),
}


@pytest.mark.parametrize("name", GROUNDED)
def test_what_is_wrong_with_boxes_is_said(name: str, tmp_path: Path) -> None:
    change, level, result = GROUNDED[name]
    records = [replace(record, **change) for record in clean_groundings()]
    said_lints = found(tmp_path, clean_judgments(), records)
    assert any(lint.level is level and result in f"{lint.title} {lint.text}" for lint in said_lints), said_lints


def test_the_gravest_comes_first_and_a_partial_run_is_said(tmp_path: Path) -> None:
    wrong = [replace(r, p_yes=1 - (r.p_yes or 0)) for r in clean_judgments()]
    unjudged = [replace(r, scores=None) for r in clean_groundings()]
    levels = found(tmp_path, wrong, unjudged, lambda run: replace(run, limit=10))
    assert [lint.level for lint in levels] == sorted((lint.level for lint in levels), key=list(reversed(Level)).index)
    assert any("--limit 10" in lint.text for lint in levels)
