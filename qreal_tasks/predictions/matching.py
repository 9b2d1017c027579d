"""Predictions held against the samples of a dataset: which are missing, which are of no sample, which come twice."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from qreal_tasks.benchmark import IMAGEQA_SETS, LEAVES
from qreal_tasks.boxes import Space
from qreal_tasks.predictions.asked_rows import AskedRows
from qreal_tasks.predictions.reading import Prediction, PredictionsError
from qreal_tasks.samples import ModelAnswer
from qreal_tasks.text.one_line import one_line

_SHOWN = 3
"""Ids that are named."""


@dataclass(frozen=True)
class MatchedTask:
    """The answers to one task."""

    task: str
    answers: Mapping[str, ModelAnswer]
    """Sample to its answer."""
    missing: tuple[str, ...]
    """Samples of the dataset without one, in its order."""
    strange: tuple[str, ...]
    """Ids of predictions that are of no sample of the test split."""
    repeated: tuple[str, ...]
    """Samples that came more than once, with the same answer."""
    restored: int
    """Ids that were a number in the file, and got their leading zeros back."""

    @property
    def name(self) -> str:
        """The question or the set."""
        return LEAVES[self.task][1]


def match_predictions(predictions: Iterable[Prediction], rows: AskedRows) -> list[MatchedTask]:
    """Sort predictions by task and sample, tasks in the order of the benchmark.

    Raises:
        PredictionsError: a sample has several answers that differ, or no prediction is of a sample of the dataset.
    """
    by_task: dict[str, list[Prediction]] = {}
    for one in predictions:
        by_task.setdefault(one.task, []).append(one)
    matched = [_match_task(task, by_task[task], rows) for task in LEAVES if task in by_task]
    if not any(one.answers for one in matched):
        example = next(item for one in matched for item in one.strange)
        raise PredictionsError(
            f"no prediction is of a sample of the test split of {rows.source.name} (found for instance "
            f"{one_line(example, 60)!r}, expected for instance {_example(matched[0], rows)!r}): is it the same dataset?"
        )
    return [one for one in matched if one.answers]


def _example(task: MatchedTask, rows: AskedRows) -> str:
    return next(iter(rows.of(task.name)), "none")


def _match_task(task: str, predictions: Sequence[Prediction], rows: AskedRows) -> MatchedTask:
    known = rows.of(LEAVES[task][1])
    by_number = _by_number(known)
    first: dict[str, Prediction] = {}
    strange: dict[str, None] = {}
    repeated: dict[str, None] = {}
    restored = 0
    for one in predictions:
        sample_id = one.sample_id if one.sample_id in known else one.sample_id.strip()
        if sample_id not in known:
            numbered = by_number.get(_plain_number(sample_id))
            if numbered is None:
                strange[one.sample_id] = None
                continue
            sample_id, restored = numbered, restored + 1
        earlier = first.setdefault(sample_id, one)
        if earlier is not one:
            _require_equal(sample_id, earlier, one)
            repeated[sample_id] = None
    return MatchedTask(
        task=task,
        answers={sample_id: one.answer for sample_id, one in first.items()},
        missing=tuple(sample_id for sample_id in known if sample_id not in first),
        strange=tuple(strange),
        repeated=tuple(repeated),
        restored=restored,
    )


def _plain_number(text: str) -> str:
    """A whole number without its leading zeros; empty for anything else."""
    return str(int(text)) if text.isascii() and text.isdigit() and len(text) < 1_000 else ""


def _by_number(known: Iterable[str]) -> Mapping[str, str]:
    """Ids that are numbers, by what is left of them where leading zeros are lost; those that then look alike left
    out."""
    found: dict[str, list[str]] = {}
    for one in known:
        if plain := _plain_number(one):
            found.setdefault(plain, []).append(one)
    return {plain: some[0] for plain, some in found.items() if len(some) == 1}


def _require_equal(sample_id: str, one: Prediction, other: Prediction) -> None:
    if one.answer == other.answer:
        return
    texts = (one_line(repr(each.answer.text), 40) for each in (one, other))
    raise PredictionsError(
        f"{one.task}: {sample_id} has two different answers, {next(texts)} ({one.where}) and {next(texts)} "
        f"({other.where}); keep one for each sample: which one counts is not for this program to choose"
    )


def find_space(predictions: Iterable[Prediction], given: Space | None) -> Space | None:
    """The one space in which all boxes are written; None when nobody declared one.

    Args:
        given: on the command line.

    Raises:
        PredictionsError: several are declared, or boxes in the model's own pixels come without the size of its picture.
    """
    grounded = [one for one in predictions if LEAVES[one.task][1] in IMAGEQA_SETS]
    stated: dict[Space, Prediction] = {}
    for one in grounded:
        if one.space is not None:
            stated.setdefault(one.space, one)
    declared = {*stated, *([given] if given and grounded else [])}
    if len(declared) > 1:
        found = ", ".join(f"{space} ({one.where})" for space, one in stated.items())
        here = f", and --box-space {given}" if given else ""
        raise PredictionsError(f"boxes are said to be in {found}{here}; a run has one space, make it one")
    space = next(iter(declared), None)
    if space is Space.RESIZED_PIXELS:
        without = next((one for one in grounded if one.answer.input_size is None), None)
        if without:
            raise PredictionsError(
                f"boxes in {space} take the size of the picture that the model was fed, and {without.where} has none: "
                "give it in columns input_width and input_height, or write the prompts with `qreal data prompts "
                "--family`, whose ids hold it"
            )
    return space


def describe_matches(matched: Sequence[MatchedTask], rows: AskedRows, *, only_answered: bool) -> list[str]:
    """What is missing, of no sample, or there twice, and what is done about it: a line each."""
    lines = [line for one in matched for line in _describe(one, rows, only_answered)]
    styles = {LEAVES[one.task][0] for one in matched}
    due = [task for task, (style, name) in LEAVES.items() if style in styles and rows.of(name)]
    absent = [task for task in due if task not in {one.task for one in matched}]
    if absent:
        lines.append(f"not in the file, so not in the run: {', '.join(absent)}")
    return lines


def _describe(one: MatchedTask, rows: AskedRows, only_answered: bool) -> Iterator[str]:
    if one.missing:
        done = "they are left out: the run is partial" if only_answered else "they count as unanswered"
        count = f"{len(one.missing):,} of {len(rows.of(one.name)):,} samples"
        yield f"{one.task}: {count} have no prediction ({_some(one.missing)}): {done}"
    if one.strange:
        trained = rows.train_ids(one.name).intersection(one.strange)
        where = f"; {len(trained):,} of them are of the train split" if trained else ""
        count = f"{len(one.strange):,} ids"
        yield f"{one.task}: {count} are of no sample of the test split ({_some(one.strange)}): left out{where}"
    if one.repeated:
        count = f"{len(one.repeated):,} samples"
        yield f"{one.task}: {count} are there more than once with the same answer ({_some(one.repeated)}): read once"
    if one.restored:
        yield f"{one.task}: {one.restored:,} ids are numbers, and were matched without their leading zeros"


def _some(ids: Sequence[str]) -> str:
    shown = ", ".join(one_line(one, 60) for one in ids[:_SHOWN])
    return f"{shown}, …" if len(ids) > _SHOWN else shown
