"""The groups of images that a comparison is between: whole runs, or the generators of one run, paired or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from qreal_tasks.screening.calibration.record import Calibration
from qreal_tasks.screening.comparison.image_table import read_images
from qreal_tasks.screening.run.record import RunRecord, read_record

if TYPE_CHECKING:
    import pandas as pd

UNIT = "unit"
"""Column with what pairs an image: its prompt, or its name."""


class PairedBy(StrEnum):
    """What makes two images a pair."""

    PROMPT = "prompt"
    NAME = "name"
    NONE = "none"
    """Nothing: generators are compared as independent groups."""


class ComparisonError(ValueError):
    """The runs cannot be compared; the message says why and what to do."""


@dataclass(frozen=True)
class ComparedGroups:
    """Images by group, the baseline first, as ``image_table.read_images`` gives them and with ``UNIT``."""

    tables: Mapping[str, pd.DataFrame]
    folders: Mapping[str, Path]
    """Of the run that each is from."""
    pairing: PairedBy
    calibration: Calibration | None


def load_groups(
    folders: Sequence[Path],
    *,
    pairing: PairedBy | None = None,
    calibration: Calibration | None = None,
    baseline: str | None = None,
) -> ComparedGroups:
    """Read two or more runs, the first being the baseline, or the generators of one run.

    Args:
        folders: of finished runs; with a single one its generators are compared.
        pairing: None takes prompts where the sides share half of them or more, then names; generators of one run that
            share neither are compared as independent groups.
        calibration: None takes that of the runs, where all have the same.
        baseline: generator of a single run that the others are compared with; None takes the one with most images.

    Raises:
        ComparisonError: the runs asked different models or questions, or have different calibrations; nothing pairs;
            there is just one generator.
        ValueError: a folder is no finished run.
        OSError: a file cannot be read.
    """
    records = [read_record(folder) for folder in folders]
    _require_alike(folders, records)
    calibration = calibration or _find_calibration(folders, records)
    if calibration is not None and (reason := calibration.explain_mismatch(records[0].asked)):
        raise ComparisonError(f"the calibration {reason}")
    with_parts = "human_plausibility" in records[0].asked.get("sets", ())
    tables = [read_images(folder, calibration, with_parts) for folder in folders]
    if not all(table["prompt_id"].notna().any() for table in tables):
        tables = [table.assign(prompt_id=None) for table in tables]  # a prompt with an id is not another one without
    if len(folders) == 1:
        groups = _split_generators(tables[0], baseline)
        places = dict.fromkeys(groups, folders[0])
    elif baseline is not None:
        raise ComparisonError("--baseline names a generator of a single run; of several runs the first is the baseline")
    else:
        names = name_runs(folders)
        groups, places = dict(zip(names, tables, strict=True)), dict(zip(names, folders, strict=True))
    found = pairing or _choose_pairing(list(groups.values()), len(folders) == 1)
    tables_with_units = {name: table.assign(**{UNIT: _unit_of(table, found)}) for name, table in groups.items()}
    return ComparedGroups(tables_with_units, places, found, calibration)


def name_runs(folders: Sequence[Path]) -> list[str]:
    """Short names for runs: of their folders the last part, with as many before it as tell them apart."""
    paths = [folder.resolve() for folder in folders]
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    raise ComparisonError(f"{folders[0]} is given twice")


def _require_alike(folders: Sequence[Path], records: Sequence[RunRecord]) -> None:
    for folder, record in zip(folders[1:], records[1:], strict=True):
        for key in record.asked.keys() | records[0].asked.keys():
            if record.asked.get(key) != records[0].asked.get(key):
                raise ComparisonError(
                    f"{folders[0]} and {folder} differ in {key}: {records[0].asked.get(key)} and "
                    f"{record.asked.get(key)}; screen both with the same model and settings, else the difference is "
                    "the model's"
                )


def _find_calibration(folders: Sequence[Path], records: Sequence[RunRecord]) -> Calibration | None:
    for folder, record in zip(folders[1:], records[1:], strict=True):
        if record.calibration != records[0].calibration:
            raise ComparisonError(
                f"{folders[0]} and {folder} have different calibrations, or just one has any; give the one that "
                "counts with --calibration"
            )
    return records[0].calibration


def _split_generators(table: pd.DataFrame, baseline: str | None) -> dict[str, pd.DataFrame]:
    """The generators of a run, that of the most images first; their names are no part of the images' names."""
    counts = table["generator"].value_counts()
    order = sorted(counts.index, key=lambda name: (name != baseline, -counts[name], name))
    if len(order) < 2:
        raise ComparisonError(
            f"the run has {len(order)} generator{'s' * (len(order) != 1)}, expected two or more: put their images into "
            "subfolders or name them in a column generator, or give a second run"
        )
    if baseline is not None and baseline not in order:
        raise ComparisonError(f"no generator {baseline!r}, expected one of {', '.join(map(str, order[:20]))}")
    groups = {}
    for name in order:
        own = table[table["generator"] == name].copy()
        own["name"] = own["image"].str.removeprefix(f"{name}/")
        groups[str(name)] = own
    return groups


def _choose_pairing(groups: Sequence[pd.DataFrame], one_run: bool) -> PairedBy:
    for pairing in (PairedBy.PROMPT, PairedBy.NAME):
        keys = [set(_unit_of(table, pairing).dropna()) for table in groups]
        if all(_share_most(keys[0], other) for other in keys[1:]):
            return pairing
    if one_run:
        return PairedBy.NONE
    raise ComparisonError(
        "the runs share less than half of their prompts, and of their file names: screen with a table that has a "
        "column prompt or prompt_id; or give --by prompt or name to compare what they share, or --by none to compare "
        "them as independent groups"
    )


def _share_most(first: set[str], second: set[str]) -> bool:
    """Whether half of the smaller set, and two of it, is in the other: over fewer pairs a comparison says little."""
    shared = len(first & second)
    return shared > 1 and 2 * shared >= min(len(first), len(second))


def _unit_of(table: pd.DataFrame, pairing: PairedBy) -> pd.Series:
    if pairing is PairedBy.NAME:
        return table["name"] if "name" in table else table["image"]
    prompts: pd.Series = table["prompt_id"].fillna(table["prompt"])
    return prompts.fillna(table["image"]) if pairing is PairedBy.NONE else prompts
