"""A stage of a run as the work of an executor, wherever it computes a shard."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from annotation.errors import AnnotationError
from annotation.intake.start import check_inputs
from annotation.run.folder import RunFolder
from annotation.stages import detection, drafts, quality, records

_ROWS = {
    "intake": check_inputs,
    "detection": detection.detect_entities,
    "quality": quality.score_crops,
    "drafts": drafts.assemble_drafts,
}
_MODELS = ("annotation.execution.work", "qreal_tasks.models.detector.grounding_dino", "annotation.local_models.q_eval")
_WRITERS = {"imageqa": records.write_imageqa, "objectqa": records.write_objectqa}


@dataclass(frozen=True)
class StageWork:
    """A stage of a run, as it is handed to whoever computes a shard of it."""

    run_path: str
    stage: str
    recipe: str
    """The recipe of the program that hands the work out."""

    @classmethod
    def of(cls, run: RunFolder, stage: str) -> Self:
        return cls(str(run.path.resolve()), stage, run.recipe(stage))

    @property
    def name(self) -> str:
        return self.stage

    @property
    def modules(self) -> tuple[str, ...]:
        """``init`` is a program of its own and needs no model."""
        return _MODELS[:1] if self.stage == "intake" else _MODELS

    def compute(self, shard: int) -> None:
        """Compute and write a shard.

        Raises:
            AnnotationError: what is installed or configured here makes another thing of it than where it was handed
                out.
        """
        run, stage = RunFolder(Path(self.run_path)), self.stage
        if run.recipe(stage) != self.recipe:
            raise AnnotationError(
                f"{stage}, shard {shard}: config, prompts or installed version differ between {platform.node()} and "
                "the program that was started, or were changed meanwhile. Make them the same and start again"
            )
        if stage in _WRITERS:
            _WRITERS[stage](run, shard)
        else:
            run.write(stage, shard, _ROWS[stage](run, shard))
