"""Every flaw of the catalogue is drawn, so that an answer is never Yes without something to see."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from qreal_tasks.benchmark import BODY_PARTS, QUESTION_NAMES
from qreal_tasks.mini.answers import derive_answers
from qreal_tasks.mini.drawing import scene
from qreal_tasks.mini.drawing.paint import Layer, Placement, paint
from qreal_tasks.mini.drawing.shapes import find_top, measure_extent
from qreal_tasks.mini.drawing.surface import MATERIALS, colour_surface
from qreal_tasks.mini.figures import FIGURES, draw_figure
from qreal_tasks.mini.flaws import CATALOGUE, EVERYTHING, LIVING, Flaw, FlawKind
from qreal_tasks.mini.plan import EntityPlan, ImagePlan, garble, plan_images, plant
from qreal_tasks.mini.prompts import CAST, GENERATORS, LETTERING, ImagePrompt

pytestmark = pytest.mark.slow

ROWS = [
    (figure, kind, framing)
    for kind in CATALOGUE
    for figure in kind.figures
    for framing in (("full", "half") if figure == "person" else ("full",))
    if kind.framing in ("any", framing)
]


def entity(figure: str, framing: str = "full", *flaws: Flaw, rendered: bool = False, label: str = "") -> EntityPlan:
    word = LETTERING[figure][0] if figure in LETTERING else ""
    garbled = any(flaw.kind.name == "garbled" for flaw in flaws)
    text = garble(word, random.Random(3)) if garbled else word
    return EntityPlan(figure, label or CAST[figure][0], framing, "seed", rendered, flaws, word, text)


def image(plan: EntityPlan) -> ImagePlan:
    framing = plan.framing if plan.figure == "person" else "scene"
    prompt = ImagePrompt("p0000", "A test.", "meadow", ((plan.figure, plan.label),), framing, 1)
    return ImagePlan("mini-test", "test", GENERATORS[0], prompt, "scene", (plan,))


def flaw(figure: str, name: str, choice: str = "") -> Flaw:
    kind = next(kind for kind in CATALOGUE if kind.name == name and figure in kind.figures)
    return Flaw(kind, choice or kind.choices[0], "bright blue")


@pytest.mark.parametrize(("figure", "kind", "framing"), ROWS, ids=[f"{f}-{k.name}-{framing}" for f, k, framing in ROWS])
def test_each_flaw_changes_the_picture(figure: str, kind: FlawKind, framing: str) -> None:
    label = CAST[figure][len(kind.name) % len(CAST[figure])]
    planted = plant(kind, figure, random.Random(1))
    sound, wrong = entity(figure, framing, label=label), entity(figure, framing, planted, label=label)
    before, after = (scene.draw_scene(image(plan)).pixels.astype(int) for plan in (sound, wrong))
    changed = int((np.abs(before - after).max(axis=2) > 24).sum())
    assert changed >= 150, f"{label}: only {changed} px show {kind.name}"


def test_the_catalogue_is_consistent() -> None:
    assert set(FIGURES) == set(EVERYTHING) == set(CAST)
    for kind in CATALOGUE:
        assert kind.question in QUESTION_NAMES
        assert kind.question != "realism_q1", "style is not a planted flaw"
        if kind.question == "plausibility_q1":
            assert set(kind.figures) <= set(LIVING), f"{kind.name}: what does not live has no limbs"
        is_material = kind.question == "plausibility_q3"
        assert bool(kind.look) == is_material, (
            f"{kind.name}: a material, and nothing else, is told in both descriptions"
        )
        assert set(kind.choices) <= set(MATERIALS) or not is_material, kind.name
        if "person" in kind.figures and kind.question != "realism_q2":
            assert kind.part in BODY_PARTS, f"{kind.name} needs a body part"
        for text in (*kind.say, *kind.look):
            assert ("{choice}" in text) <= (kind.choices != ("",)), kind.name


@pytest.mark.parametrize("name", list(MATERIALS))
def test_a_material_covers_a_figure_with_a_pattern_and_keeps_its_parts_apart(name: str) -> None:
    y, x = np.mgrid[0:120, 0:120]
    dark, bright = (colour_surface(name, base, x, y, 12) for base in ((84, 64, 52), (236, 228, 212)))
    for found in (dark, bright):
        assert found.shape == (120, 120, 3)
        assert (found.min(), found.max()) >= (0, 0)
        assert found.max() <= 255
        assert np.ptp(found.reshape(-1, 3) @ [77, 150, 29] // 256) >= 60, "too little contrast to be seen"
    assert (dark != bright).any(axis=2).mean() > 0.5


@pytest.mark.parametrize(
    ("figure", "framing", "name", "choice", "tag", "difference"),
    [
        ("person", "half", "seven_fingers", "left", "hand", +2),
        ("person", "half", "three_fingers", "right", "hand", -2),
        ("person", "full", "missing_leg", "left", "leg", -2),
        ("person", "full", "extra_leg", "", "leg", +2),
        ("person", "full", "missing_arm", "left", "hand", -6),
        ("person", "full", "extra_arm", "right", "hand", +6),
        ("animal", "full", "extra_leg", "", "leg", +2),
        ("animal", "full", "missing_leg", "hind", "leg", -4),
        ("animal", "full", "extra_tail", "", "tail", +2),
        ("person", "full", "two_heads", "", "hair", +1),
        ("animal", "full", "extra_head", "", "head", +3),
        ("car", "full", "extra_wheel", "", "wheel", +3),
        ("car", "full", "missing_wheel", "left", "wheel", -3),
        ("mug", "full", "three_handles", "", "handle", +2),
        ("chair", "full", "extra_leg", "", "leg", +1),
        ("chair", "full", "missing_leg", "right", "leg", -1),
    ],
)
def test_counts_that_sentences_state_are_drawn(
    figure: str, framing: str, name: str, choice: str, tag: str, difference: int
) -> None:
    def count(plan: EntityPlan) -> int:
        return sum(piece.tag == tag for piece in draw_figure(plan))

    planted = flaw(figure, name, choice)
    assert count(entity(figure, framing, planted)) - count(entity(figure, framing)) == difference


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(
    ("figure", "framing", "name"),
    [("person", "half", "giant_hand"), ("plant", "full", "key"),
     ("sign", "full", "handle"), ("fruit", "full", "key"), ("mug", "full", "leaning")],
)  # fmt: skip
def test_left_and_right_are_the_viewers(figure: str, framing: str, name: str, side: str) -> None:
    x1, _, x2, _ = measure_extent(draw_figure(entity(figure, framing, flaw(figure, name, side))))
    before_x1, _, before_x2, _ = measure_extent(draw_figure(entity(figure, framing)))
    grown_left, grown_right = before_x1 - x1, x2 - before_x2
    assert (grown_left > grown_right) == (side == "left"), (grown_left, grown_right)


def test_grey_has_no_colour_and_flat_has_few() -> None:
    def crop(plan: EntityPlan) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
        drawn = scene.draw_scene(image(plan))
        x1, y1, x2, y2 = drawn.boxes_px[0]
        h, w = (y2 - y1) // 4, (x2 - x1) // 4
        return drawn.pixels[y1 + h : y2 - h, x1 + w : x2 - w].astype(int)

    grey, coloured = (crop(entity("fruit", "full", *planted)) for planted in ((flaw("fruit", "grey"),), ()))
    assert np.ptp(grey, axis=2).max() == 0 < np.ptp(coloured, axis=2).max()
    flat, lit = (crop(entity("fruit", "full", *planted)) for planted in ((flaw("fruit", "flat"),), ()))
    assert len(np.unique(flat.reshape(-1, 3), axis=0)) < len(np.unique(lit.reshape(-1, 3), axis=0))


@pytest.mark.parametrize("name", ["floating", "balloons"])
def test_what_floats_is_off_the_ground(name: str) -> None:
    for figure in EVERYTHING:
        lowest = measure_extent(piece for piece in draw_figure(entity(figure, "full", flaw(figure, name))))[3]
        assert lowest < -0.05, figure
        assert measure_extent(draw_figure(entity(figure)))[3] == pytest.approx(0.0, abs=0.03), figure


@pytest.mark.parametrize("rendered", [False, True])
def test_boxes_are_tight_around_what_was_painted(monkeypatch: pytest.MonkeyPatch, rendered: bool) -> None:
    layers: list[Layer] = []

    def recording(*arguments: object) -> Layer:
        layers.append(paint(*arguments))  # type: ignore[arg-type]
        return layers[-1]

    monkeypatch.setattr(scene, "paint", recording)
    for plan in plan_images(20, 3, 0.25, 0.4):
        styled = replace(plan, entities=tuple(replace(e, rendered=rendered) for e in plan.entities))
        layers.clear()
        boxes = scene.draw_scene(styled).boxes_px
        for box, layer in zip(boxes, layers, strict=True):
            mask = Image.fromarray(layer.inner()[1].astype(np.uint8) * 255)
            assert mask.reduce(2).getbbox() == box, plan.image_id


def test_planted_flaws_never_share_a_region_and_answers_follow_them() -> None:
    for plan in plan_images(400, 1, 0.25, 0.4):
        for planned in plan.entities:
            regions = [f.kind.region for f in planned.flaws]
            assert len(set(regions)) == len(regions), planned
            assert planned.answers == derive_answers(
                (f.kind.question for f in planned.flaws), rendered=planned.rendered
            )
            assert (planned.text != planned.word) == (planned.answers["plausibility_q4"] == "Yes")
            assert planned.answers["plausibility_q1"] == "No" or planned.figure in LIVING
            for flaw_ in planned.flaws:
                assert flaw_.choice in flaw_.kind.choices


@pytest.mark.parametrize("figure", ["animal", "fruit"])
@pytest.mark.parametrize("rendered", [False, True])
def test_the_backdrop_shows_through_a_hole(figure: str, rendered: bool) -> None:
    whole, pierced = (entity(figure, "full", *planted, rendered=rendered) for planted in ((), (flaw(figure, "hole"),)))
    layers = [paint(draw_figure(plan), Placement(112.0, 200.0, 150.0), plan) for plan in (whole, pierced)]
    before, after = (layer.inner()[1] for layer in layers)
    assert (before & ~after).sum() > 200
    assert not (after & ~before).any()


def test_strings_of_balloons_end_at_what_they_carry() -> None:
    for label in CAST["animal"]:
        pieces = draw_figure(entity("animal", "full", flaw("animal", "balloons"), label=label))
        strings = [piece for piece in pieces if piece.tag == "string"]
        carried = [piece for piece in pieces if piece.tag not in ("string", "balloon")]
        end = measure_extent(strings)[3]
        x1, _, x2, _ = measure_extent(pieces)
        assert find_top(carried, float(x1 + x2) / 2) < end, label
