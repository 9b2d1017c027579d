"""Pictures of every mode as RGB."""

from __future__ import annotations

import io
import threading

import numpy as np
import pytest
from PIL import Image, ImageFile

from qreal_tasks.images import as_rgb, refuse_damaged_files, with_sides_in_range

GREY = np.array([[0, 128, 255]], dtype=np.uint8)


def with_transparent_index() -> Image.Image:
    image = Image.fromarray(GREY).convert("P")
    image.info["transparency"] = 0
    return image


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.fromarray(GREY), [0, 128, 255]),
        (Image.fromarray(GREY).convert("P"), [0, 128, 255]),
        (Image.fromarray(GREY).convert("CMYK"), [0, 128, 255]),
        (Image.fromarray(GREY.astype(np.uint16) * 257), [0, 128, 255]),  # 16 bits
        (Image.fromarray(GREY.astype(np.int32) * 257), [0, 128, 255]),  # 16 bits in 32
        (Image.fromarray(GREY.astype(np.int32)), [0, 128, 255]),  # 8 bits in 32
        (Image.fromarray((GREY / 255).astype(np.float32)), [0, 128, 255]),
        (Image.fromarray(GREY.astype(np.float32)), [0, 128, 255]),
        (Image.fromarray(GREY > 200), [0, 0, 255]),
        (Image.merge("LA", (Image.fromarray(GREY), Image.fromarray(255 - GREY))), [0, 191, 255]),
        (with_transparent_index(), [255, 128, 255]),
    ],
)
def test_as_rgb(image: Image.Image, expected: list[int]) -> None:
    rgb = as_rgb(image)
    assert rgb.mode == "RGB"
    assert np.abs(np.asarray(rgb, dtype=int)[0] - np.array(expected)[:, None]).max() <= 1


@pytest.mark.parametrize(
    ("size", "fed"),
    [((640, 480), (640, 480)), ((1, 1), (4, 4)), ((3, 30), (6, 60)), ((1, 4000), (20, 4000)), ((4000, 20), (4000, 20))],
)
def test_sides_in_range(size: tuple[int, int], fed: tuple[int, int]) -> None:
    assert with_sides_in_range(Image.new("RGB", size)).size == fed


def test_a_thread_that_is_done_leaves_damaged_files_refused_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as lmms-eval does
    whole = io.BytesIO()
    Image.effect_noise((64, 64), 90).save(whole, "JPEG")
    cut_off = whole.getvalue()[:-100]
    entered, may_leave = threading.Event(), threading.Event()

    def decode_for_long() -> None:
        with refuse_damaged_files():
            entered.set()
            may_leave.wait(10)

    other = threading.Thread(target=decode_for_long)
    other.start()
    assert entered.wait(10)
    with refuse_damaged_files():
        may_leave.set()
        other.join(10)
        with pytest.raises(OSError, match="truncated"):
            Image.open(io.BytesIO(cut_off)).load()
    Image.open(io.BytesIO(cut_off)).load()
    assert ImageFile.LOAD_TRUNCATED_IMAGES
