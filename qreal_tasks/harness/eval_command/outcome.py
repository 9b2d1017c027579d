"""Outcome of a run of lmms-eval, from the files that it left: its results, or the reason in its log."""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Mapping
from pathlib import Path

from qreal_tasks.files.regular import read_bytes, read_text
from qreal_tasks.harness.eval_command.arguments import RunError
from qreal_tasks.results.run_folder import RESULTS_SUFFIX

LOG_NAME = "harness.log"

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_HARNESS_ERROR = re.compile(r"Error during evaluation: (?P<reason>.*?)(\. Please set `--verbosity=DEBUG`.*)?$")
_EXCEPTION = re.compile(r"^(?P<type>[A-Za-z_][\w.]*(Error|Exception|Interrupt|Exit|Warning|Failure)): (?P<message>.+)$")
_CHAINED = ("The above exception was the direct cause", "During handling of the above exception")


def record_states(folder: Path) -> dict[Path, tuple[int, int, int]]:
    """The files of results and samples, and what tells whether they are still the same.

    No order of times tells it, since a clock may be set back.
    """
    return {
        path: (state.st_ino, state.st_size, state.st_mtime_ns)
        for path in (*folder.rglob(f"*{RESULTS_SUFFIX}"), *folder.rglob("*.jsonl"))
        if path.is_file() and (state := path.stat())
    }


def list_changed(folder: Path, before: Mapping[Path, object]) -> list[Path]:
    """The files that are new or other than ``before``, in order of their names."""
    return sorted(path for path, state in record_states(folder).items() if before.get(path) != state)


def check_results(folder: Path, before: Mapping[Path, object], status: int) -> Path:
    """The results file: a run is done when it left one that was not there before, and all of it."""
    log = folder / LOG_NAME
    left = [path for path in list_changed(folder, before) if path.name.endswith(RESULTS_SUFFIX)]
    if status == 0 and left:
        results = max(left, key=lambda path: path.stat().st_mtime)
        _require_whole(results)
        return results
    reason = find_failure_reason(read_text(log, errors="replace"))
    what = f"left results in {left[0]}" if left else "left no results"
    raise RunError(f"{reason}\n  the harness ended with status {status} and {what}; its log: {log}")


def _require_whole(results: Path) -> None:
    """The harness ends with status 0 on a full disk too."""
    prefix = results.name.removesuffix(RESULTS_SUFFIX)
    samples = sorted(results.parent.glob(f"{glob.escape(prefix)}_samples_*.jsonl"))
    cut = [path for path in samples if not read_bytes(path).endswith(b"\n")]
    try:
        json.loads(read_bytes(results))
    except ValueError:
        cut = [results, *cut]
    if cut:
        raise RunError(f"{cut[0]} is cut off: the disk may be full. Free some space and run the same command again")


def find_failure_reason(log: str) -> str:
    """The root cause in a log of the harness: the first exception of the last chain, or the last error line."""
    lines = [_ANSI.sub("", line).rstrip() for line in log.replace("\r", "\n").splitlines()]
    chain: list[str] = []
    last_chain: list[str] = []
    for number, line in enumerate(lines):
        if exception := _EXCEPTION.match(line):
            chain.append(f"{exception['type'].rpartition('.')[2]}: {exception['message']}")
            last_chain = chain
            following = " ".join(lines[number + 1 : number + 4])
            if not any(mark in following for mark in _CHAINED):
                chain = []
    if last_chain:
        return last_chain[0]
    errors = [match["reason"] for line in lines if (match := _HARNESS_ERROR.search(line))]
    if errors:
        return errors[-1]
    visible = [line for line in lines if line.strip()]
    return visible[-1] if visible else "the harness said nothing"
