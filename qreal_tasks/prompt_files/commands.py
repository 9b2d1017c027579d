"""``qreal data prompts`` and ``qreal data export-vlmevalkit``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qreal_tasks.console.command_line import as_folder, fail_on, parse_style
from qreal_tasks.console.terminal import echo

if TYPE_CHECKING:  # `qreal --help` answers at once
    from qreal_tasks.prompt_files.prompts import PromptOptions

_DATASET = typer.Argument(
    help="Hub id (org/name, org/name@revision), folder in hub layout or of save_to_disk.", show_default=False
)
_STYLE = typer.Option("--prompts", parser=parse_style, metavar="benchmark|paper", help="The words of which tasks.")
_FORMAT = typer.Option("--format", help="openai: chat messages. swift: messages and images of ms-swift.")
_SPACE = typer.Option(
    help="In which space boxes are asked for: pixels, resized_pixels, norm1000, norm1000_yx, unit. Default: that of "
    "--family, else norm1000, which then counts as assumed.",
    show_default=False,
)
_FAMILY = typer.Option(
    help="Family of the model, such as qwen2_5_vl: its space, and its size of pictures. Default: none.",
    show_default=False,
)
_LIMIT = typer.Option(
    help="As the model's processor has it; only for boxes in its pixels. Default: that of --family.", show_default=False
)
_TASKS = typer.Option(
    "--only", help="A question or set, such as realism_q1; several times for several. Default: all nine."
)
_INLINE = typer.Option("--inline", help="Put the pictures into the lines, as data URLs.")


def prompts_command(
    dataset: Annotated[str, _DATASET],
    out: Annotated[Path, typer.Argument(help="File of JSON lines.", show_default=False)],
    chat_format: Annotated[str, _FORMAT] = "openai",
    prompts: Annotated[Any, _STYLE] = "benchmark",
    box_space: Annotated[str | None, _SPACE] = None,
    family: Annotated[str | None, _FAMILY] = None,
    min_pixels: Annotated[int | None, _LIMIT] = None,
    max_pixels: Annotated[int | None, _LIMIT] = None,
    only: Annotated[list[str] | None, _TASKS] = None,
    inline: Annotated[bool, _INLINE] = False,
) -> None:
    """Write every prompt on the test split with its picture and an id, for any batch inference.

    \b
    qreal data prompts org/name prompts.jsonl
    qreal data prompts org/name prompts.jsonl --format swift --family qwen2_5_vl

    Writes OUT, and the pictures beside it into NAME-pictures/. The words are those of the live tasks. Put the answers
    into a file with the same ids, and read them with `qreal score --predictions FILE --data DATA --model NAME`.
    """
    from qreal_tasks.dataset.source import DatasetError, locate
    from qreal_tasks.prompt_files.chat_formats import ChatFormat, pictures_folder, write_prompts
    from qreal_tasks.prompt_files.prompts import list_prompts

    with fail_on("data prompts", DatasetError, ValueError, OSError):
        if chat_format not in tuple(ChatFormat):
            raise ValueError(f"--format {chat_format}: expected {' or '.join(ChatFormat)}")
        wanted = _options(prompts, box_space, family, min_pixels, max_pixels, only)
        source = locate(as_folder(dataset))
        count = write_prompts(list_prompts(source, wanted), out, wanted, ChatFormat(chat_format), inline=inline)
    pictures = "" if inline else f", pictures in {pictures_folder(out)}"
    echo(f"{out}: {count:,} prompts on {source.name}{pictures}")


def export_vlmevalkit_command(
    dataset: Annotated[str, _DATASET],
    folder: Annotated[Path, typer.Argument(help="Where to write; empty or not there.", show_default=False)],
    prompts: Annotated[Any, _STYLE] = "benchmark",
    box_space: Annotated[str | None, _SPACE] = None,
    family: Annotated[str | None, _FAMILY] = None,
    min_pixels: Annotated[int | None, _LIMIT] = None,
    max_pixels: Annotated[int | None, _LIMIT] = None,
    only: Annotated[list[str] | None, _TASKS] = None,
) -> None:
    """Write the prompts on the test split as TSV files that VLMEvalKit runs as they are.

    \b
    qreal data export-vlmevalkit org/name DIR
    LMUData=DIR python run.py --data NAME --model MODEL --mode infer

    Writes a file for each question and set into FOLDER; NAME is that of a file without .tsv. Read its results with
    `qreal score --predictions FILE …`, several files with several --predictions.
    """
    from qreal_tasks.dataset.source import DatasetError, locate
    from qreal_tasks.prompt_files.vlmevalkit import write_kit_files

    with fail_on("data export-vlmevalkit", DatasetError, ValueError, OSError):
        wanted = _options(prompts, box_space, family, min_pixels, max_pixels, only)
        written = write_kit_files(locate(as_folder(dataset)), folder, wanted)
    for path in written:
        echo(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
    names = " ".join(path.stem for path in written)
    echo(f"Run it: LMUData={folder.resolve()} python run.py --data {names} --model MODEL --mode infer")


def _options(
    style: Any,
    box_space: str | None,
    family: str | None,
    min_pixels: int | None,
    max_pixels: int | None,
    only: list[str] | None,
) -> PromptOptions:
    """
    Raises:
        ValueError: a value is not known, or the size that the model is fed cannot be known.
    """
    from qreal_tasks.benchmark import Style
    from qreal_tasks.boxes import DEFAULT_BOX_SPACE, parse_space
    from qreal_tasks.models.families import find_named_family
    from qreal_tasks.prompt_files.picture_files import FedSizes
    from qreal_tasks.prompt_files.prompts import ALL_NAMES, PromptOptions

    found = find_named_family(family) if family else None
    space = parse_space(box_space) if box_space else found.box_space if found else None
    unknown = [name for name in only or () if name not in ALL_NAMES]
    if unknown:
        raise ValueError(f"--only {unknown[0]}: expected one of {', '.join(ALL_NAMES)}")
    sizes = FedSizes.of(space or DEFAULT_BOX_SPACE, found, min_pixels, max_pixels)
    return PromptOptions(Style(style), space, sizes, tuple(only or ALL_NAMES))
