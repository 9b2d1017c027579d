"""``qreal annotate publish`` and ``push_folder``; ``annotation.commands`` registers them."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from annotation.command_errors import report_errors, warn
from qreal_tasks.console.command_line import fail
from qreal_tasks.console.terminal import echo

if TYPE_CHECKING:  # `qreal --help` answers at once
    from annotation.publish.publish import PublishResult

_TAG = typer.Option(help="Tag of this version on the hub, for instance v1.0. Default: none.", show_default=False)
_PRIVATE = typer.Option("--private", help="Only you and your organisation see it.")
_GATED = typer.Option("--gated", help="People must agree to share who they are before they get it.")
_SHOWN = 10


def publish_command(
    run: Annotated[Path, typer.Argument(help="Folder of the run, verified and merged.", show_default=False)],
    folder: Annotated[Path, typer.Argument(help="Where the dataset is written; empty or new.", show_default=False)],
    config: Annotated[
        Path | None,
        typer.Option(
            help="Licences and the like, as in configs/annotation/publish.yaml. Default: none stated.",
            show_default=False,
        ),
    ] = None,
    test_images: Annotated[
        int | None,
        typer.Option(
            min=1, help="Images of the test split. Default: 400, or 13 % of fewer than 3,088.", show_default=False
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the split.")] = 0,
    partial: Annotated[bool, typer.Option("--partial", help="Leave out what is pending or in conflict.")] = False,
    names: Annotated[bool, typer.Option("--names", help="People by their names, not as annotator_1 …")] = False,
    push: Annotated[
        str | None, typer.Option(help="Then upload it: org/name. Default: no upload.", show_default=False)
    ] = None,
    tag: Annotated[str | None, _TAG] = None,
    private: Annotated[bool, _PRIVATE] = False,
    gated: Annotated[bool, _GATED] = False,
) -> None:
    """Write the dataset as a folder in hub layout, with card and checksums, and upload it on request.

    \b
    qreal annotate publish RUN DIR --config publish.yaml
    qreal data check DIR && qreal data info DIR
    qreal annotate push DIR org/name --tag v1.0 --private

    Writes DIR, whole or not at all; the run stays as it is.
    """
    _check(push, tag, private, gated)
    with report_errors("annotate publish"):
        from annotation.publish.config import PublishConfig, load_publish_config
        from annotation.publish.publish import PublishOptions, publish
        from annotation.run.folder import RunFolder

        settings = PublishConfig() if config is None else load_publish_config(config)
        options = PublishOptions(settings, test_images, seed, partial, names, push)
        _show(publish(RunFolder(run), folder, options))
        if push is not None:
            _upload(folder, push, tag, private, gated)
    quoted = shlex.quote(str(folder))
    echo(f"{folder}: check it with `qreal data check {quoted}`, use it with QREAL_DATA={quoted}")


def push_dataset_command(
    folder: Annotated[Path, typer.Argument(help="Written by `qreal annotate publish`.", show_default=False)],
    repository: Annotated[str, typer.Argument(help="org/name on the hub.", show_default=False)],
    tag: Annotated[str | None, _TAG] = None,
    private: Annotated[bool, _PRIVATE] = False,
    gated: Annotated[bool, _GATED] = False,
) -> None:
    """Upload a published folder to the hub; may be repeated after a failure.

    \b
    qreal annotate push DIR org/name --tag v1.0 --private

    Writes to the hub alone. Log in first: `hf auth login`.
    """
    with report_errors("annotate push"):
        _upload(folder, repository, tag, private, gated)


def _upload(folder: Path, repository: str, tag: str | None, private: bool, gated: bool) -> None:
    from annotation.publish.hub import push_folder

    done = push_folder(folder, repository, tag, private, gated)
    echo(f"Uploaded: {done.address}")
    if done.eval_refused is not None:
        warn(f"all but eval.yaml is there; the hub does not take that one: {done.eval_refused}")


def _check(push: str | None, tag: str | None, private: bool, gated: bool) -> None:
    """Check the options of an upload before any work."""
    from annotation.publish.hub import check_hub_names

    if push is None and (tag or private or gated):
        fail("annotate publish", "--tag, --private and --gated go with --push org/name")
    if push is not None:
        with report_errors("annotate publish"):
            check_hub_names(push, tag)


def _show(done: PublishResult) -> None:
    for name, tally in done.splits.items():
        echo(
            f"{name}: {tally.images:,} images, {tally.entities:,} entities, {tally.annotations:,} annotations, "
            f"{tally.portraits:,} portraits"
        )
    split = done.split
    smaller = ", the paper's 13 % of a smaller set" if done.shrunk else ""
    if split.test_images != split.wanted_images or smaller:
        echo(f"test images: {split.test_images} of {split.wanted_images} wanted{smaller}; prompts are not divided")
    without = [name for name, tally in done.splits.items() if not tally.portraits]
    if len(without) == 1:
        warn(f"no portrait is in {without[0]}; another --seed may bring one there")
    if done.left_out:
        echo(f"{done.images_left_out} images are left out, for {len(done.left_out)} entities that are not decided:")
        for entity, why in done.left_out[:_SHOWN]:
            echo(f"  {entity}: {why}")
        if len(done.left_out) > _SHOWN:
            echo(f"  … and {len(done.left_out) - _SHOWN} more; all are in the config `annotations`")
    if done.unlicensed:
        names = ", ".join(done.unlicensed)
        warn(f"no licence stated for the images of {names}; name it under `generators` in the config")
