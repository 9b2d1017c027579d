"""``qreal annotate publish``: a merged run as a folder in hub layout, there whole or not at all."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from annotation.errors import AnnotationError
from annotation.llm.calls import CallRecord
from annotation.merging.agreement import agreement_of
from annotation.merging.merged import settings_of_merged
from annotation.publish import evidence
from annotation.publish.card import Facts, card, unlicensed
from annotation.publish.checksums import write_checksums
from annotation.publish.config import PublishConfig
from annotation.publish.material import Material, left_open, material_of
from annotation.publish.split import PAPER_IMAGES, Split, split_of, wanted_test_images
from annotation.publish.tally import Provenance, SplitTally
from annotation.publish.writer import MOST_FILE_BYTES, SplitWriter
from annotation.run.folder import RunFolder
from annotation.run.gallery import Gallery
from annotation.stages.records import entity_row, image_row
from qreal_tasks.dataset.eval_yaml import write_eval_yaml
from qreal_tasks.dataset.schema import CONFIGS, FEATURES, SPLITS
from qreal_tasks.files.atomic import new_folder
from qreal_tasks.text.redaction import own_keys, redact, redact_keys

_Writers = dict[tuple[str, str], SplitWriter]
"""By config and split."""


@dataclass(frozen=True)
class Options:
    """How a run is published."""

    config: PublishConfig = field(default_factory=PublishConfig)
    test_images: int | None = None
    """None: 400, or the paper's share of fewer images than the paper's."""
    seed: int = 0
    partial: bool = False
    """Leave out what is pending or in conflict."""
    names: bool = False
    """People by their own names."""
    repository: str | None = None
    """For the card: where it will be."""
    most_file_bytes: int = MOST_FILE_BYTES


@dataclass(frozen=True)
class Published:
    """What was written."""

    folder: Path
    splits: Mapping[str, SplitTally]
    split: Split
    shrunk: bool
    """The test split is smaller than the paper's, since the set is."""
    left_out: Sequence[tuple[str, str]]
    """Entities that are pending or in conflict, and why."""
    images_left_out: int
    """That hold one of those."""
    unlicensed: Sequence[str]
    """Generators without a licence."""


def publish(run: RunFolder, folder: Path, options: Options) -> Published:
    """Write the folder; the same run, options and libraries give the same bytes.

    Raises:
        AnnotationError: ``folder`` holds something, the run is not decided or not merged, or the disk is full; nothing
            is left at ``folder`` then.
    """
    if folder.is_symlink():
        raise AnnotationError(f"{folder} is a link; give the folder that it leads to")
    try:
        with new_folder(folder) as beside:
            return _published(run, folder.absolute(), beside, options)
    except FileExistsError as error:
        raise AnnotationError(str(error)) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise AnnotationError(
            f"the disk of {folder} is full: nothing was kept there, and the run is as it was. Needed is about the "
            "size of all images again, and that of their crops"
        ) from error


def _published(run: RunFolder, folder: Path, beside: Path, options: Options) -> Published:
    """What is written, into ``beside``, and will be at ``folder``."""
    material = material_of(run, options.partial)
    facts = material.facts()
    wanted = wanted_test_images(len(facts)) if options.test_images is None else options.test_images
    split = split_of(facts, wanted, options.seed, sorted(material.prompts()))
    tallies = _write_records(material, split, beside, options.most_file_bytes)
    provenance = _write_annotations(material, split, beside, options)
    _write_card(material, split, tallies, provenance, beside, options)
    write_eval_yaml(beside / "eval.yaml")
    write_checksums(beside)
    return Published(
        folder,
        tallies,
        split,
        options.test_images is None and len(facts) < PAPER_IMAGES,
        left_open(material),
        len(material.open_images),
        unlicensed(options.config, tallies),
    )


def _write_records(material: Material, split: Split, folder: Path, most_file_bytes: int) -> dict[str, SplitTally]:
    """``objectqa`` and ``imageqa``; the pictures of one shard are in memory."""
    tallies = {name: SplitTally() for name in SPLITS}
    with _writers(folder, {config: FEATURES[config].arrow_schema for config in CONFIGS}, most_file_bytes) as writers:
        for shard in material.run.shard_numbers:
            _write_shard(material, shard, split, writers, tallies)
    return tallies


def _write_shard(
    material: Material, shard: int, split: Split, writers: _Writers, tallies: Mapping[str, SplitTally]
) -> None:
    """By itself, so that its pictures are forgotten before the next shard's come."""
    finals = material.finals(shard)
    pictures = [one for one in material.run.pictures(shard) if one.image_id in finals]
    gallery = Gallery(pictures)
    for picture in pictures:
        entities, to = finals[picture.image_id], split.of(picture.prompt_id)
        image = image_row(picture, entities)
        writers["imageqa", to].add(image)
        tallies[to].add(image, entities)
        for entity in entities:
            writers["objectqa", to].add(entity_row(entity, gallery))


def _write_annotations(material: Material, split: Split, folder: Path, options: Options) -> Provenance:
    provenance = Provenance()
    names = evidence.pseudonyms_of(material, options.names)
    schema = evidence.ANNOTATIONS_FEATURES.arrow_schema
    with (
        CallRecord(material.run.calls_path) as calls,
        _writers(folder, {evidence.CONFIG: schema}, options.most_file_bytes) as writers,
    ):
        for shard in material.run.shard_numbers:
            for row in evidence.annotation_rows(material, shard, names, calls):
                provenance.add(row)
                writers[evidence.CONFIG, split.of(row["prompt_id"])].add(row)
    return provenance


def _write_card(
    material: Material,
    split: Split,
    tallies: Mapping[str, SplitTally],
    provenance: Provenance,
    folder: Path,
    options: Options,
) -> None:
    settings = settings_of_merged(material.run)
    facts = Facts(
        config=options.config,
        splits=tallies,
        split=split,
        seed=options.seed,
        provenance=provenance,
        agreement=agreement_of(
            material.ballot.forms, material.ballot.votes, independent=material.ballot.independent_votes
        ),
        states=material.states,
        adjudicated=sum(row["adjudicated_by"] is not None for row in material.merged.values()),
        least_votes=settings.min_votes,
        combined=settings.combine and redact(settings.combine),
        repository=options.repository,
    )
    text = redact_keys(card(facts), *own_keys())
    (folder / "README.md").write_text(text, encoding="utf-8", errors="replace", newline="\n")


@contextmanager
def _writers(folder: Path, schemas: Mapping[str, object], most_file_bytes: int) -> Iterator[_Writers]:
    """One for each config and split; their files have their names when the block ends well."""
    found = {
        (config, split): SplitWriter(folder, config, split, schema, most_file_bytes)
        for config, schema in schemas.items()
        for split in SPLITS
    }
    try:
        yield found
        for writer in found.values():
            writer.close()
    except BaseException:
        for writer in found.values():
            writer.abandon()
        raise
