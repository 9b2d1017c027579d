"""The pictures of a shard as models are shown them, decoded when they are needed and for a while after."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence

from PIL import Image

from annotation.run.folder import AcceptedImage
from qreal_tasks.boxes import pixel_box
from qreal_tasks.images import draw_frame
from qreal_tasks.intake.picture import decode_stored

_DECODED = 8
"""How many pictures are kept decoded: questions about one image come together."""


class Gallery:
    """Thread-safe cache of a shard's decoded pictures, and of what is cut from them."""

    def __init__(self, pictures: Sequence[AcceptedImage]) -> None:
        self._content = {picture.image_id: picture.content for picture in pictures}
        self._decoded: OrderedDict[str, Image.Image] = OrderedDict()
        self._lock = threading.Lock()

    def whole(self, image_id: str) -> Image.Image:
        """The whole image in 8-bit RGB. Not to be changed: others see the same picture."""
        with self._lock:
            found = self._decoded.get(image_id)
            if found is None:
                found = decode_stored(self._content[image_id])
                self._decoded[image_id] = found
                if len(self._decoded) > _DECODED:
                    self._decoded.popitem(last=False)
            return found

    def crop(self, image_id: str, box_px: Sequence[float]) -> Image.Image:
        """The part of the image in the box: all pixels that it touches."""
        whole = self.whole(image_id)
        return whole.crop(pixel_box(box_px, *whole.size))

    def framed(self, image_id: str, box_px: Sequence[float]) -> Image.Image:
        """The whole image with a red frame around the box, outside of it as far as there is room."""
        image = self.whole(image_id).copy()
        draw_frame(image, box_px, (255, 0, 0))
        return image
