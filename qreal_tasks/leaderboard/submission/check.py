"""A submission to its recomputed numbers, or to every reason why it is refused.

checked = check_submission(Path("submissions/mine"), load_references("org/q-real"))
print(checked.problems or checked.scores.objectqa["overall"].metrics["auc"])
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from qreal_tasks.benchmark import LEAVES, PROMPT_VERSION
from qreal_tasks.judge.manifest import JudgeManifest
from qreal_tasks.leaderboard.submission.claims import SEED, build_scores, find_wrong_claims, find_wrong_live
from qreal_tasks.leaderboard.submission.manifest import SubmissionManifest
from qreal_tasks.leaderboard.submission.problems import Refusal, Rule, shorten
from qreal_tasks.leaderboard.submission.reading import (
    Opened,
    SubmissionFolder,
    as_run,
    open_folder,
    read_folder,
    samples_path,
)
from qreal_tasks.leaderboard.submission.record_checks import check_record
from qreal_tasks.leaderboard.submission.references import References
from qreal_tasks.leaderboard.submission.samples_file import digest_samples, read_records, to_lines
from qreal_tasks.leaf_tasks import TASKS, Half, group_of, task_versions
from qreal_tasks.metrics.bootstrap import RESAMPLES
from qreal_tasks.metrics.feasibility import Feasibility
from qreal_tasks.records import RECORD_VERSION, GroundingRecord, Record
from qreal_tasks.results.asked import find_other_prompts
from qreal_tasks.results.run_folder import Run
from qreal_tasks.results.score import RunScores, score_run
from qreal_tasks.text.redaction import find_private


@dataclass(frozen=True)
class CheckedSubmission:
    """What came of a check."""

    folder: str
    """Last name of the folder."""
    manifest: SubmissionManifest | None
    run: Run | None
    """The submitted records; None when they could not be read."""
    scores: RunScores | None
    """Recomputed, with intervals."""
    problems: tuple[Refusal, ...]
    """Empty for a submission that may stand on the board."""


def check_submission(folder: Path, references: References, *, resamples: int = RESAMPLES) -> CheckedSubmission:
    """Read, recompute and compare everything; all problems at once, not only the first.

    Scores of a judge are checked for their form, and for pairs that need no judge; whether the judge gave them cannot
    be recomputed without asking it.
    """
    return check_folder(folder.resolve().name, read_folder(folder), references, resamples=resamples)


def check_folder(
    name: str, folder: SubmissionFolder, references: References, *, resamples: int = RESAMPLES
) -> CheckedSubmission:
    """As ``check_submission``, of a folder that is read already."""
    opened = open_folder(folder)
    problems = list(opened.problems)
    records: dict[str, list[Record]] = {}
    for task, lines in opened.lines.items():
        records[task], unread = read_records(lines, samples_path(task))
        problems += unread or _not_as_packed(task, records[task], lines)
    if opened.manifest is not None:
        problems += _about_manifest(opened, opened.manifest, records, references)
    for task, some in records.items():
        from_file = opened.manifest is not None and opened.manifest.answers is not None
        problems += _about_task(task, some, references, from_file)
    problems += _about_boxes(r for some in records.values() for r in some if isinstance(r, GroundingRecord))
    problems += _about_marks(record for some in records.values() for record in some)
    problems += _about_judge(opened.manifest, records)
    run = as_run(opened, records)
    problems += _about_origin(opened.manifest, run, references)
    problems += _about_words(run)
    scores, wrong = _recomputed(opened, run, resamples)
    return CheckedSubmission(name, opened.manifest, run, scores, tuple(shorten([*problems, *wrong])))


def _not_as_packed(task: str, records: Sequence[Record], lines: bytes) -> list[Refusal]:
    """One run has one spelling: another order, a space or an empty line would give its copy another id."""
    if to_lines(records) == lines:
        return []
    message = "other order, spaces or spellings than `qreal submit pack` writes for these records; pack the run again"
    return [Refusal(Rule.RECORD, f"{samples_path(task)}: {message}")]


def _about_manifest(
    opened: Opened, manifest: SubmissionManifest, records: Mapping[str, Sequence[Record]], references: References
) -> Iterator[Refusal]:
    yield from _about_data(manifest, references)
    digest = digest_samples(opened.lines)[:12]
    if not manifest.id.endswith(f"-{digest}"):
        yield Refusal(Rule.ID, f"id {manifest.id} does not belong to these samples, whose id ends in {digest}")
    if manifest.prompt_version != PROMPT_VERSION:
        yield Refusal(
            Rule.VERSION, f"prompt version {manifest.prompt_version!r}, expected {PROMPT_VERSION!r}; run it again"
        )
    if manifest.record_version != RECORD_VERSION:
        yield Refusal(Rule.VERSION, f"record version {manifest.record_version}, expected {RECORD_VERSION}")
    if len(set(manifest.halves)) < len(manifest.halves):
        yield Refusal(Rule.MANIFEST, "halves names one twice")
    due = {task for half in set(manifest.halves) for task in references.tasks(half, manifest.prompts)}
    for task, (half, _) in TASKS.items():
        if task in due and task not in opened.lines:
            group = group_of(half, manifest.prompts)
            message = f"{task}: no samples, but {half} is said to be complete; run the group {group} whole"
            yield Refusal(Rule.INCOMPLETE, message)
        elif task in opened.lines and task not in due and LEAVES[task][0] is manifest.prompts:
            yield Refusal(Rule.INCOMPLETE, f"{task}: samples of a task that is in no half of the manifest")
    yield from _about_versions(manifest, opened)
    names = {record.data for some in records.values() for record in some}
    for name in sorted(names - {manifest.data.name}):
        yield Refusal(Rule.DATA, f"samples on {name!r:.80}, the manifest says {manifest.data.name!r:.80}")


def _about_origin(manifest: SubmissionManifest | None, run: Run | None, references: References) -> Iterator[Refusal]:
    if references.practice:
        return
    named = manifest is not None and manifest.data.name == "mini"
    if named or references.is_drawn or (run is not None and run.is_drawn):
        message = "made on pictures that `qreal mini` drew, all or some, for trying the software; run it on Q-Real"
        yield Refusal(Rule.DRAWN, message)


def _about_versions(manifest: SubmissionManifest, opened: Opened) -> Iterator[Refusal]:
    for task in sorted(manifest.task_versions.keys() | opened.lines.keys()):
        version, expected = manifest.task_versions.get(task), task_versions().get(task)
        if expected is None:
            yield Refusal(Rule.MANIFEST, f"task_versions names {task!r:.80}, which is no task of the benchmark")
        elif version is None:
            yield Refusal(Rule.MANIFEST, f"task_versions has no {task}")
        elif task not in opened.lines:
            yield Refusal(Rule.MANIFEST, f"task_versions names {task}, of which there are no samples")
        elif version != expected:
            yield Refusal(
                Rule.VERSION, f"{task} is version {version!r}, expected {expected!r}; run it with this release"
            )


def _about_data(manifest: SubmissionManifest, references: References) -> Iterator[Refusal]:
    theirs = manifest.data.fingerprints
    if set(theirs) != set(manifest.halves):
        yield Refusal(Rule.MANIFEST, f"data.fingerprints are of {_names(theirs)}, halves {_names(manifest.halves)}")
    if manifest.data.revision and references.commit and manifest.data.revision != references.commit:
        yield Refusal(
            Rule.DATA,
            f"another data revision: packed at {manifest.data.revision[:12]}, {references.name} is at "
            f"{references.commit[:12]}; run it on that revision, or check with --data org/name@revision",
        )
    for half, value in theirs.items():
        if value != references.fingerprint(half):
            yield Refusal(
                Rule.DATA,
                f"{half}: references of {manifest.data.name} ({value[:12]}) are not those of {references.name} "
                f"({references.fingerprint(half)[:12]}): another revision; run it on that set",
            )


def _names(halves: Mapping[Half, str] | Sequence[Half]) -> str:
    return ", ".join(sorted(halves)) or "none"


def _about_task(task: str, records: Sequence[Record], references: References, from_file: bool) -> Iterator[Refusal]:
    name = TASKS[task][1]
    ids = Counter(record.sample_id for record in records)
    asked = references.ids(task)
    for item in sorted(asked - ids.keys()):
        yield Refusal(Rule.INCOMPLETE, f"{task}: sample {item} is missing; submit the whole test split")
    for item in sorted(ids.keys() - asked):
        yield Refusal(Rule.INCOMPLETE, f"{task}: sample {item!r:.80} is not in the test split of {references.name}")
    for item, count in sorted(ids.items()):
        if count > 1:
            yield Refusal(Rule.INCOMPLETE, f"{task}: sample {item!r:.80} occurs {count} times; keep one")
    for record in records:
        if record.subject != name:
            yield Refusal(
                Rule.RECORD, f"{task} {record.sample_id:.80}: a record of {record.subject!r:.40}, expected {name}"
            )
        elif record.sample_id in asked:
            yield from check_record(record, task, references, from_file=from_file)


def _about_words(run: Run | None) -> Iterator[Refusal]:
    """What was asked, and not only what the manifest says was asked."""
    for one in find_other_prompts(run.tasks if run else ()):
        yield Refusal(Rule.PROMPTS, f"{one}; {one.verdict}, run it with the prompts of the tasks")


def _about_boxes(records: Iterable[GroundingRecord]) -> Iterator[Refusal]:
    """One declared space, and one input size for images of one size: else each image could have what suits it best."""
    spaces: dict[str, str] = {}
    fed: dict[tuple[int, int], dict[tuple[int, int], str]] = defaultdict(dict)
    for record in records:
        spaces.setdefault(record.space, record.image_id)
        if record.input_size is not None:
            fed[record.width, record.height].setdefault(record.input_size, record.image_id)
    if len(spaces) > 1:
        examples = ", ".join(f"{space!r:.40} (image {image:.80})" for space, image in sorted(spaces.items())[:3])
        yield Refusal(Rule.RECORD, f"boxes in {examples}; one run has one declared space, run all sets with it")
    for (width, height), sizes in sorted(fed.items()):
        if len(sizes) > 1:
            examples = ", ".join(f"{w}x{h} (image {image:.80})" for (w, h), image in sorted(sizes.items())[:3])
            yield Refusal(
                Rule.IMPOSSIBLE,
                f"images of {width}x{height} have input_size {examples}; expected one size, run all again",
            )


def _about_marks(records: Iterable[Record]) -> Iterator[Refusal]:
    """One set of reasoning marks: else each text could be cut where it suits."""
    named: dict[tuple[tuple[str, str], ...], str] = {}
    for record in records:
        named.setdefault(record.reasoning_marks, record.sample_id)
    if len(named) > 1:
        examples = ", ".join(f"{marks!r:.80} (sample {sample:.80})" for marks, sample in sorted(named.items())[:3])
        yield Refusal(
            Rule.RECORD, f"reasoning_marks are {examples}; one run has one model, run all tasks with the same"
        )


def _about_judge(manifest: SubmissionManifest | None, records: Mapping[str, Sequence[Record]]) -> Iterator[Refusal]:
    """One judge for the whole submission, its manifest beside its name, and no image that it was not asked about."""
    named: set[str] = set()
    for task, some in records.items():
        grounded = [record for record in some if isinstance(record, GroundingRecord)]
        judged = [record for record in grounded if record.scores is not None]
        named |= {record.judge for record in judged if record.judge is not None}
        if judged and len(judged) < len(grounded):
            message = f"{task}: {len(judged)} of {len(grounded)} images are judged; judge all with `qreal judge RUN`"
            yield Refusal(Rule.JUDGE, message)
    if manifest is None:
        return
    if manifest.judge is None:
        if named:
            yield Refusal(Rule.JUDGE, f"scores of {', '.join(sorted(named)):.120}, but no judge in the manifest")
        return
    try:
        judge = JudgeManifest.model_validate(manifest.judge)
    except ValueError as error:
        yield Refusal(Rule.JUDGE, f"the manifest's judge is none: {' '.join(str(error).split()):.300}")
        return
    title = judge.title
    public = judge.published()
    if public.model != judge.model or find_private(judge.model):
        yield Refusal(Rule.JUDGE, "the judge's model says where it lies, expected its last name; pack the run again")
    if public.base_url != judge.base_url:
        yield Refusal(Rule.JUDGE, "the judge's base_url says where a server of one's own is; pack the run again")
    if not named:
        yield Refusal(Rule.JUDGE, f"the manifest names the judge {title}, but nothing was judged; leave it out")
    for name in sorted(named - {title}):
        yield Refusal(Rule.JUDGE, f"scores of {name!r:.120}, but the manifest's judge hashes to {title}")


def _recomputed(opened: Opened, run: Run | None, resamples: int) -> tuple[RunScores | None, list[Refusal]]:
    """The scores, and which submitted numbers are not among them."""
    if run is None:
        return None, [] if opened.lines else [Refusal(Rule.INCOMPLETE, "no samples at all; pack the run again")]
    try:
        scores = score_run(run, resamples=resamples, seed=SEED)
    except ValueError as error:  # records that the checks above refuse: an item twice, a value out of range
        return None, [Refusal(Rule.RECORD, f"cannot be scored: {error}")]
    problems = [
        Refusal(
            Rule.IMPOSSIBLE,
            f"{name}: AUC {group.metrics['auc']:.3f} cannot come from the P(Yes) that these answers follow; "
            "is P(Yes) that of No?",
        )
        for name, group in scores.objectqa.items()
        if group.verdict is Feasibility.INFEASIBLE
    ]
    if opened.scores is not None:
        problems += find_wrong_claims(opened.scores, build_scores(run, scores, resamples))
        problems += find_wrong_live(opened.scores.get("live"), run, scores)
    return scores, problems
