"""The answers of a run in the files that people and harnesses write, and runs compared to the last digit."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from openpyxl import Workbook

from qreal_tasks.boxes import Space
from qreal_tasks.prompt_files.prompt_id import PromptId
from qreal_tasks.records import GroundingRecord, JudgmentRecord, Record
from qreal_tasks.report.page import write_report
from qreal_tasks.results.run_folder import Run, newest_results, read_run
from qreal_tasks.results.score import find_differences, score_run, to_json

Row = dict[str, Any]
COLUMNS = ("entity_id", "question", "image_id", "set", "prediction", "p_yes", "mass", "box_space")


def rows_of(run: Run) -> list[Row]:
    """A row for each record, in columns of their own for the two halves."""
    return [_row(record) for record in run.records]


def _row(record: Record) -> Row:
    row: Row = dict.fromkeys(COLUMNS)
    if isinstance(record, JudgmentRecord):
        result = {
            "entity_id": record.entity_id,
            "question": record.question,
            "p_yes": record.p_yes,
            "mass": record.mass,
        }
    else:
        space = None if record.space_assumed else record.space
        result = {"image_id": record.image_id, "set": record.set_name, "box_space": space}
    return {**row, **result, "prediction": record.raw}


def answers_of(run: Run) -> dict[str, str]:
    """The text of each prompt by its id."""
    return {str(prompt_id_of(task.task, record)): record.raw for task in run.tasks for record in task.records}


def prompt_id_of(task: str, record: Record) -> PromptId:
    """The id that `qreal data prompts` gives the prompt of a record."""
    if not isinstance(record, GroundingRecord):
        return PromptId(task, record.sample_id)
    space = None if record.space_assumed else Space(record.space)
    return PromptId(task, record.sample_id, space, record.input_size)


def _separated(separator: str) -> Callable[[Sequence[Row]], bytes]:
    def write(rows: Sequence[Row]) -> bytes:
        out = io.StringIO()
        table = csv.DictWriter(out, list(rows[0]), delimiter=separator, lineterminator="\r\n")
        table.writeheader()
        table.writerows(rows)
        return ("\ufeff" + out.getvalue()).encode()

    return write


def _lines(rows: Sequence[Row]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _parquet(rows: Sequence[Row]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(list(rows)), out)
    return out.getvalue()


def _spreadsheet(rows: Sequence[Row]) -> bytes:
    """Numbers with a fraction as text: a spreadsheet keeps 16 digits of them."""
    out, book = io.BytesIO(), Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(list(rows[0]))
    for row in rows:
        sheet.append([repr(cell) if isinstance(cell, float) else cell for cell in row.values()])
    book.save(out)
    return out.getvalue()


WRITERS: Mapping[str, Callable[[Sequence[Row]], bytes]] = {
    "a.jsonl": _lines,
    "a.jsonl.gz": lambda rows: gzip.compress(_lines(rows)),
    "a.json": lambda rows: json.dumps(list(rows), indent=1).encode(),
    "a.csv": _separated(","),
    "semicolons.csv": _separated(";"),
    "a.tsv": _separated("\t"),
    "a.parquet": _parquet,
    "a.xlsx": _spreadsheet,
}
"""Name of a file to what writes rows as such a file."""


def write_rows(path: Path, rows: Sequence[Row]) -> Path:
    """The rows in the format of the file's name."""
    path.write_bytes(WRITERS[path.name](rows))
    return path


def write_kit_results(kit_file: Path, answers: Mapping[str, str], suffix: str) -> Path:
    """What VLMEvalKit leaves of one of its TSV files: the columns but for the picture, and ``prediction``."""
    with kit_file.open(encoding="utf-8", newline="") as file:
        csv.field_size_limit(2**30)
        rows = [dict(row) for row in csv.DictReader(file, delimiter="\t")]
    csv.field_size_limit(2**17)
    results: list[Row] = []
    for row in rows:
        kept: Row = {name: value for name, value in row.items() if name != "image"}
        results.append({**kept, "index": int(row["index"]), "prediction": answers[row["id"]]})
    path = kit_file.with_name(f"Model_{kit_file.stem}.{suffix}")
    if suffix == "tsv":
        out = io.StringIO()
        table = csv.DictWriter(out, list(results[0]), delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n")
        table.writeheader()
        table.writerows(results)
        path.write_text(out.getvalue(), encoding="utf-8", newline="")
    elif suffix == "json":
        path.write_text(json.dumps(results, indent=4, ensure_ascii=False), encoding="utf-8")
    else:
        path.write_bytes(_spreadsheet(results))
    return path


def write_swift_results(prompts: Path, answers: Mapping[str, str], path: Path) -> Path:
    """What ``swift infer`` leaves: the answer, its messages and pictures; of other columns nothing."""
    lines = [json.loads(line) for line in prompts.read_text(encoding="utf-8").splitlines()]
    results = []
    for line in lines:
        result = answers[line["id"]]
        images = [{"bytes": None, "path": one} for one in line["images"]]
        messages = [*line["messages"], {"role": "assistant", "content": result}]
        results.append({"response": result, "labels": None, "logprobs": None, "messages": messages, "images": images})
    path.write_bytes(_lines(results))
    return path


def read(folder: Path) -> Run:
    return read_run(newest_results(folder))


def assert_equal_runs(live: Path, found: Path, *, probabilities: bool = True) -> None:
    """The same records, and numbers and intervals to the last digit.

    Args:
        probabilities: whether the files held P(Yes); without them the live run is looked at without its own.
    """
    first, second = read(live), read(found)
    assert find_differences(second, score_run(second, resamples=0)) == []
    if not probabilities:
        first = _without_p(first)
    assert {task.task: task.records for task in second.tasks} == {task.task: task.records for task in first.tasks}
    if probabilities:
        assert {task.task: dict(task.live) for task in second.tasks} == {t.task: dict(t.live) for t in first.tasks}
    scores = [to_json(score_run(run, resamples=50)) for run in (first, as_named(second, first))]
    assert scores[1] == scores[0]


def as_named(run: Run, other: Run) -> Run:
    """The run under the other's name, as if no file had brought its answers."""
    return replace(
        run, model=other.model, model_args=other.model_args, results_path=other.results_path, origin=other.origin
    )


def page_of(run: Run, path: Path) -> bytes:
    """The report of a run."""
    write_report(score_run(run, resamples=50), path, wrong=[], gallery=4, data=None, resamples=50)
    return path.read_bytes()


def _without_p(run: Run) -> Run:
    def bare(record: Record) -> Record:
        return replace(record, p_yes=None, mass=None) if isinstance(record, JudgmentRecord) else record

    return replace(run, tasks=tuple(replace(t, records=tuple(map(bare, t.records))) for t in run.tasks))
