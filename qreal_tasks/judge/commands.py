"""``qreal judge``: score the descriptions of a finished run, and measure the judges themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qreal_tasks.console.command_line import PROMPTS, RunByDefault, fail, new_group
from qreal_tasks.console.terminal import echo

if TYPE_CHECKING:  # `qreal --help` answers at once
    from qreal_tasks.benchmark import Style
    from qreal_tasks.judge.judge import Judge
    from qreal_tasks.judge.manifest import JudgeManifest
    from qreal_tasks.judge.meta_evaluation.ranking_changes import RankingChange
    from qreal_tasks.records import GroundingRecord
    from qreal_tasks.results.run_folder import Run


judge_app = new_group(
    "LLM-Score: judge the descriptions of a run, or measure a judge.\n\n"
    "\b\nqreal judge runs/a --judge gpt-4o\nqreal judge probe --judge ./mine.yaml\n\n"
    "qreal judge RUN is qreal judge run RUN.",
    RunByDefault,
)

_MANIFEST = "Name of a packaged judge (gpt-4o), or a manifest file like configs/eval/judge-local.yaml."
_CONCURRENCY = typer.Option(min=1, help="Pairs asked at a time.")
_CACHE = typer.Option(help="File for judgements. Default: $QREAL_JUDGE_CACHE, else one for all runs.")


@judge_app.command("run")
def run_command(
    run: Annotated[Path, typer.Argument(help="Output folder of a run, or its *_results.json.", show_default=False)],
    judge: Annotated[str, typer.Option("--judge", help=_MANIFEST)] = "gpt-4o",
    concurrency: Annotated[int, _CONCURRENCY] = 64,
    cache: Annotated[Path | None, _CACHE] = None,
    batch: Annotated[bool, typer.Option("--batch", help="Over the Batch API: half the price, within a day.")] = False,
    poll: Annotated[float, typer.Option(min=1, help="With --batch: seconds between two looks at the batches.")] = 30,
    prompts: Annotated[Any, PROMPTS] = None,
) -> None:
    """Fill in or replace the LLM-Scores of a run, from its logged samples alone.

    \b
    qreal judge run runs/a --judge gpt-4o
    qreal judge run runs/a --judge configs/eval/judge-local.yaml
    qreal judge run runs/a --batch

    Writes the scores into the run's own files, and what was asked into --cache. What was judged before costs nothing.
    Ends with the numbers that changed. With --batch the command can be stopped
    at any time: started again, it goes on with the batches it had submitted.
    """
    from qreal_tasks.files.sqlite_file import StoreError
    from qreal_tasks.judge.manifest import ManifestError, load_manifest
    from qreal_tasks.judge.progress import describe_outcome, with_batch_progress, with_progress
    from qreal_tasks.judge.records import judge_records
    from qreal_tasks.llm.errors.retry import StoppedRun
    from qreal_tasks.results.rejudge import count_scores_of_others, rejudge
    from qreal_tasks.results.run_folder import RunFolderError

    try:
        manifest = load_manifest(judge)
        read = _read(run, prompts)
        for other, n in count_scores_of_others(read, manifest.title).items():
            echo(f"{n} scores of {other} in this run are replaced by those of {manifest.title}")
        shown = with_batch_progress if batch else with_progress
        with _open_batches(manifest, cache, poll) if batch else _open(manifest, cache, concurrency) as asked:
            count = rejudge(
                read,
                lambda records: judge_records(records, shown(asked), manifest.title),
                manifest.model_dump(mode="json"),
            )
    except (ManifestError, RunFolderError, StoppedRun, StoreError, ValueError, OSError) as error:
        fail("judge run", error)
    except KeyboardInterrupt:
        going_on = "; submitted batches go on" if batch else ""
        echo(f"qreal judge run: stopped{going_on}. Start the same command again to go on.", err=True)
        raise typer.Exit(130) from None
    echo(f"{count} answers judged by {manifest.title}: {describe_outcome(asked)}")
    for line in _llm_scores(_read(read.results_path, prompts)):
        echo(line)


@judge_app.command("probe")
def probe_command(
    judge: Annotated[str, typer.Option("--judge", help=_MANIFEST)] = "gpt-4o",
    concurrency: Annotated[int, _CONCURRENCY] = 64,
    cache: Annotated[Path | None, _CACHE] = None,
) -> None:
    """Ask a judge about pairs whose answer is known, which shows whether it can be trusted.

    \b
    qreal judge probe --judge configs/eval/judge-local.yaml

    Writes nothing but what was asked, into --cache. Identical texts, paraphrases, reversed meanings, shuffled
    references, empty and very long texts, and descriptions that hold instructions. Exit status 1 when it fails one of
    the checks.
    """
    from qreal_tasks.files.sqlite_file import StoreError
    from qreal_tasks.judge.manifest import ManifestError, load_manifest
    from qreal_tasks.judge.meta_evaluation.probe import probe
    from qreal_tasks.judge.meta_evaluation.tables import print_probe
    from qreal_tasks.judge.progress import describe_outcome, with_progress
    from qreal_tasks.llm.errors.retry import StoppedRun

    try:
        manifest = load_manifest(judge)
        with _open(manifest, cache, concurrency) as asked:
            report = probe(with_progress(asked))
    except (ManifestError, StoppedRun, StoreError, ValueError, OSError) as error:
        fail("judge probe", error)
    echo(f"judge {manifest.title} ({manifest.model}): {describe_outcome(asked)}")
    print_probe(report)
    if not report.trusted:
        fail("judge probe", f"{manifest.title} did not pass every check")


@judge_app.command("agree")
def agree_command(
    runs: Annotated[list[Path], typer.Argument(help="One or more runs.", show_default=False)],
    judges: Annotated[list[str], typer.Option("--judges", help=f"Two or more, with commas between. {_MANIFEST}")],
    concurrency: Annotated[int, _CONCURRENCY] = 64,
    cache: Annotated[Path | None, _CACHE] = None,
    prompts: Annotated[Any, PROMPTS] = None,
) -> None:
    """Measure how far judges agree on the pairs of these runs, and whether they rank the runs alike.

    \b
    qreal judge agree runs/a runs/b --judges gpt-4o,configs/eval/judge-local.yaml

    Writes nothing but what was asked, into --cache. The runs themselves stay as they are. Only runs with the same
    prompts are ranked with each other.
    """
    from qreal_tasks.files.sqlite_file import StoreError
    from qreal_tasks.judge.manifest import ManifestError, load_manifest
    from qreal_tasks.judge.meta_evaluation.agreement import collect_scores, compare_judges
    from qreal_tasks.judge.meta_evaluation.tables import print_agreement
    from qreal_tasks.judge.progress import describe_outcome, with_progress
    from qreal_tasks.judge.records import judge_records
    from qreal_tasks.llm.errors.retry import StoppedRun
    from qreal_tasks.results.run_folder import RunFolderError

    pairs: dict[str, dict[Any, float | None]] = {}
    means: dict[str, dict[str, float | None]] = {}
    try:
        manifests = [load_manifest(name.strip()) for given in judges for name in given.split(",") if name.strip()]
        if len({manifest.hash for manifest in manifests}) < max(2, len(manifests)):
            raise ValueError("--judges: expected two or more judges, no two of them with the same hash")
        found = {str(path): _read(path, prompts) for path in runs}
        read = {name: run.groundings() for name, run in found.items()}
        if not any(read.values()):
            raise ValueError(f"no ImageQA samples in {', '.join(read)}, so there is no description to judge")
        for manifest in manifests:
            with _open(manifest, cache, concurrency) as asked:
                scored = {
                    run: judge_records(records, with_progress(asked), manifest.title) for run, records in read.items()
                }
            echo(f"{manifest.title}: {describe_outcome(asked)}")
            pairs[manifest.title] = {
                key: score for run, records in scored.items() for key, score in collect_scores(records, run).items()
            }
            means[manifest.title] = {run: _mean_llm_score(records) for run, records in scored.items()}
        agreements, changes = compare_judges(pairs), _changes(found, means)
    except (ManifestError, RunFolderError, StoppedRun, StoreError, ValueError, OSError) as error:
        fail("judge agree", error)
    print_agreement(agreements, changes)


@judge_app.command("similarity")
def similarity_command(
    run: Annotated[Path, typer.Argument(help="Output folder of a run, or its *_results.json.", show_default=False)],
    encoder: Annotated[
        str | None, typer.Option(help="Folder or hub id of a sentence-transformers model. Default: all-MiniLM-L6-v2.")
    ] = None,
    prompts: Annotated[Any, PROMPTS] = None,
) -> None:
    """Measure the text similarity of the matched descriptions without a language model: a companion to LLM-Score.

    \b
    qreal judge similarity runs/a

    Writes nothing. It tells what two texts are about, and hardly whether one says the opposite of the other. The run
    stays as it is.
    """
    from qreal_tasks.judge.similarity import DEFAULT_ENCODER, load_encoder, score_similarity
    from qreal_tasks.pages.numbers import decimals
    from qreal_tasks.results.run_folder import RunFolderError

    try:
        records = _read(run, prompts).groundings()
        encode = load_encoder(encoder or DEFAULT_ENCODER)
        for name in sorted({record.set_name for record in records}):
            found = score_similarity([record for record in records if record.set_name == name], encode)
            beside = (
                f"{found['n_pairs']} pairs of {found['n_images']} images, {found['n_undefined']} without a reference"
            )
            echo(f"{name}: text_similarity {decimals(found['text_similarity'])} ({beside})")
    except (RunFolderError, ImportError, ValueError) as error:
        fail("judge similarity", error)


def _open(manifest: JudgeManifest, cache: Path | None, concurrency: int) -> Judge:
    from qreal_tasks.judge.judge import Judge, cache_path

    return Judge(manifest, cache or cache_path(), concurrency=concurrency)


def _open_batches(manifest: JudgeManifest, cache: Path | None, poll_s: float) -> Judge:
    from qreal_tasks.judge.judge import cache_path

    try:
        from qreal_tasks.judge.batch import BatchJudge
        from qreal_tasks.llm.batch.limits import BatchLimits
    except ImportError as error:
        fail("judge run", f"--batch needs the openai client ({error}); install qreal-bench[eval]")
    return BatchJudge(manifest, cache or cache_path(), limits=BatchLimits(poll_s))


def _read(path: Path, style: Style | None) -> Run:
    from qreal_tasks.results.run_folder import newest_results, read_run

    return read_run(newest_results(path), style)


def _mean_llm_score(records: Sequence[GroundingRecord]) -> float | None:
    """Mean over the sets of a run that have one."""
    from qreal_tasks.metrics.grounding import score_grounding

    sets = sorted({record.set_name for record in records})
    found = [score_grounding([r for r in records if r.set_name == name])["llm_score"] for name in sets]
    scores = [score for score in found if score is not None]
    return sum(scores) / len(scores) if scores else None


def _changes(runs: Mapping[str, Run], means: Mapping[str, Mapping[str, float | None]]) -> list[RankingChange]:
    """How ranks change from judge to judge among runs that were asked with one style; a single one has no rank."""
    from qreal_tasks.benchmark import Style
    from qreal_tasks.judge.meta_evaluation.ranking_changes import compare_rankings

    alike = [[name for name, run in runs.items() if run.style is style] for style in Style]
    return [
        change
        for names in alike
        if len(names) > 1
        for change in compare_rankings({judge: {name: of[name] for name in names} for judge, of in means.items()})
    ]


def _llm_scores(run: Run) -> list[str]:
    from qreal_tasks.pages.numbers import decimals

    names = ("llm_score", "joint_score", "unjudged")
    return [
        f"  {task.name}: " + ", ".join(f"{name} {decimals(task.live[name])}" for name in names)
        for task in run.tasks
        if "llm_score" in task.live
    ]
