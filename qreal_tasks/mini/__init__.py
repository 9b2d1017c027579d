"""The embedded dataset, drawn by the project: for trying the software and for tests, no substitute for Q-Real.

``qreal_tasks.mini.write.draw_mini`` draws a set; ``tools/contact_sheet.py`` shows one as a picture. A small model that
was trained on such sets ships too (``qreal_tasks.shipped``).
"""

from pathlib import Path

MINI_IMAGES = 150
MINI_SEED = 0
"""The shipped set is ``draw_mini(MINI_FOLDER, MINI_IMAGES, MINI_SEED)``."""

MINI_MODEL = Path(__file__).parent / "qreal-mini"
"""Folder of the small model; ``python tools/train_mini_model.py`` makes it."""

MINI_NOTICE = (
    "These numbers are on `mini`: all or some of the pictures were drawn by this project, for trying the software. "
    "They say nothing about Q-Real: set QREAL_DATA to the real dataset."
)
"""For the embedded set, and for every other that holds pictures of ``qreal mini``."""
