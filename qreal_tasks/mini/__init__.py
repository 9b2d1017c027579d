"""The embedded dataset, drawn by the project: for trying the software and for tests, no substitute for Q-Real.

``qreal_tasks.mini.write.draw_mini`` draws a set, ``qreal_tasks.mini.sheet.contact_sheet`` shows one. Kept
free of heavy imports: who only wants to know where the data is should not load Pillow or Arrow.
"""

from pathlib import Path

MINI_FOLDER = Path(__file__).parent / "data"
"""The shipped set in hub layout: ``draw_mini(MINI_FOLDER, MINI_IMAGES, MINI_SEED)``."""
MINI_IMAGES = 150
MINI_SEED = 0

MINI_NOTICE = (
    "These numbers are on `mini`: all or some of the pictures were drawn by this project, for trying the software. "
    "They say nothing about Q-Real: set QREAL_DATA to the real dataset."
)
"""For the embedded set, and for every other that holds pictures of ``qreal mini``."""
