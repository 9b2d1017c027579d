"""Coordinate spaces: exact conversion both ways, what a family writes, clipping, and IoU."""

import warnings

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from typed import FloatArray

from qreal_tasks.boxes import Space, as_written, clip_to_image, from_pixels, iou_matrix, to_pixels

SIZES = st.integers(1, 8192)
COORDINATES = st.floats(-1e6, 1e6, allow_nan=False)


def valid_boxes(limit: int = 1000) -> st.SearchStrategy[FloatArray]:
    """Arrays of boxes with positive area, in whole numbers so that every area is exact."""
    pair = st.tuples(st.integers(0, limit - 1), st.integers(1, limit)).map(lambda p: (min(p), max(p) + (p[0] == p[1])))
    box = st.tuples(pair, pair).map(lambda xy: [xy[0][0], xy[1][0], xy[0][1], xy[1][1]])
    return st.lists(box, min_size=1, max_size=8).map(lambda rows: np.array(rows, dtype=np.float64))


@pytest.mark.parametrize(
    ("space", "box", "expected_px"),
    [
        pytest.param(Space.PIXELS, [1.5, 2, 3, 4], [1.5, 2, 3, 4], id="pixels are kept"),
        pytest.param(Space.RESIZED_PIXELS, [0, 0, 400, 150], [0, 0, 800, 300], id="resized: both axes by their own"),
        pytest.param(Space.NORM1000, [0, 500, 1000, 1000], [0, 300, 800, 600], id="1000 is the far edge"),
        pytest.param(Space.NORM1000_YX, [0, 500, 1000, 750], [400, 0, 600, 600], id="y first"),
        pytest.param(Space.NORM1000_YX, [-100, 0, 10, 2000], [0, -60, 1600, 6], id="y first, beyond the image"),
        pytest.param(Space.UNIT, [0.5, 0, 1, 0.25], [400, 0, 800, 150], id="1 is the far edge"),
        pytest.param(Space.NORM1000, [-100, 0, 2000, 10], [-80, 0, 1600, 6], id="beyond the image is not clipped"),
    ],
)
def test_to_pixels(space: Space, box: list[float], expected_px: list[float]) -> None:
    assert to_pixels([box], space, 800, 600, input_size=(400, 300)).tolist() == [expected_px]


@given(
    boxes=hnp.arrays(np.float64, st.tuples(st.integers(0, 5), st.just(4)), elements=COORDINATES),
    space=st.sampled_from(Space),
    size=st.tuples(SIZES, SIZES),
    input_size=st.tuples(SIZES, SIZES),
)
def test_there_and_back(boxes: FloatArray, space: Space, size: tuple[int, int], input_size: tuple[int, int]) -> None:
    back = to_pixels(from_pixels(boxes, space, *size, input_size), space, *size, input_size)
    np.testing.assert_allclose(back, boxes, rtol=1e-9, atol=1e-300)


def test_no_box_is_a_table_without_rows() -> None:
    assert to_pixels([], Space.UNIT, 8, 6).shape == (0, 4)
    assert iou_matrix([], [[0, 0, 1, 1]]).shape == (0, 1)


@pytest.mark.parametrize(
    ("boxes", "shape"),
    [
        pytest.param([1, 2, 3, 4], r"\(4,\)", id="one box without its row"),
        pytest.param([[1, 2, 3]], r"\(1, 3\)", id="three numbers"),
        pytest.param(np.zeros((2, 1, 4)), r"\(2, 1, 4\)", id="one axis too many"),
    ],
)
def test_a_wrong_shape_is_named(boxes: npt.ArrayLike, shape: str) -> None:
    with pytest.raises(ValueError, match=rf"{shape}, expected \(n, 4\)"):
        to_pixels(boxes, Space.PIXELS, 8, 6)


@pytest.mark.parametrize("size", [(0, 6), (8, 0), (-8, 6)])
@pytest.mark.parametrize("space", Space)
def test_an_image_without_size_is_refused(space: Space, size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"{size[0]} x {size[1]}, expected positive"):
        to_pixels([[0, 0, 1, 1]], space, *size, input_size=(4, 4))


def test_resized_pixels_need_the_input_size() -> None:
    with pytest.raises(ValueError, match=r"no input_size.*use a backend that reports it"):
        to_pixels([[0, 0, 1, 1]], Space.RESIZED_PIXELS, 8, 6)
    with pytest.raises(ValueError, match="model input size is 0 x 4"):
        to_pixels([[0, 0, 1, 1]], Space.RESIZED_PIXELS, 8, 6, input_size=(0, 4))


def test_huge_values_saturate_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        boxes_px = to_pixels([[-1e308, -1e308, 1e308, 1e308]], Space.UNIT, 1024, 768)
        clipped = clip_to_image(boxes_px, 1024, 768)
    assert np.isfinite(boxes_px).all()
    assert clipped.boxes_px.tolist() == [[0, 0, 1024, 768]]


@pytest.mark.parametrize(
    ("box_px", "inside_px", "was_outside", "has_area"),
    [
        pytest.param([0, 0, 80, 60], [0, 0, 80, 60], False, True, id="the image itself is inside"),
        pytest.param([-1, 5, 20, 70], [0, 5, 20, 60], True, True, id="cut on two sides"),
        pytest.param([90, 5, 99, 9], [80, 5, 80, 9], True, False, id="wholly outside has no area left"),
        pytest.param([5, 5, 5, 9], [5, 5, 5, 9], False, False, id="a line"),
        pytest.param([9, 5, 5, 9], [9, 5, 5, 9], False, False, id="reversed is not mended"),
        pytest.param([np.nan, 5, 9, 9], [np.nan, 5, 9, 9], False, False, id="NaN has no area"),
    ],
)
def test_clip(box_px: list[float], inside_px: list[float], was_outside: bool, has_area: bool) -> None:
    clipped = clip_to_image([box_px], 80, 60)
    np.testing.assert_array_equal(clipped.boxes_px, [inside_px])
    assert (clipped.was_outside.tolist(), clipped.has_area.tolist()) == ([was_outside], [has_area])


@pytest.mark.parametrize(
    ("space", "box_px", "written"),
    [
        pytest.param(Space.PIXELS, [10.4, 10.6, 99.5, 50], [10, 11, 100, 50], id="nearest, ties to even"),
        pytest.param(Space.NORM1000, [80, 60, 400, 300], [100, 100, 500, 500], id="per mille"),
        pytest.param(Space.NORM1000_YX, [80, 60, 400, 330], [100, 100, 550, 500], id="y first"),
        pytest.param(Space.NORM1000_YX, [10.1, 0, 10.3, 600], [0, 12, 1000, 13], id="y first, a thin box stays open"),
        pytest.param(Space.NORM1000_YX, [799.9, 0, 800, 900], [0, 999, 1000, 1000], id="y first, at the far edge"),
        pytest.param(Space.UNIT, [80, 60, 400, 301], [0.1, 0.1, 0.5, 0.502], id="three decimals"),
        pytest.param(Space.RESIZED_PIXELS, [80, 60, 400, 300], [40, 30, 200, 150], id="pixels of the input"),
        pytest.param(Space.PIXELS, [10.1, 0, 10.3, 9], [10, 0, 11, 9], id="a thin box stays open"),
        pytest.param(Space.PIXELS, [799.7, 0, 800, 9], [799, 0, 800, 9], id="also at the far edge"),
        pytest.param(Space.PIXELS, [-5, 0, 900, 9], [0, 0, 800, 9], id="clipped"),
    ],
)
def test_as_written(space: Space, box_px: list[float], written: list[float]) -> None:
    assert as_written([box_px], space, 800, 600, input_size=(400, 300)) == [written]


@given(boxes=valid_boxes(), space=st.sampled_from(Space), input_size=st.tuples(SIZES, SIZES))
def test_a_written_box_is_valid_and_at_most_one_step_away(
    boxes: FloatArray, space: Space, input_size: tuple[int, int]
) -> None:
    written = np.array(as_written(boxes, space, 1001, 1001, input_size))
    assert (written[:, :2] < written[:, 2:]).all(), written
    step = 0.001 if space is Space.UNIT else 1
    assert np.abs(written - from_pixels(boxes, space, 1001, 1001, input_size)).max() <= step * 1.000001


def test_a_box_without_area_is_not_written() -> None:
    with pytest.raises(ValueError, match=r"box 1 has no area.*\[5\.0, 5\.0, 5\.0, 9\.0\]"):
        as_written([[0, 0, 1, 1], [5, 5, 5, 9]], Space.PIXELS, 80, 60)


@pytest.mark.parametrize(
    ("a", "b", "iou"),
    [
        pytest.param([0, 0, 2, 2], [1, 1, 3, 3], 1 / 7, id="1 over 4 + 4 - 1"),
        pytest.param([0, 0, 2, 2], [2, 0, 4, 2], 0, id="touching"),
        pytest.param([0, 0, 4, 4], [1, 1, 2, 2], 1 / 16, id="inside"),
        pytest.param([1, 1, 1, 5], [1, 1, 1, 5], 0, id="two equal lines are 0, not NaN"),
        pytest.param([3, 3, 1, 1], [3, 3, 1, 1], 0, id="reversed boxes have no area"),
    ],
)
def test_iou(a: list[float], b: list[float], iou: float) -> None:
    assert iou_matrix([a], [b]).tolist() == [[pytest.approx(iou)]]


@pytest.mark.slow
@given(a=valid_boxes(), b=valid_boxes())
def test_iou_is_symmetric_and_bounded_and_one_only_with_itself(a: FloatArray, b: FloatArray) -> None:
    iou = iou_matrix(a, b)
    assert ((iou >= 0) & (iou <= 1)).all()
    np.testing.assert_array_equal(iou, iou_matrix(b, a).T)
    np.testing.assert_array_equal(np.diag(iou_matrix(a, a)), 1.0)
    same = (a[:, None] == b[None]).all(axis=2)
    np.testing.assert_array_equal(iou == 1.0, same)


@settings(deadline=None)
@given(a=valid_boxes(), b=valid_boxes())
def test_iou_agrees_with_torchvision(a: FloatArray, b: FloatArray) -> None:
    torch, ops = pytest.importorskip("torch"), pytest.importorskip("torchvision.ops")
    theirs = ops.box_iou(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    np.testing.assert_allclose(iou_matrix(a, b), theirs, rtol=1e-12)
