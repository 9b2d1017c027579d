"""A plan as a table for people."""

from __future__ import annotations

import math
from pathlib import Path

from rich.console import Console
from rich.table import Table

from qreal_tasks.benchmark import Style
from qreal_tasks.mini import MINI_NOTICE
from qreal_tasks.subtasks import SUBTASKS
from training.config import BOX_TASKS, TrainConfig
from training.data.writer import BENCHMARK_MAX_NEW_TOKENS, Counts
from training.plan import TrainPlan


def print_plan(plan: TrainPlan, processes: int, folder: Path, console: Console) -> None:
    """What will be trained, on what, and how; ``processes`` work together."""
    config, counts = plan.config, plan.counts["train"]
    table = Table(title="What will be trained", show_header=False, title_justify="left", pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in (
        ("task", f"{config.task}{' (all questions about a picture as one sequence)' if config.packs else ''}"),
        ("prompts", _prompts(config)),
        ("model", f"{config.model} ({plan.outline.family.model_type})"),
        ("trained", _trained(plan)),
        ("data", f"{plan.source.name} ({plan.source.kind}), split train"),
        ("questions", _questions(counts)),
        ("tokens", _tokens(plan, counts)),
        ("learnt tokens", f"{counts.answer_tokens:,}: answers with their end of turn, nothing of the prompts"),
        ("kept back", _held_out(plan)),
        ("a step", _step(plan, processes)),
        ("in all", _steps(plan, processes)),
        ("boxes", f"in {plan.outline.family.box_space}" if config.task in BOX_TASKS else ""),
        ("notes", "\n".join(_notes(plan))),
        ("folder", str(folder)),
    ):
        if text:
            table.add_row(name, text)
    console.print(table)
    if plan.source.is_drawn:
        console.print(MINI_NOTICE)


def _prompts(config: TrainConfig) -> str:
    if config.prompts is Style.PAPER:
        return f"{config.prompts}: its bare queries and its format of answers, as {config.eval_tasks} asks"
    return f"{config.prompts}: as {'qreal_agent' if config.task in SUBTASKS else config.eval_tasks} asks"


def _trained(plan: TrainPlan) -> str:
    found, config = plan.trainable, plan.config
    share = f"{found.parameters:,} of {found.total:,} parameters ({found.parameters / found.total:.2%})"
    if config.method == "full":
        return f"{share}: the weights themselves, such as {found.example}"
    how = (
        f"LoRA r={config.lora.r} alpha={config.lora.alpha:g}"
        if not config.adapter
        else f"going on with {config.adapter}"
    )
    return f"{share}, {how}, in {found.modules} layers such as {found.example.split('.lora_')[0]}"


def _questions(counts: Counts) -> str:
    text = f"{counts.questions:,} about {counts.pictures:,} pictures, in {counts.sequences:,} sequences"
    if counts.answers:
        names = sorted({name.rpartition(" ")[0] for name in counts.answers})
        shares = (
            (name, counts.answers[f"{name} Yes"] / (counts.answers[f"{name} Yes"] + counts.answers[f"{name} No"]))
            for name in names
        )
        text += "; share of Yes: " + ", ".join(f"{name} {share:.2f}" for name, share in shares)
    return text


def _tokens(plan: TrainPlan, counts: Counts) -> str:
    text = (
        f"{counts.tokens:,} an epoch, {counts.picture_tokens / counts.tokens:.0%} of them pictures; the longest "
        f"sequence has {counts.longest:,}"
    )
    if plan.config.packs:
        text += f". Apart, the questions would take {counts.tokens_apart / counts.tokens:.1f} times as many"
    return text


def _held_out(plan: TrainPlan) -> str:
    if plan.held_out is None:
        return "nothing; there is no evaluation while training, and the last checkpoint is kept"
    counts, config = plan.counts["held_out"], plan.config
    asked = min(config.held_out.most, counts.sequences)
    return (
        f"{counts.questions:,} questions about {counts.pictures:,} pictures of other prompts; {asked:,} of the "
        f"{counts.sequences:,} sequences are asked at each evaluation, and {config.best} chooses the best checkpoint"
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
    each = plan.batching.steps_an_epoch(plan.counts["train"].sequences, processes)
    steps = config.max_steps or math.ceil(config.epochs * each)
    return f"about {steps:,} steps, {(config.max_steps and 'as asked') or f'{config.epochs:g} epochs'}"


def _notes(plan: TrainPlan) -> list[str]:
    notes = []
    if plan.cleaned:
        notes.append(f"{plan.cleaned} labels and descriptions held special tokens of the model, which were taken out")
    if plan.dropped:
        notes.append(f"{plan.dropped} questions left out as too long (over_length: drop)")
    if plan.stretched:
        notes.append(
            f"{plan.stretched} pictures are over 200 times as long as wide and are stretched, as in the benchmark"
        )
    longest = max(counts.longest_answer for counts in plan.counts.values())
    if plan.config.task == "imageqa" and longest > BENCHMARK_MAX_NEW_TOKENS:
        notes.append(f"an answer has {longest} tokens; the benchmark cuts answers at {BENCHMARK_MAX_NEW_TOKENS}")
    return notes
