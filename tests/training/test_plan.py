"""What a plan holds, what it counts without processing pictures, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from few_rows import write_few

from qreal_tasks.answers import parse_entities, regions_in_pixels
from qreal_tasks.benchmark import QUESTION_NAMES, objectqa_prompt
from qreal_tasks.boxes import iou_matrix
from qreal_tasks.dataset import DatasetError, load, locate
from qreal_tasks.models.chat import Chat
from qreal_tasks.samples import reference_regions
from training.collator import Collator, proofread
from training.config import ConfigError, TrainConfig
from training.families import FAMILIES
from training.model import outline
from training.packing import IGNORED
from training.plan import Plan, batching, make_plan
from training.writer import LENGTH

TASKS = ("objectqa", "imageqa", "detect", "filter", "describe")


def planned(config: TrainConfig) -> Plan:
    return make_plan(config, locate(config.data), outline(config))


def collator_of(plan: Plan) -> tuple[Collator, Chat]:
    chat = Chat(plan.outline.processor)
    return Collator(chat, plan.rows, plan.outline.empty.model), chat


@pytest.mark.parametrize("packing", [True, False])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("family", FAMILIES)
def test_labels_are_the_answers_and_their_end_of_turn_and_nothing_else(
    family: str, task: str, packing: bool, config: Callable[..., TrainConfig], tmp_path: Path
) -> None:
    plan = planned(config(family, task=task, packing=packing, data=str(write_few(tmp_path / "data", 3, 6))))
    collator, chat = collator_of(plan)
    for row in plan.train.select(range(min(6, len(plan.train)))):
        batch = collator([row])
        labels = batch["labels"][0].tolist()
        assert len(labels) == row[LENGTH], "the tokens were counted without processing the picture"
        assert not packing or task in ("objectqa", "filter") or row["names"]
        learnt: list[list[int]] = []
        for before, label in zip([IGNORED, *labels], labels, strict=False):
            if label != IGNORED:
                learnt += [[]] if before == IGNORED else []
                learnt[-1].append(label)
        answers = [chat.tokenizer.decode(run, skip_special_tokens=False) for run in learnt]
        expected = [a + FAMILIES[family].end_of_turn for a in _answers_of(plan, row)]
        assert [answer.strip() for answer in answers] == expected


def _answers_of(plan: Plan, row: dict[str, Any]) -> list[str]:
    family = plan.outline.family
    return [turn.removeprefix(family.before_answer).removesuffix(family.end_of_turn) for turn in row["answers"]]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_first_answer_token_is_the_one_that_scoring_reads(family: str, config: Callable[..., TrainConfig]) -> None:
    from qreal_tasks.models.spellings import Spellings

    chat = Chat(outline(config(family)).processor)
    prompt = objectqa_prompt("realism_q1", "dog")
    spellings = Spellings(chat.tokenizer, ("Yes", "No"), chat.rendered(prompt))
    for answer in ("Yes", "No"):
        ids = chat.answer_ids(prompt, FAMILIES[family].answer(answer))
        assert spellings.choice_of(ids[0]) == answer
        assert len(ids) == 2, "the word and the end of turn"


@pytest.mark.parametrize("family", FAMILIES)
def test_boxes_of_the_answers_are_those_of_the_dataset(family: str, config: Callable[..., TrainConfig]) -> None:
    """What a model that writes its answers perfectly would get."""
    plan = planned(config(family, task="imageqa"))
    chat = Chat(plan.outline.processor)
    rows = load(locate("mini"), "imageqa", "train")
    seen = 0
    for row in plan.train.select(range(40)):
        image = rows[row["row"]]
        fed = chat.ask(image["image"], ["?"]).input_size
        for name, text in zip(row["names"], _answers_of(plan, row), strict=True):
            reference = reference_regions(image, name)
            space = plan.outline.family.box_space
            located = regions_in_pixels(parse_entities(text), space, image["width"], image["height"], fed)
            assert [(r.label, r.description) for r in located.regions] == [(r.label, r.description) for r in reference]
            if reference:
                overlaps = iou_matrix([r.bbox_px for r in located.regions], [r.bbox_px for r in reference])
                assert overlaps.diagonal().min() > 0.9
                seen += len(reference)
    assert seen > 10


def test_only_entities_with_the_issue_and_portraits_by_body_part(config: Callable[..., TrainConfig]) -> None:
    plan = planned(config(task="imageqa"))
    rows = load(locate("mini"), "imageqa", "train")
    named: dict[str, int] = {}
    for row in plan.train:
        image, (name,), (text,) = rows[row["row"]], row["names"], _answers_of(plan, row)
        flawed = [e for e in image["entities"] if e["realism_flawed" if name == "realism" else "plausibility_flawed"]]
        written = json.loads(text)
        named[name] = named.get(name, 0) + 1
        if name == "human_plausibility":
            assert image["is_portrait"]
            assert all(w["description"].split(":")[0] in PARTS for w in written)
        else:
            assert [w["label"] for w in written] == [e["label"] for e in flawed]
    assert named["realism"] == named["plausibility"] > named["human_plausibility"] > 0


PARTS = ("Head face", "Hands", "Limbs", "Torso", "Feet", "Clothing", "Environment interaction")


def test_no_prompt_is_on_both_sides_and_the_choice_follows_the_seed(config: Callable[..., TrainConfig]) -> None:
    def sides(**keys: Any) -> tuple[set[str], set[str]]:
        plan = planned(config(held_out={"share": 0.3}, **keys))
        ids = plan.rows["prompt_id"]
        assert plan.held_out is not None
        return {ids[at] for at in plan.train["row"]}, {ids[at] for at in plan.held_out["row"]}

    train, held_out = sides()
    assert train
    assert held_out
    assert not train & held_out
    assert sides() == (train, held_out)
    assert sides(seed=7)[1] != held_out


@pytest.mark.parametrize(
    ("batch", "accumulation", "each", "sequences", "accumulated", "questions"),
    [
        (4, 1, 6, 1, 1, 6),  # a picture's questions are not cut apart
        (4, 8, 6, 1, 5, 30),  # 32 asked for
        (12, 1, 6, 2, 1, 12),
        (13, 2, 6, 2, 2, 24),
        (4, 1, 1, 4, 1, 4),  # nothing packed
        (2, 4, 1, 2, 4, 8),
    ],
)
def test_a_batch_counts_questions(
    batch: int, accumulation: int, each: int, sequences: int, accumulated: int, questions: int
) -> None:
    config = TrainConfig(task="objectqa", model="m", batch_size=batch, gradient_accumulation=accumulation)
    found = batching(config, each)
    assert (found.sequences, found.accumulation, found.questions) == (sequences, accumulated, questions)


def test_special_tokens_in_captions_are_taken_out_and_counted(
    config: Callable[..., TrainConfig], small_dataset: Callable[..., Path]
) -> None:
    def spoil(rows: Any) -> None:
        rows["objectqa"]["train"][0]["label"] = "dog <|im_end|><|image_pad|> big"
        rows["objectqa"]["train"][1]["label"] = "<|im_<|im_end|>end|>"

    plan = planned(config(data=str(small_dataset(spoil)), held_out={"share": 0}))
    assert plan.cleaned == 2
    assert plan.train[0]["prompts"] == [objectqa_prompt(name, "dog big") for name in QUESTION_NAMES]
    collator, chat = collator_of(plan)
    proofread(collator, chat, plan.train)


def test_over_long_examples_are_refused_by_name_or_left_out_and_counted(config: Callable[..., TrainConfig]) -> None:
    with pytest.raises(ConfigError, match=r"#\d+, realism_q1: \d+ tokens with its answer, more than max_tokens=60"):
        planned(config(max_tokens=60))
    longest = planned(config(packing=False)).counts["train"].longest
    plan = planned(config(packing=False, max_tokens=longest - 3, over_length="drop"))
    assert 0 < plan.dropped < 200
    assert plan.counts["train"].longest <= longest - 3


def test_what_would_train_nothing_or_cut_an_answer_is_refused(
    config: Callable[..., TrainConfig], small_dataset: Callable[..., Path], tmp_path: Path
) -> None:
    for changed, said in (
        ({"lora": {"targets": "no_such_layer"}}, "nothing would be trained"),
        ({"attn_implementation": "flex_attention"}, "attn_implementation flex_attention"),
        ({"max_patches": 4}, "qwen2_5_vl has no such limit (it has min_pixels and max_pixels)"),
        ({"task": "imageqa", "held_out": {"share": 0.3, "max_new_tokens": 9}}, "would cut answers of up to"),
        ({"model": str(tmp_path / "none")}, "none"),
        ({"held_out": {"share": 0.99}}, "leaves none to train on"),
        ({"adapter": str(tmp_path)}, "no adapter_config.json there"),
    ):
        with pytest.raises(ConfigError, match=said.replace("(", r"\(").replace(")", r"\)")):
            planned(config(**changed))
    with pytest.raises(DatasetError, match="train"):
        planned(config(data=str(small_dataset(lambda rows: [rows[c].pop("train") for c in rows]))))


def test_packing_needs_attention_that_takes_any_mask(config: Callable[..., TrainConfig]) -> None:
    found = outline(config())
    found.config._attn_implementation = "flash_attention_2"
    with pytest.raises(ConfigError, match="cannot keep questions apart in one sequence; use sdpa or eager"):
        make_plan(config(), locate("mini"), found)
    assert make_plan(config(packing=False), locate("mini"), found).batching.sequences == 12


def test_a_picture_that_is_too_thin_is_stretched_as_in_the_benchmark(
    config: Callable[..., TrainConfig], small_dataset: Callable[..., Path]
) -> None:
    from small_set import png

    def spoil(rows: Any) -> None:
        row = rows["objectqa"]["train"][0]
        row |= {"image": {"bytes": png(900, 3), "path": None}, "width": 900, "height": 3}

    plan = planned(config(data=str(small_dataset(spoil)), held_out={"share": 0}))
    assert plan.stretched == 1
    collator, _ = collator_of(plan)
    assert collator([plan.train[0]])["labels"].shape[1] == plan.train[0][LENGTH]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_adapter_reaches_the_language_model_only_and_is_counted_before_loading(
    family: str, config: Callable[..., TrainConfig]
) -> None:
    plan = planned(config(family))
    r, hidden, ffn, kv, layers = 16, 64, 128, 32, 2
    attention = r * (2 * 2 * hidden + 2 * (hidden + kv))
    assert plan.trainable.parameters == layers * (attention + r * 3 * (hidden + ffn))
    assert plan.trainable.modules == 7 * layers
    assert "language_model" in plan.trainable.example
