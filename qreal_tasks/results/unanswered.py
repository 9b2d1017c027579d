"""Questions of a run that no answer came to, because a request failed on the way: another run asks them again."""

from __future__ import annotations

from collections import Counter

from qreal_tasks.answers import Reason
from qreal_tasks.models.requests import REQUEST_FAILED
from qreal_tasks.results.run_folder import Run


def incomplete(run: Run) -> str | None:
    """What to say of a run with such questions; None when there is none.

    This project's backends and the harness's own are both known. What a model refused, or wrote and cannot be read, is
    its answer and does not count.
    """
    reasons = [record.reason or "" for task in run.tasks for record in task.records]
    failed = Counter(reason for reason in reasons if reason.startswith((REQUEST_FAILED, Reason.REQUEST_FAILED)))
    if not failed:
        return None
    [(example, _)] = failed.most_common(1)
    return (
        f"{failed.total()} of {len(reasons)} questions have no answer (for example: {example}): run the same command "
        "again, which asks for these alone where answers are kept."
    )
