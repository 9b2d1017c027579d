"""Knows the sample of a prompt by its words and the name of its picture: ``swift infer`` drops every other column."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import unquote

from qreal_tasks.benchmark import (
    IMAGEQA_SETS,
    QUESTION_NAMES,
    Style,
    frame_of,
    imageqa_prompt,
    objectqa_prompt,
    task_of,
)
from qreal_tasks.boxes import Space
from qreal_tasks.images import Size
from qreal_tasks.predictions.asked_rows import AskedRows
from qreal_tasks.predictions.cells import CellError
from qreal_tasks.prompt_files.picture_files import CROPS, IMAGES, picture_name
from qreal_tasks.prompt_files.prompt_id import PromptId
from qreal_tasks.text.one_line import one_line

_SIZED = re.compile(r"-(\d{1,6})x(\d{1,6})\.png$")
_ADVICE = "give a column with the id that `qreal data prompts` writes (swift infer --remove_unused_columns false)"


class ChatLines:
    """Finds the sample of a line with ``messages`` and perhaps ``images``.

    Args:
        load: gives the samples that there are; called when a line needs them.
    """

    def __init__(self, load: Callable[[], AskedRows]) -> None:
        self._load = load

    @functools.cached_property
    def _rows(self) -> AskedRows:
        return self._load()

    @functools.cached_property
    def _by_picture(self) -> Mapping[str, tuple[str, str]]:
        """Name of a picture's file to its folder and its sample."""
        ids = {CROPS: self._rows.entities, IMAGES: self._rows.images}
        return {
            PurePosixPath(picture_name(folder, one)).name: (folder, one) for folder, some in ids.items() for one in some
        }

    def find(self, messages: object, images: object) -> PromptId:
        """The prompt of a line.

        Raises:
            CellError: it is none of this dataset's, in the words of the tasks.
        """
        text, pictures = _read_messages(messages)
        pictures += _list_paths(images)
        names = list(dict.fromkeys(_name_of(path) for path in pictures))
        if len(names) != 1:
            raise CellError(f"the line has {len(names)} pictures, expected one by name; {_ADVICE}")
        plain, size = _without_size(names[0], self._by_picture)
        found = self._by_picture.get(plain)
        if found is None:
            shown = one_line(names[0], 80)
            raise CellError(f"the picture {shown} is none that `qreal data prompts` wrote for this dataset; {_ADVICE}")
        folder, sample_id = found
        for prompt_id, words in self._candidates(folder, sample_id, size):
            if words == text:
                return prompt_id
        raise CellError(f"the prompt {one_line(text, 60)!r} is none of the tasks' about this picture; {_ADVICE}")

    def _candidates(self, folder: str, sample_id: str, size: Size | None) -> Iterator[tuple[PromptId, str]]:
        for style in Style:
            if folder == CROPS:
                for name in QUESTION_NAMES:
                    yield PromptId(task_of(style, name), sample_id), objectqa_prompt(name, frame_of(style, name))
                continue
            row = self._rows.images[sample_id]
            for name in IMAGEQA_SETS:
                for space in Space:
                    words = imageqa_prompt(name, space, row["width"], row["height"], frame_of(style, name))
                    yield PromptId(task_of(style, name), sample_id, space, size), words


def _read_messages(messages: object) -> tuple[str, list[str]]:
    """The text of the one question, and the pictures among its parts."""
    asked = [one for one in _mappings(messages) if one.get("role") == "user"]
    if len(asked) != 1:
        raise CellError(f"messages holds {len(asked)} messages of the user, expected one; {_ADVICE}")
    content = asked[0].get("content")
    if isinstance(content, str):
        return content.replace("<image>", "", 1).removeprefix("\n"), []
    parts = _mappings(content)
    texts = [str(part["text"]) for part in parts if part.get("type") == "text" and part.get("text")]
    urls = [part["image_url"] for part in parts if part.get("image_url")]
    return "".join(texts), [str(url.get("url", "")) if isinstance(url, Mapping) else str(url) for url in urls]


def _mappings(value: object) -> list[Mapping[str, Any]]:
    """The objects of a list; none of anything else."""
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list | tuple) else []


def _list_paths(images: object) -> list[str]:
    some = images if isinstance(images, list | tuple) else [images]
    paths = [one.get("path") if isinstance(one, Mapping) else one for one in some]
    return [path for path in paths if isinstance(path, str)]


def _name_of(path: str) -> str:
    return PureWindowsPath(unquote(path)).name


def _without_size(name: str, known: Mapping[str, Any]) -> tuple[str, Size | None]:
    sized = None if name in known else _SIZED.search(name)
    return (f"{name[: sized.start()]}.png", (int(sized[1]), int(sized[2]))) if sized else (name, None)
