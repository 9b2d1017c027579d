"""The board: accepted submissions with their ranks, refused ones with the reasons, the paper's rows beside them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from qreal_tasks.benchmark import Style
from qreal_tasks.judge.manifest import JudgeManifest, packaged_manifests
from qreal_tasks.leaderboard.board.cache import CheckCache
from qreal_tasks.leaderboard.board.paper import PaperModel, load_paper_models
from qreal_tasks.leaderboard.board.ranks import Rank, compute_rank_ranges
from qreal_tasks.leaderboard.lints import TOO_WELL
from qreal_tasks.leaderboard.result import HEADLINES, IMAGEQA_JOINT, Result, find_headline, refuse
from qreal_tasks.leaderboard.submission.manifest import SubmissionManifest
from qreal_tasks.leaderboard.submission.names import fold_name
from qreal_tasks.leaderboard.submission.problems import Refusal, Rule
from qreal_tasks.leaderboard.submission.reading import MANIFEST, read_folder
from qreal_tasks.leaderboard.submission.references import References
from qreal_tasks.leaf_tasks import Half

_MOST_NAMED = 10
"""Submissions with the same answers that a message names."""


class BoardError(ValueError):
    """There is nothing to build from; the message says what was looked for."""


@dataclass(frozen=True)
class Entry:
    """One accepted submission."""

    result: Result
    ranks: Mapping[str, Rank]
    """Headline to its range of ranks among submissions of its style; a headline that the submission has not, or that
    does not rank, is missing."""
    namesakes: tuple[str, ...] = ()
    """Ids of other submissions whose names read the same (``names.fold_name``)."""

    @property
    def manifest(self) -> SubmissionManifest:
        assert self.result.manifest is not None  # an accepted submission has one
        return self.result.manifest

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know about it."""
        if not self.namesakes:
            return self.result.notes
        others = f"{', '.join(self.namesakes):.300}"
        note = f"name: reads like that of {others}; ids tell them apart, and nothing in them proves whose name it is"
        return (note, *self.result.notes)

    @property
    def is_doubtful(self) -> bool:
        """Whether a note puts its rank in doubt."""
        return any(TOO_WELL in note for note in self.notes)

    @property
    def style(self) -> Style:
        """What stood around the questions: submissions of two styles share no table and no rank."""
        return self.manifest.prompts


@dataclass(frozen=True)
class Board:
    """Everything that the site shows."""

    data: str
    is_drawn: bool
    """Whether ``qreal mini`` drew the dataset, all or a part: then every submission is refused, unless the board is for
    practice."""
    practice: bool
    fingerprints: Mapping[str, str]
    images: int
    entities: int
    judge: str | None
    """Whose joint scores are ranked. Scores of different judges are not comparable."""
    entries: tuple[Entry, ...]
    """Those with the benchmark's prompts first; within a style best macro AUC, then best F1 at .5, then by name."""
    refused: tuple[Result, ...]
    paper: tuple[PaperModel, ...]
    """None beside drawn pictures, of which the paper knows nothing."""
    recomputed: int
    from_cache: int

    def asked_with(self, style: Style) -> tuple[Entry, ...]:
        """The submissions of a style, in order."""
        return tuple(entry for entry in self.entries if entry.style is style)


def build_board(
    submissions: Path, references: References, cache: CheckCache, judge: JudgeManifest | None = None
) -> Board:
    """Check every sub-folder of ``submissions``, and rank what passes.

    Args:
        judge: whose joint scores are ranked; None for ``_judge_by_default``.

    Raises:
        BoardError: there is no sub-folder with a manifest.
        OSError: ``submissions`` cannot be listed, or the cache not be written.
    """
    folders = sorted(path for path in submissions.iterdir() if path.is_dir()) if submissions.is_dir() else []
    folders = [path for path in folders if not path.name.startswith(".")]
    if not folders:
        raise BoardError(f"{submissions}: no folder in it; expected one for each submission, with {MANIFEST}")
    results = [_checked(path, references, cache) for path in folders]
    accepted, refused = _without_copies(results)
    ranked_judge = _title(judge) if judge is not None else _judge_by_default(accepted)
    return Board(
        data=references.name,
        is_drawn=references.is_drawn,
        practice=references.practice,
        fingerprints={half.value: references.fingerprint(half) for half in Half},
        images=len(references.images),
        entities=len(references.entities),
        judge=ranked_judge,
        entries=_ranked([_under(ranked_judge, result) for result in accepted]),
        refused=tuple(refused),
        paper=() if references.is_drawn else load_paper_models(),
        recomputed=cache.misses,
        from_cache=cache.hits,
    )


def _checked(path: Path, references: References, cache: CheckCache) -> Result:
    try:
        folder = read_folder(path)
    except OSError as error:
        message = f"{path.name}: cannot be read ({error.strerror}); make its files readable"
        return refuse(path.name, Refusal(Rule.FOLDER, message))
    return cache.result(path.name, folder, references)


def _without_copies(results: Sequence[Result]) -> tuple[list[Result], list[Result]]:
    """Accepted and refused: of submissions with the same answers in a half none stays, because nothing in them proves
    which was first. Another style is no excuse: a model that is asked otherwise does not give every answer again."""
    sharing: dict[tuple[str, str], list[str]] = defaultdict(list)
    for result in results:
        for half in result.answers.items():
            sharing[half].append(result.folder)
    accepted: list[Result] = []
    refused: list[Result] = []
    for result in results:
        copies = tuple(
            Refusal(Rule.COPY, f"{half}: the answers are those of {_others(names, result.folder)}; remove all but one")
            for half, digest in result.answers.items()
            if len(names := sharing[half, digest]) > 1
        )
        if result.problems or copies:
            refused.append(replace(result, problems=(*result.problems, *copies)))
        else:
            accepted.append(result)
    return accepted, refused


def _others(names: Sequence[str], mine: str) -> str:
    first = [name for name in names[:_MOST_NAMED] if name != mine]
    more = len(names) - 1 - len(first)
    return f"{', '.join(first):.300}{f' and {more} more' if more else ''}"


def find_judge(result: Result) -> str | None:
    """Name and hash of the judge that scored the descriptions; None when nobody did."""
    manifest = result.manifest.judge if result.manifest else None
    return None if manifest is None else _title(JudgeManifest.model_validate(manifest))


def _title(judge: JudgeManifest) -> str:
    """A packaged judge goes by its own name, whatever a submitter calls it."""
    return next((one.title for one in packaged_manifests() if one.hash == judge.hash), judge.title)


def _judge_by_default(results: Sequence[Result]) -> str | None:
    """A packaged judge that anybody asked, else that of most submissions: many submissions under a judge of their own
    do not take over a board. Ties go to the first by name, so that the order of folders decides nothing."""
    packaged = {one.hash[:12] for one in packaged_manifests()}
    titles = [judge for result in results if (judge := find_judge(result)) is not None]
    counted = Counter(map(_hash, titles))
    return min(titles, key=lambda t: (_hash(t) not in packaged, -counted[_hash(t)], t), default=None)


def _hash(judge: str) -> str:
    """What makes scores comparable: two names may stand for one judge."""
    return judge.rpartition("@")[2]


def _under(judge: str | None, result: Result) -> Result:
    """The result without a joint rank when another judge scored it."""
    its = find_judge(result)
    if its is None or judge is None or _hash(its) == _hash(judge):
        return result
    why = f"judged by {its}, the board ranks scores of {judge}; scores of different judges are not comparable"
    return replace(result, unranked={**result.unranked, IMAGEQA_JOINT: why})


def _ranked(results: Sequence[Result]) -> tuple[Entry, ...]:
    by_style = ([r for r in results if r.manifest is not None and r.manifest.prompts is style] for style in Style)
    entries = [entry for alike in by_style for entry in _ranked_alike(alike)]
    called: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        called[fold_name(entry.manifest.name)].append(entry.manifest.id)
    return tuple(replace(entry, namesakes=_namesakes(entry, called)) for entry in entries)


def _namesakes(entry: Entry, called: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    return tuple(one for one in called[fold_name(entry.manifest.name)] if one != entry.manifest.id)


def _ranked_alike(results: Sequence[Result]) -> tuple[Entry, ...]:
    """Entries of results of one style, ranked and in the order of the board."""
    ranks: dict[str, dict[str, Rank]] = {result.folder: {} for result in results}
    for name in HEADLINES:
        ranking = [result for result in results if find_headline(result, name) and name not in result.unranked]
        values = [_value(result, name) for result in ranking]
        draws = np.array([result.draws[name] for result in ranking])
        for result, rank in zip(ranking, compute_rank_ranges(values, draws), strict=True):
            ranks[result.folder][name] = rank
    entries = [Entry(result, ranks[result.folder]) for result in results]
    return tuple(
        sorted(entries, key=lambda entry: (*(-_value(entry.result, n) for n in HEADLINES), entry.manifest.name))
    )


def _value(result: Result, name: str) -> float:
    """The headline for sorting; what is missing comes last."""
    found = find_headline(result, name)
    return -1.0 if found is None else found["value"] or 0.0
