"""``qreal screen calibrate``: fit P and thresholds on labelled images. Heavy imports stay inside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qreal_tasks.console.command_line import as_folder, fail_on
from qreal_tasks.console.terminal import echo

if TYPE_CHECKING:
    from qreal_tasks.benchmark import Dimension
    from qreal_tasks.screening.calibration.labels import LabelledRows
    from qreal_tasks.screening.calibration.record import DimensionCalibration, GoalName

_COMMAND = "screen calibrate"
_GOAL = "A number for both dimensions, or realism=.9; several times for one each. Default: no such goal."


def calibrate_command(
    run: Annotated[Path, typer.Argument(help="Output folder of `qreal screen` on the dataset's images.")],
    to: Annotated[Path, typer.Option("--to", help="Calibration file to write.")],
    data: Annotated[
        str | None,
        typer.Option(
            help="Dataset with the labels: hub id or folder. Default: $QREAL_DATA, else mini.", show_default=False
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="Its split; not one that the model was trained on.")] = "test",
    precision: Annotated[
        list[str] | None,
        typer.Option(help=f"Share of the flagged images that shall be flawed. {_GOAL}", show_default=False),
    ] = None,
    recall: Annotated[
        list[str] | None,
        typer.Option(help=f"Share of the flawed images that shall be flagged. {_GOAL}", show_default=False),
    ] = None,
    resamples: Annotated[int, typer.Option(min=100, help="Bootstrap resamples of the intervals.")] = 10_000,
) -> None:
    """Make P honest and find the thresholds that reach a precision or a recall, on images that people labelled.

    \b
    qreal screen org/name --split test --model MODEL --out runs/labelled
    qreal screen calibrate runs/labelled --data org/name --precision .9 --to calibration.json
    qreal screen calibrate runs/labelled --data org/name --precision realism=.9 --recall plausibility=.8 --to c.json
    qreal screen NEW-IMAGES --model MODEL --calibration calibration.json --out runs/new

    An image is flawed in a dimension when some entity of it is. Writes the file of --to, and nothing when a goal cannot
    be reached; what can be is said.
    """
    with fail_on(_COMMAND, ValueError):
        goals = read_goals(precision or [], recall or [])
    from qreal_tasks.dataset.source import DatasetError, locate
    from qreal_tasks.screening.calibration.labels import label_rows
    from qreal_tasks.screening.calibration.record import Calibration, LabelledData, save_calibration
    from qreal_tasks.screening.rows import read_rows
    from qreal_tasks.screening.run.record import read_record

    with fail_on(_COMMAND, DatasetError, ValueError, OSError):
        record = read_record(run)
        source = locate(as_folder(data))
        found = label_rows(read_rows(run), source, split)
        echo(f"{found.n_matched:,} of the {found.n_labels:,} images of {source.name}, split {split}, are in the run.")
        calibration = Calibration(
            model=record.asked,
            data=LabelledData(
                name=source.name,
                split=split,
                images=found.n_matched,
                prompts=found.n_prompts,
                is_drawn=source.is_drawn,
            ),
            dimensions=_fit(found, goals, resamples),
        )
        save_calibration(calibration, to)
    for one, fitted in calibration.dimensions.items():
        _print_dimension(one, fitted, found.unread[one])
    if source.is_drawn:
        echo("note: these pictures were drawn by this project; on others the calibration says little", err=True)
    echo(f"Written: {to}\nNext: qreal screen … --calibration {to}")


def read_goals(precision: list[str], recall: list[str]) -> dict[Dimension, tuple[GoalName, float]]:
    """What is to be reached in each dimension, from the options as typed.

    Raises:
        ValueError: a number is none between 0 and 1, a dimension is unknown, has two goals, or none.

    >>> {str(one): goal for one, goal in read_goals([".9"], ["plausibility=.8"]).items()}
    {'realism': ('precision', 0.9), 'plausibility': ('recall', 0.8)}
    """
    from qreal_tasks.benchmark import Dimension

    of_all: list[tuple[GoalName, float]] = []
    goals: dict[Dimension, tuple[GoalName, float]] = {}
    names: tuple[GoalName, GoalName] = ("precision", "recall")
    for name, typed in zip(names, (precision, recall), strict=True):
        for text in typed:
            dimension, is_of_one, number = text.rpartition("=")
            goal = (name, _read_share(f"--{name} {text}", number))
            if not is_of_one:
                of_all.append(goal)
            elif dimension not in list(Dimension):
                raise ValueError(f"--{name} {text}: no dimension {dimension!r}, expected {' or '.join(Dimension)}")
            elif Dimension(dimension) in goals:
                raise ValueError(f"--{name} {text}: {dimension} has two goals, expected one")
            else:
                goals[Dimension(dimension)] = goal
    if len(of_all) > 1:
        raise ValueError(f"{' and '.join(f'{name} {value:g}' for name, value in of_all)}: two goals, expected one")
    found = dict.fromkeys(Dimension, of_all[0]) | goals if of_all else goals
    if missing := [str(one) for one in Dimension if one not in found]:
        raise ValueError(f"no goal for {' and '.join(missing)}: give --precision .9, or --recall .9")
    return {one: found[one] for one in Dimension}


def _read_share(option: str, number: str) -> float:
    try:
        value = float(number)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1:
        raise ValueError(f"{option}: found {number!r}, expected a number above 0 and up to 1, such as .9")
    return value


def _fit(
    found: LabelledRows, goals: dict[Dimension, tuple[GoalName, float]], resamples: int
) -> dict[Dimension, DimensionCalibration]:
    """Both dimensions; what is wrong with either is said at once."""
    from qreal_tasks.screening.calibration.fit import CalibrationError, fit_dimension

    fitted: dict[Dimension, DimensionCalibration] = {}
    wrong = []
    for one, (goal, wanted) in goals.items():
        try:
            fitted[one] = fit_dimension(found.images[one], goal, wanted, resamples=resamples)
        except CalibrationError as error:
            wrong.append(f"{one}: {error}")
    if wrong:
        raise CalibrationError("nothing is written. " + ". ".join(wrong))
    return fitted


def _print_dimension(dimension: Dimension, fitted: DimensionCalibration, unread: int) -> None:
    from qreal_tasks.console.tables import new_console, new_table
    from qreal_tasks.pages.numbers import decimals, with_interval

    left_out = f", {unread:,} more without P" if unread else ""
    title = f"{dimension}: {fitted.n_flawed:,} flawed and {fitted.n_clean:,} clean images{left_out}"
    table = new_table(title, ("",), ("value", "95 % interval"))
    rows = {
        f"threshold, for a {fitted.goal} of {decimals(fitted.wanted)}": (decimals(fitted.threshold), ""),
        **{
            name: (decimals(one.value), with_interval(one.value, one).partition(" ")[2].strip("()"))
            for name, one in (
                ("precision", fitted.precision),
                ("recall", fitted.recall),
                ("share flagged", fitted.flagged),
                ("AUC of P", fitted.auc),
            )
        },
        "temperature": (decimals(fitted.temperature), ""),
        "shift of the logit": (decimals(fitted.shift), ""),
    }
    for name, (value, ends) in rows.items():
        table.add_row(name, value, ends)
    console = new_console()
    console.print(table)
    ece = {"before": fitted.before.ece, "after": fitted.after.ece}
    if fitted.alone is not None:
        ece[f"with a temperature of {decimals(fitted.alone.temperature)} alone"] = fitted.alone.reliability.ece
    table = new_table(
        f"{dimension}: reliability, ECE "
        + ", ".join(f"{with_interval(one.value, one)} {name}" for name, one in ece.items()),
        ("P",),
        ("images", "mean P", "share flawed", "images", "mean P", "share flawed"),
    )
    for number, bins in enumerate(zip(fitted.before.bins, fitted.after.bins, strict=True)):
        cells = [
            text
            for one in bins
            for text in (
                ("0", "", "")
                if one is None
                else (f"{one.flawed.n:,}", decimals(one.p), with_interval(one.flawed.value, one.flawed))
            )
        ]
        table.add_row(f"{number / 10:g} to {(number + 1) / 10:g}", *cells)
    console.print(table)
