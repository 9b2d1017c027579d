"""What a person sees while a judge is asked, and the line at the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qreal_tasks.judge.judge import Judge
from qreal_tasks.judge.pairs import Judgement, Pair


def with_batch_progress(judge: Judge) -> Callable[[Sequence[Pair]], list[Judgement]]:
    """The judge with a line for what it submits, and one bar for what the server has answered."""
    from qreal_tasks.console.progress_bar import ProgressBar, show_progress
    from qreal_tasks.judge.batch import BatchJudge
    from qreal_tasks.llm.batch.harvester import BatchProgress

    assert isinstance(judge, BatchJudge)

    def ask(pairs: Sequence[Pair]) -> list[Judgement]:
        with show_progress() as shown:
            bar, told = ProgressBar(shown, "Pairs", "pairs", None), 0
            bar.beside("none to wait for")

            def tell(now: BatchProgress) -> None:
                nonlocal told
                if now.submitted_batches > told:
                    told, size_mb = now.submitted_batches, now.submitted_bytes / 1e6
                    line = f"submitted {now.submitted_requests} pairs in {told} batches ({size_mb:.1f} MB)"
                    shown.console.print(line)
                bar.foresee(now.answered, now.requests or None)
                bar.beside(f"{now.open_batches} batches under way; Ctrl-C stops, the same command goes on")

            judge.watch = tell
            return judge.judge(pairs)

    return ask


def with_progress(judge: Judge) -> Callable[[Sequence[Pair]], list[Judgement]]:
    """The judge with one bar: rate, remaining time, and the cost so far."""
    from qreal_tasks.console.progress_bar import ProgressBar, show_progress

    def ask(pairs: Sequence[Pair]) -> list[Judgement]:
        found = {}
        with show_progress() as shown:
            bar = ProgressBar(shown, "Pairs", "pairs", len(pairs))
            for index, judgement in judge.iterate(pairs):
                found[index] = judgement
                bar.add(anew=judge.usage.requests > 0)
                cost = judge.cost()
                bar.beside(f"{bar.rate:.0f}/s" + ("" if cost is None else f" ${cost:.2f}"))
        return [found[index] for index in range(len(pairs))]

    return ask


def describe_outcome(judge: Judge) -> str:
    """Counts of what came of the pairs, calls, and money; then why pairs have no score."""
    from qreal_tasks.judge.judge import EMPTY_PREDICTION, FROM_CACHE, SCORED
    from qreal_tasks.results.reasons import describe_pairs

    found = dict(judge.counts.most_common())
    known = {what: found.pop(what) for what in (SCORED, FROM_CACHE, EMPTY_PREDICTION) if what in found}
    counts = ", ".join(f"{n} {what}" for what, n in known.items())
    counts = counts or ("no pair scored" if found else "no pair to judge")
    cost = judge.cost()
    outcome = f"{counts}; {judge.usage.requests} calls" + ("" if cost is None else f", ${cost:.4f}")
    return f"{outcome}\n  {describe_pairs(found, judge.examples)}" if found else outcome
