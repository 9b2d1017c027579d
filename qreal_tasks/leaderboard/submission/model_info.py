"""What a results folder of the harness says about model, backend and cost; without paths, addresses and keys.

Model, revision and adapter are named as they were given, of paths the last name; of the arguments only known ones stay.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from qreal_tasks import __version__
from qreal_tasks.files.regular import open_file, read_text
from qreal_tasks.leaderboard.submission.manifest import (
    ARGUMENTS,
    Adapter,
    AnswersFile,
    AnswersInfo,
    Backend,
    Cost,
    ModelInfo,
)
from qreal_tasks.results.model_names import find_model, split_arguments
from qreal_tasks.results.predicted import read_origin
from qreal_tasks.text.addresses import shown
from qreal_tasks.text.one_line import UNSEEN
from qreal_tasks.text.redaction import find_private


def read_model_info(results: Mapping[str, Any]) -> ModelInfo:
    """What answered, from a parsed results file: its name, and those of ``ARGUMENTS`` that hold nothing private."""
    config = results["config"]
    arguments = split_arguments(config.get("model_args"))
    name, adapter = find_model(str(config.get("model")), arguments)
    kept = {
        key: text
        for key, value in sorted(arguments.items())
        if key in ARGUMENTS and (text := shown(_one_line(value))[:200].strip()) and find_private(text) is None
    }
    return ModelInfo(
        name=shown(name),
        revision=arguments.get("revision"),
        adapter=Adapter(name=shown(adapter), sha256=digest_folder(Path(adapter).expanduser())) if adapter else None,
        arguments=kept,
    )


def _one_line(text: str) -> str:
    """Control and invisible characters as spaces: a manifest holds none.

    >>> _one_line("Answer\\nin one word.\\x07 ")
    'Answer in one word.'
    """
    return "".join(" " if unicodedata.category(character) in UNSEEN else character for character in text).strip()


def digest_folder(folder: Path) -> str | None:
    """SHA-256 over the weights and configuration of an adapter, names included; None when it is not a folder here."""
    files = sorted(p for p in folder.glob("adapter_*") if p.is_file()) if folder.is_dir() else []
    if not files:
        return None
    state = hashlib.sha256()
    for path in files:
        with open_file(path) as file:
            state.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return state.hexdigest()


def read_backend_info(results: Mapping[str, Any]) -> Backend:
    """Backend and versions."""
    harness = None if read_origin(results) else _harness(results)
    return Backend(name=str(results["config"].get("model")), harness=harness, project=__version__)


def read_answers_info(results: Mapping[str, Any]) -> AnswersInfo | None:
    """The files that the answers were read from, None where the harness asked; a name that may say where a file lies
    is replaced by its number."""
    origin = read_origin(results)
    if origin is None:
        return None
    files = [
        AnswersFile(name=_public_name(file.name, number), sha256=file.sha256, rows=file.rows)
        for number, file in enumerate(origin.files, start=1)
    ]
    return AnswersInfo(files=files, missing=origin.missing)


def _public_name(name: str, number: int) -> str:
    plain = shown(_one_line(name))[:200].strip()
    return plain if plain and find_private(plain) is None else f"file {number}"


def _harness(results: Mapping[str, Any]) -> str | None:
    """What the results say, else what is installed now.

    Started inside any git checkout, lmms-eval writes that checkout's branch and commit in place of its own version.
    """
    version = str(results.get("lmms_eval_version"))
    if re.fullmatch(r"v?\d+(\.\w+)+", version):
        return version
    try:
        return metadata.version("lmms-eval")
    except metadata.PackageNotFoundError:
        return None


def read_cost_info(results: Mapping[str, Any], hardware: str | None, usd: float | None) -> Cost:
    """What the run took: seconds from the harness, the rest from the submitter."""
    seconds = results.get("total_evaluation_time_seconds")
    try:
        taken = math.nan if seconds is None or isinstance(seconds, bool) else float(seconds)
    except (TypeError, ValueError, OverflowError):
        taken = math.nan
    return Cost(hardware=hardware, seconds=taken if 0 <= taken < math.inf else None, usd=usd)


def read_results(path: Path) -> dict[str, Any]:
    """The results file as parsed JSON."""
    return dict(json.loads(read_text(path)))
