"""Row by row, what is wrong with a dataset, and what it holds."""

from qreal_tasks.dataset.check.checking import check_dataset
from qreal_tasks.dataset.check.info import SplitCounts, count_split
from qreal_tasks.dataset.check.problem import DatasetProblem

__all__ = ["DatasetProblem", "SplitCounts", "check_dataset", "count_split"]
