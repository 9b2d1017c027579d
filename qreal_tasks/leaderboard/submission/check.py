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
from qreal_tasks.judge.manifest import Manifest as JudgeManifest
from qreal_tasks.leaderboard.submission.claims import SEED, scores_json, wrong_claims, wrong_live
from qreal_tasks.leaderboard.submission.manifest import Manifest
from qreal_tasks.leaderboard.submission.problems import Kind, Problem, shortened
from qreal_tasks.leaderboard.submission.reading import Folder, Opened, open_folder, read_folder, samples_path
from qreal_tasks.leaderboard.submission.record_checks import check_record
from qreal_tasks.leaderboard.submission.references import References
from qreal_tasks.leaderboard.submission.samples_file import read_records, sample_id, samples_digest, to_lines
from qreal_tasks.leaf_tasks import TASKS, Half, group_of, task_versions
from qreal_tasks.metrics.bootstrap import RESAMPLES
from qreal_tasks.metrics.feasibility import Verdict
from qreal_tasks.records import RECORD_VERSION, GroundingRecord, JudgmentRecord, Record
from qreal_tasks.results.asked import other_words
from qreal_tasks.results.run_folder import Run, TaskRun
from qreal_tasks.results.score import RunScores, score_run
from qreal_tasks.text.redaction import find_private


@dataclass(frozen=True)
class Checked:
    """What came of a check."""

    folder: str
    """Last name of the folder."""
    manifest: Manifest | None
    run: Run | None
    """The submitted records; None when they could not be read."""
    scores: RunScores | None
    """Recomputed, with intervals."""
    problems: tuple[Problem, ...]
    """Empty for a submission that may stand on the board."""


def check_submission(folder: Path, references: References, *, resamples: int = RESAMPLES) -> Checked:
    """Read, recompute and compare everything; all problems at once, not only the first.

    Scores of a judge are checked for their form, and for pairs that need no judge; whether the judge gave them cannot
    be recomputed without asking it.
    """
    return check_folder(folder.resolve().name, read_folder(folder), references, resamples=resamples)


def check_folder(name: str, folder: Folder, references: References, *, resamples: int = RESAMPLES) -> Checked:
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
        problems += _about_task(task, some, references)
    problems += _about_boxes(r for some in records.values() for r in some if isinstance(r, GroundingRecord))
    problems += _about_marks(record for some in records.values() for record in some)
    problems += _about_judge(opened.manifest, records)
    run = _run(opened, records)
    problems += _about_origin(opened.manifest, run, references)
    problems += _about_words(run)
    scores, wrong = _recomputed(opened, run, resamples)
    return Checked(name, opened.manifest, run, scores, tuple(shortened([*problems, *wrong])))


def _not_as_packed(task: str, records: Sequence[Record], lines: bytes) -> list[Problem]:
    """One run has one spelling: another order, a space or an empty line would give its copy another id."""
    if to_lines(records) == lines:
        return []
    said = "other order, spaces or spellings than `qreal submit pack` writes for these records; pack the run again"
    return [Problem(Kind.RECORD, f"{samples_path(task)}: {said}")]


def _about_manifest(
    opened: Opened, manifest: Manifest, records: Mapping[str, Sequence[Record]], references: References
) -> Iterator[Problem]:
    yield from _about_data(manifest, references)
    digest = samples_digest(opened.lines)[:12]
    if not manifest.id.endswith(f"-{digest}"):
        yield Problem(Kind.ID, f"id {manifest.id} does not belong to these samples, whose id ends in {digest}")
    if manifest.prompt_version != PROMPT_VERSION:
        yield Problem(
            Kind.VERSION, f"prompt version {manifest.prompt_version!r}, expected {PROMPT_VERSION!r}; run it again"
        )
    if manifest.record_version != RECORD_VERSION:
        yield Problem(Kind.VERSION, f"record version {manifest.record_version}, expected {RECORD_VERSION}")
    if len(set(manifest.halves)) < len(manifest.halves):
        yield Problem(Kind.MANIFEST, "halves names one twice")
    due = {task for half in set(manifest.halves) for task in references.tasks(half, manifest.prompts)}
    for task, (half, _) in TASKS.items():
        if task in due and task not in opened.lines:
            group = group_of(half, manifest.prompts)
            said = f"{task}: no samples, but {half} is said to be complete; run the group {group} whole"
            yield Problem(Kind.INCOMPLETE, said)
        elif task in opened.lines and task not in due and LEAVES[task][0] is manifest.prompts:
            yield Problem(Kind.INCOMPLETE, f"{task}: samples of a task that is in no half of the manifest")
    yield from _about_versions(manifest, opened)
    names = {record.data for some in records.values() for record in some}
    for name in sorted(names - {manifest.data.name}):
        yield Problem(Kind.DATA, f"samples on {name!r:.80}, the manifest says {manifest.data.name!r:.80}")


def _about_origin(manifest: Manifest | None, run: Run | None, references: References) -> Iterator[Problem]:
    named = manifest is not None and manifest.data.name == "mini"
    if named or references.is_drawn or (run is not None and run.is_drawn):
        said = "made on pictures that `qreal mini` drew, all or some, for trying the software; run it on Q-Real"
        yield Problem(Kind.DRAWN, said)


def _about_versions(manifest: Manifest, opened: Opened) -> Iterator[Problem]:
    for task in sorted(manifest.task_versions.keys() | opened.lines.keys()):
        said, expected = manifest.task_versions.get(task), task_versions().get(task)
        if expected is None:
            yield Problem(Kind.MANIFEST, f"task_versions names {task!r:.80}, which is no task of the benchmark")
        elif said is None:
            yield Problem(Kind.MANIFEST, f"task_versions has no {task}")
        elif task not in opened.lines:
            yield Problem(Kind.MANIFEST, f"task_versions names {task}, of which there are no samples")
        elif said != expected:
            yield Problem(Kind.VERSION, f"{task} is version {said!r}, expected {expected!r}; run it with this release")


def _about_data(manifest: Manifest, references: References) -> Iterator[Problem]:
    theirs = manifest.data.fingerprints
    if set(theirs) != set(manifest.halves):
        yield Problem(Kind.MANIFEST, f"data.fingerprints are of {_names(theirs)}, halves {_names(manifest.halves)}")
    if manifest.data.revision and references.commit and manifest.data.revision != references.commit:
        yield Problem(
            Kind.DATA,
            f"another data revision: packed at {manifest.data.revision[:12]}, {references.name} is at "
            f"{references.commit[:12]}; run it on that revision, or check with --data org/name@revision",
        )
    for half, value in theirs.items():
        if value != references.fingerprint(half):
            yield Problem(
                Kind.DATA,
                f"{half}: references of {manifest.data.name} ({value[:12]}) are not those of {references.name} "
                f"({references.fingerprint(half)[:12]}): another revision; run it on that set",
            )


def _names(halves: Mapping[Half, str] | Sequence[Half]) -> str:
    return ", ".join(sorted(halves)) or "none"


def _about_task(task: str, records: Sequence[Record], references: References) -> Iterator[Problem]:
    name = TASKS[task][1]
    ids = Counter(sample_id(record) for record in records)
    asked = references.ids(task)
    for item in sorted(asked - ids.keys()):
        yield Problem(Kind.INCOMPLETE, f"{task}: sample {item} is missing; submit the whole test split")
    for item in sorted(ids.keys() - asked):
        yield Problem(Kind.INCOMPLETE, f"{task}: sample {item!r:.80} is not in the test split of {references.name}")
    for item, count in sorted(ids.items()):
        if count > 1:
            yield Problem(Kind.INCOMPLETE, f"{task}: sample {item!r:.80} occurs {count} times; keep one")
    for record in records:
        about = record.question if isinstance(record, JudgmentRecord) else record.set_name
        if about != name:
            yield Problem(Kind.RECORD, f"{task} {sample_id(record):.80}: a record of {about!r:.40}, expected {name}")
        elif sample_id(record) in asked:
            yield from check_record(record, task, references)


def _about_words(run: Run | None) -> Iterator[Problem]:
    """What was asked, and not only what the manifest says was asked."""
    for one in other_words(run.tasks if run else ()):
        yield Problem(Kind.PROMPTS, f"{one}; {one.verdict}, run it with the prompts of the tasks")


def _about_boxes(records: Iterable[GroundingRecord]) -> Iterator[Problem]:
    """One declared space, and one input size for images of one size: else each image could have what suits it best."""
    spaces: dict[str, str] = {}
    fed: dict[tuple[int, int], dict[tuple[int, int], str]] = defaultdict(dict)
    for record in records:
        spaces.setdefault(record.space, record.image_id)
        if record.input_size is not None:
            fed[record.width, record.height].setdefault(record.input_size, record.image_id)
    if len(spaces) > 1:
        said = ", ".join(f"{space!r:.40} (image {image:.80})" for space, image in sorted(spaces.items())[:3])
        yield Problem(Kind.RECORD, f"boxes in {said}; one run has one declared space, run all sets with it")
    for (width, height), sizes in sorted(fed.items()):
        if len(sizes) > 1:
            said = ", ".join(f"{w}x{h} (image {image:.80})" for (w, h), image in sorted(sizes.items())[:3])
            yield Problem(
                Kind.IMPOSSIBLE,
                f"images of {width}x{height} have input_size {said}; expected one size of equal images, run all again",
            )


def _about_marks(records: Iterable[Record]) -> Iterator[Problem]:
    """One set of reasoning marks: else each text could be cut where it suits."""
    named: dict[tuple[tuple[str, str], ...], str] = {}
    for record in records:
        named.setdefault(record.reasoning_marks, sample_id(record))
    if len(named) > 1:
        said = ", ".join(f"{marks!r:.80} (sample {sample:.80})" for marks, sample in sorted(named.items())[:3])
        yield Problem(Kind.RECORD, f"reasoning_marks are {said}; one run has one model, run all tasks with the same")


def _about_judge(manifest: Manifest | None, records: Mapping[str, Sequence[Record]]) -> Iterator[Problem]:
    """One judge for the whole submission, its manifest beside its name, and no image that it was not asked about."""
    named: set[str] = set()
    for task, some in records.items():
        grounded = [record for record in some if isinstance(record, GroundingRecord)]
        judged = [record for record in grounded if record.scores is not None]
        named |= {record.judge for record in judged if record.judge is not None}
        if judged and len(judged) < len(grounded):
            said = f"{task}: {len(judged)} of {len(grounded)} images are judged; judge all with `qreal judge RUN`"
            yield Problem(Kind.JUDGE, said)
    if manifest is None:
        return
    if manifest.judge is None:
        if named:
            yield Problem(Kind.JUDGE, f"scores of {', '.join(sorted(named)):.120}, but no judge in the manifest")
        return
    try:
        judge = JudgeManifest.model_validate(manifest.judge)
    except ValueError as error:
        yield Problem(Kind.JUDGE, f"the manifest's judge is none: {' '.join(str(error).split()):.300}")
        return
    title = judge.title
    public = judge.published()
    if public.model != judge.model or find_private(judge.model):
        yield Problem(Kind.JUDGE, "the judge's model says where it lies, expected its last name; pack the run again")
    if public.base_url != judge.base_url:
        yield Problem(Kind.JUDGE, "the judge's base_url says where a server of one's own is; pack the run again")
    if not named:
        yield Problem(Kind.JUDGE, f"the manifest names the judge {title}, but nothing was judged; leave it out")
    for name in sorted(named - {title}):
        yield Problem(Kind.JUDGE, f"scores of {name!r:.120}, but the manifest's judge hashes to {title}")


def _run(opened: Opened, records: Mapping[str, Sequence[Record]]) -> Run | None:
    """The submission as if it had been read from a folder of the harness."""
    if not records:
        return None
    live = opened.scores.get("live") if opened.scores else None
    numbers = live if isinstance(live, Mapping) else {}
    versions = opened.manifest.task_versions if opened.manifest else {}
    tasks = []
    for task, some in records.items():
        claimed = numbers.get(task)
        live_of_task = claimed if isinstance(claimed, Mapping) else {}
        tasks.append(TaskRun(task, versions.get(task, "unknown"), live_of_task, tuple(some)))
    model = opened.manifest.model.name if opened.manifest else "unknown"
    return Run(Path("manifest.json"), model, "", None, tuple(tasks))


def _recomputed(opened: Opened, run: Run | None, resamples: int) -> tuple[RunScores | None, list[Problem]]:
    """The scores, and which submitted numbers are not among them."""
    if run is None:
        return None, [] if opened.lines else [Problem(Kind.INCOMPLETE, "no samples at all; pack the run again")]
    try:
        scores = score_run(run, resamples=resamples, seed=SEED)
    except ValueError as error:  # records that the checks above refuse: an item twice, a value out of range
        return None, [Problem(Kind.RECORD, f"cannot be scored: {error}")]
    problems = [
        Problem(
            Kind.IMPOSSIBLE,
            f"{name}: AUC {group.metrics['auc']:.3f} cannot come from the P(Yes) that these answers follow; "
            "is P(Yes) that of No?",
        )
        for name, group in scores.objectqa.items()
        if group.verdict is Verdict.INFEASIBLE
    ]
    if opened.scores is not None:
        problems += wrong_claims(opened.scores, scores_json(run, scores, resamples))
        problems += wrong_live(opened.scores.get("live"), run, scores)
    return scores, problems
