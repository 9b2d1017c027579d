"""When a run was started, in UTC.

The harness dates a run, and names its files, by the clock of the time zone that it is given: UTC from ``qreal eval``,
UTC+8 from a plain ``lmms-eval`` that is told none. Its results hold the zone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from qreal_tasks.files.regular import read_text
from qreal_tasks.text.json_text import load_json

_DATE = re.compile(r"\d{8}_\d{6}")


def read_start(results: Mapping[str, Any], path: Path) -> str:
    """When a run was started, as ``2026-01-01T00:00:00``: the date in its results, else in the file's name, else the
    time of the file."""
    for text in (results.get("date"), path.name):
        if match := _DATE.match(str(text)):
            try:
                return _write(datetime.strptime(match[0], "%Y%m%d_%H%M%S").replace(tzinfo=_zone(results)))
            except (ValueError, OverflowError):  # no day of the calendar
                continue
    return _write(datetime.fromtimestamp(path.stat().st_mtime, UTC))


def _write(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")


def read_start_of(path: Path) -> str:
    """When the run of a results file was started; a file that cannot be read has no zone."""
    try:
        results = load_json(read_text(path))
    except (OSError, ValueError):
        results = None
    return read_start(results if isinstance(results, dict) else {}, path)


def _zone(results: Mapping[str, Any]) -> tzinfo:
    """The zone that the harness was told; UTC where the results name none."""
    config = results.get("config")
    arguments = config.get("resolved_cli_args") if isinstance(config, dict) else None
    name = arguments.get("timezone") if isinstance(arguments, dict) else None
    try:
        return ZoneInfo(str(name)) if name else UTC
    except (KeyError, ValueError, OSError):  # this machine does not know it
        return UTC
