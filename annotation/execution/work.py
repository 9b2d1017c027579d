"""One shard of one stage, computed and written: what every executor calls, wherever it is."""

from __future__ import annotations

from pathlib import Path

from annotation.intake.start import intake_rows
from annotation.run_folder import RunFolder
from annotation.stages import detection, drafts, quality, records

_ROWS = {"intake": intake_rows, "detection": detection.rows, "quality": quality.rows, "drafts": drafts.rows}
_WRITERS = {"imageqa": records.write_imageqa, "objectqa": records.write_objectqa}


def do(run_path: str, stage: str, shard: int) -> int:
    """Compute and write a shard; returns its number."""
    run = RunFolder(Path(run_path))
    if stage in _WRITERS:
        _WRITERS[stage](run, shard)
    else:
        run.write(stage, shard, _ROWS[stage](run, shard))
    return shard
