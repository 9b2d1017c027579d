"""Numbers of a run as the hub's evaluation files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qreal_tasks.benchmark import GROUPS, Style
from qreal_tasks.dataset.eval_yaml import HUB_TASKS, HubTask
from qreal_tasks.files.atomic import write_whole
from qreal_tasks.leaderboard.exports.export_source import ExportError, ExportSource
from qreal_tasks.leaderboard.result import MetricValue
from qreal_tasks.results.asked import STYLE_LABELS, describe_prompts, find_other_prompts
from qreal_tasks.results.run_folder import Run

if TYPE_CHECKING:  # only the writer needs the hub's library
    from huggingface_hub import EvalResultEntry

_FOLDER = ".eval_results"
_FILE = "qreal_bench.yaml"


def build_hub_entries(
    source: ExportSource, dataset: str | None = None, url: str | None = None
) -> list[EvalResultEntry]:
    """One entry a task of ``eval.yaml`` that the run has a number for.

    Args:
        dataset: id on the hub, where the run does not say it.
        url: where the samples or the report can be seen.

    Raises:
        ExportError: no dataset of the hub, a partial run, one with other prompts than the benchmark's, or no number at
            all.
    """
    from huggingface_hub import EvalResultEntry

    dataset_id, revision = source.dataset(dataset)
    _require_whole(source.run)
    _require_prompts_of_the_hub(source.run)
    entries = [
        EvalResultEntry(
            dataset_id=dataset_id,
            task_id=task.id,
            value=number["value"],
            dataset_revision=revision,
            date=source.created[:10],
            source_url=url,
            source_name="Q-Real Bench" if url else None,
            notes=_notes(source, task, number),
        )
        for task in HUB_TASKS
        if (number := source.groups.get(task.group, {}).get(task.metric)) and number["value"] is not None
    ]
    if not entries:
        raise ExportError("no number that the hub's tasks report: no P(Yes) and no ImageQA")
    return entries


def write_hub_results(source: ExportSource, folder: Path, dataset: str | None = None, url: str | None = None) -> Path:
    """Write ``.eval_results/qreal_bench.yaml`` below ``folder``, a model repository; returns its path.

    Raises:
        ExportError: as ``build_hub_entries``.
        OSError: it cannot be written.
    """
    import yaml
    from huggingface_hub import eval_result_entries_to_yaml

    entries = eval_result_entries_to_yaml(build_hub_entries(source, dataset, url))
    path = folder / _FOLDER / _FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, yaml.safe_dump(entries, sort_keys=False, allow_unicode=True, width=1000))
    return path


def _notes(source: ExportSource, task: HubTask, number: MetricValue) -> str:
    parts = [task.about]
    if number["low"] is not None:
        parts.append(f"95% interval {number['low']:.4f} to {number['high']:.4f} (bootstrap over images)")
    versions = sorted({one.version for one in source.run.tasks})
    parts.append(f"task version {', '.join(versions)}, asked with {describe_prompts(source.run)}")
    parts.append(f"{source.backend.name}, qreal-bench {source.backend.project}")
    if task.metric == "joint_score" and source.run.judges:
        parts.append(f"judge {', '.join(source.run.judges)}")
    return "; ".join(parts)


def _require_whole(run: Run) -> None:
    if run.limit is not None:
        raise ExportError(f"the run was cut to --limit {run.limit:g}, so its numbers are no benchmark result")


def _require_prompts_of_the_hub(run: Run) -> None:
    if run.style is not Style.BENCHMARK:
        raise ExportError(
            f"the run asked {STYLE_LABELS[run.style]}, and the hub's tasks stand for {STYLE_LABELS[Style.BENCHMARK]}: "
            "numbers of the two are never ranked together. "
            f"Run --tasks {GROUPS[Style.BENCHMARK]}, or write the other exports"
        )
    require_own_prompts(run)


def require_own_prompts(run: Run) -> None:
    """Whether everything was asked with the prompts of its tasks.

    Raises:
        ExportError: it was not.
    """
    if other := find_other_prompts(run.tasks):
        raise ExportError(f"{other[0]}; {other[0].verdict}. Run it again with the prompts of the tasks")
