"""Prompt files beside pictures, as generators and training tools write them: one file of text for each picture."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace

from annotation.errors import AnnotationError
from annotation.intake.files import decode_path, require_content
from annotation.intake.listed import ListedInput, add_notes, fold_name, make_note
from annotation.intake.text_files import MOST_PROMPT_BYTES, decode_text, tidy_prompt

_SUFFIXES = (b".txt", b".caption")


def is_caption(name: bytes) -> bool:
    """Whether a file of this name is one of prompts."""
    return os.path.splitext(name)[1].lower() in _SUFFIXES


class Captions:
    """The prompt files of one folder.

    Args:
        folder: its path.
        names: of all files in it.
    """

    def __init__(self, folder: bytes, names: Sequence[bytes]) -> None:
        self._folder = folder
        pictures = [name for name in names if not is_caption(name)]
        self._of: dict[bytes, list[bytes]] = {name: [] for name in pictures}
        exact: dict[bytes, list[bytes]] = {}
        alike: dict[str, list[bytes]] = {}
        for name in pictures:
            for key in (os.path.splitext(name)[0], name):
                exact.setdefault(key, []).append(name)
                alike.setdefault(fold_name(decode_path(key)), []).append(name)
        self.unclaimed: set[bytes] = set()
        """Those that no picture has the name of."""
        for text in sorted(filter(is_caption, names), key=_rank):
            base = os.path.splitext(text)[0]
            # A file system that heeds neither case nor how accents are encoded has told them apart no better.
            owners = exact.get(base) or alike.get(fold_name(decode_path(base)), [])
            for owner in owners:
                self._of[owner].append(text)
            if not owners:
                self.unclaimed.add(text)

    def told(self, listed: ListedInput) -> ListedInput:
        """The picture with the prompt of the first of its prompt files that holds one."""
        found = listed
        for name in self._of[os.path.basename(listed.locator)]:
            file = decode_path(name)
            try:
                decoded = decode_text(require_content(os.path.join(self._folder, name), MOST_PROMPT_BYTES))
                prompt = tidy_prompt(decoded.text)
            except AnnotationError as error:
                found = add_notes(found, make_note("prompt file cannot be read", f"{file}: {error}"))
                continue
            if prompt.text and not found.prompt:
                guessed = decoded.note and make_note(f"prompt {decoded.note}", f"{file} is no UTF-8")
                found = add_notes(replace(found, prompt=prompt.text), guessed, prompt.note)
            elif prompt.text not in ("", found.prompt):
                found = add_notes(found, make_note("another prompt passed over", f"of {file}"))
        return found


def _rank(name: bytes) -> tuple[int, int, bytes]:
    """``x.txt`` before ``x.caption`` before ``x.png.txt``."""
    base, suffix = os.path.splitext(name)
    return len(os.path.splitext(base)[1]) > 0, _SUFFIXES.index(suffix.lower()), name
