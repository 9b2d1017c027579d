"""A run in the form of Every Eval Ever, schema 0.3.0: one JSON a run, and one line a sample beside it.

The schema is at github.com/evaleval/every_eval_ever (``every_eval_ever/schemas``). Its package needs other versions of
the libraries that this project runs on, so the files are written here and not by it.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from qreal_tasks.benchmark import GROUPS, Dimension, Style
from qreal_tasks.files.atomic import write_whole
from qreal_tasks.leaderboard.exports.every_eval_ever_samples import build_sample_lines
from qreal_tasks.leaderboard.exports.export_source import ExportError, ExportSource
from qreal_tasks.leaderboard.exports.hub import require_own_prompts
from qreal_tasks.leaderboard.result import MetricValue
from qreal_tasks.leaf_tasks import MEAN
from qreal_tasks.metrics.bootstrap import LEVEL
from qreal_tasks.metrics.catalogue import CATALOGUE, IMAGEQA_LIVE, OBJECTQA_LIVE
from qreal_tasks.metrics.objectqa import OVERALL
from qreal_tasks.results.asked import STYLE_LABELS, describe_prompts
from qreal_tasks.text.addresses import shown

SCHEMA_VERSION = "0.3.0"
COLLECTIONS = {Style.BENCHMARK: "qreal-bench", Style.PAPER: "qreal-bench-paper"}
"""A benchmark of its own for each style, so that nobody ranks the two together."""
_PROJECT_URL = "https://arxiv.org/abs/2511.16908"

_SOURCE = {
    "source_name": "Q-Real Bench",
    "source_type": "evaluation_run",
    "source_organization_name": "Q-Real Bench",
    "source_organization_url": _PROJECT_URL,
    "evaluator_relationship": "other",
}

_KINDS = {"acc": "accuracy", "objectqa.auc": "auroc", "imageqa.auc": "area_under_detection_rate", "f1_at_50": "f1"}
"""What the schema calls a metric where that is not its name."""
_JUDGED = {"llm_score", "joint_score"}


def write_every_eval_ever(source: ExportSource, folder: Path, dataset: str | None = None) -> Path:
    """Write ``data/<collection>/<developer>/<model>/<uuid>.json`` and ``…_samples.jsonl`` below ``folder``.

    The same run gives the same bytes under the same name. Returns the path of the JSON.

    Raises:
        ExportError: a run that is partial or on drawn pictures, or was asked with other words around the questions.
        OSError: a file cannot be written.
    """
    if source.run.is_drawn or source.run.limit is not None:
        raise ExportError("the run is on `mini`, or was cut by --limit, so its numbers are no benchmark result")
    require_own_prompts(source.run)
    collection = COLLECTIONS[source.run.style]
    model_id = _model_id(source)
    created = f"{datetime.fromisoformat(source.created).replace(tzinfo=UTC).timestamp():.0f}"
    evaluation_id = f"{collection}/{model_id}/{created}"
    lines = list(build_sample_lines(source.run, evaluation_id, model_id, SCHEMA_VERSION))
    text = "".join(f"{json.dumps(line)}\n" for line in lines).encode("ascii")
    name = uuid.UUID(bytes=hashlib.sha256(evaluation_id.encode() + text).digest()[:16], version=4)
    place = Path("data") / collection / Path(*(_safe(part) for part in model_id.split("/", 1)))
    samples = place / f"{name}_samples.jsonl"
    content = {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": evaluation_id,
        "evaluation_timestamp": created,
        "retrieved_timestamp": created,
        "source_metadata": _SOURCE,
        "eval_library": _library(source),
        "model_info": _model(source, model_id),
        "evaluation_results": _results(source, dataset),
        "detailed_evaluation_results": _details(samples, text, len(lines)),
    }
    (folder / place).mkdir(parents=True, exist_ok=True)
    write_whole(folder / samples, text)
    path = folder / place / f"{name}.json"
    write_whole(path, json.dumps(content, indent=1, allow_nan=False) + "\n")
    return path


def _details(samples: Path, text: bytes, rows: int) -> dict[str, Any]:
    return {
        "format": "jsonl",
        "file_path": samples.as_posix(),
        "hash_algorithm": "sha256",
        "checksum": hashlib.sha256(text).hexdigest(),
        "total_rows": rows,
    }


def result_id(group: str, metric: str) -> str:
    """Joins a number with the samples that it rests on."""
    return f"{group}.{metric}"


def _model_id(source: ExportSource) -> str:
    name = source.model.adapter.name if source.model.adapter else source.model.name
    return name if name.count("/") == 1 else f"unknown/{name.replace('/', '_')}"


def _safe(part: str) -> str:
    return re.sub(r"[^\w.-]", "_", part).strip(".") or "_"


def _library(source: ExportSource) -> dict[str, Any]:
    """What asked the model; where a file brought the answers, what scored them."""
    from_file = source.run.origin is not None
    return {
        "name": "qreal-bench" if from_file else "lmms-eval",
        "version": source.backend.project if from_file else source.backend.harness or "unknown",
        "additional_details": {
            "tasks": GROUPS[source.run.style],
            "prompts": describe_prompts(source.run),
            "qreal_bench_version": source.backend.project,
        },
    }


def _model(source: ExportSource, model_id: str) -> dict[str, Any]:
    """Whether weights are open, and whose servers answered, is only said where it is known."""
    local = source.backend.name == "qreal_hf"
    details = {
        "deployment_type": "self_deployed" if local else "unknown",
        "model_availability": "unknown",
        "backend": source.backend.name,
        **{f"argument_{key}": value for key, value in source.model.arguments.items()},
    }
    if source.model.revision:
        details["revision"] = source.model.revision
    if source.model.adapter:
        details["base_model"] = source.model.name
        details |= {"adapter_sha256": source.model.adapter.sha256} if source.model.adapter.sha256 else {}
    developer = model_id.partition("/")[0]
    return {
        "name": model_id.partition("/")[2],
        "id": model_id,
        **({} if developer == "unknown" else {"developer": developer}),
        "additional_details": details,
    }


def _results(source: ExportSource, dataset: str | None) -> list[dict[str, Any]]:
    found = []
    for group, numbers in source.groups.items():
        half = group.partition(".")[0]
        for metric in OBJECTQA_LIVE if half == "objectqa" else IMAGEQA_LIVE:
            number = numbers.get(metric)
            if number is not None and number["value"] is not None:
                found.append(_result(source, dataset, group, metric, number))
    return found


def _result(source: ExportSource, dataset: str | None, group: str, metric: str, number: MetricValue) -> dict[str, Any]:
    half, _, name = group.partition(".")
    config = _metric(source.run.style, half, name, metric)
    if metric in _JUDGED and source.judge:
        config["llm_scoring"] = _judge(source)
    details: dict[str, Any] = {"score": number["value"]}
    if number["low"] is not None and number["high"] is not None:
        details["uncertainty"] = {
            "confidence_interval": {
                "lower": number["low"],
                "upper": number["high"],
                "confidence_level": LEVEL,
                "method": "percentile bootstrap over images",
            },
            "num_bootstrap_samples": source.resamples,
        }
    return {
        "evaluation_result_id": result_id(group, metric),
        "evaluation_name": f"{GROUPS[source.run.style]}_{group.replace('.', '_')}",
        "source_data": _data(source, dataset),
        "metric_config": config,
        "score_details": details,
    }


def _metric(style: Style, half: str, name: str, metric: str) -> dict[str, Any]:
    known = CATALOGUE[half][metric]
    of_parts = name in (MEAN, OVERALL) or (half == "objectqa" and name in tuple(Dimension))
    return {
        "evaluation_description": f"Q-Real Bench with {STYLE_LABELS[style]}, {half}, {name}"
        f"{' (mean of its parts)' if of_parts else ''}: {metric}",
        "metric_id": f"{GROUPS[style]}.{half}.{metric}",
        "metric_name": metric,
        "metric_kind": _KINDS.get(f"{half}.{metric}", _KINDS.get(metric, metric)),
        "metric_unit": "proportion",
        "lower_is_better": not known.higher_is_better,
        "score_type": "continuous",
        "min_score": known.low,
        "max_score": known.high,
    }


def _data(source: ExportSource, dataset: str | None) -> dict[str, Any]:
    try:
        hub, revision = source.dataset(dataset)
    except ExportError:
        return {"dataset_name": source.data, "source_type": "other"}
    extra = {"additional_details": {"revision": revision}} if revision else {}
    return {"dataset_name": "Q-Real", "source_type": "hf_dataset", "hf_repo": hub, "hf_split": "test", **extra}


def _judge(source: ExportSource) -> dict[str, Any]:
    judge = source.judge or {}
    name = shown(str(judge.get("model")))
    info = {
        "name": name,
        "id": name,
        "additional_details": {"deployment_type": "unknown", "model_availability": "unknown"},
    }
    prompt = judge.get("prompt") or {}
    entry = {"model_info": info, "additional_details": {"manifest": ", ".join(source.run.judges)}}
    if isinstance(judge.get("temperature"), int | float):
        entry["temperature"] = judge["temperature"]
    return {
        "judges": [entry],
        "input_prompt": f"{prompt.get('system', '')}\n\n{prompt.get('pair', '')}",
        "additional_details": {"note": "the judge's scores as submitted; they cannot be recomputed without it"},
    }
