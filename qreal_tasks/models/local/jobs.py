"""Jobs: requests sorted into what is answered in one go, and their pictures processed a window ahead."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from qreal_tasks.images import as_rgb, with_sides_in_range
from qreal_tasks.models.local.batching import shorten_error
from qreal_tasks.models.local.chat import AskedPicture, Chat
from qreal_tasks.models.requests import Request, Response
from qreal_tasks.models.store import hash_picture

WINDOW = 64
"""Pictures processed ahead and sorted by their exact length: enough for full batches, little enough to hold."""


@dataclass(frozen=True)
class Job:
    """Questions about one picture that are answered in one go."""

    requests: list[Request]
    places: list[int]
    """Position of each request among all that were asked."""

    def needs_answer(self, known: Collection[int]) -> bool:
        """Whether any of the requests is not among those whose answers are known."""
        return any(place not in known for place in self.places)


@dataclass(frozen=True)
class ReadyJob:
    """A job whose picture and texts are processed."""

    job: Job
    asked: AskedPicture

    @property
    def cost(self) -> int:
        """Tokens that the model computes."""
        shared, rows = self.asked.shared_length, self.asked.prompts
        answers = sum(one.max_new_tokens for one in self.job.requests if not one.choices)
        return shared + sum(len(row.ids) - shared for row in rows) + answers


@dataclass(frozen=True)
class JobPlan:
    """All requests, each in one place."""

    scored: list[Job]
    """Questions with choices: one job a picture, largest first."""
    generated: list[Job]
    """The other questions: the same."""
    unreadable: list[tuple[int, Response]]


class Window(NamedTuple):
    """Jobs ready for the model, longest first, and the responses to those that no processor takes."""

    ready: list[ReadyJob]
    refused: list[tuple[int, Response]]


def plan_jobs(requests: Sequence[Request]) -> JobPlan:
    """Group the requests by the pixels of their picture, those with choices apart from the others."""
    digests: dict[int, str] = {}
    scored: dict[str, Job] = {}
    generated: dict[str, Job] = {}
    unreadable: list[tuple[int, Response]] = []
    for place, request in enumerate(requests):
        try:
            digest = digests.get(id(request.image)) or hash_picture(request.image)
        except Exception as error:  # decoders raise whatever a damaged file makes them meet
            reason = f"unreadable picture: {shorten_error(error)}"
            unreadable.append((place, Response("", request.choices, unanswered=reason)))
            continue
        digests[id(request.image)] = digest
        job = (scored if request.choices else generated).setdefault(digest, Job([], []))
        job.requests.append(request)
        job.places.append(place)
    return JobPlan(_largest_first(scored.values()), _largest_first(generated.values()), unreadable)


def split_windows(jobs: Sequence[Job], size: int) -> list[Sequence[Job]]:
    """``size`` jobs at a time."""
    return [jobs[at : at + size] for at in range(0, len(jobs), size)]


def prepare_windows(chat: Chat, windows: Sequence[Sequence[Job]], ahead: bool) -> Iterator[Window]:
    """Process the pictures of one window after the other.

    Args:
        ahead: in threads, while the window before is being answered. On a CPU that would only take time from it.
    """
    if not ahead:
        for some in windows:
            yield _sorted_out([(job, _processed(chat, job)) for job in some])
        return
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        waiting, coming = deque(windows), deque[list[tuple[Job, Future[ReadyJob | str]]]]()
        while waiting or coming:
            while waiting and len(coming) < 2:
                coming.append([(job, threads.submit(_processed, chat, job)) for job in waiting.popleft()])
            yield _sorted_out([(job, future.result()) for job, future in coming.popleft()])


def refuse_job(job: Job, reason: str) -> list[tuple[int, Response]]:
    """A response without an answer for every request of the job."""
    return [
        (place, Response("", request.choices, unanswered=reason))
        for place, request in zip(job.places, job.requests, strict=True)
    ]


def _processed(chat: Chat, job: Job) -> ReadyJob | str:
    """The job as token ids, or why that cannot be."""
    try:
        image = with_sides_in_range(as_rgb(job.requests[0].image))
        return ReadyJob(job, chat.ask(image, [request.text for request in job.requests]))
    except Exception as error:  # processors raise whatever their arithmetic meets
        return shorten_error(error)


def _sorted_out(outcomes: list[tuple[Job, ReadyJob | str]]) -> Window:
    ready = [outcome for _, outcome in outcomes if isinstance(outcome, ReadyJob)]
    refused = [pair for job, outcome in outcomes if isinstance(outcome, str) for pair in refuse_job(job, outcome)]
    return Window(sorted(ready, key=lambda item: -item.cost), refused)


def _largest_first(jobs: Iterable[Job]) -> list[Job]:
    return sorted(jobs, key=lambda job: -math.prod(job.requests[0].image.size))
