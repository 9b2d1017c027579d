"""The set in the package: small enough, drawn by the code beside it, and with the paper's prevalence."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qreal_tasks.benchmark import QUESTION_NAMES
from qreal_tasks.dataset.drawn import MINI_FOLDER
from qreal_tasks.dataset.schema import CONFIGS, SPLITS
from qreal_tasks.mini.drawing.scene import png_bytes
from qreal_tasks.mini.plan import YES_SHARES, plan_images
from qreal_tasks.mini.prompts import CAST
from qreal_tasks.mini.read import decode_pixels, read_drawn_rows
from qreal_tasks.mini.write import parquet_name

PAPER = dict(zip(QUESTION_NAMES, (0.402, 0.404, 0.433, 0.631, 0.600, 0.112), strict=True))
"""Shares of Yes that the paper's tables imply."""


def files_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_files_are_those_that_setup_cfg_packs_and_at_most_four_megabytes() -> None:
    names = {str(path.relative_to(MINI_FOLDER)) for path in files_of(MINI_FOLDER)}
    assert names == {"README.md", *(parquet_name(c, s) for c in CONFIGS for s in SPLITS)}
    assert sum(path.stat().st_size for path in files_of(MINI_FOLDER)) <= 4_000_000


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("config", CONFIGS)
def test_code_and_shipped_content_have_not_drifted(redrawn: Path, config: str, split: str) -> None:
    now, shipped = read_drawn_rows(redrawn, config, split), read_drawn_rows(MINI_FOLDER, config, split)
    assert len(now) == len(shipped)
    for a, b in zip(now, shipped, strict=True):
        assert {**a, "image": None} == {**b, "image": None}
        assert np.array_equal(decode_pixels(a), decode_pixels(b)), f"{a['image_id']}: other pixels"


def test_shipped_bytes_are_what_two_processes_draw_now(redrawn: Path) -> None:
    png = read_drawn_rows(MINI_FOLDER, "imageqa", "test")[0]["image"]["bytes"]
    if png_bytes(np.asarray(Image.open(io.BytesIO(png)))) != png:
        pytest.skip("this Pillow encodes PNG differently; the content is compared by another test")
    for path in files_of(MINI_FOLDER):
        name = path.relative_to(MINI_FOLDER)
        assert (redrawn / name).read_bytes() == path.read_bytes(), f"{name} differs, draw the set again"


@pytest.mark.parametrize("split", SPLITS)
def test_yes_shares_are_near_the_papers(split: str) -> None:
    rows = read_drawn_rows(MINI_FOLDER, "objectqa", split)
    for name in QUESTION_NAMES:
        assert abs(np.mean([row[name] for row in rows]) - PAPER[name]) < 0.02, name


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 12345])
def test_yes_shares_of_a_large_set_are_the_papers(seed: int) -> None:
    """Planned, not drawn: answers follow from plans."""
    plans = plan_images(2000, seed, 0.25, 0.4)
    for split in SPLITS:
        entities = [entity for plan in plans if plan.split == split for entity in plan.entities]
        for name in QUESTION_NAMES:
            share = sum(entity.answers[name] == "Yes" for entity in entities) / len(entities)
            assert share == pytest.approx(YES_SHARES[name], abs=1 / len(entities)), (split, name)
            assert share == pytest.approx(PAPER[name], abs=0.02), (split, name)


@pytest.mark.parametrize("images", [20, 23, 40])
def test_small_sets_have_every_answer(images: int) -> None:
    for seed in range(5):
        entities = [entity for plan in plan_images(images, seed, 0.25, 0.4) for entity in plan.entities]
        for name in QUESTION_NAMES:
            assert {entity.answers[name] for entity in entities} == {"Yes", "No"}, (seed, name)


def test_style_and_natural_light_go_together_but_are_two_questions() -> None:
    rows = [row for split in SPLITS for row in read_drawn_rows(MINI_FOLDER, "objectqa", split)]
    style, light = (np.array([row[name] for row in rows]) for name in ("realism_q1", "realism_q2"))
    assert 0.15 < np.corrcoef(style, light)[0, 1] < 0.8
    assert min(Counter(zip(style.tolist(), light.tolist(), strict=True)).values()) >= 0.06 * len(rows)


def test_no_prompt_is_in_both_splits_and_generators_share_prompts() -> None:
    prompts = {
        split: {(row["prompt_id"], row["prompt"]) for row in read_drawn_rows(MINI_FOLDER, "imageqa", split)}
        for split in SPLITS
    }
    for part in (0, 1):
        assert not {p[part] for p in prompts["train"]} & {p[part] for p in prompts["test"]}
    rows = [row for split in SPLITS for row in read_drawn_rows(MINI_FOLDER, "imageqa", split)]
    assert len({row["image_id"] for row in rows}) == len(rows)
    used = Counter((row["prompt_id"], row["generator"]) for row in rows)
    assert set(used.values()) == {1}, "a generator got a prompt twice"
    assert min(Counter(row["prompt_id"] for row in rows).values()) >= 3


@pytest.mark.parametrize("split", SPLITS)
def test_ten_generators_differ_in_flaw_rates(split: str) -> None:
    rates: dict[str, list[float]] = {}
    for row in read_drawn_rows(MINI_FOLDER, "imageqa", split):
        rates.setdefault(row["generator"], []).extend(e["plausibility_flawed"] for e in row["entities"])
    means = {name: float(np.mean(values)) for name, values in rates.items()}
    assert len(means) == 10
    assert all(name.startswith("pretend-") for name in means)
    assert max(means.values()) - min(means.values()) > 0.5
    assert np.std(list(means.values())) > 0.15


@pytest.mark.parametrize("split", SPLITS)
def test_every_kind_of_entity_is_in_both_splits(split: str) -> None:
    labels = {row["label"] for row in read_drawn_rows(MINI_FOLDER, "objectqa", split)}
    assert [figure for figure, names in CAST.items() if not labels & set(names)] == []


def test_the_card_says_what_the_set_is() -> None:
    card = (MINI_FOLDER / "README.md").read_text(encoding="utf-8")
    assert "no substitute for Q-Real" in card
