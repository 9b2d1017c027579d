"""What is said at the end of a run."""

from __future__ import annotations

from screened import make_entity, make_refused, make_screened

from qreal_tasks.benchmark import Dimension
from qreal_tasks.screening.run.summary import ScreeningSummary


def test_why_images_are_unread_is_said_and_counted() -> None:
    summary = ScreeningSummary(dict.fromkeys(Dimension, 0.5), calibrated=False)
    nothing = dict.fromkeys(("p_realism", "p_plausibility", "severity"))
    reasons = [f"entity {number} realism_q1: no_verdict" for number in range(1, 4)]
    reasons += [f"request failed: {number}" for number in range(2)] + [f"odd {number}" for number in range(8)]
    for number, reason in enumerate(reasons):
        summary.add(make_screened(f"{number}.png", [], state="unread", reason=reason, **nothing))
    summary.add(make_screened("told.png", [make_entity("dog", (0, 0, 9, 9), {"realism_q1": 0.9})]))
    summary.add(make_refused("broken.png", "damaged: cut off"))
    lines = list(summary.list_lines())
    assert lines[:4] == [
        "15 images: 1 judged, 13 unread, 1 refused",
        "  1 refused: damaged",
        "  3 unread: realism_q1: the answer held neither Yes nor No",
        "  2 unread: request failed",
    ]
    assert "  4 unread: 4 other reasons" in lines
    assert (summary.told, summary.untold) == (1, 14)
    assert "1 of 1 images are flawed (100.0%)" in str(summary.exceeds(0.5))
    assert "14 more could not be told" in str(summary.exceeds(0.5))
