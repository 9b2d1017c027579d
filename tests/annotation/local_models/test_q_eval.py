"""Level-token scoring on a tiny Qwen2-VL, loaded as the published weights are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from annotation.config import QualitySettings
from annotation.errors import AnnotationError
from annotation.llm.replies import LEVELS
from annotation.local_models.q_eval import QEvalScore, find_level_tokens
from annotation.stages.quality import mean_level

pytestmark = pytest.mark.slow


def pictures() -> list[Image.Image]:
    sizes = [(80, 60), (200, 30), (60, 80), (30, 30), (300, 200)]
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 255, (height, width, 3), dtype=np.uint8)) for width, height in sizes]


@pytest.fixture(scope="module")
def settings(models: Path) -> QualitySettings:
    model = str(models / "q_eval")
    return QualitySettings(
        scorer="q-eval-score", model=model, device="cpu", dtype="float32", max_pixels=12_544, batch_size=3
    )


def test_batches_give_what_single_pictures_do(settings: QualitySettings) -> None:
    scorer = QEvalScore(settings)
    alone = [scorer.levels([one])[0] for one in pictures()]
    assert np.allclose(scorer.levels(pictures()), alone, atol=1e-6)
    assert np.allclose(scorer.levels(pictures()[::-1]), alone[::-1], atol=1e-6)
    assert np.ptp([mean_level(levels) for levels in alone]) > 1e-3  # the picture reaches the answer


def test_the_levels_are_the_next_token_of_a_plain_forward(settings: QualitySettings) -> None:
    """Against the model itself, one picture, without padding or batching."""
    scorer = QEvalScore(settings)
    image = pictures()[0]
    processor = scorer._processor
    text = processor.apply_chat_template(scorer._messages(), tokenize=False, add_generation_prompt=True)
    inputs = processor(text=[text], images=[image], return_tensors="pt")
    logits = scorer._model(**inputs).logits[0, -1]
    ids = [processor.tokenizer.convert_tokens_to_ids(level) for level in LEVELS]
    expected = torch.softmax(logits[ids], dim=0).tolist()
    assert scorer.levels([image])[0] == pytest.approx(expected, abs=1e-6)


def test_a_level_of_several_tokens_is_refused(settings: QualitySettings) -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(settings.model)
    assert len(find_level_tokens(tokenizer, "m")) == 5

    class Splitting:
        def encode(self, text: str, **settings: object) -> list[int]:
            return [1, 2] if text == "Poor" else [1]

    with pytest.raises(AnnotationError, match=r"quality.model m: 'Poor' is 2 tokens, expected one"):
        find_level_tokens(Splitting(), "m")


@pytest.mark.parametrize(
    ("levels", "score"),
    [([1, 0, 0, 0, 0], 1.0), ([0, 0, 1, 0, 0], 0.5), ([0.2] * 5, 0.5), ([0, 0, 0, 0.5, 0.5], 0.125)],
)
def test_score(levels: list[float], score: float) -> None:
    assert mean_level(levels) == pytest.approx(score)
