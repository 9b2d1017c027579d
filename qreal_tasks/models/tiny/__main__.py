"""``python -m qreal_tasks.models.tiny FOLDER`` writes the learner, for trying ``qreal train`` on drawn scenes."""

import sys
from pathlib import Path

from qreal_tasks.console.terminal import echo
from qreal_tasks.models.tiny import write_learner_qwen2_5_vl

if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
    sys.exit("expected the folder to write: python -m qreal_tasks.models.tiny FOLDER")
write_learner_qwen2_5_vl(Path(sys.argv[1]))
echo(f"Written: {sys.argv[1]}\nNext: qreal train configs/training/mini-objectqa.yaml model={sys.argv[1]} data=FOLDER")
