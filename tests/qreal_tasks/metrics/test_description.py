"""LLM-Score: what a judge's silence does, and what it never does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from typed import BuildRegion, Grounded

from qreal_tasks.metrics.grounding import score_grounding
from qreal_tasks.records import GroundingRecord

Image = Callable[[str, Sequence[float | None] | None], GroundingRecord]
METRICS = ("llm_score", "llm_score_gated", "joint_score", "unjudged")


@pytest.fixture
def image(region: BuildRegion, grounded: Grounded) -> Image:
    """An image with N 3 and M 2, whose two pairs have IoU 1 and .5, and the scores given."""

    def build(image_id: str, scores: Sequence[float | None] | None) -> GroundingRecord:
        return grounded(
            [region(0, 0, 10, 10), region(50, 0, 60, 10), region(90, 90, 99, 99)],
            [region(0, 0, 10, 10), region(50, 0, 60, 5)],
            image_id=image_id,
            scores=scores,
        )

    return build


@pytest.mark.parametrize(
    ("proves", "scores", "expected"),
    [
        ("no judge: undefined", [None], (None, None, None, None)),
        ("hand count; IoU .5 is not above .5", [(0.8, 0.4)], (0.6, 0.8, 0.8 / 3, 0.0)),
        ("mean per image, then over images", [(0.8, 0.4), (None, 0.0)], (0.3, 0.8, 0.8 / 5, 0.25)),
        ("unjudged above .5: out of the joint denominator", [(None, 0.4)], (0.4, None, 0.0, 0.5)),
        ("unjudged at .5: adds 0 whatever it is, so it stays", [(0.8, None)], (0.8, 0.8, 0.8 / 3, 0.5)),
        ("nothing judged: no score, only the share", [(None, None)], (None, None, 0.0, 1.0)),
        (
            "an image that no judge was asked about changes nothing",
            [(0.8, 0.4), None],
            (0.6, 0.8, 0.8 / 3, 0.0),
        ),
        ("scores of 0 are scores", [(0, 0)], (0.0, 0.0, 0.0, 0.0)),
    ],
)
def test_by_hand(
    image: Image, proves: str, scores: list[Sequence[float | None] | None], expected: tuple[float | None, ...]
) -> None:
    found = score_grounding([image(f"i{n}", row) for n, row in enumerate(scores)])
    for metric, value in zip(METRICS, expected, strict=True):
        assert found[metric] == (None if value is None else pytest.approx(value, abs=1e-12)), (proves, metric)
    assert found["n_judged"] == sum(s is not None for row in scores for s in row or ())


def test_silence_on_everything_leaves_joint_score_undefined(region: BuildRegion, grounded: Grounded) -> None:
    """A single pair above .5 that the judge could not answer: nothing is left to divide by."""
    box = region(0, 0, 9, 9)
    assert score_grounding([grounded([box], [box], scores=(None,))])["joint_score"] is None


def test_image_without_a_pair_lowers_only_the_joint_score(
    region: BuildRegion, grounded: Grounded, image: Image
) -> None:
    missed = grounded([], [region(0, 0, 9, 9)], image_id="missed", scores=())
    found = score_grounding([image("i0", (0.8, 0.4)), missed])
    assert (found["llm_score"], found["joint_score"]) == pytest.approx((0.6, 0.8 / 4))


def test_clean_image_adds_nothing(region: BuildRegion, grounded: Grounded, image: Image) -> None:
    clean = grounded([region(0, 0, 9, 9)], [], image_id="clean", scores=())
    with_clean, without = (
        score_grounding([image("i0", (0.8, 0.4)), clean]),
        score_grounding([image("i0", (0.8, 0.4))]),
    )
    assert [with_clean[m] for m in METRICS] == [without[m] for m in METRICS]
