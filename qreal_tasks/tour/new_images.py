"""Pictures to screen: drawn scenes as files, without what is known about them.

python -m qreal_tasks.tour.new_images FOLDER
"""

from __future__ import annotations

import sys
from pathlib import Path

from qreal_tasks.console.terminal import echo
from qreal_tasks.files.atomic import new_folder
from qreal_tasks.mini.drawing.scene import draw_scene, png_bytes
from qreal_tasks.mini.plan import plan_images

COUNT, SEED = 40, 77


def write_new_images(folder: Path, count: int = COUNT, seed: int = SEED) -> None:
    """Write so many scenes below ``folder``, those of a pretended generator in a subfolder of its name.

    Raises:
        OSError: the folder holds something, or cannot be written.
    """
    with new_folder(folder) as beside:
        for plan in plan_images(count, seed, portrait_share=0.25, test_share=0.5):
            path = beside / plan.generator.name / f"{plan.image_id}.png"
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(png_bytes(draw_scene(plan).pixels))


if __name__ == "__main__":
    write_new_images(Path(sys.argv[1]))
    echo(f"Drew {COUNT} images into {sys.argv[1]}")
