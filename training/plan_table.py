"""A plan as a table for people."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from qreal_tasks.benchmark import Style
from qreal_tasks.mini import MINI_NOTICE
from qreal_tasks.subtasks import SUBTASKS
from training.config import TrainConfig
from training.data.writer import BENCHMARK_MAX_NEW_TOKENS, Counts
from training.plan import TrainPlan
from training.tasks import BOXES, TASKS


def print_plan(plan: TrainPlan, processes: int, folder: Path, console: Console) -> None:
    """Print what will be trained, on what, and how; ``processes`` work together."""
    config, counts = plan.config, plan.counts["train"]
    table = Table(title="What will be trained", show_header=False, title_justify="left", pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in (
        ("task", "\n".join(_task(plan, task) for task in config.tasks)),
        ("prompts", _prompts(config)),
        ("model", f"{config.model} ({plan.outline.family.model_type})"),
        ("trained", _trained(plan)),
        ("data", f"{plan.source.name} ({plan.source.kind}), split train"),
        ("questions", _by_task(plan, _questions)),
        ("tokens", _tokens(plan, counts)),
        ("learnt tokens", f"{counts.answer_tokens:,}: answers with their end of turn, nothing of the prompts"),
        ("kept back", _held_out(plan)),
        ("a step", _step(plan, processes)),
        ("in all", _steps(plan, processes)),
        (
            "boxes",
            f"in {plan.outline.family.box_space}" if any(TASKS[t].answers is BOXES for t in config.tasks) else "",
        ),
        ("notes", "\n".join(_notes(plan))),
        ("folder", str(folder)),
    ):
        if text:
            table.add_row(name, text)
    console.print(table)
    if plan.source.is_drawn:
        console.print(MINI_NOTICE)


def _task(plan: TrainPlan, task: str) -> str:
    packed = " (all questions about a picture as one sequence)" if plan.config.packs(task) else ""
    weight = plan.config.weight(task)
    return f"{task}{packed}" + ("" if weight == 1 else f", each sequence seen {weight:g} times an epoch")


def _by_task(plan: TrainPlan, write: Callable[[TrainPlan, str], str]) -> str:
    """What is to be said of a task, in a line for each where there are several."""
    tasks = plan.config.tasks
    return "\n".join(f"{task}: {write(plan, task)}" if len(tasks) > 1 else write(plan, task) for task in tasks)


def _prompts(config: TrainConfig) -> str:
    how = "its bare queries and its format of answers, " if config.prompts is Style.PAPER else ""
    askers = dict.fromkeys("qreal_agent" if task in SUBTASKS else config.group(task) for task in config.tasks)
    return f"{config.prompts}: {how}as {' and '.join(askers)} {'asks' if len(askers) == 1 else 'ask'}"


def _trained(plan: TrainPlan) -> str:
    found, config = plan.trainable, plan.config
    share = f"{found.parameters:,} of {found.total:,} parameters ({found.parameters / found.total:.2%})"
    if config.method == "full":
        return f"{share}: the weights themselves, such as {found.example}"
    lora = f"LoRA r={config.lora.r} alpha={config.lora.alpha:g}"
    how = f"going on with {config.adapter}" if config.adapter else lora
    return f"{share}, {how}, in {found.modules} layers such as {found.example.split('.lora_')[0]}"


def _questions(plan: TrainPlan, task: str) -> str:
    counts = plan.of_tasks["train"][task]
    text = f"{counts.questions:,} about {counts.pictures:,} pictures, in {counts.sequences:,} sequences"
    if counts.answers:
        names = sorted({name.rpartition(" ")[0] for name in counts.answers})
        yes, no = ([counts.answers[f"{name} {answer}"] for name in names] for answer in ("Yes", "No"))
        text += "; share of Yes: " + ", ".join(f"{n} {y / (y + o):.2f}" for n, y, o in zip(names, yes, no, strict=True))
    return text


def _tokens(plan: TrainPlan, counts: Counts) -> str:
    once = "" if all(plan.config.weight(task) == 1 for task in plan.config.tasks) else ", every sequence once"
    text = (
        f"{counts.tokens:,} an epoch{once}, {counts.picture_tokens / counts.tokens:.0%} of them pictures; the longest "
        f"sequence has {counts.longest:,}"
    )
    if any(map(plan.config.packs, plan.config.tasks)):
        text += f". Apart, the questions would take {counts.tokens_apart / counts.tokens:.1f} times as many"
    return text


def _held_out(plan: TrainPlan) -> str:
    if plan.held_out is None:
        return "nothing; there is no evaluation while training, and the last checkpoint is kept"
    return f"{_by_task(plan, _asked)}, and {plan.config.best} chooses the best checkpoint"


def _asked(plan: TrainPlan, task: str) -> str:
    counts = plan.of_tasks["held_out"][task]
    asked = min(plan.config.held_out.most, counts.sequences)
    return (
        f"{counts.questions:,} questions about {counts.pictures:,} pictures of other prompts; {asked:,} of the "
        f"{counts.sequences:,} sequences are asked at each evaluation"
    )


def _step(plan: TrainPlan, processes: int) -> str:
    batching, config = plan.batching, plan.config
    together = batching.questions * processes
    wanted = config.batch_size * config.gradient_accumulation * processes
    devices = f"{processes} device{'s' if processes > 1 else ''}"
    text = f"{together:.4g} questions: {devices} x {batching.sequences} sequences x {batching.accumulation} accumulated"
    if abs(together - wanted) > 0.01:
        text += f" ({wanted} asked for; a picture's questions are not cut apart)"
    return text


def _steps(plan: TrainPlan, processes: int) -> str:
    config: TrainConfig = plan.config
    each = plan.batching.steps_an_epoch(sum(plan.seen.values()), processes)
    steps = config.max_steps or math.ceil(config.epochs * each)
    return f"about {steps:,} steps, {(config.max_steps and 'as asked') or f'{config.epochs:g} epochs'}"


def _notes(plan: TrainPlan) -> list[str]:
    notes = []
    if plan.cleaned:
        notes.append(f"{plan.cleaned} labels and descriptions held special tokens of the model, which were taken out")
    if plan.dropped:
        notes.append(f"{plan.dropped} questions left out as too long (over_length: drop)")
    if plan.stretched:
        longer = "over 200 times as long as wide"
        notes.append(f"{plan.stretched} pictures are {longer} and are stretched, as in the benchmark")
    imageqa = [of_part["imageqa"] for of_part in plan.of_tasks.values() if "imageqa" in of_part]
    longest = max((counts.longest_answer for counts in imageqa), default=0)
    if longest > BENCHMARK_MAX_NEW_TOKENS:
        notes.append(f"an answer has {longest} tokens; the benchmark cuts answers at {BENCHMARK_MAX_NEW_TOKENS}")
    return notes
