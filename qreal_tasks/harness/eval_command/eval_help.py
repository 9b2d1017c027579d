"""Help text of ``qreal eval``: the arguments that people use, and what each of our backends takes."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Mapping

from qreal_tasks.harness.backend_arguments import ABOUT, ARGUMENTS

_OPTIONS: Mapping[str, str] = {
    "--model BACKEND": "qreal_hf (a model on this machine), qreal_openai (one behind a server), qreal_agent (three "
    "models in turn), or a backend of lmms-eval; `lmms-eval models` lists those",
    "--model_args A=X,B=Y": "arguments of the backend, below; numbers, True, False and None as they are",
    "--tasks A,B": "qreal (default), qreal_objectqa, qreal_imageqa, the same with qreal_paper, or single ones such as "
    "qreal_objectqa_realism_q1",
    "--limit N": "only the first N samples of each task: a trial, and no result",
    "--batch_size N": "pictures at a time on this machine; by default as many as the memory takes",
    "--device DEVICE": "of a model on this machine, such as cuda:1 or cpu; by default a GPU where there is one",
    "--output_path DIR": "where results, samples and the log go; runs/<model>-<time> unless given",
    "--judge NAME|FILE": "judge for LLM-Score: gpt-4o, or a manifest like configs/eval/judge-local.yaml",
    "--config FILE": "YAML file with these options; those typed beside it win",
}
_WIDTH = 24
"""Characters of the column with names."""


def format_arguments_help() -> str:
    """The lists, as wide as the terminal."""
    parts = ["Usual options:", *_lines(_OPTIONS)]
    for backend, (allowed, needed) in ARGUMENTS.items():
        about = {name: ABOUT[name] + (" (needed)" if name in needed else "") for name in allowed}
        parts += ["", f"--model_args of {backend}:", *_lines(about)]
    return "\n".join([*parts, "", "All other options are lmms-eval's: `lmms-eval eval --help`."])


def _lines(about: Mapping[str, str]) -> Iterator[str]:
    width = max(60, min(shutil.get_terminal_size().columns, 120))
    for name, text in about.items():
        first = f"  {name}".ljust(_WIDTH)
        yield textwrap.fill(text, width, initial_indent=first, subsequent_indent=" " * _WIDTH)
