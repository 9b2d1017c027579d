"""``qreal screen compare``: is the new generator better. Heavy imports stay inside."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qreal_tasks.console.command_line import fail, fail_on
from qreal_tasks.console.terminal import echo

if TYPE_CHECKING:
    from qreal_tasks.screening.comparison.comparison import GeneratorComparison, GeneratorPair

_COMMAND = "screen compare"


def compare_command(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Output folders of `qreal screen`, the baseline first; or one of several generators."),
    ],
    by: Annotated[
        str | None,
        typer.Option(
            "--by", help="What pairs images: prompt, name, or none. Default: what they share.", show_default=False
        ),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(help="File of `qreal screen calibrate`. Default: that of the runs.", show_default=False),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            help="Of one run: the generator that others are compared with. Default: the one with most images.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for comparison.json and comparison.html. Default: none.", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Compare two generators by their screened images, paired by prompt; or all generators of one run.

    \b
    qreal screen compare runs/version-1 runs/version-2 --out runs/1-against-2
    qreal screen compare runs/all --baseline version-1

    Prints tables, and writes into --out where that is given. Flaw rates by dimension, question and body part,
    differences with 95 % intervals and p-values, images that got worse and better. With a calibration the rates of the
    dimensions estimate the share of flawed images.
    """
    with fail_on(_COMMAND, ValueError, OSError):
        from qreal_tasks.screening.calibration.record import load_calibration
        from qreal_tasks.screening.comparison.comparison import compare_groups
        from qreal_tasks.screening.comparison.groups import PairedBy, load_groups
        from qreal_tasks.screening.comparison.text import to_json

        if by is not None and by not in list(PairedBy):
            fail(_COMMAND, f"--by {by}: expected {', '.join(PairedBy)}")
        fitted = load_calibration(calibration) if calibration else None
        pairing = PairedBy(by) if by else None
        comparison = compare_groups(load_groups(runs, pairing=pairing, calibration=fitted, baseline=baseline))
        import json

        text = json.dumps(to_json(comparison), indent=1, allow_nan=False)
        if out is not None:
            _write(comparison, text, out)
    if as_json:
        echo(text)
    else:
        print_comparison(comparison)
    if out is not None:
        echo(f"Written: {out / 'comparison.json'} and {out / 'comparison.html'}", err=as_json)


def _write(comparison: GeneratorComparison, text: str, out: Path) -> None:
    from qreal_tasks.files.atomic import write_whole
    from qreal_tasks.screening.comparison.page import write_comparison_page

    out.mkdir(parents=True, exist_ok=True)
    write_comparison_page(comparison, out / "comparison.html")
    write_whole(out / "comparison.json", text + "\n")


def print_comparison(comparison: GeneratorComparison) -> None:
    """Print tables, notes and the conclusion; of more than two generators the dimensions alone."""
    from qreal_tasks.screening.comparison.text import conclude, write_notes

    _print_groups(comparison)
    if len(comparison.pairs) == 1:
        _print_pair(comparison.pairs[0])
    for note in write_notes(comparison):
        echo(f"note: {note}")
    echo()
    echo(conclude(comparison))


def _print_groups(comparison: GeneratorComparison) -> None:
    from qreal_tasks.console.tables import new_console, new_table
    from qreal_tasks.pages.numbers import decimals, interval, p_value, with_interval
    from qreal_tasks.screening.comparison.comparison import DIMENSIONS
    from qreal_tasks.screening.comparison.text import shown_ends

    pairs = {pair.run: pair for pair in comparison.pairs} if len(comparison.pairs) > 1 else {}
    numbers = ["images"]
    for name in DIMENSIONS:
        numbers += [name, *((f"minus {comparison.groups[0].name}", "p, Holm") if pairs else ())]
    table = new_table("Flaw rates", ("generator",), numbers)
    for group in comparison.groups:
        cells = [f"{group.n_images:,}"]
        for name in DIMENSIONS:
            rate = shown_ends(group.rates[name])
            cells.append(f"{decimals(rate.value)} {interval(rate)}".strip())
            if pairs and group.name in pairs:
                row = pairs[group.name].rows[name]
                cells.append(with_interval(row.difference.value, row.difference))
                cells.append("" if row.p_corrected is None else p_value(row.p_corrected))
            elif pairs:
                cells += ["", ""]
        table.add_row(group.name, *cells)
    new_console().print(table)


def _print_pair(pair: GeneratorPair) -> None:
    from qreal_tasks.console.tables import new_console, new_table
    from qreal_tasks.pages.numbers import decimals, interval, p_value
    from qreal_tasks.screening.comparison.text import label_row, shown_rate, weigh

    title = f"{pair.run} minus {pair.against}: below 0 has fewer flaws"
    table = new_table(
        title, ("", ""), (pair.against, pair.run, "difference", "95 % interval", "p", "p, Holm", "verdict")
    )
    for name, row in pair.rows.items():
        p = ["" if one is None else p_value(one) for one in (row.difference.p_value, row.p_corrected)]
        rates = (shown_rate(row.against), shown_rate(row.run), decimals(row.difference.value))
        table.add_row(*label_row(name), *rates, interval(row.difference), *p, weigh(row))
    new_console().print(table)
