"""The images that ``portraits.list`` names: an image id or file name a line; exactly those are portraits.

Empty lines and lines that begin with ``# `` are passed over. A file name is that of the manifest, or its last part
where no other image has it; that of a duplicate means the image that is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path, PurePosixPath

from annotation.errors import AnnotationError
from annotation.run.folder import RunFolder
from annotation.run.schemas import State
from qreal_tasks.shards import parquet_files as shards
from qreal_tasks.text.unicode_forms import normalize_unicode

_NAMED = 5


def load_portrait_ids(run: RunFolder) -> frozenset[str] | None:
    """Find the ids of the listed images; None where every image with a detected person is a portrait.

    Raises:
        AnnotationError: the list cannot be read or is empty, or it names something that the run does not annotate.
    """
    names = run.config.portraits.names()
    if names is None:
        return None
    return _ids(run.manifest_path, run.manifest_path.stat().st_mtime_ns, run.images, names)


@lru_cache(maxsize=2)  # asked for every shard; the manifest may be large
def _ids(manifest: Path, _written: int, images: str, names: Sequence[str]) -> frozenset[str]:
    rows = shards.read_table(manifest, ["name", "image_id", "state", "reason", "pixels_sha256"]).to_pylist()
    kept = {row["pixels_sha256"]: row["image_id"] for row in rows if row["state"] == State.DONE}
    by_id = {row["image_id"]: [row] for row in rows if row["image_id"] is not None}
    by_name: dict[str, list[dict[str, str]]] = {}
    by_last: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        name = _plain(row["name"], images)
        by_name.setdefault(name, []).append(row)
        by_last.setdefault(PurePosixPath(name).name, []).append(row)
    found, wrong = set(), []
    for listed in names:
        name = _plain(listed, images)
        same = by_id.get(listed) or by_name.get(name) or by_last.get(name) or []
        ids = {kept[row["pixels_sha256"]] for row in same if row["state"] != State.REJECTED}
        found |= ids
        if not same:
            near = get_close_matches(name, [*by_name, *by_last, *by_id], n=1)
            wrong.append(f"{listed!r} is no image of it" + (f" (nearest: {near[0]!r})" if near else ""))
        elif not ids:
            wrong.append(f"{listed!r} was rejected ({same[0]['reason']})")
        elif len(ids) > 1:
            wrong.append(f"{listed!r} may be {' or '.join(repr(row['name']) for row in same[:_NAMED])}")
    if wrong:
        more = f"; and {len(wrong) - _NAMED} more" if wrong[_NAMED:] else ""
        raise AnnotationError(
            f"portraits.list: {len(wrong)} of {len(names)} names do not say which image of the run is meant: "
            f"{'; '.join(wrong[:_NAMED])}{more}. Expected image ids, or file names as in {manifest}"
        )
    return frozenset(found)


def _plain(name: str, images: str) -> str:
    """A form of a name that is equal for names of one file: its path below the folder of images, however spelt."""
    path = normalize_unicode("NFC", name).replace("\\", "/").removeprefix("./")
    return path.removeprefix(f"{normalize_unicode('NFC', images).rstrip('/')}/")
