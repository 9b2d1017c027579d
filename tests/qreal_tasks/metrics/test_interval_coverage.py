"""The small version of ``tests/benchmarks/interval_coverage.py``: clustered errors, intervals over images or not."""

from __future__ import annotations

import pytest
from interval_coverage import METRICS, Coverage, coverages

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def measured() -> dict[tuple[str, str], tuple[Coverage, Coverage]]:
    found = coverages(repeats=80, images=100, resamples=200, truth_images=4000)
    return {(task, metric): (by_image, alone) for task, metric, _, by_image, alone in found}


@pytest.mark.parametrize("which", METRICS)
def test_intervals_over_images_cover_and_independent_ones_do_not(
    which: tuple[str, str], measured: dict[tuple[str, str], tuple[Coverage, Coverage]]
) -> None:
    """Of 80 repeats 95 % are 76, give or take 2; the bounds are two such errors away."""
    by_image, alone = measured[which]
    assert 0.90 <= by_image.covered <= 1, by_image
    assert alone.covered < 0.90, alone
    assert alone.width < 0.85 * by_image.width
