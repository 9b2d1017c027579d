"""Hours and dollars of every step: measured where it is done, computed where it is not.

Computed, with ``P`` parameters and ``T`` tokens, of which a picture takes at most ``picture_tokens``::

    training    6 P T epochs / (tflops · utilisation)     forward 2, backward 2, and 2 to compute again what is kept
    reading     2 P T / (tflops · utilisation)
    writing     2 P bytes / (bandwidth · utilisation) for a token of a whole batch

The six questions of a crop share its picture. It is an upper bound in the tokens of pictures, and leaves out loading,
evaluation while training and waiting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qreal_tasks.benchmark import QUESTION_NAMES, Dimension
from qreal_tasks.files.yaml_files import read_yaml
from qreal_tasks.reproduce.config import ReproduceConfig, ReproducedModel
from qreal_tasks.reproduce.plan import PlannedRun, ReproducePlan, Training
from qreal_tasks.steps.records import StepRecord

QUESTION_TOKENS, QUERY_TOKENS, ENTITIES_TOKENS, PAIR_TOKENS = 120, 250, 300, 700
"""Of a question, of a query about a whole image, of its answer, and of what a judge is told about a pair: roughly what
the prompts of this project take."""
MEASURED, COMPUTED = "measured", "computed"


@dataclass(frozen=True)
class SplitAmounts:
    """Images, entities, and entities with a flaw, summed over both dimensions."""

    images: int
    entities: int
    flawed: int


@dataclass(frozen=True)
class DataSize:
    """How much there is to learn and to ask."""

    train: SplitAmounts
    test: SplitAmounts
    source: str


PAPER_SIZE = DataSize(
    SplitAmounts(2688, 15563, 15563),
    SplitAmounts(400, 2316, 2316),
    "the numbers of the paper: 3,088 images, 400 to test on",
)
"""Where the data is not at hand. How many entities are flawed it does not say: as many as there are is assumed."""


@dataclass(frozen=True)
class StepCost:
    """What a step takes."""

    gpu_hours: float
    usd: float
    how: str


def estimate_costs(
    plan: ReproducePlan, config: ReproduceConfig, size: DataSize, done: Mapping[str, StepRecord]
) -> dict[str, StepCost]:
    """The cost of every step that takes a GPU or is paid for."""
    hours: dict[str, float] = {one.step: _training_hours(one, config, size.train) for one in plan.trainings}
    usd: dict[str, float] = {}
    for run in plan.runs:
        if run.model.server is not None:
            usd[run.step] = _server_usd(run, run.model, size.test)
        else:
            hours[run.step] = _run_hours(run, run.model, config, size.test)
        if "imageqa" in run.halves:
            usd[f"judge-{run.step}"] = _judge_usd(config, size.test)
    found = {}
    for step in plan.steps:
        record, own_hours = done.get(step.name), hours.get(step.name)
        if record is not None and own_hours is not None:
            own_hours = record.seconds / 3600 * config.hardware.gpus
        if own_hours is not None:
            how = COMPUTED if record is None else MEASURED
            found[step.name] = StepCost(own_hours, own_hours * config.hardware.usd_per_gpu_hour, how)
        elif step.name in usd:
            found[step.name] = StepCost(0.0, usd[step.name], COMPUTED)
    return found


def measure_data(data: str) -> DataSize:
    """Count what the dataset holds.

    Raises:
        DatasetError: it cannot be read.
    """
    from qreal_tasks.dataset.check.info import count_split
    from qreal_tasks.dataset.loading import load_split
    from qreal_tasks.dataset.source import locate

    source = locate(data)

    def measure(split: str) -> SplitAmounts:
        counts = count_split(source, split)
        rows = load_split(source, "imageqa", split).select_columns(["entities"])
        flawed = sum(entity[f"{d}_flawed"] for row in rows for entity in row["entities"] for d in Dimension)
        return SplitAmounts(counts.images, counts.entities, flawed)

    return DataSize(measure("train"), measure("test"), f"counted in {source.name}")


def _training_hours(training: Training, config: ReproduceConfig, size: SplitAmounts) -> float:
    picture, model = training.model.picture_tokens, training.model
    of_crops = size.entities * picture
    tokens = {
        "objectqa": of_crops + size.entities * len(QUESTION_NAMES) * QUESTION_TOKENS,
        "agent-filter": of_crops + size.entities * len(Dimension) * QUESTION_TOKENS,
        "agent-detect": size.images * (picture + QUERY_TOKENS + ENTITIES_TOKENS),
        "agent-describe": size.flawed * (picture + QUERY_TOKENS),
    }.get(training.recipe, size.images * len(Dimension) * (picture + QUERY_TOKENS + ENTITIES_TOKENS))
    recipe = Path(config.recipes) / f"{training.recipe}-{model.name}.yaml"
    return 6 * model.parameters * 1e9 * tokens * _read_epochs(recipe) / _flops_an_hour(config)


def _read_epochs(recipe: Path) -> float:
    """Epochs of a recipe, or of what it extends."""
    content = read_yaml(recipe).content
    if "epochs" in content:
        return float(content["epochs"])
    return _read_epochs(recipe.parent / content["extends"]) if "extends" in content else 1.0


def _run_hours(run: PlannedRun, model: ReproducedModel, config: ReproduceConfig, size: SplitAmounts) -> float:
    read = written = 0.0
    if "objectqa" in run.halves:
        read += size.entities * (model.picture_tokens + len(QUESTION_NAMES) * QUESTION_TOKENS)
    if "imageqa" in run.halves:
        read += size.images * len(Dimension) * (model.picture_tokens + QUERY_TOKENS)
        written += size.images * len(Dimension) * ENTITIES_TOKENS
    weights = 2 * model.parameters * 1e9
    a_second = config.hardware.bandwidth_gb_s * 1e9 * config.hardware.utilisation
    writing = written / config.batch_size * weights / a_second / 3600 * config.hardware.gpus
    return weights * read / _flops_an_hour(config) + writing


def _flops_an_hour(config: ReproduceConfig) -> float:
    """Count the operations of one GPU in an hour; hours are of GPUs, however many work together."""
    return config.hardware.tflops * 1e12 * config.hardware.utilisation * 3600


def _server_usd(run: PlannedRun, model: ReproducedModel, size: SplitAmounts) -> float:
    if model.prices is None:
        return 0.0
    read = written = 0
    if "objectqa" in run.halves:
        asked = size.entities * len(QUESTION_NAMES)
        read, written = asked * (model.picture_tokens + QUESTION_TOKENS), asked
    if "imageqa" in run.halves:
        asked = size.images * len(Dimension)
        read, written = read + asked * (model.picture_tokens + QUERY_TOKENS), written + asked * ENTITIES_TOKENS
    return (read * model.prices.input + written * model.prices.output) / 1e6


def _judge_usd(config: ReproduceConfig, size: SplitAmounts) -> float:
    """At most as many pairs as flawed entities are judged."""
    from qreal_tasks.judge.manifest import load_manifest

    prices = load_manifest(config.judge).prices
    return size.flawed * (PAIR_TOKENS * prices.input + 10 * prices.output) / 1e6 if prices else 0.0
