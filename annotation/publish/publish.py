"""``qreal annotate publish``: a merged run as a folder in hub layout, there whole or not at all."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from annotation.errors import AnnotationError
from annotation.llm.calls import CallRecord
from annotation.merging.agreement import measure_agreement
from annotation.merging.merged_file import read_merge_settings
from annotation.publish import annotation_rows
from annotation.publish.card import CardFacts, find_unlicensed, render_card
from annotation.publish.checksums import write_checksums
from annotation.publish.config import PublishConfig
from annotation.publish.counts import ProvenanceCounts, PublishedCounts
from annotation.publish.merged_run import MergedRun, find_undecided, load_merged_run
from annotation.publish.split import PAPER_IMAGES, Split, default_test_images, split_by_prompt
from annotation.publish.writer import MOST_FILE_BYTES, SplitWriter
from annotation.run.folder import RunFolder
from annotation.run.gallery import Gallery
from annotation.stages.records import make_entity_row, make_image_row
from qreal_tasks.dataset.eval_yaml import write_eval_yaml
from qreal_tasks.dataset.schema import CONFIGS, FEATURES, SPLITS
from qreal_tasks.files.atomic import new_folder
from qreal_tasks.text.redaction import own_keys, redact, redact_keys

_Writers = dict[tuple[str, str], SplitWriter]
"""Config and split to their writer."""


@dataclass(frozen=True)
class PublishOptions:
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
    """Where the dataset will be, for the card."""
    most_file_bytes: int = MOST_FILE_BYTES


@dataclass(frozen=True)
class PublishResult:
    """What ``publish`` has written."""

    folder: Path
    splits: Mapping[str, PublishedCounts]
    split: Split
    shrunk: bool
    """The test split is smaller than the paper's, since the set is."""
    left_out: Sequence[tuple[str, str]]
    """Entities that are pending or in conflict, and why."""
    images_left_out: int
    """How many images hold one of those entities."""
    unlicensed: Sequence[str]
    """Generators without a licence."""


def publish(run: RunFolder, folder: Path, options: PublishOptions) -> PublishResult:
    """Write the folder; the same run, options and libraries give the same bytes.

    Raises:
        AnnotationError: ``folder`` holds something, the run is not decided or not merged, or the disk is full; nothing
            is left at ``folder`` then.
    """
    if folder.is_symlink():
        raise AnnotationError(f"{folder} is a link; give the folder that it leads to")
    try:
        with new_folder(folder) as beside:
            return _write_dataset(run, folder.absolute(), beside, options)
    except FileExistsError as error:
        raise AnnotationError(str(error)) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise AnnotationError(
            f"the disk of {folder} is full: nothing was kept there, and the run is as it was. Needed is about the "
            "size of all images again, and that of their crops"
        ) from error


def _write_dataset(run: RunFolder, folder: Path, beside: Path, options: PublishOptions) -> PublishResult:
    """Write the dataset into ``beside``; it will be at ``folder``."""
    merged_run = load_merged_run(run, options.partial)
    facts = merged_run.facts()
    wanted = default_test_images(len(facts)) if options.test_images is None else options.test_images
    split = split_by_prompt(facts, wanted, options.seed, sorted(merged_run.prompts()))
    counts = _write_records(merged_run, split, beside, options.most_file_bytes)
    provenance = _write_annotations(merged_run, split, beside, options)
    _write_card(merged_run, split, counts, provenance, beside, options)
    write_eval_yaml(beside / "eval.yaml")
    write_checksums(beside)
    return PublishResult(
        folder,
        counts,
        split,
        options.test_images is None and len(facts) < PAPER_IMAGES,
        find_undecided(merged_run),
        len(merged_run.open_images),
        find_unlicensed(options.config, counts),
    )


def _write_records(
    merged_run: MergedRun, split: Split, folder: Path, most_file_bytes: int
) -> dict[str, PublishedCounts]:
    """Write ``objectqa`` and ``imageqa``; the pictures of one shard are in memory."""
    counts = {name: PublishedCounts() for name in SPLITS}
    with _writers(folder, {config: FEATURES[config].arrow_schema for config in CONFIGS}, most_file_bytes) as writers:
        for shard in merged_run.run.shard_numbers:
            _write_shard(merged_run, shard, split, writers, counts)
    return counts


def _write_shard(
    merged_run: MergedRun, shard: int, split: Split, writers: _Writers, counts: Mapping[str, PublishedCounts]
) -> None:
    """Write a shard by itself, so that its pictures are forgotten before the next shard's come."""
    finals = merged_run.finals(shard)
    pictures = [one for one in merged_run.run.pictures(shard) if one.image_id in finals]
    gallery = Gallery(pictures)
    for picture in pictures:
        entities, to = finals[picture.image_id], split.of(picture.prompt_id)
        image = make_image_row(picture, entities)
        writers["imageqa", to].add(image)
        counts[to].add(image, entities)
        for entity in entities:
            writers["objectqa", to].add(make_entity_row(entity, gallery))


def _write_annotations(merged_run: MergedRun, split: Split, folder: Path, options: PublishOptions) -> ProvenanceCounts:
    provenance = ProvenanceCounts()
    names = annotation_rows.assign_pseudonyms(merged_run, options.names)
    schema = annotation_rows.ANNOTATIONS_FEATURES.arrow_schema
    with (
        CallRecord(merged_run.run.calls_path) as calls,
        _writers(folder, {annotation_rows.CONFIG: schema}, options.most_file_bytes) as writers,
    ):
        for shard in merged_run.run.shard_numbers:
            for row in annotation_rows.make_annotation_rows(merged_run, shard, names, calls):
                provenance.add(row)
                writers[annotation_rows.CONFIG, split.of(row["prompt_id"])].add(row)
    return provenance


def _write_card(
    merged_run: MergedRun,
    split: Split,
    counts: Mapping[str, PublishedCounts],
    provenance: ProvenanceCounts,
    folder: Path,
    options: PublishOptions,
) -> None:
    settings = read_merge_settings(merged_run.run)
    facts = CardFacts(
        config=options.config,
        splits=counts,
        split=split,
        seed=options.seed,
        provenance=provenance,
        agreement=measure_agreement(
            merged_run.ballot.forms, merged_run.ballot.votes, independent=merged_run.ballot.independent_votes
        ),
        states=merged_run.states,
        adjudicated=sum(row["adjudicated_by"] is not None for row in merged_run.merged.values()),
        least_votes=settings.min_votes,
        combined=settings.combine and redact(settings.combine),
        repository=options.repository,
    )
    text = redact_keys(render_card(facts), *own_keys())
    (folder / "README.md").write_text(text, encoding="utf-8", errors="replace", newline="\n")


@contextmanager
def _writers(folder: Path, schemas: Mapping[str, object], most_file_bytes: int) -> Iterator[_Writers]:
    """Open a writer for each config and split; their files have their names when the block ends well."""
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
