"""``qreal annotate init``: list the inputs, check every one, find duplicates, write the manifest.

Every step ends with a rename, so an interrupted ``init`` is started again and goes on.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa

from annotation.config import AnnotationConfig, dump_config
from annotation.errors import AnnotationError
from annotation.run.folder import LOCK, RunFolder, lock_run, write_listing
from annotation.run.schemas import INTAKE, Row, State
from qreal_tasks.files.atomic import staging_path, write_whole
from qreal_tasks.intake.errors import IntakeError
from qreal_tasks.intake.picture import check_input
from qreal_tasks.intake.sources import open_source
from qreal_tasks.shards import parquet_files as shards
from qreal_tasks.text.prompts import normalize_prompt

_MANIFEST = pa.schema(
    [
        ("shard", pa.int32()),
        ("row", pa.int32()),
        *((name, INTAKE.field(name).type) for name in INTAKE.names if name != "content"),
    ]
)


def prepare_run(images: str, path: Path, config: AnnotationConfig) -> RunFolder:
    """Make the run folder with config and listing; an unfinished one of the same inputs is taken up again.

    Raises:
        IntakeError: the inputs cannot be listed.
        AnnotationError: there are none, or the folder holds something else.
    """
    place = str(Path(images).expanduser().resolve()) if Path(images).expanduser().exists() else images
    config_path, listing_path = path / "config.yaml", path / "listing.parquet"
    if listing_path.is_file():
        run = RunFolder(path)
        if run.images != place:
            raise AnnotationError(f"{path} is a run of {run.images}; give another folder for {place}")
        if run.config != config:
            raise AnnotationError(
                f"{path} was begun with another config. Edit {config_path} to change it, or give another folder"
            )
        return run
    ours = {config_path.name, LOCK, *(staging_path(one).name for one in (config_path, listing_path))}
    if path.exists() and not ours.issuperset(os.listdir(path)):  # of an ``init`` that was killed
        raise AnnotationError(f"{path} is not empty and no run; give another folder")
    listed = [asdict(one) for one in open_source(place, config.intake).listing()]
    if not listed:
        raise AnnotationError(f"{images} holds no file or row")
    path.mkdir(parents=True, exist_ok=True)
    with lock_run(path):
        if listing_path.is_file():  # of another program, meanwhile
            return prepare_run(images, path, config)
        write_whole(config_path, dump_config(config))
        # Last: a folder with a listing is a run.
        write_listing(listing_path, place, listed, config.images_per_shard)
    return RunFolder(path)


def check_inputs(run: RunFolder, shard: int) -> list[Row]:
    """Check every input of a shard; a row for each, accepted or rejected."""
    inputs = run.inputs(shard)
    source = open_source(run.images, run.config.intake)
    # Runs that were begun by earlier versions have neither problems nor notes in their listing.
    raws = source.read([one["locator"] for one in inputs if not one.get("problem")])
    return [_row(one, IntakeError(one["problem"]) if one.get("problem") else next(raws), run.config) for one in inputs]


def write_manifest(run: RunFolder) -> None:
    """Find duplicates over all shards and write what became of every input, a row group a shard.

    Of images with equal pixels the first one with a prompt is annotated, or the first one where none has a prompt.
    """
    kept = _find_kept(run)

    def groups() -> Iterator[pa.Table]:
        columns = [name for name in INTAKE.names if name != "content"]
        for shard in run.shard_numbers:
            rows = run.read("intake", shard, columns)
            for place, row in enumerate(rows):
                row |= {"shard": shard, "row": place}
                if row["state"] == State.DONE and kept[row["pixels_sha256"]].place != (shard, place):
                    same = kept[row["pixels_sha256"]].name
                    row |= {"state": str(State.DUPLICATE), "reason": f"the same pixels as {same}"}
            yield pa.Table.from_pylist(rows, schema=_MANIFEST)

    shards.write_groups(run.manifest_path, groups(), _MANIFEST, run.recipe("intake"))


@dataclass(frozen=True)
class _Kept:
    """The one of images with equal pixels that is annotated."""

    place: tuple[int, int]
    """Shard and row."""
    name: str
    has_prompt: bool


def _find_kept(run: RunFolder) -> dict[str, _Kept]:
    """Find the image that is annotated of those with equal pixels, by the digest of the pixels."""
    kept: dict[str, _Kept] = {}
    for shard in run.shard_numbers:
        for place, row in enumerate(run.read("intake", shard, ["name", "state", "pixels_sha256", "prompt"])):
            if row["state"] != State.DONE:
                continue
            one = _Kept((shard, place), row["name"], bool(normalize_prompt(row["prompt"])))
            before = kept.setdefault(row["pixels_sha256"], one)
            if one.has_prompt and not before.has_prompt:
                kept[row["pixels_sha256"]] = one
    return kept


def _row(listed: Row, raw: bytes | IntakeError, config: AnnotationConfig) -> Row:
    note = listed.get("note") or ""
    row: Row = dict.fromkeys(INTAKE.names)
    row |= {"name": listed["name"], "prompt": listed["prompt"], "generator": listed["generator"], "note": note}
    try:
        if isinstance(raw, IntakeError):
            raise raw
        checked = check_input(raw, config.intake)
    except IntakeError as error:
        return row | {"state": str(State.REJECTED), "reason": str(error)}
    prompt_id = listed["prompt_id"] or _prompt_id(listed["prompt"], checked.image_id)
    notes = "; ".join(filter(None, (note, checked.note)))
    return row | {"state": str(State.DONE), "reason": "", "prompt_id": prompt_id, **asdict(checked), "note": notes}


def _prompt_id(prompt: str, image_id: str) -> str:
    """An id of the words alone. Images without a prompt share none: a split by prompt must not tie them together."""
    words = normalize_prompt(prompt)
    return hashlib.sha256(words.encode()).hexdigest()[:16] if words else f"none-{image_id}"
