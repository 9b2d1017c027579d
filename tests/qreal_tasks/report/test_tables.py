"""Tables for the terminal: what they name, and that they fit."""

from __future__ import annotations

from pathlib import Path

import pytest
from written_run import write_run

from qreal_tasks.console import terminal
from qreal_tasks.report import tables
from qreal_tasks.results.run_folder import find_results, read_run
from qreal_tasks.results.score import score_run


@pytest.mark.parametrize(("width", "left_out"), [(160, ""), (100, "Mass, MCC, Balanced, Precision"), (40, "Recall")])
def test_a_narrow_terminal_gets_fewer_columns_and_their_names(
    width: int, left_out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tables, "new_console", lambda: terminal.console(width=width))
    tables.print_scores(score_run(read_run(find_results(write_run(tmp_path))[-1]), resamples=20))
    told = capsys.readouterr().out
    lines = told.splitlines()
    first = next(at for at, line in enumerate(lines) if line.lstrip().startswith("taken in the real world"))
    assert lines[first + 1].lstrip().startswith("realism_q1 "), "the code stands below what is asked"
    assert ("Left out to fit" in told) is bool(left_out)
    assert left_out in told
    for column in ("Accuracy", "F1", "Unparsed"):
        assert column in told
    assert width < 100 or max(map(len, lines)) <= width
