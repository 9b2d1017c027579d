"""Runs against each other, paired by sample and image."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qreal_tasks.api.runs import EvaluatedRun, load_run

if TYPE_CHECKING:
    import pandas as pd

    from qreal_tasks.results.compare import Comparison

_COLUMNS = ("task", "name", "metric", "run", "against", "value", "low", "high", "p_value", "p_corrected", "n")


@dataclass(frozen=True, repr=False)
class RunComparison:
    """Every difference between runs, with its interval and what it is worth."""

    comparison: Comparison

    @property
    def conclusion(self) -> str:
        """On how many questions and sets each run is better or worse than the first, in a sentence."""
        from qreal_tasks.results.conclusion import conclude

        return conclude(self.comparison)

    def to_pandas(self) -> pd.DataFrame:
        """A frame with a row for each pair of runs, each row of a table and each metric.

        ``value`` is ``run`` minus ``against``, both by name; ``low`` and ``high`` are the ends of its 95 % interval,
        ``p_corrected`` is Holm's and NaN for metrics that are not tested, ``n`` counts images.
        """
        import pandas as pd

        from qreal_tasks.metrics.catalogue import HALVES

        names = self.comparison.names
        rows = [
            {
                "task": half,
                "name": name,
                "metric": metric,
                "run": names[pair.run],
                "against": names[pair.against],
                **asdict(finding.difference),
                "p_corrected": finding.p_corrected,
            }
            for pair in self.comparison.pairs
            for half in HALVES
            for name, metrics in pair.findings(half).items()
            for metric, finding in metrics.items()
        ]
        return pd.DataFrame(rows, columns=list(_COLUMNS)).astype(dict.fromkeys(_COLUMNS[5:10], "float64"))

    def to_dict(self) -> dict[str, Any]:
        """All pairs and metrics, flipped answers and moved images, as ``qreal compare --json`` prints them."""
        from qreal_tasks.report.compare_tables import comparison_json

        return comparison_json(self.comparison)

    def __repr__(self) -> str:
        return self.conclusion


def compare(
    a: EvaluatedRun | str | Path,
    b: EvaluatedRun | str | Path,
    *others: EvaluatedRun | str | Path,
    resamples: int = 10_000,
    any_judge: bool = False,
) -> RunComparison:
    """Compare runs with the first of them, as ``qreal compare`` does.

    Args:
        a: the baseline; each run is what ``load_run`` or ``score`` gave, or the path of its folder.
        resamples: of the bootstrap, which draws the same images for all runs.
        any_judge: compare LLM-Scores even though different judges gave them.

    Raises:
        ValueError: the runs share no task, or differ in samples, references, versions, prompts or judges.
        RunFolderError: a folder holds no readable run.
    """
    from qreal_tasks.results.compare import compare_runs

    runs = [one if isinstance(one, EvaluatedRun) else load_run(one) for one in (a, b, *others)]
    return RunComparison(compare_runs([one.run for one in runs], resamples=resamples, any_judge=any_judge))
