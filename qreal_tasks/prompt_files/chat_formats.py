"""Prompts as JSON lines for batch inference: OpenAI's chat format, and that of ms-swift."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

from qreal_tasks.files.atomic import new_folder, replace_file
from qreal_tasks.leaf_tasks import TASKS, Half
from qreal_tasks.prompt_files.picture_files import write_picture
from qreal_tasks.prompt_files.prompt_id import PromptId
from qreal_tasks.prompt_files.prompts import PromptedPicture, PromptOptions

MAX_TOKENS = {Half.OBJECTQA: 16, Half.IMAGEQA: 2048}
"""New tokens that the tasks give an answer."""


class ChatFormat(StrEnum):
    """How a prompt is written."""

    OPENAI = "openai"
    SWIFT = "swift"


def write_prompts(
    asked: Iterator[PromptedPicture],
    out: Path,
    options: PromptOptions,
    chat_format: ChatFormat,
    *,
    inline: bool = False,
) -> int:
    """Write a line for each prompt, and the pictures into the folder beside it, ``pictures_folder``.

    Args:
        out: the file of lines; replaced in one step when all pictures are written.
        inline: put the pictures themselves into the lines, as data URLs, and write no folder.

    Returns:
        How many prompts there are.

    Raises:
        OSError: it cannot be written.
        DatasetError: a picture cannot be decoded.
    """
    count = 0
    with replace_file(out) as beside, beside.open("w", encoding="utf-8") as lines:
        if inline:
            for one in asked:
                url = f"data:image/png;base64,{base64.b64encode(one.encode(options.sizes)).decode()}"
                count += _write_lines(lines, one, url, chat_format)
            return count
        folder = pictures_folder(out)
        with new_folder(folder, instead=_is_ours(folder)) as filled:
            for one in asked:
                write_picture(filled, one.name, one.encode(options.sizes))
                count += _write_lines(lines, one, str(folder.resolve() / one.name), chat_format)
    return count


def pictures_folder(out: Path) -> Path:
    """Where the pictures of a file of prompts lie.

    >>> pictures_folder(Path("asked/prompts.jsonl")).as_posix()
    'asked/prompts-pictures'
    """
    return out.with_name(f"{out.name.partition('.')[0]}-pictures")


def _is_ours(folder: Path) -> bool:
    """Whether a folder holds nothing but pictures of an earlier file of prompts."""
    return folder.is_dir() and {one.name for one in folder.iterdir()} <= {"crops", "images"}


def _write_lines(lines: Any, asked: PromptedPicture, picture: str, chat_format: ChatFormat) -> int:
    for prompt_id, text in asked.prompts.items():
        make = _openai_line if chat_format is ChatFormat.OPENAI else _swift_line
        lines.write(json.dumps(make(prompt_id, text, picture), ensure_ascii=False) + "\n")
    return len(asked.prompts)


def _openai_line(prompt_id: PromptId, text: str, picture: str) -> dict[str, Any]:
    """The picture before the text, as ``qreal_openai`` sends them."""
    url = picture if picture.startswith("data:") else Path(picture).as_uri()
    content = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": text}]
    return {
        "id": str(prompt_id),
        "messages": [{"role": "user", "content": content}],
        "max_tokens": MAX_TOKENS[TASKS[prompt_id.task][0]],
        "temperature": 0,
    }


def _swift_line(prompt_id: PromptId, text: str, picture: str) -> dict[str, Any]:
    """``swift infer`` keeps ``messages`` and ``images`` in its results, and of other columns none unless it is told."""
    return {
        "id": str(prompt_id),
        "messages": [{"role": "user", "content": f"<image>{text}"}],
        "images": [picture],
    }
