"""The tiny model that can learn: its tokenizer changes no text, and the engine takes it as it is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from straightforward import picture
from transformers import AutoModelForImageTextToText, AutoProcessor, PreTrainedTokenizerBase

from qreal_tasks.benchmark import ANSWERS, IMAGEQA_SETS, QUESTION_NAMES, imageqa_prompt, objectqa_prompt
from qreal_tasks.boxes import Space
from qreal_tasks.llm.completions import EMPTY
from qreal_tasks.models.local.engine import TransformersEngine
from qreal_tasks.models.local.generation import decode_answer
from qreal_tasks.models.requests import Request
from qreal_tasks.models.tiny import write_learner_qwen2_5_vl

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def learner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("learner")
    write_learner_qwen2_5_vl(folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(learner: Path) -> PreTrainedTokenizerBase:
    return AutoProcessor.from_pretrained(learner).tokenizer


_ENTITY = {"bbox_2d": [0, 17, 99, 168], "label": "potted flower", "description": "The text is garbled: '$T%P'."}
TEXTS = {
    "numbers": " ".join(map(str, range(1001))),
    "no entity": json.dumps([]),
    "one entity": json.dumps([_ENTITY]),
    "two entities": json.dumps([_ENTITY, {**_ENTITY, "label": "dog", "description": "It has 5 legs, all blue."}]),
    "unknown words": "Zwölf Boxkämpfer jagen Viktor – 狐狸 📷 \t and  two  spaces\n",
    **{name: objectqa_prompt(name) for name in QUESTION_NAMES},
    **{f"{name} {space}": imageqa_prompt(name, space, 1024, 768) for name in IMAGEQA_SETS for space in Space},
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_text_decodes_to_itself(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    assert decode_answer(tokenizer, tokenizer(text)["input_ids"]) == text


@pytest.mark.parametrize("text", [*map(str, range(225)), *ANSWERS])
def test_is_one_token(tokenizer: PreTrainedTokenizerBase, text: str) -> None:
    assert len(tokenizer(text)["input_ids"]) == 1


def test_prompts_are_short(tokenizer: PreTrainedTokenizerBase) -> None:
    lengths = [len(tokenizer(objectqa_prompt(name))["input_ids"]) for name in QUESTION_NAMES]
    lengths += [len(tokenizer(imageqa_prompt(s, Space.RESIZED_PIXELS, 9, 9))["input_ids"]) for s in IMAGEQA_SETS]
    assert max(lengths) <= 8, lengths


@pytest.mark.parametrize(("size", "tokens"), [((224, 224), 36), ((40, 60), 20), ((112, 112), 16)])
def test_pictures_are_small(learner: Path, size: tuple[int, int], tokens: int) -> None:
    processor = AutoProcessor.from_pretrained(learner)
    grid = processor.image_processor(picture(*size, seed=0), return_tensors="pt")["image_grid_thw"]
    assert int(grid.prod()) // 4 == tokens


def test_engine_answers(learner: Path) -> None:
    image = picture(90, 120, seed=1)
    scored = [Request(image, objectqa_prompt(name), ANSWERS) for name in QUESTION_NAMES]
    written = Request(image, imageqa_prompt("realism", Space.RESIZED_PIXELS, 90, 120), max_new_tokens=8)
    engine = TransformersEngine(str(learner))
    responses = dict(engine.run([*scored, written]))
    assert engine.box_space is Space.RESIZED_PIXELS
    assert {responses[at].unanswered for at in range(7)} <= {None, EMPTY}  # it has learnt nothing yet
    assert all(0 < p < 1 for at in range(6) for p in responses[at].p or [0.5]), responses


def test_is_small_and_follows_from_its_seed(learner: Path, tmp_path: Path) -> None:
    for seed in (0, 1):
        write_learner_qwen2_5_vl(tmp_path / str(seed), seed)
    weights = [
        AutoModelForImageTextToText.from_pretrained(folder).state_dict()
        for folder in (learner, tmp_path / "0", tmp_path / "1")
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not torch.equal(weights[0]["lm_head.weight"], weights[2]["lm_head.weight"])
    assert (learner / "tokenizer.json").read_bytes() == (tmp_path / "0" / "tokenizer.json").read_bytes()
    assert sum(path.stat().st_size for path in learner.iterdir()) < 10e6
