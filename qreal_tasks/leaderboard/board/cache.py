"""Results of checks, by what they depend on: a rebuild of the board only checks what is new."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from qreal_tasks import __version__
from qreal_tasks.benchmark import PROMPT_VERSION
from qreal_tasks.files.atomic import write_whole
from qreal_tasks.files.user_cache import user_cache_path
from qreal_tasks.leaderboard.result import Result, build_result, refuse
from qreal_tasks.leaderboard.submission.check import check_folder
from qreal_tasks.leaderboard.submission.manifest import SubmissionManifest
from qreal_tasks.leaderboard.submission.problems import Refusal, Rule
from qreal_tasks.leaderboard.submission.reading import SubmissionFolder
from qreal_tasks.leaderboard.submission.references import References
from qreal_tasks.leaf_tasks import Half, task_versions
from qreal_tasks.metrics.bootstrap import RESAMPLES
from qreal_tasks.records import RECORD_VERSION

FORM = 6
"""Changes when the same submission gives another result: a new check, or a new number on the board."""

_SAID = "result"


def default_folder() -> Path:
    """One folder of the user for all boards."""
    return user_cache_path("leaderboard", "--cache")


class CheckCache:
    """A file for each submission, dataset and version; a damaged or older one is made again."""

    def __init__(self, folder: Path | None = None, resamples: int = RESAMPLES) -> None:
        self._folder = folder or default_folder()
        self._resamples = resamples
        self.hits = self.misses = 0

    def result(self, name: str, folder: SubmissionFolder, references: References) -> Result:
        """The result of a submission, checked now unless it was before.

        Whatever a check raises is a reason to refuse this one submission; it is not kept.

        Raises:
            OSError: the cache cannot be written.
        """
        path = self._folder / f"{self._key(name, folder, references)}.npz"
        found = _read(path)
        if found is not None:
            self.hits += 1
            return found
        self.misses += 1
        try:
            made = build_result(check_folder(name, folder, references, resamples=self._resamples), self._resamples)
            of_manifest = any(problem.kind is Rule.MANIFEST for problem in made.problems)
            if not of_manifest:  # which is found at once again, and may be a matter of the clock
                _write(path, made)
        except OSError:
            raise
        except Exception as error:  # one stranger ends no board
            return refuse(name, Refusal(Rule.CHECK, f"stopped by {type(error).__name__}: {error!s:.200}; report it"))
        return made

    def _key(self, name: str, folder: SubmissionFolder, references: References) -> str:
        depends = [
            *(FORM, __version__, PROMPT_VERSION, RECORD_VERSION, self._resamples, name, folder.digest),
            *(
                references.name,
                references.commit,
                references.is_drawn,
                *(references.fingerprint(half) for half in Half),
            ),
            sorted(task_versions().items()),
            *(["practice"] if references.practice else []),
        ]
        return hashlib.sha256(json.dumps(depends).encode()).hexdigest()[:40]


def _write(path: Path, result: Result) -> None:
    content = asdict(result)
    content["manifest"] = result.manifest.model_dump(mode="json") if result.manifest else None
    content["draws"] = None
    buffer = io.BytesIO()
    text = np.frombuffer(json.dumps(content).encode("ascii"), dtype=np.uint8)
    np.savez(buffer, **{_SAID: text}, **dict(result.draws))  # type: ignore[arg-type]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, buffer.getvalue())


def _read(path: Path) -> Result | None:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        return _parsed(json.loads(arrays.pop(_SAID).tobytes()), arrays)
    except Exception:  # damaged bytes raise whatever zip, zlib, NumPy or the JSON reader make of them
        return None


def _parsed(content: dict[str, Any], draws: Mapping[str, Any]) -> Result:
    manifest = (
        SubmissionManifest.model_validate(content.pop("manifest")) if content["manifest"] else content.pop("manifest")
    )
    problems = tuple(Refusal(Rule(one["kind"]), one["message"]) for one in content.pop("problems"))
    return Result(
        **{**content, "manifest": manifest, "problems": problems, "notes": tuple(content["notes"]), "draws": draws}
    )
