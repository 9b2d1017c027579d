"""The check of a whole dataset: its columns, the values of its rows, then its pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.progress import track

from qreal_tasks.console.terminal import console
from qreal_tasks.dataset.check.boxes import told
from qreal_tasks.dataset.check.image_by_image import ID_OF, SplitPictures
from qreal_tasks.dataset.check.problem import Problem, Size, said_once
from qreal_tasks.dataset.check.prompts import Prompts
from qreal_tasks.dataset.check.repeats import Repeats
from qreal_tasks.dataset.check.rows import (
    Inventory,
    Row,
    check_entity_row,
    check_image_row,
    entities_without_crop,
)
from qreal_tasks.dataset.loading import check_columns, open_split
from qreal_tasks.dataset.schema import CONFIGS, SPLITS
from qreal_tasks.dataset.source import Source

_Rows = dict[tuple[str, str], list[Row]]
"""By config and split, without pictures."""


def check(source: Source, splits: Sequence[str] = SPLITS) -> list[Problem]:
    """Read every row of the named splits and list what is wrong, in the order of the files.

    All rows are in memory but for their pictures, of which a few at a time are. On a terminal a bar shows how far it
    is.

    Raises:
        DatasetError: a split cannot be loaded at all, or its columns are not those of the schema.
    """
    opened = {(config, split): open_split(source, config, split) for config in CONFIGS for split in splits}
    check_columns(source, [(config, rows) for (config, _), rows in opened.items()])
    rows: _Rows = {place: list(found.remove_columns("image")) for place, found in opened.items()}
    pictures = {
        split: SplitPictures(
            split, {c: opened[c, split] for c in CONFIGS}, {c: rows[c, split] for c in CONFIGS}, source.own_folder
        )
        for split in splits
    }
    sizes = {
        place: Size(len(found), sum(len(row.get("entities") or ()) for row in found)) for place, found in rows.items()
    }
    problems = said_once([*_check_rows(rows, splits), *_check_pictures(pictures, sizes)], sizes)
    order = [(config, split) for config in reversed(CONFIGS) for split in splits]
    return sorted(problems, key=lambda p: (order.index((p.config, p.split)), -1 if p.row is None else p.row))


def _check_rows(rows: _Rows, splits: Sequence[str]) -> Iterator[Problem]:
    inventory, prompts = Inventory(), Prompts()
    # Images first: an entity is compared with what its image says of it.
    for config, look in (
        ("imageqa", check_image_row),
        ("objectqa", check_entity_row),
        ("imageqa", entities_without_crop),
    ):
        for split in splits:
            for number, row in enumerate(rows[config, split]):
                for found in look(row, split, inventory):
                    yield Problem(config, split, number, *found)
                if look is not entities_without_crop:
                    yield from prompts.problems(config, split, number, row[ID_OF[config]] or "(no id)", row)


def _check_pictures(pictures: Mapping[str, SplitPictures], sizes: Mapping[tuple[str, str], Size]) -> Iterator[Problem]:
    repeats = Repeats()
    # A console that is no terminal gets no bar; without quiet, rich would still end the bar with an empty line.
    terminal = console(err=True)
    terminal.quiet = not terminal.is_terminal
    for split, of_split in pictures.items():
        faults = []
        for seen in track(
            of_split.look(),
            f"Looking at the pictures of {split}",
            total=len(of_split.groups),
            console=terminal,
            transient=True,
        ):
            yield from seen.problems
            for shown in seen.shown:
                yield from repeats.problems(shown)
            faults += seen.faults
        for config in CONFIGS:
            boxes = sizes[config, split].entities or sizes[config, split].rows
            yield from told([fault for of, fault in faults if of == config], config, split, boxes)
