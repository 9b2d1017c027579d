"""Row by row, what is wrong with a dataset, and what it holds."""

from qreal_tasks.dataset.check.checking import check
from qreal_tasks.dataset.check.info import Info, info
from qreal_tasks.dataset.check.problem import Problem

__all__ = ["Info", "Problem", "check", "info"]
