"""When a run was started, whatever clock the harness wrote it by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from qreal_tasks.results.run_folder import find_results
from qreal_tasks.results.start_time import read_start


def _results(date: str | None, zone: str | None) -> dict[str, Any]:
    return {"date": date, "config": {"resolved_cli_args": {"timezone": zone}}}


@pytest.mark.parametrize(
    ("results", "expected"),
    [
        (_results("20260301_060000", "Asia/Singapore"), "2026-02-28T22:00:00"),
        (_results("20260301_060000", "UTC"), "2026-03-01T06:00:00"),
        (_results("20260301_060000", None), "2026-03-01T06:00:00"),
        (_results("20260301_060000", "No/Where"), "2026-03-01T06:00:00"),
        ({"date": "20260301_060000", "config": {}}, "2026-03-01T06:00:00"),
        (_results("20260230_000000", "UTC"), "2026-01-01T00:00:00"),  # no day; that of the name is left
        ({}, "2026-01-01T00:00:00"),
    ],
)
def test_the_date_is_read_in_the_time_zone_of_the_results(results: dict[str, Any], expected: str) -> None:
    assert read_start(results, Path("20260101_000000_results.json")) == expected


def test_the_newest_is_the_one_that_was_started_last(tmp_path: Path) -> None:
    """Of a run by plain lmms-eval, eight hours ahead, and one of ``qreal eval`` an hour later."""
    for name, zone in (("20260301_080000", "Asia/Singapore"), ("20260301_010000", "UTC")):
        (tmp_path / f"{name}_results.json").write_text(json.dumps(_results(name, zone)))
    (tmp_path / "20260201_000000_results.json").write_text("{")
    assert [path.name[:15] for path in find_results(tmp_path)] == [
        "20260201_000000",
        "20260301_080000",
        "20260301_010000",
    ]
